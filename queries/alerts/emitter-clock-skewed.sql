/*---
alert: EmitterClockSkewed
group: pipeline
interval: 1m
for: 10m
cooldown: 30m
repeat_interval: 4h
columns: {value: skew_seconds, labels: [datacenter, cluster]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "the clock of the emitter of {{ labels.cluster }} is off by {{ value | count }} s"
  runbook: emitter-clock-skewed
freshness: none
---*/
select
    datacenter,
    cluster,
    max(abs(clock_skew_seconds)) as skew_seconds
from emitter
where abs(clock_skew_seconds) > 5
group by datacenter, cluster
