/*---
alert: WatchdogSilent
group: watchdogs
interval: 1m
for: 10m
cooldown: 30m
repeat_interval: 4h
columns: {value: silent_nodes, labels: [datacenter, cluster, watchdog], annotations: [desired_nodes]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "watchdog {{ labels.watchdog }} of {{ labels.cluster }} has no result from {{ value | count }} of {{ annotations.desired_nodes | count('node') }}"
  runbook: watchdog-silent
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    datacenter,
    cluster,
    watchdog,
    nodes_desired - coalesce(nodes_reporting, 0) as silent_nodes,
    nodes_desired::text as desired_nodes
from watchdog
where not suspended
  and coalesce(nodes_reporting, 0) < nodes_desired
