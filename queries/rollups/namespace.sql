/*---
rollup: namespace
group: rollups
interval: 1m
window: 1h
into: rollup_namespace
kinds: [pod, namespace]
history: 1d
lateness: 7d
columns:
  dimensions: [datacenter, cluster, namespace, team]
  values: [pods, pods_running, pods_ready, pods_pending, pods_failed, cpu_request_cores, memory_request_bytes, gpu_request, restarts]
timeout: 60s
---*/
-- As rollup cluster, by namespace and hour.
with pods as (
    select
        datacenter, cluster, namespace,
        count(*) as pods,
        count(*) filter (where phase = 'Running') as pods_running,
        count(*) filter (where ready) as pods_ready,
        count(*) filter (where phase = 'Pending') as pods_pending,
        count(*) filter (where phase = 'Failed') as pods_failed,
        sum(cpu_request_cores) filter (where lives) as cpu_request_cores,
        sum(memory_request_bytes) filter (where lives) as memory_request_bytes,
        sum(gpu_request) filter (where lives) as gpu_request
    from pod_history
    where valid_from < window_to() and (valid_to >= window_to() or valid_to is null)
    group by datacenter, cluster, namespace
),
risen as (
    select datacenter, cluster, namespace, max(restart_count)::bigint - min(restart_count) as restarts
    from pod_history
    where valid_from < window_to() and (valid_to > window_from() or valid_to is null)
      and (valid_from >= window_from() or valid_to < window_to())
    group by datacenter, cluster, namespace, uid
),
restarts as (
    select datacenter, cluster, namespace, sum(restarts)::bigint as restarts
    from risen
    group by datacenter, cluster, namespace
),
-- A namespace that was made again under its name stands twice for a moment.
owners as (
    select datacenter, cluster, namespace, max(team) as team
    from namespace
    group by datacenter, cluster, namespace
)
select
    datacenter, cluster, namespace, o.team,
    coalesce(p.pods, 0) as pods,
    coalesce(p.pods_running, 0) as pods_running,
    coalesce(p.pods_ready, 0) as pods_ready,
    coalesce(p.pods_pending, 0) as pods_pending,
    coalesce(p.pods_failed, 0) as pods_failed,
    p.cpu_request_cores, p.memory_request_bytes, p.gpu_request,
    coalesce(r.restarts, 0) as restarts
from pods as p
full join restarts as r using (datacenter, cluster, namespace)
left join owners as o using (datacenter, cluster, namespace)
