-- view: emitter
-- forms: live
-- The newest record of each emitter's log, with the skew of its clock.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    k.kind, -- node, pod, namespace, workload, watchdog or usage.
    e.shard, -- Shard of the topic.
    e.epoch, -- Leadership term of the emitter; a new leader has a higher one.
    e.sequence, -- Number of its newest record.
    e.observed_at, -- When that was observed.
    e.clock_skew_seconds, -- Its clock minus Kafka's, in seconds; more than 5 either way is a fault.
    e.stale_records, -- Records of deposed emitters seen, all superseded.
    e.stale_seen_at -- When the newest of them landed; NULL = there was none.
from ledger.emitter_state as e
join ledger.cluster as l using (cluster_id)
join (values (1, 'node'), (2, 'pod'), (3, 'namespace'), (4, 'workload'), (5, 'watchdog'), (6, 'usage')) as k (number, kind)
    on k.number = e.kind
