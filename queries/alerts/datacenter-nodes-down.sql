/*---
alert: DatacenterNodesDown
group: fleet
interval: 1m
for: 3m
cooldown: 30m
repeat_interval: 4h
columns: {value: silent_nodes, labels: [datacenter], annotations: [all_nodes]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ value | count }} of {{ annotations.all_nodes | count('node') }} of {{ labels.datacenter }} {{ 'is' if value == 1 else 'are' }} silent"
  runbook: datacenter-nodes-down
freshness: {by: [datacenter, cluster], max_age: 5m}
inhibits: [{target: {alertname: [NodeNotReporting, NodeNotReady]}, equal: [datacenter]}]
---*/
select
    datacenter,
    count(*) filter (where heartbeat_stale_since is not null) as silent_nodes,
    count(*)::text as all_nodes
from node
group by datacenter
having count(*) filter (where heartbeat_stale_since is not null) >= 5
   and count(*) filter (where heartbeat_stale_since is not null) * 10 >= count(*)
