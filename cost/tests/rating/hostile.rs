//! What an API server accepts and nobody expects: objects of one cluster that claim the largest there is. They make no
//! rating, view, rule or report fail, and change no figure of another cluster.

use std::fmt::Write as _;

use fleetledger_cost::{
    allocation::{AllocationParameters, window::CostWindow},
    focus,
};
use fleetledger_queries::{ReaderPool, catalogue};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use crate::{allocation::ask, fleet::RatingFixture};

const HOUR: &str = "2026-03-02 10:00Z";

/// Cluster `a` is as any; `b` is where hostile objects go.
async fn two_clusters() -> RatingFixture {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a'), test.cluster('ams', 'b');
             select test.node(1, 'n1', '2026-03-01', null, 10, 10);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 2, 1)",
        )
        .await;
    fleet
}

async fn of_a(fleet: &RatingFixture) -> Vec<String> {
    let sql = "select namespace, cost, cpu_core_hours, memory_gib_hours from fleet.cost_by_namespace('2026-03-02', '2026-03-03')
        where cluster = 'a' order by 1";
    fleet.rows(sql).await
}

#[tokio::test]
async fn a_node_of_eight_pebibytes_is_rated_and_ends_nobody_elses_rating() {
    let fleet = two_clusters().await;
    fleet
        .run(
            "select test.node(2, 'big', '2026-03-01', null, 10, 8388608);
             select test.pod(2, 'u2', 'shop', 'big', '2026-03-01', null, 1, 8388608)",
        )
        .await;
    fleet.rate(HOUR, 1).await;
    assert_eq!(
        of_a(&fleet).await,
        [
            "__idle__ 0.276000000 8.000000 9.000000",
            "__system__ 0.000000000 0.000000 0.000000",
            "shop 0.064000000 2.000000 1.000000"
        ]
    );
    let big = "select trim_scale(allocated_cost), trim_scale(capacity_hours) from fleet.cost_node_hourly where node = 'big' and resource = 'memory'";
    assert_eq!(fleet.rows(big).await, ["33554.432 8388608"]);
    let of_pod = "select trim_scale(sum(cost)) from fleet.cost_of_pod(test.uid('u2'))";
    assert_eq!(fleet.text(of_pod).await, "33554.462");
}

#[tokio::test]
async fn an_owner_of_ten_thousand_letters_ends_nobodys_rating() {
    let fleet = two_clusters().await;
    fleet
        .run(
            "select test.node(2, 'n1', '2026-03-01', null, 10, 10);
             select test.pod(2, 'u2', 'shop', 'n1', '2026-03-01', null, 1, 1, extra => jsonb_build_object(
                'workload', (select string_agg(md5(i::text), '') from generate_series(1, 320) as i)))",
        )
        .await;
    fleet.rate(HOUR, 1).await;
    assert_eq!(of_a(&fleet).await.len(), 3);
}

#[tokio::test]
async fn a_node_without_any_capacity_that_costs_is_the_systems() {
    let fleet = RatingFixture::with(
        "[[sheet]]\nsheet = 'a'\nvalid_from = 2025-01-01\ncurrency = 'USD'\n[[sheet.class]]\nclass = 'a'\nprice_per_node_hour = 1000\n",
    )
    .await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             -- A byte for a millisecond is no byte-second.
             select test.node(1, 'n1', '2026-03-02 10:00Z', '2026-03-02 10:00:00.001Z', 0, 0.000000001)",
        )
        .await;
    fleet.rate(HOUR, 1).await;
}

/// Amounts that a quantity may have, in ones or thousandths.
fn amount() -> impl Strategy<Value = i64> {
    prop::sample::select(vec![
        0,
        1,
        999,
        1000,
        1 << 31,
        1 << 53,
        (1 << 53) + 1,
        i64::MAX / 3600,
        i64::MAX - 1,
        i64::MAX,
    ])
}

/// Numbers of 32 bits that an API server takes for counts.
fn count() -> impl Strategy<Value = i32> {
    prop::sample::select(vec![0, 1, i32::MAX - 1, i32::MAX])
}

fn text() -> impl Strategy<Value = String> {
    let long = "[a-z]{9000}".prop_map(|text| text);
    prop_oneof![
        Just(String::new()),
        Just("v1.99999999999".to_owned()),
        Just("%s '' \\\\ :'x'".to_owned()),
        long
    ]
}

