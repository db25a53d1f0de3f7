/*---
alert: WatchdogFailingAcrossDatacenters
group: fleet
interval: 1m
for: 2m
cooldown: 30m
repeat_interval: 4h
columns: {value: datacenters, labels: [check_name], annotations: [names]}
labels: {severity: page, team: platform}
annotations:
  summary: "check {{ labels.check_name }} fails in {{ value | count('datacenter') }} at once: {{ annotations.names }}"
  runbook: watchdog-failing-across-datacenters
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
select
    check_name,
    count(distinct datacenter) as datacenters,
    string_agg(distinct datacenter, ', ' order by datacenter) as names
from watchdog
where healthy_status = 'False'
group by check_name
having count(distinct datacenter) >= 3
