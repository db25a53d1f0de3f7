-- A fleet of setting bench.pods pods in 50 clusters, as an installation has it: 50 pods a node, 10 a workload, one
-- container and a half a pod, and of every hundred pods about two that some rule looks at. Rows of one cluster or node do
-- not lie side by side, as they do not after a while of changes.
-- A new ledger keeps what was before its first day in one partition; this one is some days old.
do $$
declare
    old text;
begin
    for old in select t.table_name || '_old' from ledger.partitioned_table as t where t.has_old_partition loop
        execute format('drop table ledger.%I', old);
    end loop;
end
$$;
select ledger.ensure_partitions((now() at time zone 'UTC')::date - 9, (now() at time zone 'UTC')::date + 7);

insert into ledger.cluster (cluster_id, datacenter, cluster, cluster_uid, first_seen_at)
overriding system value
select c, 'dc' || c % 5 + 1, 'prod-' || c, md5('cluster' || c)::uuid::text, now() - interval '400 days'
from generate_series(1, 50) as c;

insert into ledger.freshness (cluster_id, kind, observed_at, landed_at)
select c, kind, now() + interval '1 day', now() from generate_series(1, 50) as c, generate_series(1, 5) as kind;
insert into ledger.emitter_state (cluster_id, kind, shard, epoch, sequence, observed_at)
select c, kind, 0, 1, 1, now() from generate_series(1, 50) as c, generate_series(1, 5) as kind;

insert into ledger.namespace (
    cluster_id, uid, namespace, created_at, labels, annotations, finalizers, phase, conditions,
    row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at
)
select c, md5('namespace' || c || '-' || s)::uuid, case s when 0 then 'kube-system' else 'team-' || s end,
    now() - interval '300 days', jsonb_build_object('kubernetes.io/metadata.name', 'team-' || s), '{}', '{}', 'Active', '[]',
    0, 0, 0, 1, now() - interval '300 days', now(), now()
from generate_series(1, 50) as c, generate_series(0, 200) as s;
-- One namespace of a hundred belongs to nobody.
insert into ledger.namespace_team (cluster_id, namespace, team, valid_from)
select cluster_id, namespace, case namespace when 'kube-system' then 'platform' else 'squad-' || abs(hashtext(namespace)) % 40 end, valid_from
from ledger.namespace where namespace not in ('team-17', 'team-117');

-- Every twentieth node has GPUs; one of five hundred is silent, not ready or short of memory; one of fifty is cordoned.
create temp table new_node as
select
    c as cluster_id,
    k,
    c || '-node-' || k as node,
    md5('node' || c || '-' || k)::uuid as uid,
    now() - interval '60 days' * random() - interval '2 days' as created_at,
    (c * 1000 + k) % 500 as lot,
    k % 20 = 0 as has_gpu
from generate_series(1, 50) as c, generate_series(0, greatest(current_setting('bench.pods')::integer / 2500, 1) - 1) as k;
create temp table node_state as
select
    n.*,
    jsonb_build_object('fleetledger.io/pool', 'pool-' || k % 8, 'kubernetes.io/hostname', node, 'topology.kubernetes.io/zone', 'z' || k % 3,
        'node.kubernetes.io/instance-type', 'm' || k % 3, 'kubernetes.io/arch', 'amd64') as labels,
    (
        select jsonb_agg(jsonb_build_object('type', t.type, 'status', t.status, 'reason', 'Kubelet' || t.type, 'message', 'kubelet says so',
            'last_transition_at', (extract(epoch from created_at) * 1000000)::bigint) order by t.type)
        from (values
            ('DiskPressure', 'False'), ('MemoryPressure', case lot when 3 then 'True' else 'False' end),
            ('PIDPressure', 'False'), ('Ready', case when lot in (1, 2) then 'False' else 'True' end)
        ) as t (type, status)
    ) as conditions,
    case lot when 1 then 'Unknown' when 2 then 'False' else 'True' end as ready_status,
    case lot when 1 then now() - interval '20 minutes' end as heartbeat_stale_since
