/*---
alert: ImageRestartingAcrossFleet
group: pod-history
interval: 5m
for: 0s
cooldown: 30m
repeat_interval: 4h
columns: {value: containers, labels: [image], annotations: [clusters]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ value | count('container') }} of {{ labels.image }} failed within half an hour, in {{ annotations.clusters | count('cluster') }}"
  runbook: image-restarting-across-fleet
freshness: {by: [datacenter, cluster], max_age: 5m}
---*/
-- One bad image is one page, however many workloads run it.
select
    image,
    count(*) as containers,
    count(distinct (datacenter, cluster))::text as clusters
from container
where ended_at > as_of() - interval '30 minutes'
  and end_exit_code <> 0
group by image
having count(*) >= 10
   and count(distinct (datacenter, cluster)) >= 3
