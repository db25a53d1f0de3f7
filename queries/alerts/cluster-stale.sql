/*---
alert: ClusterStale
group: pipeline
interval: 1m
for: 2m
cooldown: 30m
repeat_interval: 4h
columns: {value: age_seconds, labels: [datacenter, cluster], annotations: [cause]}
labels: {severity: page, team: platform}
annotations:
  summary: "nothing was received from {{ labels.cluster }} for {{ value | duration }}{{ annotations.cause }}"
  runbook: cluster-stale
freshness: none
---*/
-- Its rows stay as they were; rules that rest on them hold their alerts meanwhile. A dump was sent once: nothing follows.
select
    c.datacenter,
    c.cluster,
    coalesce(c.age_seconds, 0) as age_seconds,
    coalesce((
        select '; its uid is ' || c.cluster_uid || ', but uid ' || min(q.cluster_uid)
            || ' also sends under its name and is refused: the cluster may have been rebuilt'
        from quarantine as q
        where (q.datacenter, q.cluster) = (c.datacenter, c.cluster)
          and q.reason = 'name_taken' and q.released_at is null
    ), '') as cause
from cluster as c
where c.state = 'stale'
  and c.source is distinct from 'dump'
