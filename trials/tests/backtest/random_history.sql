-- Nine hours in the life of four clusters, at random: objects that change, break, recover and go; sources that fall silent.
create function pg_temp.pick(variadic choices text[]) returns text
language sql volatile as 'select choices[1 + floor(random() * cardinality(choices))::integer]';

insert into ledger.cluster (cluster_id, datacenter, cluster, cluster_uid, first_seen_at)
overriding system value
select c, 'dc' || least(c, 3), 'cluster-' || c, 'uid-' || c, '2025-01-01' from generate_series(1, 4) as c;

insert into ledger.freshness
select c, kind, '2026-01-01 09:00Z', '2026-01-01 09:00Z' from generate_series(1, 4) as c, generate_series(1, 5) as kind;
-- Each cluster is silent for half an hour or so, twice; its kinds not quite alike.
insert into ledger.freshness_history (cluster_id, kind, minute_at, observed_at)
select c, kind, minute_at, minute_at + interval '50 seconds'
from generate_series(1, 4) as c
cross join lateral (
    select timestamptz '2026-01-01 01:00Z' + c * random() / c * interval '3 hours' as one_at,
        timestamptz '2026-01-01 04:00Z' + c * random() / c * interval '3 hours' as other_at
) as s
cross join generate_series(1, 5) as kind
cross join generate_series(timestamptz '2025-12-31 23:00Z', '2026-01-01 09:00Z', interval '1 minute') as minute_at
where minute_at not between one_at and one_at + interval '20 minutes' + kind * interval '1 minute'
  and minute_at not between other_at and other_at + interval '35 minutes';

-- When each version of each object begins and ends; one that does not end stands.
create temp table version as
select
    c as cluster_id,
    kind,
    object,
    kind || '-' || c || '-' || object as name,
    v.from_at,
    coalesce(
        lead(v.from_at) over (partition by c, kind, object order by v.from_at),
        case when object % 3 = 0 then v.from_at + interval '1 hour' end
    ) as to_at
from generate_series(1, 4) as c
cross join (values ('node', 6), ('pod', 40), ('namespace', 5), ('workload', 12), ('watchdog', 3)) as k (kind, objects)
cross join lateral generate_series(1, objects) as object
cross join lateral (
    select timestamptz '2026-01-01 00:00Z' + random() * interval '9 hours' as from_at
    from generate_series(1, 3 + object % 5 + 0 * c)
) as v;

create temp table body as
select
    v.*,
    jsonb_build_object(
        'cluster_id', v.cluster_id, 'uid', md5(v.name)::uuid, 'labels', '{}'::jsonb, 'annotations', '{}'::jsonb, 'finalizers', '[]'::jsonb,
        'conditions', '[]'::jsonb, 'row_hash_hi', 0, 'row_hash_lo', 0, 'writer_schema', 0, 'reader_version', 1,
        'valid_from', v.from_at, 'observed_at', v.from_at, 'landed_at', v.from_at, 'valid_to', v.to_at,
        'closed_reason', 'changed', 'created_at', v.from_at - pg_temp.pick('1 minute', '20 minutes', '10 days')::interval,
        'deletion_requested_at', pg_temp.pick(null, null, (v.from_at - interval '40 minutes')::text),
        'namespace', 'app-' || v.object % 5 + 1
    ) as common
from version as v;

