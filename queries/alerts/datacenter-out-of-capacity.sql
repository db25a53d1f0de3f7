/*---
alert: DatacenterOutOfCapacity
group: fleet
interval: 1m
for: 10m
cooldown: 30m
repeat_interval: 4h
columns: {value: pods, labels: [datacenter, resource], annotations: [clusters]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ value | count }} pods in {{ annotations.clusters }} clusters of {{ labels.datacenter }} wait for {{ labels.resource }}"
  runbook: datacenter-out-of-capacity
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- One full cluster is its own matter; several at once say that the datacenter has no more machines to give.
select
    datacenter,
    substring(unschedulable_message from 'Insufficient ([a-z0-9./-]+[a-z0-9])') as resource,
    count(*) as pods,
    count(distinct cluster)::text as clusters
from pod
where phase = 'Pending'
  and unschedulable_message like '%Insufficient %'
group by 1, 2
having count(*) >= 20
   and count(distinct cluster) >= 2