#[derive(Debug, Clone)]
struct HostileObjects {
    node: (i64, i64, i64, i64),
    pod: (Option<i64>, Option<i64>, Option<i64>),
    restarts: (i32, i32),
    replicas: i32,
    grace_seconds: i64,
    text: String,
    phase: &'static str,
    seconds: i64,
}

fn objects() -> impl Strategy<Value = HostileObjects> {
    let optional = || prop::option::weighted(0.8, amount());
    (
        (amount(), amount(), amount(), amount()),
        (optional(), optional(), optional()),
        (prop::sample::select(vec![i32::MIN, 0, i32::MAX]), count()),
        count(),
        amount(),
        text(),
        prop::sample::select(vec!["Running", "Pending", "Failed", "Succeeded", "Unknown"]),
        1..7_200_i64,
    )
        .prop_map(
            |(node, pod, restarts, replicas, grace_seconds, text, phase, seconds)| HostileObjects {
                node,
                pod,
                restarts,
                replicas,
                grace_seconds,
                text,
                phase,
                seconds,
            },
        )
}

impl HostileObjects {
    /// Objects of cluster `b`, with two versions each, where the hour that is rated is and where it is now.
    fn sql(&self, number: usize) -> String {
        let (cpu, memory, gpu, allocatable) = self.node;
        let null = |amount: Option<i64>| amount.map_or("null".to_owned(), |amount| amount.to_string());
        let text = self.text.replace('\'', "''");
        let mut sql = String::new();
        for (begin, end) in [
            (
                "2026-03-02 09:50Z",
                format!(
                    "timestamptz '2026-03-02 10:00Z' + interval '{} seconds'",
                    self.seconds
                ),
            ),
            (
                "now() - interval '2 hours'",
                "now() - interval '10 minutes'".to_owned(),
            ),
            ("now() - interval '10 minutes'", "null".to_owned()),
        ] {
            let begin = if begin.starts_with("now") {
                begin.to_owned()
            } else {
                format!("timestamptz '{begin}'")
            };
            let reason = if end == "null" { "null" } else { "'changed'" };
            let restarts = if end == "null" {
                self.restarts.1
            } else {
                self.restarts.0
            };
            write!(
                sql,
                "select test.put('node', jsonb_build_object('cluster_id', 2, 'uid', 'node-h{number}', 'node', 'h{number}', 'valid_from', {begin},
                    'created_at', '2026-03-02 09:50Z', 'ready_status', 'True', 'ready_since', {begin}, 'kubelet_version', '{text}', 'boot_id', '{text}',
                    'capacity_cpu_millicores', {cpu}, 'capacity_memory_bytes', {memory}, 'capacity_gpu_millis', {gpu}, 'allocatable_cpu_millicores', {allocatable},
                    'allocatable_memory_bytes', {allocatable}, 'allocatable_gpu_millis', {allocatable}), {end}, {reason});
                 select test.put('pod', jsonb_build_object('cluster_id', 2, 'uid', 'h{number}', 'namespace', 'hostile', 'pod', 'h{number}', 'node', 'h{number}',
                    'created_at', '2026-03-02 09:50Z', 'scheduled_at', '2026-03-02 09:50Z', 'valid_from', {begin}, 'workload_kind', 'Deployment',
                    'workload', '{text}', 'phase', '{phase}', 'message', '{text}', 'unschedulable_message', '0/9: 9 Insufficient {text}', 'restart_count', {restarts},
                    'deletion_requested_at', {begin}, 'deletion_grace_seconds', {grace}, 'request_cpu_millicores', {pod_cpu}, 'request_memory_bytes', {pod_memory},
                    'request_gpu_millis', {pod_gpu}, 'limit_memory_bytes', {pod_memory}), {end}, {reason});
                 select test.put('container', jsonb_build_object('cluster_id', 2, 'uid', 'h{number}', 'container', 'app', 'namespace', 'hostile', 'pod', 'h{number}',
                    'node', 'h{number}', 'valid_from', {begin}, 'restart_count', {restarts}, 'image', '{text}', 'state', 'waiting', 'reason', 'CrashLoopBackOff',
                    'last_reason', 'OOMKilled', 'last_exit_code', {replicas}, 'last_finished_at', {begin}, 'request_cpu_millicores', {pod_cpu},
                    'request_memory_bytes', {pod_memory}, 'request_gpu_millis', {pod_gpu}, 'reserved_cpu_millicores', {cpu}), {end}, {reason});
                 select test.put('workload', jsonb_build_object('cluster_id', 2, 'uid', 'w{number}', 'namespace', 'hostile', 'workload', 'w{number}', 'kind', 'Deployment',
                    'workload_kind', 'Deployment', 'valid_from', {begin}, 'desired', {replicas}, 'available', 0, 'ready', 0, 'current', {replicas}, 'updated', {replicas},
                    'images', '[]'::jsonb, 'selector', '{{}}'::jsonb, 'suspended', false, 'paused', false), {end}, {reason});
",
                phase = self.phase,
                grace = self.grace_seconds,
                replicas = self.replicas,
                pod_cpu = null(self.pod.0),
                pod_memory = null(self.pod.1),
                pod_gpu = null(self.pod.2),
            )
            .unwrap();
        }
        sql
    }
}

