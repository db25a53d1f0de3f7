-- What of cost could not be made: one cluster whose objects break the arithmetic does not keep the others from theirs.

create table ledger.cost_failure (
    period text not null check (period in ('hour', 'day')),
    at timestamptz not null,
    cluster_id integer not null,
    error text not null,
    failed_since timestamptz not null,
    failed_at timestamptz not null,
    attempts integer not null default 1,
    primary key (period, at, cluster_id)
);
comment on table ledger.cost_failure is 'Hours of clusters that could not be rated, and days that could not be summed; a row goes once they were.';
comment on column ledger.cost_failure.period is 'hour or day.';
comment on column ledger.cost_failure.at is 'Begin of the hour or day.';
comment on column ledger.cost_failure.cluster_id is 'Cluster; see ledger.cluster. 0 = the whole hour or day: no cluster alone is at fault.';
comment on column ledger.cost_failure.error is 'What the database said.';
comment on column ledger.cost_failure.failed_since is 'When it was first tried.';
comment on column ledger.cost_failure.failed_at is 'When it was last tried.';
comment on column ledger.cost_failure.attempts is 'How many times it was tried.';
