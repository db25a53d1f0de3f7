-- Whether a datacenter is no news: it has a cluster that is older than an hour, or one that was admitted.
create or replace function ledger.is_old_datacenter(own_datacenter text) returns boolean
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from ledger.cluster as c
        where c.datacenter = own_datacenter and c.first_seen_at <= now() - interval '1 hour' and c.state <> 'forgotten'
    ) or exists (select from ledger.cluster_admission as a where a.datacenter = own_datacenter)
$$;
comment on function ledger.is_old_datacenter is 'Whether a datacenter has a cluster that is older than an hour, or one that was admitted.';
