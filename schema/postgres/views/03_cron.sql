-- script: both
create function {schema}.cron_next(schedule text, time_zone text, after timestamptz) returns timestamptz
language sql immutable parallel unsafe
return ledger.cron_next(schedule, time_zone, after);
comment on function {schema}.cron_next is 'When a schedule in cron format is due next after an instant, as Kubernetes decides it (clock changes included); UTC where time_zone is NULL. NULL if it is never due within five years, cannot be read, or the zone is unknown.';