from new_node as n;
insert into ledger.node (
    cluster_id, uid, node, created_at, labels, annotations, finalizers, unschedulable, taints, conditions, ready_status,
    ready_reason, ready_since, heartbeat_stale_since, addresses, pod_cidrs, kernel_version, os_image, operating_system,
    architecture, container_runtime_version, kubelet_version, kube_proxy_version, boot_id, machine_id, system_uuid,
    capacity_other, allocatable_cpu_millicores, allocatable_memory_bytes, allocatable_gpu_millis, allocatable_pods,
    allocatable_other, row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at
)
select cluster_id, uid, node, created_at, labels, '{}', '{}', lot % 50 = 4, '[]', conditions, ready_status,
    case ready_status when 'True' then 'KubeletReady' else 'NodeStatusUnknown' end, now() - interval '20 minutes', heartbeat_stale_since,
    jsonb_build_array(jsonb_build_object('type', 'InternalIP', 'address', '10.0.0.1')), array['10.1.0.0/24'],
    case when lot = 9 then '6.1.0' else '6.8.0' end, 'Debian 12', 'linux', 'amd64', 'containerd://2.1',
    case when lot = 10 then 'v1.31.2' else 'v1.35.4' end, '', uid::text, uid::text, uid::text, '{}', 64000, 256 * 1024 ^ 3,
    case when has_gpu then 8000 end, 110, '{}', 0, 0, 0, 1, now() - interval '6 hours' * random(), now(), now()
from node_state order by hashtext(uid::text);

-- Two closed versions a node and day of the last week, twelve within the hour of one node in a thousand.
insert into ledger.node_history (
    cluster_id, uid, node, created_at, labels, annotations, finalizers, unschedulable, taints, conditions, ready_status,
    ready_since, addresses, pod_cidrs, kernel_version, os_image, operating_system, architecture,
    container_runtime_version, kubelet_version, kube_proxy_version, boot_id, machine_id, system_uuid, capacity_other,
    allocatable_other, row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at,
    valid_to, closed_reason
)
select cluster_id, uid, node, created_at, labels, '{}', '{}', lot % 50 = 4 and step < 3, '[]', conditions, 'True', from_at, '[]', array['10.1.0.0/24'],
    '6.8.0', 'Debian 12', 'linux', 'amd64', 'containerd://2.1', 'v1.35.4', '',
    case when is_restless then uid::text || step else uid::text end, uid::text, uid::text, '{}', '{}', 0, 0, 0, 1, from_at, from_at, from_at, to_at, 'changed'
from (
    select s.*, false as is_restless, step, now() - (step + 1) * interval '12 hours' - shift as from_at, now() - step * interval '12 hours' - shift as to_at
    from node_state as s, generate_series(0, 13) as step, lateral (select abs(hashtext(s.uid::text)) % 43200 * interval '1 second' as shift) as o
    where s.lot not in (5, 6)
    union all
    select s.*, true, step, now() - (step + 1) * interval '5 minutes', now() - step * interval '5 minutes'
    from node_state as s, generate_series(0, 11) as step
    where s.lot in (5, 6)
) as v;

create temp table new_pod as
select
    n % 50 + 1 as cluster_id,
    n,
    n / 50 as m,
    (n / 50) % nodes as k,
    (n / 50) / nodes as seat,
    (n / 50) % 25 = 0 as is_daemon,
    n % 1000 as lot,
    n / 500 as w
from generate_series(0, current_setting('bench.pods')::integer - 1) as n,
    (select greatest(current_setting('bench.pods')::integer / 2500, 1) as nodes) as s;
