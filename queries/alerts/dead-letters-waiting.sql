/*---
alert: DeadLettersWaiting
group: pipeline-repair
interval: 5m
for: 0s
cooldown: 30m
repeat_interval: 24h
columns: {value: records, labels: [datacenter, cluster, reason], annotations: [example]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('record') }} of {{ labels.cluster }} could not land ({{ labels.reason }}): {{ annotations.example }}"
  runbook: dead-letters-waiting
freshness: none
---*/
select
    coalesce(datacenter, 'unknown') as datacenter,
    coalesce(cluster, 'unknown') as cluster,
    reason,
    count(*) as records,
    min(detail) as example
from dead_letter
where state = 'open'
  and died_at <= as_of() - interval '5 minutes'
group by 1, 2, 3
