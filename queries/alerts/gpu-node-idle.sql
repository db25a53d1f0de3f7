/*---
alert: GpuNodeIdle
group: headroom
interval: 5m
for: 2h
cooldown: 30m
repeat_interval: 24h
columns: {value: idle_gpus, labels: [datacenter, cluster, node]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "no pod has used the {{ value | count('GPU') }} of {{ labels.node }} of {{ labels.cluster }} for two hours"
  runbook: gpu-node-idle
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    n.datacenter,
    n.cluster,
    n.node,
    n.gpu_allocatable as idle_gpus
from node as n
where n.gpu_allocatable > 0
  and not exists (
      select from pod as p
      where p.datacenter = n.datacenter and p.cluster = n.cluster and p.node = n.node
        and p.gpu_request > 0
        and p.lives
  )
