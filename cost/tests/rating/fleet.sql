-- Objects of a made-up fleet, as the ingester leaves them: a version with an end is history.
create schema test;

-- A uid of a text, so that tests may name what they mean.
create function test.uid(text text) returns uuid language sql immutable as $$ select md5(text)::uuid $$;

create function test.cluster(datacenter text, cluster text) returns integer language sql as $$
    insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
    values (datacenter, cluster, 'uid-' || cluster, '2025-01-01') returning cluster_id
$$;

-- Puts a row into a table or its history, everything that is not given filled in.
create function test.put(kind text, given jsonb, ends timestamptz, reason text) returns void language plpgsql as $$
declare
    target text := 'ledger.' || kind || case when ends is null then '' else '_history' end;
    every jsonb := '{"labels": {}, "annotations": {}, "finalizers": [], "unschedulable": false, "taints": [], "conditions": [],
        "addresses": [], "pod_cidrs": [], "kernel_version": "", "os_image": "", "operating_system": "", "architecture": "",
        "container_runtime_version": "", "kubelet_version": "", "kube_proxy_version": "", "boot_id": "", "machine_id": "",
        "system_uuid": "", "capacity_other": {}, "allocatable_other": {}, "row_hash_hi": 0, "row_hash_lo": 0,
        "writer_schema": 0, "reader_version": 1, "phase": "Running", "owner_resolved": true, "restart_policy": "Always",
        "host_network": false, "host_pid": false, "host_ipc": false, "pod_ips": [], "ready": true, "restart_count": 0,
        "request_other": {}, "limit_other": {}, "overhead_other": {}, "host_path_mounts": [], "containers_count": 1,
        "containers_xor_hi": 0, "containers_xor_lo": 0, "container_type": "app", "position": 0, "image": "app:1"}';
begin
    every := every || jsonb_build_object('observed_at', given -> 'valid_from', 'landed_at', given -> 'valid_from',
        'created_at', given -> 'valid_from', 'valid_to', ends, 'closed_reason', reason) || given
        || jsonb_build_object('uid', test.uid(given ->> 'uid'));
    execute format('insert into %s select * from jsonb_populate_record(null::%s, $1)', target, target) using every;
end
$$;

create function test.node(
    cluster_id integer, node text, begins timestamptz, ends timestamptz, cores numeric, gib numeric, gpus numeric default 0,
    reserved_cores numeric default 0, extra jsonb default '{}', reason text default 'deleted'
) returns void language sql as $$
    select test.put('node', jsonb_build_object('cluster_id', cluster_id, 'uid', 'node-' || node, 'node', node, 'valid_from', begins,
        'capacity_cpu_millicores', (cores * 1000)::bigint, 'capacity_memory_bytes', (gib * 1073741824)::bigint, 'capacity_gpu_millis', (gpus * 1000)::bigint,
        'allocatable_cpu_millicores', ((cores - reserved_cores) * 1000)::bigint, 'allocatable_memory_bytes', (gib * 1073741824)::bigint,
        'allocatable_gpu_millis', (gpus * 1000)::bigint) || extra, ends, reason)
$$;

-- A pod with one container `app`; null for what is not requested.
create function test.pod(
    cluster_id integer, pod_uid text, namespace text, node text, begins timestamptz, ends timestamptz, cores numeric, gib numeric,
    gpus numeric default null, extra jsonb default '{}', reason text default 'deleted'
) returns void language sql as $$
    select test.put('pod', jsonb_build_object('cluster_id', cluster_id, 'uid', pod_uid, 'namespace', namespace, 'pod', pod_uid,
        'node', node, 'created_at', begins, 'scheduled_at', begins, 'valid_from', begins, 'workload_kind', 'Deployment', 'workload', namespace || '-web',
        'request_cpu_millicores', (cores * 1000)::bigint, 'request_memory_bytes', (gib * 1073741824)::bigint, 'request_gpu_millis', (gpus * 1000)::bigint) || extra,
        ends, reason);
    select test.put('container', jsonb_build_object('cluster_id', cluster_id, 'uid', pod_uid, 'container', 'app',
        'namespace', namespace, 'pod', pod_uid, 'node', node, 'valid_from', coalesce(extra ->> 'valid_from', begins::text),
        'request_cpu_millicores', (cores * 1000)::bigint, 'request_memory_bytes', (gib * 1073741824)::bigint, 'request_gpu_millis', (gpus * 1000)::bigint),
        ends, reason)
$$;

create function test.usage(
    cluster_id integer, hour timestamptz, pod_uid text, covered_minutes integer, used_cores numeric, request_cores numeric,
    folded timestamptz
) returns void language sql as $$
    insert into ledger.usage_hourly (cluster_id, hour_at, pod_uid, container, node, namespace, pod, covered_ms, cpu_core_us,
        memory_byte_seconds, cpu_charged_core_us, memory_charged_byte_seconds, cpu_max_millicores, memory_max_bytes, folded_at)
    values (cluster_id, hour, test.uid(pod_uid), 'app', 'n', 'ns', pod_uid, covered_minutes * 60000, used_cores * covered_minutes * 60000000,
        0, greatest(used_cores, request_cores) * covered_minutes * 60000000, 0, 0, 0, folded)
    on conflict (cluster_id, hour_at, pod_uid, container) do update set
        covered_ms = excluded.covered_ms, cpu_core_us = excluded.cpu_core_us,
        cpu_charged_core_us = excluded.cpu_charged_core_us, folded_at = excluded.folded_at;
    insert into ledger.usage_window (cluster_id, hour_at, node_uid, node, minutes, latest_window_end_at, folded_at)
    values (cluster_id, hour, test.uid('n'), 'n', 1, folded, folded)
    on conflict (cluster_id, hour_at, node_uid) do update set folded_at = excluded.folded_at
$$;

create function test.namespace(cluster_id integer, namespace text, team text, begins timestamptz) returns void language sql as $$
    select test.put('namespace', jsonb_build_object('cluster_id', cluster_id, 'uid', 'ns-' || namespace, 'namespace', namespace,
        'valid_from', begins, 'labels', jsonb_build_object('team', team), 'phase', 'Active'), null, null)
$$;

-- Everything is known up to an instant.
create function test.known(until timestamptz) returns void language sql as $$
    insert into ledger.freshness (cluster_id, kind, observed_at, landed_at)
    select cluster_id, kind, until, until from ledger.cluster, generate_series(1, 5) as kind
    on conflict (cluster_id, kind) do update set observed_at = excluded.observed_at
$$;
