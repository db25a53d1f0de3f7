-- A fleet of {pods} pods in {clusters} clusters of three datacenters with {days} days of history: what panels are
-- run on by the tests (small) and measured on by the benchmark (large). Every pod had {versions} earlier versions.

-- A ledger as old as its history has its days in partitions of their own.
do $$
declare
    one record;
begin
    for one in select table_name from ledger.partitioned_table where has_old_partition loop
        if to_regclass('ledger.' || one.table_name || '_old') is not null then
            execute format('drop table ledger.%I', one.table_name || '_old');
        end if;
    end loop;
end
$$;
select ledger.ensure_partitions((now() at time zone 'UTC')::date - {days} - 1, (now() at time zone 'UTC')::date + 7);
do $$
declare
    one record;
begin
    for one in select table_name from ledger.partitioned_table where has_old_partition loop
        perform ledger.attach_partition(
            one.table_name, one.table_name || '_old', '-infinity',
            ((now() at time zone 'UTC')::date - {days} - 1)::timestamp at time zone 'UTC'
        );
    end loop;
end
$$;

insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
select (array['dfw', 'iad', 'lon'])[1 + c % 3], 'prod-' || c, 'cluster-' || c, now() - interval '{days} days'
from generate_series(1, {clusters}) as c;

insert into ledger.freshness (cluster_id, kind, observed_at, landed_at)
select cluster_id, k, now(), now() from ledger.cluster cross join generate_series(1, 5) as k;

insert into ledger.balance (
    cluster_id, kind, shard, mark_at, mark_count, mark_hi, mark_lo, fold_at_mark_count, fold_at_mark_hi, fold_at_mark_lo
)
select cluster_id, k, 0, now() - interval '20 seconds', 10, 1, 1, 10, 1, 1
from ledger.cluster cross join generate_series(1, 5) as k;

insert into ledger.emitter_state (cluster_id, kind, shard, epoch, sequence, observed_at, clock_skew_seconds)
select cluster_id, k, 0, 1, 1000, now(), 0.01 from ledger.cluster cross join generate_series(1, 5) as k;

insert into ledger.topic (topic, kind, partitions, shards)
select 'fleetledger.' || kind, number, 4, 1
from (values (1, 'node'), (2, 'pod'), (3, 'namespace'), (4, 'workload'), (5, 'watchdog')) as k (number, kind);
insert into ledger.ingest_partition (topic, partition, next_offset, high_watermark, owner, owner_epoch, claimed_at, progressed_at)
select topic, p, 1000000, 1000020, 'ingest-0', 1, now() - interval '1 day', now()
from ledger.topic cross join generate_series(0, 3) as p;

insert into ledger.namespace
select
    c.cluster_id, md5(c.cluster || '-ns-' || n)::uuid, null, 'app-' || n, now() - interval '{days} days', null,
    jsonb_build_object('team', 'team-' || n % 12), '{}', '{}', 'Active', '[]',
    1, 1, 1, 1, 1, 1, null, now() - interval '{days} days', now(), now()
from ledger.cluster as c cross join generate_series(0, 39) as n;
insert into ledger.setting (name, value) values ('owners.namespace_label', 'team')
on conflict (name) do update set value = excluded.value;
select ledger.apply_owners((select array_agg(cluster_id) from ledger.cluster), now() - interval '{days} days');

insert into ledger.node (
    cluster_id, uid, node, created_at, labels, annotations, finalizers, unschedulable, taints, conditions, ready_status,
    ready_reason, ready_since, addresses, pod_cidrs, kernel_version, os_image, operating_system, architecture,
    container_runtime_version, kubelet_version, kube_proxy_version, boot_id, machine_id, system_uuid,
    capacity_cpu_millicores, capacity_memory_bytes, capacity_pods, capacity_gpu_millis, capacity_other,
    allocatable_cpu_millicores, allocatable_memory_bytes, allocatable_pods, allocatable_gpu_millis, allocatable_other,
    row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at
)
select
    c.cluster_id, md5(c.cluster || '-node-' || n)::uuid, c.cluster || '-node-' || n, now() - interval '{days} days',
    jsonb_build_object('pool', 'pool-' || n % 3, 'node.kubernetes.io/instance-type', 'm-' || n % 2), '{}', '{}',
    n % 97 = 1, '[]', '[]', 'True', 'KubeletReady', now() - interval '{days} days', '[]', '{}', '6.1.0-18', 'Debian 12',
    'linux', 'amd64', 'containerd://2.1.0', 'v1.35.' || n % 3, '', 'boot-' || n, 'machine-' || n, 'system-' || n,
    16000, 68719476736, 110, case when n % 10 = 0 then 4000 end, '{}',
    15500, 64424509440, 110, case when n % 10 = 0 then 4000 end, '{}',
    1, 1, 1, 1, now() - interval '2 days', now(), now()
