//! An hour of a million pods rated, and a month of it asked for.

use std::time::Instant;

use anyhow::Context as _;
use fleetledger_schema::postgres::PostgresConnector;

use crate::{
    figure::{BenchFigure, BenchReport, median},
    parts::{self, BenchContext, BenchLedger},
};

const PODS: usize = 1_000_000;
const WORKLOADS: usize = 50_000;
const NODES: usize = 20_000;
const CLUSTERS: usize = 20;
const NAMESPACES: usize = 2_000;
const TEAMS: usize = 40;
/// Times the question of a month is asked.
const QUERIES: usize = 15;
const HOUR: &str = "timestamptz '2026-03-10 10:00Z'";

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let postgres = parts::postgres().await?;
    let ledger = BenchLedger::create(&postgres, "cost").await?;
    let pods = setting.scaled(PODS).max(100);
    let workloads = setting.scaled(WORKLOADS).max(10);
    let nodes = setting.scaled(NODES).max(10);
    for statement in fleet(pods, workloads, nodes) {
        let done = ledger.client.batch_execute(&statement).await;
        done.with_context(|| statement.chars().take(80).collect::<String>())?;
    }
    let fleet = format!("{pods} pods, {workloads} workloads, {nodes} nodes");

    let begin = Instant::now();
    let fill = format!("select ledger.cost_fill({HOUR}, 'first', {HOUR} + interval '65 minutes')");
    ledger.client.batch_execute(&fill).await.context("rate an hour")?;
    let seconds = begin.elapsed().as_secs_f64();
    let wrong = ledger
        .number("select count(*) from fleet.cost_balance where not balanced")
        .await?;
    anyhow::ensure!(wrong == 0, "{wrong} clusters do not add up");
    let detail = format!("one hour of {fleet}, usage of 95 % of the containers, balanced to the nano");
    report.add(BenchFigure::new(
        "cost_hour_1m_pods_seconds",
        seconds,
        "s",
        detail,
    ));

    let bytes = ledger
        .number(
            "select sum(pg_total_relation_size(b.partition_name::regclass))::bigint from (
                select 'ledger.' || (ledger.partition_bounds('cost_hourly')).partition_name as partition_name
                union all select 'ledger.' || (ledger.partition_bounds('cost_node_hourly')).partition_name) as b",
        )
        .await?;
    let detail = format!("rows of lines and of nodes with their indexes, one hour of {fleet}");
    report.add(BenchFigure::new(
        "cost_bytes_per_hour",
        bytes as f64,
        "bytes",
        detail,
    ));

    // Thirty days like this one: what a question of a month reads.
    let days = format!(
        "insert into ledger.cost_namespace_daily
         select d, cluster_id, namespace, team, owner_source, node_class, sum(cpu_nanos), sum(memory_nanos), sum(gpu_nanos),
            sum(cpu_charged_core_us), sum(memory_charged_byte_seconds), sum(gpu_charged_card_us), sum(cpu_requested_core_us),
            sum(memory_requested_byte_seconds), sum(cpu_used_core_us), sum(memory_used_byte_seconds), sum(gpu_used_card_us),
            sum(life_ms), sum(usage_ms), sum(unknown_ms), sum(unpriced_ms)
         from ledger.cost_hourly join ledger.cost_line using (line_id),
            generate_series({HOUR}::date - 30, {HOUR}::date - 1, interval '1 day') as d
         group by 1, 2, 3, 4, 5, 6;
         insert into ledger.cost_day select d, 24, now() from generate_series({HOUR}::date - 30, {HOUR}::date - 1, interval '1 day') as d;
         vacuum analyze ledger.cost_namespace_daily"
    );
    for statement in days.split(";\n") {
        ledger
            .client
            .batch_execute(statement)
            .await
            .context("make thirty days")?;
    }
    let rows = ledger
        .number("select count(*) from ledger.cost_namespace_daily")
        .await?;
    let url = postgres
        .url_of("cost")
        .replacen("fleetledger@", "fleetledger_reader@", 1);
    let reader = PostgresConnector::new(url.parse()?, None)
        .connect("fleetledger bench")
        .await?;
    let ask = "select day_at, team, sum(cost) from cost_daily
        where day_at >= '2026-02-08' and day_at < '2026-03-10' group by day_at, team order by day_at, team";
    let mut ms = Vec::new();
    let mut found = 0;
    for turn in 0..=QUERIES {
        let begin = Instant::now();
        found = reader.query(ask, &[]).await.context("ask for a month")?.len();
        if turn > 0 {
            ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        }
    }
    anyhow::ensure!(found > 0, "no cost was found");
    let detail = format!(
        "cost of each team on each of 30 days as the reader ({found} rows of {rows}), {NAMESPACES} namespaces, {TEAMS} teams; median of {QUERIES}"
    );
    report.add(BenchFigure::new("cost_team_30d_ms", median(&ms), "ms", detail));
    Ok(())
}

