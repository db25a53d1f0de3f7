-- Notes by name what could not be rated, or that it still cannot: a cluster, or the objects that its hour is rated without.
create or replace function ledger.cost_set_aside(of_period text, period_at timestamptz, cluster integer, why text, tried_at timestamptz, without uuid[] default '{}') returns void
language sql
set search_path = ledger, pg_catalog
begin atomic
    insert into ledger.cost_failure as f (period, at, cluster_id, error, failed_since, failed_at, objects)
    values (of_period, period_at, cluster, left(why, 1000), tried_at, tried_at, array(
        select 'node ' || n.node from (
            select n.uid, n.node from ledger.node as n where n.cluster_id = cluster
            union select n.uid, n.node from ledger.node_history as n where n.cluster_id = cluster and n.valid_to > period_at
        ) as n where n.uid = any (without)
        union
        select 'pod ' || p.namespace || '/' || p.pod from (
            select p.uid, p.namespace, p.pod from ledger.pod as p where p.cluster_id = cluster
            union select p.uid, p.namespace, p.pod from ledger.pod_history as p where p.cluster_id = cluster and p.valid_to > period_at
        ) as p where p.uid = any (without)
        order by 1
    ))
    on conflict (period, at, cluster_id) do update set
        error = excluded.error, objects = excluded.objects, failed_at = excluded.failed_at, attempts = f.attempts + 1;
end;
revoke execute on function ledger.cost_set_aside from public;
comment on function ledger.cost_set_aside is 'Notes by name what could not be rated.';