from ledger.cluster as c cross join generate_series(1, greatest(2, {pods} / 30 / {clusters})) as n;

insert into ledger.workload (
    cluster_id, uid, namespace, workload, workload_kind, created_at, labels, annotations, finalizers, desired, current,
    updated, ready, available, paused, suspended, selector, images, conditions, row_hash_hi, row_hash_lo, writer_schema,
    reader_version, valid_from, observed_at, landed_at
)
select
    c.cluster_id, md5(c.cluster || '-workload-' || w)::uuid, 'app-' || w % 40, 'service-' || w, 'Deployment',
    now() - interval '{days} days', '{}', '{}', '{}', 10, 10, 10, 10, 10, false, false, '{}',
    array['registry.example.com/service-' || w || ':1.4.2'], '[]', 1, 1, 1, 1, now() - interval '3 days', now(), now()
from ledger.cluster as c cross join generate_series(0, {pods} / {clusters} / 10 - 1) as w;

insert into ledger.pod (
    cluster_id, uid, namespace, pod, created_at, labels, annotations, finalizers, node, phase, qos_class, priority,
    owner_kind, owner, workload_kind, workload, workload_uid, owner_resolved, restart_policy, host_network, host_pid,
    host_ipc, pod_ips, started_at, conditions, scheduled_at, ready, ready_since, restart_count, request_cpu_millicores,
    request_memory_bytes, request_gpu_millis, request_other, limit_memory_bytes, limit_other, overhead_other,
    host_path_mounts, containers_count, containers_xor_hi, containers_xor_lo, row_hash_hi, row_hash_lo, writer_schema,
    reader_version, valid_from, observed_at, landed_at, status, ready_containers, restarts, last_restart_at
)
select
    c.cluster_id, md5(c.cluster || '-pod-' || p)::uuid, 'app-' || p / 10 % 40, 'service-' || p / 10 || '-' || p % 10,
    now() - p % {days} * interval '1 day' - interval '1 hour',
    jsonb_build_object('app', 'service-' || p / 10), '{}', '{}',
    c.cluster || '-node-' || 1 + p % greatest(2, {pods} / 30 / {clusters}), case when p % 397 = 13 then 'Pending' else 'Running' end, 'Burstable', 0, 'ReplicaSet',
    'service-' || p / 10 || '-5d8f9c7b6', 'Deployment', 'service-' || p / 10, md5(c.cluster || '-workload-' || p / 10)::uuid, true,
    'Always', false, false, false, array['10.0.0.1'], now() - interval '1 hour',
    '[{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]',
    now() - interval '1 hour', true, now() - interval '1 hour', case when p % 30 = 0 then 1 + p % 7 else 0 end, 250, 536870912,
    case when p % 500 = 0 then 1000 end, '{}', 1073741824, '{}', '{}', '[]', 1, 0, 0, 1, 1, 1, 1,
    now() - p % 86400 * interval '1 second', now(), now(), case when p % 397 = 13 then 'Pending' else 'Running' end,
    case when p % 397 = 13 then '0/1' else '1/1' end,
    case when p % 30 = 0 then 1 + p % 7 else 0 end,
    case when p % 30 = 0 then now() - p % 86400 * interval '1 second' - interval '10 seconds' end
from ledger.cluster as c cross join generate_series(0, {pods} / {clusters} - 1) as p;

insert into ledger.container (
    cluster_id, uid, container, namespace, pod, node, container_type, position, image, ready, started, restart_count,
    state, started_at, last_reason, last_exit_code, last_finished_at, request_cpu_millicores, request_memory_bytes,
    request_other, limit_memory_bytes, limit_other, row_hash_hi, row_hash_lo, reader_version, valid_from, observed_at,
    landed_at
)
select
    p.cluster_id, p.uid, 'main', p.namespace, p.pod, p.node, 'app', 0, 'registry.example.com/' || p.workload || ':1.4.2',
    true, true, p.restart_count, 'running', p.valid_from,
    case when p.restart_count > 0 then 'Error' end, case when p.restart_count > 0 then 1 end,
    case when p.restart_count > 0 then p.valid_from - interval '10 seconds' end,
    250, 536870912, '{}', 1073741824, '{}', 1, 1, 1, p.valid_from, now(), now()
from ledger.pod as p;

-- The past: each pod's versions are spread over the days, the newest ends where the standing one begins.
do $$
declare
    names text;
    olds text;
    of_kind text;
