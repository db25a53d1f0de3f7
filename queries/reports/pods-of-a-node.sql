/*---
report: What runs on a node
description: Pods bound to one node that have not ended, the largest first.
parameters:
- {name: node, type: text, help: Node name.}
---*/
select datacenter, cluster, namespace, pod, team, workload_kind, workload, status, ready_containers, restarts, cpu_request_cores, memory_request_bytes, gpu_request, created_at
from pod
where node = :'node'
  and lives
order by memory_request_bytes desc nulls last
