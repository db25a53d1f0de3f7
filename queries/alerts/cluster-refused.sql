/*---
alert: ClusterRefused
group: pipeline
interval: 1m
for: 1m
cooldown: 1h
repeat_interval: 24h
columns: {value: sources, labels: [datacenter]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('cluster') }} of {{ labels.datacenter }} refused: not admitted, or claiming the uid or name of another"
  runbook: cluster-refused
freshness: none
---*/
select
    datacenter,
    count(*) as sources
from quarantine
where reason in ('not_admitted', 'name_taken', 'duplicate_cluster_uid') and released_at is null
group by datacenter
