/*---
report: Pods stuck terminating
description: Pods past their grace period, with possible causes.
---*/
select
    p.datacenter, p.cluster, p.namespace, p.pod, p.node, p.team,
    as_of() - p.deletion_requested_at as terminating,
    n.heartbeat_stale_since is not null as node_silent,
    array_to_string(p.finalizers, ', ') as finalizers,
    (
        select string_agg(m.volume || ' (' || m.path || ')', ', ' order by m.volume)
        from jsonb_to_recordset(p.host_path_mounts) as m (volume text, path text, writable boolean)
        where m.writable
    ) as writable_host_paths
from pod as p
left join node as n using (datacenter, cluster, node)
where p.deletion_requested_at + make_interval(secs => least(coalesce(p.deletion_grace_seconds, 30), 1000000000)) < as_of()
order by p.deletion_requested_at