begin
    foreach of_kind in array array['pod', 'container', 'workload', 'node'] loop
        select
            string_agg(quote_ident(attname), ', ' order by attnum),
            string_agg(case attname
                when 'valid_from' then 'v.from_at'
                when 'restart_count' then 'greatest(0, s.restart_count - v.n)'
                else 's.' || quote_ident(attname) end, ', ' order by attnum)
        into names, olds
        from pg_attribute where attrelid = ('ledger.' || of_kind)::regclass and attnum > 0 and not attisdropped;
        execute format(
            'insert into ledger.%I (%s, valid_to, closed_reason)
             select %s, v.to_at, ''changed''
             from ledger.%I as s
             cross join lateral (
                 select n, s.valid_from - n * step as from_at, s.valid_from - (n - 1) * step as to_at
                 from generate_series(1, {versions}) as n
                 cross join (select make_interval(secs => ({days} - 1.0) * 86400 / {versions}) as step) as g
             ) as v
             where v.from_at > now() - interval ''{days} days''',
            of_kind || '_history', names, olds, of_kind
        );
    end loop;
end
$$;

insert into ledger.rollup_cluster
select
    w, c.datacenter, c.cluster, n.nodes, n.nodes, 1, n.nodes * 15.5, n.nodes * 64424509440.0, n.nodes / 10 * 4,
    p.pods, p.pods, p.pods - 2, 2, 0, p.pods * 0.25, p.pods * 536870912.0, p.pods / 500, extract(minute from w)::int % 7
from ledger.cluster as c
cross join generate_series(date_trunc('hour', now()) - interval '{days} days', now() - interval '5 minutes', interval '5 minutes') as w
join (select cluster_id, count(*) as nodes from ledger.node group by 1) as n using (cluster_id)
join (select cluster_id, count(*) as pods from ledger.pod group by 1) as p using (cluster_id);

insert into ledger.rollup_namespace
select
    w, c.datacenter, c.cluster, p.namespace, t.team, p.pods, p.pods, p.pods, 0, 0, p.pods * 0.25, p.pods * 536870912.0, null,
    extract(hour from w)::int % 5
from ledger.cluster as c
join (select cluster_id, namespace, count(*) as pods from ledger.pod group by 1, 2) as p using (cluster_id)
left join ledger.namespace_team as t using (cluster_id, namespace)
cross join generate_series(date_trunc('hour', now()) - interval '{days} days', now() - interval '1 hour', interval '1 hour') as w;

insert into ledger.rollup_ingest
select w, topic, 150, 15000, 2500, 12000, 0, 200, 300, 0
from ledger.topic
cross join generate_series(date_trunc('hour', now()) - interval '{days} days', now() - interval '5 minutes', interval '5 minutes') as w;

insert into ledger.rollup_window (rollup, window_at, window_end_at, row_count, known_until, complete, version, filled_at)
select 'cluster', w, w + interval '5 minutes', {clusters}, w + interval '5 minutes', true, 'seed', w + interval '6 minutes'
from generate_series(date_trunc('hour', now()) - interval '{days} days', now() - interval '5 minutes', interval '5 minutes') as w;

-- Cost by workload and day; hours stand where the ends of ranges that are looked at cut a day.
insert into ledger.price_sheet (sheet, valid_from, currency, month_basis, sha256, applied_by)
values ('seed', now() - interval '1 year', 'USD', 'calendar', 'seed', 'seed');
insert into ledger.cost_line (cluster_id, namespace, workload_kind, workload, container, node_class, team, owner_source, labels)
select w.cluster_id, w.namespace, w.workload_kind, w.workload, 'main', 'm-1', t.team, 'label', '{}'
from ledger.workload as w
join ledger.namespace_team as t using (cluster_id, namespace);
insert into ledger.cost_day (day_at, hours, filled_at)
select d, 24, d + interval '25 hours'
from generate_series(date_trunc('day', now(), 'UTC') - interval '{days} days', now() - interval '1 day', interval '1 day') as d;
insert into ledger.cost_daily
select
    d.day_at, l.line_id, 2400000000, 600000000, 0, 216000000000, 463856467968000, 0, 216000000000, 463856467968000,
    60000000000, 154618822656000, 0, 864000000, 864000000, 0, 0, 10
from ledger.cost_line as l cross join ledger.cost_day as d
-- As they are rated: a day at a time.
order by d.day_at, l.line_id;
insert into ledger.cost_hourly
select
    h, l.line_id, 100000000, 25000000, 0, 9000000000, 19327352832000, 0, 9000000000, 19327352832000, 2500000000, 6442450944000,
    0, 36000000, 36000000, 0, 0, 10
from ledger.cost_line as l
cross join (values (0), (1), (7), ({days})) as ago (days)
cross join generate_series(
    date_trunc('day', now(), 'UTC') - ago.days * interval '1 day',
    least(date_trunc('hour', now()) - interval '1 hour', date_trunc('day', now(), 'UTC') - ago.days * interval '1 day' + interval '23 hours'),
    interval '1 hour'
) as h;
insert into ledger.cost_namespace_daily
select
    d.day_at, l.cluster_id, l.namespace, l.team, l.owner_source, l.node_class, sum(d.cpu_nanos), sum(d.memory_nanos), sum(d.gpu_nanos),
    sum(d.cpu_charged_core_us), sum(d.memory_charged_byte_seconds), 0, sum(d.cpu_requested_core_us),
    sum(d.memory_requested_byte_seconds), sum(d.cpu_used_core_us), sum(d.memory_used_byte_seconds), 0, sum(d.life_ms),
    sum(d.usage_ms), 0, 0
from ledger.cost_daily as d
join ledger.cost_line as l using (line_id)
group by 1, 2, 3, 4, 5, 6;
insert into ledger.cost_node_daily
select
    d.day_at, c.cluster_id, 'm-1', r.resource, 16000000, 15500000, 8000000, 50000000000, 30000000000, 15000000000, 5000000000,
    864000000, 0
from ledger.cluster as c cross join ledger.cost_day as d cross join (values ('cpu'), ('memory')) as r (resource);
insert into ledger.cost_node_hourly
select
    h, n.cluster_id, n.uid, h, h + interval '1 hour', n.node, 'm-1', 1, 16000, 15500, 8000, 1, 1000000, 600000, 300000, 100000,
    16000, 15500, 8000, 1, 500000, 300000, 150000, 50000, null, null, 0, 1, null, null, null, null
from ledger.node as n
cross join (values (0), (7), ({days})) as ago (days)
cross join generate_series(
    date_trunc('day', now(), 'UTC') - ago.days * interval '1 day',
    least(date_trunc('hour', now()) - interval '1 hour', date_trunc('day', now(), 'UTC') - ago.days * interval '1 day' + interval '23 hours'),
    interval '1 hour'
) as h;

-- Alerts of a month: as many episodes as a fleet of this size has, and a few that fire.
insert into ledger.alert_event (slot, rule, fingerprint, alertname, labels, event)
select
    date_trunc('minute', now()) - e * interval '{days} days' / 2000 + phase.after, 'node-not-ready', 'f' || e % 400, 'NodeNotReady',
    jsonb_build_object(
        'severity', (array['page', 'ticket'])[1 + e % 2], 'team', 'team-' || e % 12, 'datacenter', (array['dfw', 'iad', 'lon'])[1 + e % 3],
        'cluster', 'prod-' || 1 + e % {clusters}, 'node', 'prod-' || 1 + e % {clusters} || '-node-' || 1 + e % 13
    ),
    phase.event
from generate_series(1, 1999) as e
cross join (values ('firing', interval '0'), ('notified', interval '0'), ('resolved', interval '7 minutes')) as phase (event, after)
where date_trunc('minute', now()) - e * interval '{days} days' / 2000 + phase.after < now();
insert into ledger.alert_instance (
    rule, fingerprint, alertname, labels, annotations, value, condition, episode, active_at, fired_at, memory, changed_slot
)
select
    'pod-pending-too-long', 'p' || i, 'PodPendingTooLong',
    jsonb_build_object('severity', 'ticket', 'team', 'team-' || i % 12, 'datacenter', 'dfw', 'cluster', 'prod-3', 'namespace', 'app-' || i % 40),
    jsonb_build_object('summary', 'a pod waits', 'runbook', 'pod-pending-too-long'), 1, 'firing', 1,
    now() - interval '20 minutes', now() - interval '15 minutes', '{}', date_trunc('minute', now())
from generate_series(1, 20) as i;
insert into ledger.dead_letter (topic, partition, record_offset, datacenter, cluster, kind, reason, detail, record_headers, died_at, state, settled_at)
select
    'fleetledger.pod', n % 4, n, 'dfw', 'prod-3', 2, 'undecodable', 'the body ends within field labels', '{}',
    now() - n * interval '{days} days' / 1000, 'replayed', now() - n * interval '{days} days' / 1000 + interval '1 minute'
from generate_series(1, 999) as n;
insert into ledger.watchdog (
    cluster_id, uid, watchdog, created_at, labels, annotations, finalizers, scope, check_name, interval_seconds, severity, runbook,
    suspended, healthy_status, reporting_status, state, nodes_desired, nodes_reporting, nodes_ok, nodes_failing, nodes_unknown,
    failing, conditions, row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at
)
select
    c.cluster_id, md5(c.cluster || '-watchdog-' || w)::uuid, 'check-' || w, now() - interval '{days} days', '{}', '{}', '{}', 'Node', 'dns-' || w, 60,
    'page', 'watchdog-failing', false, 'True', 'True', 'OK', 10, 10, 10, 0, 0, '[]', '[]', 1, 1, 1, 1, now() - interval '1 day', now(), now()
from ledger.cluster as c cross join generate_series(1, 8) as w;