/// Statements that make the fleet as the ingester would leave it.
fn fleet(pods: usize, workloads: usize, nodes: usize) -> Vec<String> {
    let clusters = CLUSTERS.min(nodes);
    let every = "'2026-01-01', '2026-01-01', '2026-01-01'";
    vec![
        format!("insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
            select 'dc' || (n % 3 + 1), 'prod-' || n, 'uid-' || n, '2026-01-01' from generate_series(1, {clusters}) as n"),
        "insert into ledger.price_sheet (sheet, valid_from, currency, month_basis, sha256, applied_by)
            values ('all', '2026-01-01', 'USD', 'calendar', '', 'bench')".to_owned(),
        "insert into ledger.price_class values
            (1, 1, 'gpu', '{gpu.8x}', '{}', 'month', 12000, null, null, null, 4, 100, 0),
            (1, 2, 'general', '{}', '{}', 'month', 400, null, null, null, 4, 100, 0.1)".to_owned(),
        format!("insert into ledger.node (cluster_id, uid, node, created_at, labels, annotations, finalizers, unschedulable, taints,
                conditions, addresses, pod_cidrs, kernel_version, os_image, operating_system, architecture, container_runtime_version,
                kubelet_version, kube_proxy_version, boot_id, machine_id, system_uuid, capacity_cpu_millicores, capacity_memory_bytes,
                capacity_gpu_millis, capacity_other, allocatable_cpu_millicores, allocatable_memory_bytes, allocatable_gpu_millis,
                allocatable_other, row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at)
            select n % {clusters} + 1, md5('node-uid-' || n)::uuid, 'node-' || n, '2026-01-01',
                jsonb_build_object('node.kubernetes.io/instance-type', case when n % 10 = 0 then 'gpu.8x' else 'm.64' end), '{{}}', '{{}}',
                false, '[]', '[]', '[]', '{{}}', '6.8.0', 'linux', 'linux', 'amd64', 'containerd', 'v1.35.4', '', 'b', 'm', 's', 64000,
                274877906944, case when n % 10 = 0 then 8000 end, '{{}}', 63000, 270877906944, case when n % 10 = 0 then 8000 end,
                '{{}}', n, n, 1, 1, {every}
            from generate_series(0, {nodes} - 1) as n"),
        "insert into ledger.setting (name, value) values ('owners.namespace_label', 'team')".to_owned(),
        format!("insert into ledger.namespace (cluster_id, uid, namespace, created_at, labels, annotations, finalizers, phase, conditions,
                row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at)
            select c, md5('ns-' || c || '-' || n)::uuid, 'ns-' || n, '2026-01-01', jsonb_build_object('team', 'team-' || (n % {TEAMS})), '{{}}', '{{}}',
                'Active', '[]', n, n, 1, 1, {every}
            from generate_series(1, {clusters}) as c, generate_series(0, {NAMESPACES} / {CLUSTERS} - 1) as n"),
        "select ledger.apply_owners(array(select cluster_id from ledger.cluster), '2026-01-01')".to_owned(),
        // Pods of a workload are in one cluster, as they are in life.
        format!("insert into ledger.pod (cluster_id, uid, namespace, pod, created_at, labels, annotations, finalizers, node, phase,
                workload_kind, workload, workload_uid, owner_resolved, restart_policy, host_network, host_pid, host_ipc, pod_ips,
                conditions, scheduled_at, ready, restart_count, request_cpu_millicores, request_memory_bytes, request_gpu_millis,
                request_other, limit_other, overhead_other, host_path_mounts, containers_count, containers_xor_hi, containers_xor_lo,
                row_hash_hi, row_hash_lo, writer_schema, reader_version, valid_from, observed_at, landed_at)
            select w % {clusters} + 1, md5(n::text)::uuid, 'ns-' || (w / {clusters} % ({NAMESPACES} / {CLUSTERS})), 'web-' || w || '-' || n,
                '2026-01-01', jsonb_build_object('app', 'web-' || w, 'pod-template-hash', md5(w::text)), '{{}}', '{{}}', 'node-' || node,
                'Running', 'Deployment', 'web-' || w, md5('w-' || w)::uuid, true, 'Always', false, false, false, '{{10.0.0.1}}',
                '[{{\"type\": \"Ready\", \"status\": \"True\"}}, {{\"type\": \"PodScheduled\", \"status\": \"True\"}}]',
                case when n % 50 = 0 then '2026-03-10 10:20Z'::timestamptz else '2026-01-01' end, true, 0, (n % 20 + 1) * 100,
                (n % 16 + 1) * 268435456::bigint, case when node % 10 = 0 and n % 7 = 0 then 1000 end, '{{}}', '{{}}', '{{}}', '[]',
                1, n, n, n, n, 1, 1, {every}
            from (
                select n, n % {workloads} as w,
                    (n % {workloads} % {clusters} + (n / {workloads} * 7919 + n % {workloads} / {clusters}) % greatest({nodes} / {clusters}, 1) * {clusters}) % {nodes} as node
                from generate_series(0, {pods} - 1) as n
            ) as p"),
        "insert into ledger.container (cluster_id, uid, container, namespace, pod, node, container_type, position, image, ready,
                restart_count, request_cpu_millicores, request_memory_bytes, request_gpu_millis, request_other, limit_other,
                row_hash_hi, row_hash_lo, reader_version, valid_from, observed_at, landed_at)
            select cluster_id, uid, 'app', namespace, pod, node, 'app', 0, 'registry.example/app:1', true, 0, request_cpu_millicores,
                request_memory_bytes, request_gpu_millis, '{}', '{}', 1, 1, 1, valid_from, observed_at, landed_at from ledger.pod"
            .to_owned(),
        format!("insert into ledger.usage_hourly (cluster_id, hour_at, pod_uid, container, node, namespace, pod, covered_ms, cpu_core_us,
                memory_byte_seconds, cpu_charged_core_us, memory_charged_byte_seconds, cpu_max_millicores, memory_max_bytes, folded_at)
            select cluster_id, {HOUR}, uid, 'app', node, namespace, pod, 3600000, request_cpu_millicores * 1800000,
                request_memory_bytes / 2 * 3600, request_cpu_millicores * 3600000, request_memory_bytes * 3600, 1, 1,
                {HOUR} + interval '61 minutes'
            from ledger.pod where abs(hashtext(uid::text)) % 20 <> 0"),
        format!("insert into ledger.freshness select cluster_id, k, {HOUR} + interval '65 minutes', {HOUR} + interval '65 minutes'
            from ledger.cluster, generate_series(1, 5) as k"),
        "vacuum analyze".to_owned(),
        "checkpoint".to_owned(),
    ]
}
