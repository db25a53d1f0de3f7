/*---
alert: EmitterOvertaken
group: pipeline
interval: 1m
for: 5m
cooldown: 30m
repeat_interval: 4h
columns: {value: records, labels: [datacenter, cluster]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "records of {{ labels.cluster }} are ignored: its log already has a higher epoch or sequence"
  runbook: emitter-overtaken
freshness: none
---*/
-- An emitter that was deposed says a few words more. Who goes on is a second emitter, or locked out by a forged epoch.
select
    datacenter,
    cluster,
    sum(stale_records)::bigint as records
from emitter
where stale_seen_at > as_of() - interval '2 minutes'
group by datacenter, cluster
