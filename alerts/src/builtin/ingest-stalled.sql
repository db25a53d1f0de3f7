/*---
alert: IngestStalled
group: pipeline
interval: 1m
for: 1m
cooldown: 30m
repeat_interval: 1h
columns: {value: silent_seconds, labels: []}
labels: {severity: page, team: platform}
annotations:
  summary: "nothing has landed for {{ value | duration }}: every cluster will look stale"
  runbook: ingest-stalled
freshness: none
inhibits:
  - target: {alertname: [ClusterStale]}
---*/
-- Every cluster sends marks each minute, so silence of all of them at once is our own.
select extract(epoch from as_of() - max(progressed_at)) as silent_seconds
from ingest_partition
having max(progressed_at) <= as_of() - interval '3 minutes'
