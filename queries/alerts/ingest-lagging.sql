/*---
alert: IngestLagging
group: pipeline
interval: 1m
for: 10m
cooldown: 30m
repeat_interval: 4h
columns: {value: records_behind, labels: [topic], annotations: [halted]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ value | count('record') }} of {{ labels.topic }} waiting to land; {{ annotations.halted }}"
  runbook: ingest-lagging
freshness: none
---*/
select
    topic,
    sum(lag)::bigint as records_behind,
    coalesce(max(halted_reason), 'no partition is halted') as halted
from ingest_partition
group by topic
having sum(lag) >= 50000
