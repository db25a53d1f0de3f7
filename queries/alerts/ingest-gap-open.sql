/*---
alert: IngestGapOpen
group: pipeline-repair
interval: 5m
for: 0s
cooldown: 30m
repeat_interval: 4h
columns: {value: lost_offsets, labels: [topic, partition], annotations: [reason]}
labels: {severity: ticket, team: platform}
annotations:
  summary: "{{ value | count('offset') }} of {{ labels.topic }}/{{ labels.partition }} lost, and no sweep has healed the gap: {{ annotations.reason }}"
  runbook: ingest-gap-open
freshness: none
---*/
-- A complete sweep of every source heals a gap; sweeps come hourly. A batch that cannot be read is told of at once: a
-- broker's disk may be failing.
select
    topic,
    partition::text as partition,
    sum(to_offset - from_offset)::bigint as lost_offsets,
    min(reason) as reason
from gap
where healed_at is null
  and (found_at <= as_of() - interval '2 hours' or starts_with(reason, 'unreadable batch'))
group by topic, partition
