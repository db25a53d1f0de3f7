/*---
rollup: cluster
group: rollups
interval: 1m
window: 5m
into: rollup_cluster
kinds: [node, pod]
history: 1h
lateness: 1d
columns:
  dimensions: [datacenter, cluster]
  values: [nodes, nodes_ready, nodes_cordoned, cpu_allocatable_cores, memory_allocatable_bytes, gpu_allocatable, pods, pods_running, pods_ready, pods_pending, pods_failed, cpu_request_cores, memory_request_bytes, gpu_request, restarts]
timeout: 60s
---*/
-- What stood at the end of the window; restarts are how far the counts of pods that changed within it rose.
with nodes as (
    select
        datacenter, cluster,
        count(*) as nodes,
        count(*) filter (where ready_status = 'True' and heartbeat_stale_since is null) as nodes_ready,
        count(*) filter (where unschedulable) as nodes_cordoned,
        sum(cpu_allocatable_cores) filter (where not is_virtual) as cpu_allocatable_cores,
        sum(memory_allocatable_bytes) filter (where not is_virtual) as memory_allocatable_bytes,
        sum(gpu_allocatable) filter (where not is_virtual) as gpu_allocatable
    from node_history
    where valid_from < window_to() and (valid_to >= window_to() or valid_to is null)
    group by datacenter, cluster
),
-- What nodes without a machine behind them could give is nobody's room, nor is what pods there request taken from any.
virtual as (
    select distinct datacenter, cluster, node
    from node_history
    where valid_from < window_to() and (valid_to >= window_to() or valid_to is null) and is_virtual
),
pods as (
    select
        datacenter, cluster,
        count(*) as pods,
        count(*) filter (where phase = 'Running') as pods_running,
        count(*) filter (where ready) as pods_ready,
        count(*) filter (where phase = 'Pending') as pods_pending,
        count(*) filter (where phase = 'Failed') as pods_failed,
        sum(cpu_request_cores) filter (where lives and v.node is null) as cpu_request_cores,
        sum(memory_request_bytes) filter (where lives and v.node is null) as memory_request_bytes,
        sum(gpu_request) filter (where lives and v.node is null) as gpu_request
    from pod_history
    left join virtual as v using (datacenter, cluster, node)
    where valid_from < window_to() and (valid_to >= window_to() or valid_to is null)
    group by datacenter, cluster
),
risen as (
    select datacenter, cluster, max(restart_count)::bigint - min(restart_count) as restarts
    from pod_history
    where valid_from < window_to() and (valid_to > window_from() or valid_to is null)
      and (valid_from >= window_from() or valid_to < window_to())
    group by datacenter, cluster, uid
),
restarts as (
    select datacenter, cluster, sum(restarts)::bigint as restarts
    from risen
    group by datacenter, cluster
)
select
    datacenter, cluster,
    coalesce(n.nodes, 0) as nodes,
    coalesce(n.nodes_ready, 0) as nodes_ready,
    coalesce(n.nodes_cordoned, 0) as nodes_cordoned,
    n.cpu_allocatable_cores, n.memory_allocatable_bytes, n.gpu_allocatable,
    coalesce(p.pods, 0) as pods,
    coalesce(p.pods_running, 0) as pods_running,
    coalesce(p.pods_ready, 0) as pods_ready,
    coalesce(p.pods_pending, 0) as pods_pending,
    coalesce(p.pods_failed, 0) as pods_failed,
    p.cpu_request_cores, p.memory_request_bytes, p.gpu_request,
    coalesce(r.restarts, 0) as restarts
from nodes as n
full join pods as p using (datacenter, cluster)
left join restarts as r using (datacenter, cluster)