insert into ledger.pod (
    cluster_id, uid, namespace, pod, created_at, deletion_requested_at, deletion_grace_seconds, labels, annotations,
    finalizers, node, phase, reason, message, qos_class, priority, owner_kind, owner, owner_uid, workload_kind, workload,
    workload_uid, owner_resolved, service_account, scheduler, restart_policy, host_network, host_pid, host_ipc, host_ip,
    pod_ips, started_at, conditions, scheduled_at, unschedulable_reason, unschedulable_message, ready, ready_since,
    restart_count, request_cpu_millicores, request_memory_bytes, request_gpu_millis, request_other, limit_cpu_millicores,
    limit_memory_bytes, limit_other, overhead_other, host_path_mounts, containers_count, containers_xor_hi,
    containers_xor_lo, body_hash_hi, body_hash_lo, row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from,
    observed_at, landed_at, status, ready_containers, restarts
)
select p.cluster_id, md5('pod' || p.n)::uuid, o.namespace, o.workload || '-' || md5(p.n::text), s.created_at,
    case when p.lot in (30, 31, 32) then now() - case when p.n % 20000 = 30 then interval '20 minutes' else interval '10 seconds' end end,
    case when p.lot in (30, 31, 32) then 30 end,
    jsonb_build_object('app', o.workload, 'app.kubernetes.io/name', o.workload, 'pod-template-hash', md5(p.w::text), 'team', o.namespace),
    '{}', '{}', case when not s.is_unschedulable then p.cluster_id || '-node-' || p.k end, s.phase,
    case when p.lot = 20 then 'Evicted' end, case when p.lot = 20 then 'The node was low on resource: memory.' end,
    'Burstable', 0, case when p.is_daemon then 'DaemonSet' else 'ReplicaSet' end, o.workload, o.workload_uid,
    case when p.is_daemon then 'DaemonSet' else 'Deployment' end, o.workload, o.workload_uid, true, 'default', 'default-scheduler',
    'Always', p.is_daemon or p.n % 20000 = 77, false, false, '10.0.0.1', array['10.1.2.3'], s.created_at,
    jsonb_build_array(
        jsonb_build_object('type', 'ContainersReady', 'status', 'True', 'last_transition_at', s.created_micros),
        jsonb_build_object('type', 'Initialized', 'status', 'True', 'last_transition_at', s.created_micros),
        jsonb_build_object('type', 'PodScheduled', 'status', 'True', 'last_transition_at', s.created_micros),
        jsonb_build_object('type', 'Ready', 'status', 'True', 'last_transition_at', s.created_micros)),
    case when not s.is_unschedulable then s.created_at end, case when s.is_unschedulable then 'Unschedulable' end,
    case when s.is_unschedulable then '0/400 nodes are available: 400 Insufficient cpu.' end, s.phase = 'Running', s.created_at,
    p.lot % 7, 100 + p.lot % 8 * 100, (128 + p.lot % 16 * 128) * 1024 ^ 2, case when p.k % 20 = 0 and p.k <> 20 and p.seat < 7 then 1000 end, '{}', 2000,
    case when p.lot % 10 < 7 then 4 * 1024 ^ 3 end, '{}', '{}',
    case when p.is_daemon then '[{"volume": "host", "path": "/", "writable": true}]'::jsonb else '[]'::jsonb end,
    1 + (p.m + 1) % 2, 0, 0, p.n, p.n, p.n, p.n, 0, 1, greatest(s.created_at, now() - interval '1 day' * random()), now(), now(),
    case when p.lot in (30, 31, 32) then 'Terminating' when p.lot = 20 then 'Evicted' when s.phase = 'Failed' then 'Error'
        when s.phase = 'Succeeded' then 'Completed' else s.phase end,
    case when s.phase = 'Running' then 1 + (p.m + 1) % 2 else 0 end || '/' || 1 + (p.m + 1) % 2, p.lot % 7
from new_pod as p
cross join lateral (
    select
        case when p.is_daemon then 'kube-system' else 'team-' || p.w % 200 + 1 end as namespace,
        case when p.is_daemon then 'agent-' || p.m / 25 % 2 else 'app-' || p.w end as workload,
        md5(case when p.is_daemon then 'daemon' || p.cluster_id || '-' || p.m / 25 % 2 else 'workload' || p.cluster_id || '-' || p.w end)::uuid as workload_uid
) as o
cross join lateral (
    select
        t.created_at,
        (extract(epoch from t.created_at) * 1000000)::bigint as created_micros,
        p.lot between 10 and 12 as is_unschedulable,
        case when p.lot between 10 and 14 then 'Pending' when p.lot between 20 and 24 then 'Failed'
            when p.lot between 40 and 64 then 'Succeeded' else 'Running' end as phase
    from (
        select now() - interval '1 second' * case
            -- Workloads that leak, and those that are rolled out.
            when p.w % 977 = 5 then p.n % 1500
            when p.w % 50 = 3 then p.n % 86400
            else 86400 + p.n * 7919::bigint % 1700000 end as created_at
    ) as t
) as s
order by hashtext(p.n::text);

