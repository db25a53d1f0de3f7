-- view: balance
-- forms: live
-- Whether the ledger equals the cluster, compared at every mark (each minute) and by the table sum.
select
    l.datacenter, -- Name of the datacenter.
    l.cluster, -- Name of the cluster.
    k.kind, -- node, pod, namespace, workload or watchdog.
    least(sum(b.mark_count), 9223372036854775807)::bigint as in_cluster, -- Living objects the emitter counted at its newest mark.
    least(sum(b.fold_at_mark_count), 9223372036854775807)::bigint as in_ledger, -- Living objects delivered up to that mark.
    max(t.table_count) as in_table, -- Rows that stood at the newest table sum.
    max(t.dead_count) as dead, -- Objects whose newest record is a dead letter.
    (
        coalesce(bool_and((b.mark_count, b.mark_hi, b.mark_lo)
            is not distinct from (b.fold_at_mark_count, b.fold_at_mark_hi, b.fold_at_mark_lo)), true)
        and coalesce(bool_and(t.agrees), true)
    ) as balanced, -- True if counts and digests agree; NULL digests (no mark yet) agree.
    greatest(max(b.mark_at), max(t.checked_at)) as checked_at, -- When it was last compared.
    least(min(b.mismatch_since), min(t.disagrees_since)) as unbalanced_since -- Since when it is not balanced.
from ledger.balance as b
join ledger.cluster as l using (cluster_id)
join (values (1, 'node'), (2, 'pod'), (3, 'namespace'), (4, 'workload'), (5, 'watchdog')) as k (number, kind)
    on k.number = b.kind
left join ledger.table_sum as t on t.cluster_id = b.cluster_id and t.kind = b.kind
where l.state = 'active'
group by l.datacenter, l.cluster, k.kind
