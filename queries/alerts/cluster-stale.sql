/*---
alert: ClusterStale
group: pipeline
interval: 1m
for: 2m
cooldown: 30m
repeat_interval: 4h
columns: {value: age_seconds, labels: [datacenter, cluster]}
labels: {severity: page, team: platform}
annotations:
  summary: "nothing has been heard of {{ labels.cluster }} for {{ value | duration }}"
  runbook: cluster-stale
freshness: none
---*/
-- Its rows stay as they were; rules that rest on them hold their alerts meanwhile. A dump was sent once: nothing follows.
select
    datacenter,
    cluster,
    coalesce(age_seconds, 0) as age_seconds
from cluster
where state = 'stale'
  and source is distinct from 'dump'