insert into ledger.container (
    cluster_id, uid, container, namespace, pod, node, container_type, position, image, image_id, container_id, ready,
    started, restart_count, state, reason, message, started_at, last_reason, last_exit_code, last_started_at, last_finished_at,
    request_cpu_millicores, request_memory_bytes, request_other, limit_memory_bytes, limit_other, row_hash_hi, row_hash_lo,
    reader_version, valid_from, observed_at, landed_at
)
select p.cluster_id, p.uid, c.container, p.namespace, p.pod, p.node, 'app', c.position,
    'registry-' || n.w % 3 || '.example.com/' || c.container || '/' || p.workload || ':v' || n.w % 20, 'sha256:' || md5(p.workload), p.uid::text, p.ready, true,
    case when n.lot between 50 and 79 then 9 else 0 end,
    case when p.phase = 'Pending' or n.lot between 70 and 74 then 'waiting' when p.phase = 'Running' then 'running' else 'terminated' end,
    case when n.lot = 13 then 'ImagePullBackOff' when p.phase = 'Pending' then 'ContainerCreating' when n.lot between 70 and 74 then 'CrashLoopBackOff' end,
    case when n.lot between 70 and 74 then 'back-off 5m0s restarting failed container' end, p.started_at,
    case when n.lot between 50 and 59 then 'OOMKilled' when n.lot between 60 and 79 then 'Error' end, case when n.lot between 50 and 79 then 137 end,
    case when n.lot between 50 and 79 then e.ended_at - interval '1 minute' end, case when n.lot between 50 and 79 then e.ended_at end,
    p.request_cpu_millicores / 2, p.request_memory_bytes / 2, '{}', p.limit_memory_bytes, '{}', n.n, n.n, 1, p.valid_from, now(), now()
from ledger.pod as p
join new_pod as n on n.n = p.row_hash_hi
cross join lateral (values ('main', 0), ('proxy', 1)) as c (container, position)
cross join lateral (select now() - interval '1 minute' * (n.n * 7919::bigint % 2000) as ended_at) as e
where c.position = 0 or n.m % 2 = 0;

insert into ledger.workload (
    cluster_id, uid, namespace, workload, workload_kind, created_at, labels, annotations, finalizers, generation, observed_generation,
    desired, current, updated, ready, available, unavailable, paused, suspended, active, schedule, last_scheduled_at,
    last_successful_at, strategy, selector, images, conditions, row_hash_hi, row_hash_lo, writer_schema, reader_version,
    valid_from, observed_at, landed_at
)
select cluster_id, uid, namespace, workload, kind, now() - age, jsonb_build_object('app', workload), '{}', '{}', 3, 3, desired, desired, desired,
    available, available, desired - available, false, false, case kind when 'Job' then 1 end, case kind when 'CronJob' then '0 * * * *' end,
    case kind when 'CronJob' then now() - interval '30 minutes' end, case kind when 'CronJob' then now() - lot % 100 * interval '4 minutes' end,
    'RollingUpdate', jsonb_build_object('app', workload), array['registry.example.com/main/' || workload || ':v1'], '[]', 0, 0, 0, 1,
    now() - least(age, interval '5 days'), now(), now()
from (
    select distinct on (cluster_id, w) cluster_id, md5('workload' || cluster_id || '-' || w)::uuid as uid, 'team-' || w % 200 + 1 as namespace,
        'app-' || w as workload, 'Deployment' as kind, interval '200 days' as age, 10 as desired,
        case when w % 300 = 7 then 3 else 10 end as available, w as lot
    from new_pod where not is_daemon
    union all
    select c, md5('daemon' || c || '-' || d)::uuid, 'kube-system', 'agent-' || d, 'DaemonSet', interval '200 days', 400, 400, d
    from generate_series(1, 50) as c, generate_series(0, 1) as d
    union all
    -- Three namespaces fill with Jobs that nobody removes.
    select c, md5('job' || c || '-' || j)::uuid, case when c <= 3 then 'team-9' else 'team-' || j % 200 + 1 end, 'job-' || j,
        case when j % 5 = 0 then 'CronJob' else 'Job' end, interval '1 minute' * (j % case when c <= 3 then 1400 else 20000 end), null, null, j
    from generate_series(1, 50) as c, generate_series(1, greatest(current_setting('bench.pods')::integer / 1250, 1)) as j
) as w;

insert into ledger.watchdog (
    cluster_id, uid, watchdog, created_at, labels, annotations, finalizers, scope, check_name, suspended, healthy_status, state,
    nodes_desired, nodes_reporting, nodes_ok, nodes_failing, nodes_unknown, failing, conditions, row_hash_hi, row_hash_lo,
    writer_schema, reader_version, valid_from, observed_at, landed_at
)
select c, md5('watchdog' || c || '-' || d)::uuid, 'check-' || d, now() - interval '90 days', '{}', '{}', '{}', 'Node', 'check-' || d, false,
    case when (c * 20 + d) % 100 = 3 then 'False' else 'True' end, case when (c * 20 + d) % 100 = 3 then 'Firing' else 'OK' end, 400,
    case when (c * 20 + d) % 100 = 4 then 399 else 400 end, 398, 2, 0, '[]', '[]', 0, 0, 0, 1, now() - interval '1 day', now(), now()
from generate_series(1, 50) as c, generate_series(1, 20) as d;
