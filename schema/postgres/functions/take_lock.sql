-- Takes the lock that table `ledger.lock_<name>` is, until the transaction ends. Advisory locks would not do: every login may
-- take every key of them, and hold it. In exclusive mode a table gives its holder no transaction id, so that a lock that
-- is held for long does not keep vacuum from its work.
create or replace function ledger.take_lock(lock_name text) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5min'
as $$
begin
    execute format('lock table ledger.%I in exclusive mode', 'lock_' || lock_name);
exception when lock_not_available then
    raise exception 'lock "%" was not free within five minutes: held by %', lock_name, coalesce(ledger.lock_holder(lock_name), 'nobody any more')
        using errcode = 'lock_not_available',
            hint = 'Wait for that session, or end it with pg_terminate_backend(pid) if it is stuck; then try again.';
end
$$;
comment on function ledger.take_lock is 'Takes a lock of ledger.lock_* until the transaction ends; after five minutes it fails and names the holder.';
revoke execute on function ledger.take_lock from public;
