-- As take_lock, without waiting.
create or replace function ledger.try_lock(lock_name text) returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('lock table ledger.%I in exclusive mode nowait', 'lock_' || lock_name);
    return true;
exception when lock_not_available then
    return false;
end
$$;
comment on function ledger.try_lock is 'Takes a lock of ledger.lock_* until the transaction ends; false if another session holds it.';
revoke execute on function ledger.try_lock from public;
