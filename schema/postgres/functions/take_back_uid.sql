-- Gives a cluster to the true owner of its uid: under its name from now on, and from whatever epoch its emitter has. What
-- the other one wrote is closed by the owner's sweeps.
create or replace function ledger.take_back_uid(own_id integer, own_datacenter text, own_cluster text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform ledger.reset_epoch(own_id, 'uid taken back by its owner');
    update ledger.cluster as c
    set datacenter = own_datacenter, cluster = own_cluster, state = 'active', retired_at = null
    where c.cluster_id = own_id;
end
$$;
comment on function ledger.take_back_uid is 'Gives a cluster to the true owner of its uid.';
