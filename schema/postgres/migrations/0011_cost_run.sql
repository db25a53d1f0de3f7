-- Which hours, days and months have been rated, whether nodes and lines add up, and what became known of closed months.

create table ledger.cost_run (
    run_id bigint primary key generated always as identity,
    hour_at timestamptz not null,
    reason text not null check (reason in ('first', 'partial', 'known', 'usage', 'rerate')),
    as_of timestamptz not null,
    known_until timestamptz not null,
    sheet_ids integer[] not null,
    nodes bigint not null,
    pods bigint not null,
    lines bigint not null,
    cost_nanos numeric not null,
    began_at timestamptz not null,
    filled_at timestamptz not null
);
create index cost_run_hour on ledger.cost_run (hour_at);
comment on table ledger.cost_run is 'Every rating of an hour.';
comment on column ledger.cost_run.run_id is 'Number of the run.';
comment on column ledger.cost_run.hour_at is 'Hour it rated.';
comment on column ledger.cost_run.reason is 'Why: first, partial (the hour is running), known (more of its sources is known), usage (late usage came), rerate (somebody asked).';
comment on column ledger.cost_run.as_of is 'Up to when the hour was rated where it was still running.';
comment on column ledger.cost_run.known_until is 'Up to when every source was known.';
comment on column ledger.cost_run.sheet_ids is 'Price sheets it used.';
comment on column ledger.cost_run.nodes is 'Nodes that stood.';
comment on column ledger.cost_run.pods is 'Pods that were charged.';
comment on column ledger.cost_run.lines is 'Lines it wrote.';
comment on column ledger.cost_run.cost_nanos is 'What the nodes cost, in billionths of the currency.';
comment on column ledger.cost_run.began_at is 'When it began.';
comment on column ledger.cost_run.filled_at is 'When it was done.';

create table ledger.cost_hour (
    hour_at timestamptz primary key,
    run_id bigint not null references ledger.cost_run,
    known_until timestamptz not null,
    complete boolean not null,
    partial boolean not null,
    filled_at timestamptz not null,
    fillings integer not null default 1
);
create index cost_hour_incomplete on ledger.cost_hour (hour_at) where not complete;
comment on table ledger.cost_hour is 'Where each hour stands.';
comment on column ledger.cost_hour.hour_at is 'Begin of the UTC hour.';
comment on column ledger.cost_hour.run_id is 'Run that rated it last.';
comment on column ledger.cost_hour.known_until is 'Up to when every source was known then.';
comment on column ledger.cost_hour.complete is 'True if that was to the end of the hour; else it is rated again when more is known.';
comment on column ledger.cost_hour.partial is 'True if the hour was still running.';
comment on column ledger.cost_hour.filled_at is 'When that run began to read: what lands later is not in it.';
comment on column ledger.cost_hour.fillings is 'How many times it was rated.';

create table ledger.cost_day (
    day_at timestamptz primary key,
    hours integer not null,
    filled_at timestamptz not null
);
comment on table ledger.cost_day is 'Days whose daily tables stand.';
comment on column ledger.cost_day.day_at is 'Begin of the UTC day.';
comment on column ledger.cost_day.hours is 'Hours of it that had been rated, of 24.';
comment on column ledger.cost_day.filled_at is 'When its daily rows were made.';

create table ledger.cost_check (
    period text not null check (period in ('hour', 'day')),
    at timestamptz not null,
    cluster_id integer not null,
    node_nanos numeric not null,
    allocated_nanos numeric not null,
    idle_nanos numeric not null,
    system_nanos numeric not null,
    line_allocated_nanos numeric not null,
    line_idle_nanos numeric not null,
    line_system_nanos numeric not null,
    unpriced_ms bigint not null,
    checked_at timestamptz not null,
    unbalanced_since timestamptz,
    primary key (period, at, cluster_id)
);
create index cost_check_unbalanced on ledger.cost_check (at) where unbalanced_since is not null;
comment on table ledger.cost_check is 'Whether nodes and lines add up: read back from the stored rows after every rating.';
comment on column ledger.cost_check.period is 'hour or day.';
comment on column ledger.cost_check.at is 'Begin of the hour or day.';
comment on column ledger.cost_check.cluster_id is 'Cluster; see ledger.cluster.';
comment on column ledger.cost_check.node_nanos is 'What the nodes cost.';
comment on column ledger.cost_check.allocated_nanos is 'Allocated, summed over nodes.';
comment on column ledger.cost_check.idle_nanos is 'Idle, summed over nodes.';
comment on column ledger.cost_check.system_nanos is 'System, summed over nodes.';
comment on column ledger.cost_check.line_allocated_nanos is 'Lines of namespaces, summed.';
comment on column ledger.cost_check.line_idle_nanos is 'Lines __idle__, summed.';
comment on column ledger.cost_check.line_system_nanos is 'Lines __system__, summed.';
comment on column ledger.cost_check.unpriced_ms is 'Time of nodes that no price or capacity is known of, in milliseconds.';
comment on column ledger.cost_check.checked_at is 'When it was last read back.';
comment on column ledger.cost_check.unbalanced_since is 'Since when the sums differ; NULL = they are equal.';

create table ledger.cost_month (
    month_at timestamptz primary key,
    closed_at timestamptz not null,
    closed_by text not null,
    cost_nanos numeric not null
);
comment on table ledger.cost_month is 'Months that were closed: their rows no longer change.';
comment on column ledger.cost_month.month_at is 'Begin of the UTC month.';
comment on column ledger.cost_month.closed_at is 'When it was closed.';
comment on column ledger.cost_month.closed_by is 'Who closed it.';
comment on column ledger.cost_month.cost_nanos is 'What its nodes cost when it was closed, in billionths of the currency.';

create table ledger.cost_adjustment (
    adjustment_id bigint primary key generated always as identity,
    booked_at timestamptz not null,
    hour_at timestamptz not null,
    line_id bigint not null references ledger.cost_line,
    run_id bigint not null references ledger.cost_run,
    cpu_nanos bigint not null,
    memory_nanos bigint not null,
    gpu_nanos bigint not null
);
create index cost_adjustment_hour on ledger.cost_adjustment (hour_at, line_id);
create index cost_adjustment_booked on ledger.cost_adjustment (booked_at);
comment on table ledger.cost_adjustment is 'What became known of closed months: the difference of each line and hour, dated by when it was booked.';
comment on column ledger.cost_adjustment.adjustment_id is 'Number of the adjustment.';
comment on column ledger.cost_adjustment.booked_at is 'When it was booked: it counts in the period that holds this instant.';
comment on column ledger.cost_adjustment.hour_at is 'Hour of the closed month it is about.';
comment on column ledger.cost_adjustment.line_id is 'Line.';
comment on column ledger.cost_adjustment.run_id is 'Run that found it.';
comment on column ledger.cost_adjustment.cpu_nanos is 'Difference of the cost of CPU, in billionths of the currency.';
comment on column ledger.cost_adjustment.memory_nanos is 'Difference of the cost of memory.';
comment on column ledger.cost_adjustment.gpu_nanos is 'Difference of the cost of GPUs.';
