/*---
rollup: ingest
group: rollups
interval: 1m
window: 5m
into: rollup_ingest
kinds: [node]
history: 1h
lateness: 1h
columns:
  dimensions: [topic]
  values: [batches, delivered, landed, unchanged, superseded, deleted, control, dead]
timeout: 30s
---*/
select
    topic,
    count(*) as batches,
    sum(delivered)::bigint as delivered,
    sum(landed)::bigint as landed,
    sum(unchanged)::bigint as unchanged,
    sum(superseded)::bigint as superseded,
    sum(deleted)::bigint as deleted,
    sum(control)::bigint as control,
    sum(dead)::bigint as dead
from batch
where committed_at >= window_from() and committed_at < window_to()
group by topic
