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
  summary: "{{ value | count('pod') }} in {{ annotations.clusters | count('cluster') }} of {{ labels.datacenter }} waiting for {{ labels.resource }}"
  runbook: datacenter-out-of-capacity
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- One full cluster is its own matter; several at once say that the datacenter has no more machines to give.
-- A pod that lacks several resources waits for each of them.
select
    p.datacenter,
    s.resource,
    count(*) as pods,
    count(distinct p.cluster)::text as clusters
from pod as p
cross join lateral (
    select distinct coalesce(found[1], 'pods') as resource
    from regexp_matches(p.unschedulable_message, 'Insufficient ([A-Za-z0-9._/-]*[A-Za-z0-9])|Too many pods', 'g') as found
) as s
where p.phase = 'Pending'
  and p.node is null
group by 1, 2
having count(*) >= 20
   and count(distinct cluster) >= 2
