-- The week before now (setting bench.days before now for the freshness of sources): of every pod ten closed versions in two lives, of every container five, and up to when each source
-- was known minute by minute. A life begins pending and ends with a minute of termination, an hour of it for one of 5,000.
create temp table life as
select p.cluster_id, p.uid, n.n, abs(hashtext(p.uid::text)) % 60480 * interval '1 second' as shift
from ledger.pod as p join new_pod as n on n.n = p.row_hash_hi;
create temp table week as
select l.cluster_id, l.uid, l.n, step, step > 5 as is_former, step in (5, 10) as is_begin, step = 6 as is_end,
    v.to_at - case when step in (5, 10) then interval '3 minutes' when step <> 6 then interval '60480 seconds'
        when l.n % 5000 = 9 then interval '1 hour' else interval '1 minute' end as from_at,
    v.to_at
from life as l
cross join generate_series(1, 10) as step
cross join lateral (
    select now() - l.shift - (step - 1) * interval '60480 seconds' - case when step > 5 then interval '1 hour' else interval '0' end as to_at
) as v;

insert into ledger.pod_history (
    cluster_id, uid, namespace, pod, created_at, deletion_requested_at, deletion_grace_seconds, labels, annotations,
    finalizers, node, phase, owner_kind, owner, owner_uid, workload_kind, workload, workload_uid, owner_resolved,
    restart_policy, host_network, host_pid, host_ipc, pod_ips, conditions, ready, restart_count, request_cpu_millicores,
    request_memory_bytes, request_gpu_millis, request_other, limit_other, overhead_other, host_path_mounts, containers_count,
    containers_xor_hi, containers_xor_lo, row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at,
    landed_at, valid_to, closed_reason
)
select p.cluster_id, case when w.is_former then md5('former-' || p.uid)::uuid else p.uid end, p.namespace, p.pod, now() - interval '9 days',
    case when w.is_end then w.from_at end, case when w.is_end then 30 end, p.labels, p.annotations, p.finalizers, p.node,
    case when w.is_begin then 'Pending' else 'Running' end, p.owner_kind, p.owner, p.owner_uid, p.workload_kind, p.workload, p.workload_uid, true,
    p.restart_policy, p.host_network, false, false, p.pod_ips, p.conditions, not w.is_begin, w.step, p.request_cpu_millicores,
    p.request_memory_bytes, p.request_gpu_millis, '{}', '{}', '{}', p.host_path_mounts, p.containers_count, 0, 0, 0, 0, 0, 1,
    w.from_at, w.from_at, w.from_at, w.to_at, case when w.is_end then 'deleted' else 'changed' end
from week as w join ledger.pod as p using (cluster_id, uid)
where w.from_at > now() - interval '8 days';
-- What stands began when the newest closed version ended.
update ledger.pod as p set valid_from = now() - l.shift from life as l where l.cluster_id = p.cluster_id and l.uid = p.uid;

insert into ledger.container_history (
    cluster_id, uid, container, namespace, pod, node, container_type, position, image, ready, restart_count, state, reason,
    last_reason, last_exit_code, last_finished_at, request_other, limit_other, row_hash_hi, row_hash_lo, reader_version,
    valid_from, observed_at, landed_at, valid_to, closed_reason
)
select c.cluster_id, c.uid, c.container, c.namespace, c.pod, c.node, 'app', c.position, c.image, not w.is_begin, w.step,
    case when w.is_begin then 'waiting' else 'running' end, case when w.is_begin then 'ContainerCreating' end,
    case when w.n % 300 = 7 then 'OOMKilled' end, case when w.n % 300 = 7 then 137 end, case when w.n % 300 = 7 then w.from_at end,
    '{}', '{}', 0, 0, 1, w.from_at, w.from_at, w.from_at, w.to_at, 'changed'
from week as w join ledger.container as c using (cluster_id, uid)
where not w.is_former;
update ledger.container as c set valid_from = now() - l.shift from life as l where l.cluster_id = c.cluster_id and l.uid = c.uid;

insert into ledger.freshness_history (cluster_id, kind, minute_at, observed_at)
select c, kind, minute_at, minute_at + interval '55 seconds'
from generate_series(1, 50) as c, generate_series(1, 5) as kind,
    generate_series(date_trunc('minute', now()) - interval '1 day' * current_setting('bench.days')::numeric - interval '1 hour', now(), interval '1 minute') as minute_at;
-- The fleet was as it is; only pods, containers and nodes have a past.
update ledger.namespace_team set valid_from = now() - interval '100 days';
update ledger.workload set valid_from = now() - interval '100 days';
update ledger.node as n set valid_from = coalesce(
    (select max(h.valid_to) from ledger.node_history as h where h.cluster_id = n.cluster_id and h.uid = n.uid), n.valid_from);
update ledger.cluster set first_seen_at = now() - interval '400 days';
