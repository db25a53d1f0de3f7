-- Clusters of a datacenter that were taken in within the hour without being admitted. Datacenters that are themselves younger
-- share one count: their names are as cheap as those of clusters.
create or replace function ledger.new_clusters(own_datacenter text) returns bigint
language sql
stable
set search_path = pg_catalog, pg_temp
as $$
    select count(*) from ledger.cluster as c
    where c.first_seen_at > now() - interval '1 hour'
      and not exists (select from ledger.cluster_admission as a where a.cluster_uid = c.cluster_uid)
      and case
          when ledger.is_old_datacenter(own_datacenter) then c.datacenter = own_datacenter
          else not ledger.is_old_datacenter(c.datacenter)
      end
$$;
comment on function ledger.new_clusters is 'Clusters beside which a new one of that datacenter counts against the limit of the hour.';
