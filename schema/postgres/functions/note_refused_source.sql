-- Shows a source that is refused, in ledger.quarantine. At most 100 at a time: names are invented faster than anybody reads.
create or replace function ledger.note_refused_source(
    own_datacenter text, own_cluster text, own_uid text, refusal text
) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    insert into ledger.quarantine (datacenter, cluster, cluster_uid, reason, detail)
    select own_datacenter, own_cluster, own_uid,
        case refusal when 'duplicate' then 'duplicate_cluster_uid' else refusal end,
        case refusal
            when 'duplicate' then 'cluster uid belongs to ' || c.datacenter || '/' || c.cluster
                || '; if the cluster was renamed run `fleetledger clusters rename`, if it is the true owner run '
                || '`fleetledger clusters admit`, else one of the two emitters is misconfigured'
            when 'name_taken' then 'the name belongs to uid ' || coalesce(n.cluster_uid, 'of another cluster')
                || '; if the cluster was rebuilt run `fleetledger clusters retire` with that uid, else one of the two emitters '
                || 'is misconfigured'
            else 'not admitted: clusters must be listed, or too many new ones came within the hour; if it is yours run '
                || '`fleetledger clusters admit ' || own_datacenter || '/' || own_cluster || ' ' || own_uid || '`'
        end
    from (select) as one
    left join ledger.cluster as c on c.cluster_uid = own_uid
    left join ledger.cluster as n
        on (n.datacenter, n.cluster) = (own_datacenter, own_cluster) and n.cluster_uid <> own_uid and n.state = 'active'
    where (
        select count(*) from ledger.quarantine as q
        where q.released_at is null and q.reason in ('not_admitted', 'name_taken', 'duplicate_cluster_uid')
    ) < 100
    on conflict do nothing
$$;
comment on function ledger.note_refused_source is 'Shows a source that is refused, in ledger.quarantine; at most 100 at a time.';
