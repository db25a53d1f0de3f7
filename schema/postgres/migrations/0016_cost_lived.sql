-- When what a line is charged for began and ended: an average is one over the time that was lived, not over the window
-- somebody asks for. Hours that were rated before have neither, and count as whole.

alter table ledger.cost_hourly
    add column first_at timestamptz,
    add column last_at timestamptz;
comment on column ledger.cost_hourly.first_at is 'When the first life that it is the sum of began within the hour, of idle and system when the first node did; NULL = rated before this was kept.';
comment on column ledger.cost_hourly.last_at is 'When the last one ended within the hour, exclusive.';

alter table ledger.cost_daily
    add column first_at timestamptz,
    add column last_at timestamptz;
comment on column ledger.cost_daily.first_at is 'When the first life that it is the sum of began within the day; NULL = rated before this was kept.';
comment on column ledger.cost_daily.last_at is 'When the last one ended within the day, exclusive.';

alter table ledger.cost_namespace_daily
    add column first_at timestamptz,
    add column last_at timestamptz;
comment on column ledger.cost_namespace_daily.first_at is 'When the first life that it is the sum of began within the day; NULL = rated before this was kept.';
comment on column ledger.cost_namespace_daily.last_at is 'When the last one ended within the day, exclusive.';
