-- view: sweep
-- forms: live
-- The newest sweep of each cluster and kind: a full comparison with the API server.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    k.kind, -- node, pod, namespace, workload or watchdog.
    s.shard, -- Shard of the topic.
    s.state, -- running, complete, void: it had a hole and closed nothing, or held: it would have closed too much, and a second one must agree.
    s.void_reason, -- Why it is void.
    s.begin_at, -- When it began, by the emitter's clock.
    s.end_at, -- When it ended, by the emitter's clock.
    s.objects, -- Objects it named.
    s.closed_objects, -- Objects closed because it did not name them.
    s.missed_changes, -- Changes the watches had missed.
    s.held_objects, -- Objects it would have closed, where it is held.
    case when s.state = 'held' then s.held_at end as held_at -- Since when it is held.
from ledger.sweep as s
join ledger.cluster as l using (cluster_id)
join (values (1, 'node'), (2, 'pod'), (3, 'namespace'), (4, 'workload'), (5, 'watchdog')) as k (number, kind)
    on k.number = s.kind