/// Everything that ships and anybody may ask, each as one statement that reads every row and column.
async fn statements(fleet: &RatingFixture) -> Vec<(String, String)> {
    let views = fleet
        .rows("select schemaname, viewname from pg_views where schemaname in ('fleet', 'fleet_asof') order by 1, 2")
        .await;
    let mut all: Vec<(String, String)> = views
        .iter()
        .map(|name| name.replace(' ', "."))
        .map(|view| {
            (
                view.clone(),
                format!("select md5(string_agg(v::text, '')) from {view} as v"),
            )
        })
        .collect();
    for function in [
        "cost_by_container",
        "cost_by_workload",
        "cost_by_namespace",
        "cost_by_team",
        "cost_by_cluster",
        "cost_by_datacenter",
        "cost_idle",
        "cost_efficiency",
        "cost_focus",
        "cost_lines",
        "cost_unused",
        "cost_pod_parts",
        "restarts",
        "surplus_pods",
    ] {
        all.push((
            function.to_owned(),
            format!(
                "select md5(string_agg(v::text, '')) from fleet.{function}('2026-03-02', '2026-03-03') as v"
            ),
        ));
    }
    for folder in ["alerts", "metrics", "reports", "rollups"] {
        let path = format!("{}/../queries/{folder}", env!("CARGO_MANIFEST_DIR"));
        for query in catalogue::load(path.as_ref()).unwrap().iter() {
            let mut sql = query.sql.clone();
            let parameters = query.report().map(|report| report.parameters.as_slice());
            for (place, parameter) in parameters.unwrap_or_default().iter().enumerate().rev() {
                let value = parameter.default.clone().unwrap_or_else(|| "hostile".to_owned());
                sql = sql.replace(&format!("${}", place + 1), &format!("'{value}'"));
            }
            all.push((
                query.id.to_string(),
                format!("select md5(string_agg(v::text, '')) from ({sql}) as v"),
            ));
        }
    }
    all
}

/// What the allocation API and the export in FOCUS say of cluster `a`, for questions of every grain and way of sharing.
/// What `b` is given must be there: a question that fails fails for everybody.
async fn answers_of_a(reader: &ReaderPool) -> Vec<String> {
    let mut of_a = Vec::new();
    let grains = [
        "cluster,namespace",
        "cluster,namespace,controller",
        "cluster,node,pod,container",
    ];
    for (aggregate, share_idle) in grains.iter().flat_map(|grain| [(grain, false), (grain, true)]) {
        let question = |parameters: &mut AllocationParameters| {
            parameters.aggregate = Some((*aggregate).to_owned());
            parameters.include_idle = Some(true);
            parameters.share_idle = Some(share_idle);
            parameters.accumulate = Some("true".to_owned());
        };
        let answer = ask(reader, question).await;
        assert!(answer.csv().lines().count() > 1);
        for (name, one) in answer.data.iter().flatten() {
            assert!(one.total_cost.is_finite(), "{name}");
            if name.starts_with("a/") {
                of_a.push(format!("{name} {:.9} {:.6}", one.total_cost, one.cpu_core_hours));
            }
        }
    }
    let window = CostWindow {
        from: "2026-03-02T00:00:00Z".parse().unwrap(),
        to: "2026-03-03T00:00:00Z".parse().unwrap(),
    };
    let rows = focus::csv(reader, window).await.unwrap();
    let rows = axum::body::to_bytes(rows, usize::MAX).await.unwrap();
    let rows = String::from_utf8(rows.to_vec()).unwrap();
    of_a.extend(rows.lines().filter(|row| row.contains("dfw")).map(str::to_owned));
    // Rows of an export have no order.
    of_a.sort();
    of_a
}

