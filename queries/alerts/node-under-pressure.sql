/*---
alert: NodeUnderPressure
group: node-health
interval: 1m
for: 10m
cooldown: 30m
repeat_interval: 4h
columns: {value: pressure_seconds, labels: [datacenter, cluster, node, condition], annotations: [message]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} has {{ labels.condition }}: {{ annotations.message }}"
  runbook: node-under-pressure
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    node,
    condition,
    extract(epoch from as_of() - last_transition_at) as pressure_seconds,
    coalesce(message, 'no message') as message
from node_condition
where condition in ('MemoryPressure', 'DiskPressure', 'PIDPressure')
  and status = 'True'
