-- Two teams: red has one namespace, blue sixty, with thirty thousand pods in all; every pod has a label of its own.
select ledger.ensure_partitions();
insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values ('dfw', 'a', 'u', '2026-01-01');
insert into ledger.setting (name, value) values ('owners.namespace_label', 'team') on conflict (name) do update set value = excluded.value;
insert into ledger.namespace
select 1, md5('u-' || n)::uuid, null, n, '2026-01-01', null, jsonb_build_object('team', t), '{}', '{}', 'Active', '[]', 1, 1, 1, 1, 1, 1, null,
    '2026-01-01', '2026-01-01', '2026-01-01'
from (select 'ns-red' as n, 'red' as t union all select 'blue-' || substr(md5(i::text), 1, 4), 'blue' from generate_series(1, 60) as i) as f;
select ledger.apply_owners(array[1], '2026-01-01');
insert into ledger.pod (
    cluster_id, uid, namespace, pod, created_at, labels, annotations, finalizers, node, phase, workload_kind, workload,
    workload_uid, owner_resolved, restart_policy, host_network, host_pid, host_ipc, pod_ips, conditions, ready, restart_count,
    request_other, limit_other, overhead_other, host_path_mounts, containers_count, containers_xor_hi, containers_xor_lo,
    row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at
)
select
    1, md5('pod-' || i)::uuid, n.namespace, 'p-' || md5(i::text), '2026-01-01', jsonb_build_object('secret', md5('s' || i)), '{}', '{}', 'node-1', 'Running', 'Deployment', 'web-' || i % 200,
    md5('web-' || i % 200)::uuid, true, 'Always', false, false, false, '{}', '[{"type": "Ready", "status": "True"}]', true, 2, '{}', '{}', '{}',
    '[]', 1, 0, 0, 1, 1, 1, 1, '2026-03-01', '2026-03-01', '2026-03-01'
from generate_series(1, 30000) as i
join (select namespace, row_number() over (order by namespace) as k from ledger.namespace) as n
  on n.k = 1 + (case when i % 3 = 0 then i % 7 else i % 61 end);

