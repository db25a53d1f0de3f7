/*---
alert: WatchdogFailing
group: watchdogs
interval: 1m
for: 0s
cooldown: 30m
repeat_interval: 4h
columns: {value: failing_nodes, labels: [datacenter, cluster, watchdog, check_name], annotations: [example]}
labels: {severity: page, team: platform}
annotations:
  summary: "watchdog {{ labels.watchdog }} of {{ labels.cluster }} fails on {{ value | count('node') }}: {{ annotations.example }}"
  runbook: watchdog-failing
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- The watchdog has waited out its own `for`, and knows its snooze.
select
    datacenter,
    cluster,
    watchdog,
    check_name,
    coalesce(nodes_failing, 0) as failing_nodes,
    coalesce(failing -> 0 ->> 'node', 'no node') || ': ' || coalesce(failing -> 0 ->> 'message', 'no message') as example
from watchdog
where state = 'Firing'