create temp table filled as
select kind, to_at, common || jsonb_build_object(
    'node', name, 'unschedulable', pg_temp.pick('true', 'false', 'false'), 'taints', '[]'::jsonb,
    'conditions', pg_temp.pick('[]', jsonb_build_array(jsonb_build_object('type', 'MemoryPressure', 'status', 'True', 'last_transition_at',
        extract(epoch from from_at)::bigint * 1000000, 'heartbeat_stale_since', extract(epoch from from_at)::bigint * 1000000))::text)::jsonb,
    'ready_status', pg_temp.pick('True', 'True', 'False'), 'ready_since', from_at,
    'heartbeat_stale_since', pg_temp.pick(null, null, from_at::text), 'addresses', '[]'::jsonb, 'pod_cidrs', '[]'::jsonb,
    'labels', '{"fleetledger.io/pool": "a"}'::jsonb, 'kernel_version', pg_temp.pick('6.1', '6.8'), 'os_image', '', 'operating_system', 'linux',
    'architecture', 'amd64', 'container_runtime_version', '', 'kubelet_version', pg_temp.pick('v1.31.0', 'v1.35.4'),
    'kube_proxy_version', '', 'boot_id', pg_temp.pick('x', 'y', from_at::text), 'machine_id', '', 'system_uuid', '', 'capacity_other', '{}'::jsonb,
    'allocatable_cpu_millicores', 2000, 'allocatable_memory_bytes', 4000000000, 'allocatable_gpu_millis', pg_temp.pick(null, '2000'), 'allocatable_other', '{}'::jsonb
) as row from body where kind = 'node'
union all
select kind, to_at, common || jsonb_build_object(
    'pod', name, 'node', pg_temp.pick(null, 'node-' || cluster_id || '-' || object % 6 + 1), 'phase', pg_temp.pick('Running', 'Running', 'Pending', 'Failed'),
    'reason', pg_temp.pick(null, 'Evicted'), 'workload_kind', 'Deployment', 'workload', 'workload-' || object % 3, 'workload_uid', md5('workload-' || cluster_id || '-' || object % 3 + 1)::uuid,
    'owner_resolved', true, 'restart_policy', 'Always', 'host_network', pg_temp.pick('true', 'false'), 'host_pid', false, 'host_ipc', false,
    'pod_ips', '[]'::jsonb, 'unschedulable_message', pg_temp.pick(null, '0/6 nodes: 6 Insufficient cpu.'), 'ready', true, 'restart_count', 0,
    'request_cpu_millicores', pg_temp.pick(null, '500'), 'request_memory_bytes', 100000000, 'request_gpu_millis', pg_temp.pick(null, null, '1000'),
    'limit_memory_bytes', pg_temp.pick(null, '200000000'),
    'request_other', '{}'::jsonb, 'limit_other', '{}'::jsonb, 'overhead_other', '{}'::jsonb,
    'host_path_mounts', pg_temp.pick('[]', '[{"volume": "host", "path": "/", "writable": true}]')::jsonb,
    'containers_count', 1, 'containers_xor_hi', 0, 'containers_xor_lo', 0
) from body where kind = 'pod'
union all
select 'container', to_at, common || jsonb_build_object(
    'pod', name, 'container', pg_temp.pick('main', 'etcd'), 'namespace', pg_temp.pick(common ->> 'namespace', 'kube-system'), 'container_type', 'app', 'position', 0,
    'image', pg_temp.pick('registry-1/a:1', 'registry-1/a:2'), 'ready', true, 'restart_count', pg_temp.pick('0', '9'), 'state', pg_temp.pick('waiting', 'running'),
    'reason', pg_temp.pick(null, 'CrashLoopBackOff', 'ImagePullBackOff'), 'last_reason', pg_temp.pick(null, 'OOMKilled'), 'last_exit_code', 137,
    'last_finished_at', from_at - interval '1 minute', 'request_other', '{}'::jsonb, 'limit_other', '{}'::jsonb
) from body where kind = 'pod'
union all
select kind, to_at, common || jsonb_build_object('phase', pg_temp.pick('Active', 'Terminating')) from body where kind = 'namespace'
union all
select kind, to_at, common || jsonb_build_object(
    'workload', name, 'workload_kind', pg_temp.pick('Deployment', 'CronJob'), 'desired', pg_temp.pick('0', '10'), 'available', pg_temp.pick(null, '2', '10'), 'paused', false,
    'suspended', false, 'last_scheduled_at', from_at, 'last_successful_at', pg_temp.pick(null, (from_at - interval '9 hours')::text), 'selector', '{}'::jsonb, 'images', '[]'::jsonb
) from body where kind = 'workload'
union all
select kind, to_at, common || jsonb_build_object(
    'watchdog', 'watchdog-' || object, 'scope', 'Node', 'check_name', 'check', 'suspended', pg_temp.pick('true', 'false', 'false'), 'healthy_status', pg_temp.pick('True', 'False', 'False'),
    'state', pg_temp.pick('OK', 'Firing'), 'nodes_desired', 3, 'nodes_reporting', pg_temp.pick('2', '3'), 'nodes_failing', 1, 'failing', '[]'::jsonb
) from body where kind = 'watchdog';

do $$
declare
    one text;
begin
    foreach one in array array['node', 'pod', 'container', 'namespace', 'workload', 'watchdog'] loop
        execute format('insert into ledger.%1$I select r.* from filled as f, jsonb_populate_record(null::ledger.%1$I, f.row) as r
            where f.kind = %1$L and f.to_at is null on conflict do nothing', one);
        execute format('insert into ledger.%2$I select r.* from filled as f, jsonb_populate_record(null::ledger.%2$I, f.row) as r
            where f.kind = %1$L and f.to_at is not null', one, one || '_history');
    end loop;
end
$$;

insert into ledger.namespace_team (cluster_id, namespace, team, valid_from)
select c, 'app-' || n, pg_temp.pick('platform', 'a'), timestamptz '2026-01-01 00:00Z' + random() * interval '9 hours'
from generate_series(1, 4) as c, generate_series(2, 5) as n;
insert into ledger.namespace_team_history (cluster_id, namespace, team, valid_from, valid_to)
select cluster_id, namespace, pg_temp.pick('platform', 'b'), valid_from - random() * interval '5 hours', valid_from from ledger.namespace_team;
analyze;
