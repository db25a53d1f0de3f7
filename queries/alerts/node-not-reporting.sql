/*---
alert: NodeNotReporting
group: node-health
interval: 1m
for: 5m
cooldown: 30m
repeat_interval: 4h
columns: {value: silent_seconds, labels: [datacenter, cluster, node], annotations: [reason]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} has been silent for {{ value | duration }}"
  runbook: node-not-reporting
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    node,
    extract(epoch from as_of() - heartbeat_stale_since) as silent_seconds,
    coalesce(ready_reason, 'none') as reason
from node
where heartbeat_stale_since is not null
