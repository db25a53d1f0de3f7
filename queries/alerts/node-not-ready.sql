/*---
alert: NodeNotReady
group: node-health
interval: 1m
for: 10m
cooldown: 30m
repeat_interval: 4h
columns: {value: unready_seconds, labels: [datacenter, cluster, node], annotations: [reason]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ labels.node }} of {{ labels.cluster }} reports that it is not ready: {{ annotations.reason }}"
  runbook: node-not-ready
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- A node that still renews its Lease and says it is not ready; silent nodes are NodeNotReporting's.
select
    datacenter,
    cluster,
    node,
    extract(epoch from as_of() - coalesce(ready_since, created_at)) as unready_seconds,
    coalesce(ready_reason, 'no condition Ready') as reason
from node
where ready_status is distinct from 'True'
  and heartbeat_stale_since is null
  and created_at <= as_of() - interval '15 minutes'
