/*---
record: fleet_allocatable
group: fleet-slow
interval: 5m
help: "Allocatable resources of the nodes that accept pods, without virtual nodes: CPU cores, bytes of memory, GPU cards."
type: gauge
columns: {values: [cpu_cores, memory_bytes, gpu_cards], labels: [datacenter, cluster, pool]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    coalesce(labels ->> 'fleetledger.io/pool', labels ->> 'node.kubernetes.io/instance-type', 'none') as pool,
    coalesce(sum(cpu_allocatable_cores), 0) as cpu_cores,
    coalesce(sum(memory_allocatable_bytes), 0) as memory_bytes,
    coalesce(sum(gpu_allocatable), 0) as gpu_cards
from node
where not unschedulable and not is_virtual
group by 1, 2, 3
