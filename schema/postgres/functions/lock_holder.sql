-- Who holds a lock of ledger.lock_*, for an error that says whom to wait for.
create or replace function ledger.lock_holder(lock_name text) returns text
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
begin atomic
    select string_agg(format('pid %s (role %s, %s)', l.pid, a.usename, coalesce(nullif(a.application_name, ''), 'unnamed')), ', ' order by l.pid)
    from pg_locks as l
    left join pg_stat_activity as a on a.pid = l.pid
    where l.locktype = 'relation' and l.granted and l.mode = 'ExclusiveLock'
      and l.database = (select d.oid from pg_database as d where d.datname = current_database())
      and l.relation = to_regclass(format('ledger.%I', 'lock_' || lock_name));
end;
comment on function ledger.lock_holder is 'The sessions that hold a lock of ledger.lock_*; null if none does.';
revoke execute on function ledger.lock_holder from public;
