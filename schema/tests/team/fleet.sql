-- Two teams in one cluster: everything of them is named by its team, so that a leak shows by name.
select ledger.ensure_partitions();
insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values ('dfw', 'a', 'u', '2026-01-01');
insert into ledger.freshness (cluster_id, kind, observed_at, landed_at) select 1, k, now(), now() from generate_series(1, 5) as k;
insert into ledger.setting (name, value) values ('owners.namespace_label', 'team');

-- ns-moved is red's until February and blue's since.
insert into ledger.namespace
select 1, md5('u-' || n)::uuid, null, n, '2026-01-01', null, jsonb_build_object('team', t), '{}', '{}', 'Active', '[]', 1, 1, 1, 1, 1, 1, null,
    '2026-01-01', '2026-01-01', '2026-01-01'
from (values ('ns-red', 'red'), ('ns-blue', 'blue'), ('ns-moved', 'red')) as f (n, t);
select ledger.apply_owners(array[1], '2026-01-01');
update ledger.namespace set labels = '{"team": "blue"}', valid_from = '2026-02-01' where namespace = 'ns-moved';
select ledger.apply_owners(array[1], '2026-02-01');

insert into ledger.node (
    cluster_id, uid, node, created_at, labels, annotations, finalizers, unschedulable, taints, conditions, addresses, pod_cidrs,
    kernel_version, os_image, operating_system, architecture, container_runtime_version, kubelet_version, kube_proxy_version,
    boot_id, machine_id, system_uuid, capacity_other, allocatable_other, row_hash_hi, row_hash_lo, writer_schema,
    reader_version, valid_from, observed_at, landed_at
) values (
    1, md5('node-blue')::uuid, 'node-blue', '2026-01-01', '{}', '{}', '{}', false, '[]', '[]', '[]', '{}', '', '', '', '', '', '', '', '', '',
    '', '{}', '{}', 1, 1, 1, 1, '2026-01-01', '2026-01-01', '2026-01-01'
);
insert into ledger.workload (
    cluster_id, uid, namespace, workload, workload_kind, created_at, labels, annotations, finalizers, desired, ready, paused,
    suspended, selector, images, conditions, row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at,
    landed_at
)
select
    1, md5('web-' || t)::uuid, 'ns-' || t, 'web-' || t, 'Deployment', '2026-01-01', '{}', '{}', '{}', 2, 1, false, false, '{}',
    array['registry/' || t], '[]', 1, 1, 1, 1, '2026-03-01', '2026-03-01', '2026-03-01'
from unnest(array['red', 'blue', 'moved']) as t;
insert into ledger.pod (
    cluster_id, uid, namespace, pod, created_at, labels, annotations, finalizers, node, phase, workload_kind, workload,
    workload_uid, owner_resolved, restart_policy, host_network, host_pid, host_ipc, pod_ips, conditions, ready, restart_count,
    request_other, limit_other, overhead_other, host_path_mounts, containers_count, containers_xor_hi, containers_xor_lo,
    row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at
)
select
    1, md5('pod-' || t)::uuid, 'ns-' || t, 'pod-' || t, '2026-01-01', '{}', '{}', '{}', 'node-1', 'Running', 'Deployment', 'web-' || t,
    md5('web-' || t)::uuid, true, 'Always', false, false, false, '{}', '[{"type": "Ready", "status": "True"}]', true, 2, '{}', '{}', '{}',
    '[]', 1, 0, 0, 1, 1, 1, 1, '2026-03-01', '2026-03-01', '2026-03-01'
from unnest(array['red', 'blue', 'moved']) as t;
insert into ledger.container (
    cluster_id, uid, container, namespace, pod, container_type, position, image, ready, restart_count, last_finished_at,
    request_other, limit_other, row_hash_hi, row_hash_lo, reader_version, valid_from, observed_at, landed_at
)
select
    1, uid, 'app', namespace, pod, 'app', 0, 'registry/' || pod, true, 2, '2026-03-01', '{}', '{}', 1, 1, 1, valid_from,
    observed_at, landed_at
from ledger.pod;

-- Each had a version before, in January, and one in February that was blue's where the namespace was.
do $$
declare
    of_kind text;
    names text;
    olds text;
begin
    foreach of_kind in array array['workload', 'pod', 'container'] loop
        select
            string_agg(quote_ident(attname), ', ' order by attnum),
            string_agg(
                case attname when 'valid_from' then 'v.from_at' when 'restart_count' then '1' else 's.' || quote_ident(attname) end,
                ', ' order by attnum
            )
        into names, olds
        from pg_attribute where attrelid = ('ledger.' || of_kind)::regclass and attnum > 0 and not attisdropped;
        execute format(
            'insert into ledger.%I (%s, valid_to, closed_reason)
             select %s, v.to_at, ''changed'' from ledger.%I as s
             cross join (values (timestamptz ''2026-01-01'', timestamptz ''2026-02-01''), (''2026-02-01'', ''2026-03-01''))
                 as v (from_at, to_at)',
            of_kind || '_history', names, olds, of_kind
        );
    end loop;
end
$$;

insert into ledger.alert_instance (rule, fingerprint, alertname, labels, annotations, condition, episode, active_at, fired_at, memory, changed_slot)
select
    'rule-' || t, t, initcap(t), jsonb_build_object('team', t, 'severity', 'page', 'namespace', 'ns-' || t),
    jsonb_build_object('summary', t), 'firing', 1, '2026-03-01', '2026-03-01', '{}', '2026-03-01'
from unnest(array['red', 'blue']) as t;
insert into ledger.alert_event (slot, rule, fingerprint, alertname, labels, event)
select now(), 'rule-' || t, t, initcap(t), jsonb_build_object('team', t, 'severity', 'page'), 'firing'
from unnest(array['red', 'blue']) as t;
insert into ledger.rollup_namespace
select date_trunc('hour', now()) - interval '1 hour', 'dfw', 'a', 'ns-' || t, t, 1, 1, 1, 0, 0, 1, 1, null, 0
from unnest(array['red', 'blue']) as t;

insert into ledger.price_sheet (sheet, valid_from, currency, month_basis, sha256, applied_by)
values ('blue sheet', '2026-01-01', 'USD', 'calendar', '', 'test');
insert into ledger.cost_team (team, budget_per_month, valid_from, applied_by)
select t, 100, '2026-01-01', 'test' from unnest(array['red', 'blue']) as t;
insert into ledger.cost_line (cluster_id, namespace, workload_kind, workload, container, node_class, team, owner_source, labels)
select 1, 'ns-' || t, 'Deployment', 'web-' || t, 'app', 'm', t, 'label', '{}' from unnest(array['red', 'blue']) as t;
insert into ledger.cost_day (day_at, hours, filled_at) values ('2026-03-01 00:00Z', 24, '2026-03-02');
insert into ledger.cost_daily
select '2026-03-01 00:00Z', line_id, 1000000000, 1000000000, 1000000000, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1 from ledger.cost_line;
insert into ledger.cost_namespace_daily
select '2026-03-01 00:00Z', 1, namespace, team, owner_source, node_class, 1000000000, 1000000000, 1000000000, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0
from ledger.cost_line;
insert into ledger.cost_namespace_monthly
select '2026-03-01 00:00Z', 1, namespace, team, owner_source, node_class, 1000000000, 1000000000, 1000000000, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0
from ledger.cost_line;
