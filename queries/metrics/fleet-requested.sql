/*---
record: fleet_requested
group: fleet-slow
interval: 5m
help: "Resources requested by pods that have not ended, without those on virtual nodes: CPU cores, bytes of memory, GPU cards."
type: gauge
columns: {values: [cpu_cores, memory_bytes, gpu_cards], labels: [datacenter, cluster]}
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    coalesce(sum(cpu_request_cores), 0) as cpu_cores,
    coalesce(sum(memory_request_bytes), 0) as memory_bytes,
    coalesce(sum(gpu_request), 0) as gpu_cards
from pod
where lives
  and not exists (
      select from node as n
      where n.datacenter = pod.datacenter and n.cluster = pod.cluster and n.node = pod.node and n.is_virtual
  )
group by datacenter, cluster