#[tokio::test]
async fn money_of_a_node_of_the_largest_quantities_is_answered_by_every_interface() {
    let fleet = two_clusters().await;
    let reader = ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap();
    fleet.rate(HOUR, 1).await;
    let before = answers_of_a(&reader).await;
    assert!(before.len() >= 10, "{before:?}");
    let most = i64::MAX;
    fleet
        .run(&format!(
            "select test.put('node', jsonb_build_object('cluster_id', 2, 'uid', 'node-big', 'node', 'big', 'valid_from', timestamptz '2026-03-01',
                'capacity_cpu_millicores', {most}, 'capacity_memory_bytes', {most}, 'capacity_gpu_millis', {most},
                'allocatable_cpu_millicores', {most}, 'allocatable_memory_bytes', {most}, 'allocatable_gpu_millis', {most}), null, null);
             select test.pod(2, 'u2', 'shop', 'big', '2026-03-01', null, 4611686018427387, 4294967296)"
        ))
        .await;
    fleet.rate(HOUR, 1).await;
    fleet.adds_up().await;
    assert_eq!(answers_of_a(&reader).await, before);
    let answer = ask(&reader, |parameters| {
        parameters.aggregate = Some("cluster".to_owned());
        parameters.include_idle = Some(true);
        parameters.accumulate = Some("true".to_owned());
        parameters.filter = Some("cluster:\"b\"".to_owned());
    })
    .await;
    let total: f64 = answer.data.iter().flatten().map(|(_, one)| one.total_cost).sum();
    let expected = "select sum(cpu_cost_nanos + memory_cost_nanos + gpu_cost_nanos) / 1e9 from ledger.cost_node_hourly where cluster_id = 2";
    let expected: f64 = fleet.text(expected).await.parse().unwrap();
    assert!(
        expected > 1e16 && (total / expected - 1.0).abs() < 1e-9,
        "{total} is not {expected}"
    );
}

#[tokio::test]
async fn no_object_that_an_api_server_accepts_makes_a_rating_view_rule_or_report_fail() {
    let fleet = two_clusters().await;
    fleet.rate(HOUR, 2).await;
    let reader = ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap();
    let (before, answers) = (of_a(&fleet).await, answers_of_a(&reader).await);
    let statements = statements(&fleet).await;
    assert!(statements.len() > 150, "{}", statements.len());
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let strategy = prop::collection::vec(objects(), 6);
    for round in 0..8 {
        let objects = strategy.new_tree(&mut runner).unwrap().current();
        let sql: String = objects
            .iter()
            .enumerate()
            .map(|(number, one)| one.sql(number))
            .collect();
        fleet.run(&format!("delete from ledger.node where cluster_id = 2; delete from ledger.node_history where cluster_id = 2;
            delete from ledger.pod where cluster_id = 2; delete from ledger.pod_history where cluster_id = 2;
            delete from ledger.container where cluster_id = 2; delete from ledger.container_history where cluster_id = 2;
            delete from ledger.workload where cluster_id = 2; delete from ledger.workload_history where cluster_id = 2; {sql}")).await;
        fleet.rate(HOUR, 2).await;
        assert_eq!(of_a(&fleet).await, before, "round {round}: {objects:?}");
        assert_eq!(answers_of_a(&reader).await, answers, "round {round}: {objects:?}");
        let mut failures = String::new();
        for (name, sql) in &statements {
            let run = format!(
                "begin; set local search_path = fleet; set local fleet.window_from = '{}'; {sql}; rollback",
                "2026-03-02 09:00Z"
            );
            if let Err(error) = fleet.client.batch_execute(&run).await {
                let error = error
                    .as_db_error()
                    .map_or_else(|| error.to_string(), ToString::to_string);
                writeln!(failures, "{name}: {error}").unwrap();
                fleet.client.batch_execute("rollback").await.unwrap();
            }
        }
        assert!(failures.is_empty(), "round {round}: {failures}\n{objects:?}");
    }
}
