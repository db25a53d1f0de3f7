/*---
alert: EmitterKindSilent
group: pipeline
interval: 1m
for: 2m
cooldown: 30m
repeat_interval: 4h
columns: {value: behind_seconds, labels: [datacenter, cluster, kind]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ labels.kind }} of {{ labels.cluster }} is {{ value | duration }} behind its other kinds"
  runbook: emitter-kind-silent
freshness: none
---*/
-- One kind is not heard of while others are: a watch that hangs, a right that is missing, a topic that is full.
-- Usage comes in windows of minutes, or not at all where it is switched off: usage_coverage tells of it. Of a dump nothing
-- follows, and a later one may hold fewer kinds.
with newest as (
    select datacenter, cluster, max(observed_at) as observed_at
    from freshness
    group by datacenter, cluster
)
select
    f.datacenter,
    f.cluster,
    f.kind,
    extract(epoch from n.observed_at - f.observed_at) as behind_seconds
from freshness as f
join newest as n using (datacenter, cluster)
join cluster as c using (datacenter, cluster)
where not f.retired
  and c.source is distinct from 'dump'
  and f.kind <> 'usage'
  and n.observed_at - f.observed_at >= interval '10 minutes'
