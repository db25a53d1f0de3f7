-- Notes by name what could not be rated, or that it still cannot.
create or replace function ledger.cost_set_aside(of_period text, period_at timestamptz, cluster integer, why text, tried_at timestamptz) returns void
language sql
set search_path = ledger, pg_catalog
begin atomic
    insert into ledger.cost_failure as f (period, at, cluster_id, error, failed_since, failed_at)
    values (of_period, period_at, cluster, left(why, 1000), tried_at, tried_at)
    on conflict (period, at, cluster_id) do update set
        error = excluded.error, failed_at = excluded.failed_at, attempts = f.attempts + 1;
end;
revoke execute on function ledger.cost_set_aside from public;
comment on function ledger.cost_set_aside is 'Notes by name what could not be rated.';
