/*---
alert: SweepHeld
group: pipeline
interval: 1m
for: 1m
cooldown: 30m
repeat_interval: 4h
columns: {value: objects, labels: [datacenter, cluster]}
labels: {severity: page, team: platform}
annotations:
  summary: "a sweep of {{ labels.cluster }} would close {{ value | count('object') }}; it is held until a second one agrees"
  runbook: sweep-held
freshness: none
---*/
-- Most of a cluster is gone at once, or somebody else writes in its name.
select
    datacenter,
    cluster,
    sum(held_objects)::bigint as objects
from sweep
where state = 'held'
group by datacenter, cluster
