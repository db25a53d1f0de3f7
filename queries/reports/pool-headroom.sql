/*---
report: Headroom of the pools
description: Allocatable minus requested resources, by pool, without virtual nodes.
---*/
with demand as (
    select datacenter, cluster, node, sum(cpu_request_cores) as cores, sum(memory_request_bytes) as bytes, sum(gpu_request) as cards
    from pod
    where lives and node is not null
    group by datacenter, cluster, node
)
select
    n.datacenter, n.cluster,
    coalesce(n.labels ->> 'fleetledger.io/pool', n.labels ->> 'node.kubernetes.io/instance-type', 'none') as pool,
    count(*) as nodes,
    sum(n.cpu_allocatable_cores) - coalesce(sum(d.cores), 0) as free_cpu_cores,
    pg_size_pretty(sum(n.memory_allocatable_bytes) - coalesce(sum(d.bytes), 0)) as free_memory,
    coalesce(sum(n.gpu_allocatable), 0) - coalesce(sum(d.cards), 0) as free_gpu_cards
from node as n
left join demand as d using (datacenter, cluster, node)
where not n.unschedulable and n.ready_status = 'True' and not n.is_virtual
group by 1, 2, 3
order by 1, 2, 3
