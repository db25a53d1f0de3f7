//! A hostile cluster: whatever a real API server accepts, however extreme, goes through a real emitter and ingester, and no
//! view, rule, report, rating or answer about another cluster fails or changes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{fmt::Write as _, time::Duration};

use fleetledger_cost::{
    allocation::{AllocationParameters, question::SharingOptions, store::answer},
    definitions::CostDefinitions,
    store,
};
use fleetledger_queries::{ReaderPool, catalogue};
use fleetledger_schema::{kind::RecordKind, record::Record};
use fleetledger_tests::{
    cluster::{ApiResourceKind, TestCluster},
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    emitter::{self, TestEmitter},
    ingester::TestIngester,
    manual_emitter::{self, ManualEmitter},
    parts,
    report::print_line,
};
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

/// The one that is as any, and the one that is not.
const CALM: &str = "calm";
const HOSTILE: &str = "hostile";
const LIMIT: Duration = Duration::from_secs(120);
/// The largest of 64 bits, and what Kubernetes rounds to it or takes beside it.
const QUANTITIES: [&str; 12] = [
    "9223372036854775807",
    "9223372036854775807m",
    "8Ei",
    "7Ei",
    "8Pi",
    "9e18",
    "1e-9",
    "1n",
    "0",
    "-1",
    "-9223372036854775808",
    "0.001",
];
/// Texts that are quoted, cut and matched somewhere. A NUL, which PostgreSQL holds in no text, makes a dead letter and is tried
/// elsewhere.
const TEXTS: [&str; 7] = [
    "",
    "\u{1}",
    "%s '' \\ :'x' $1 {{ labels.cluster }}",
    "0/9 nodes are available: 9 Insufficient cpu, 9223372036854775808 Insufficient memory, Too many pods",
    "\u{202e}\u{feff}\u{1f4a5}",
    "infinity",
    "v1.99999999999999999999.9-rc\n\r\t",
];
const INSTANTS: [&str; 4] = [
    "0001-01-01T00:00:00Z",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-02-28T23:59:59Z",
];

/// Creates what the API server accepts of these; returns how many it did.
async fn try_create(
    cluster: &TestCluster,
    resource: ApiResourceKind,
    objects: Vec<(Value, Option<Value>)>,
) -> usize {
    let mut accepted = 0;
    for (mut body, status) in objects {
        body["apiVersion"] = json!(resource.api_version());
        body["kind"] = json!(resource.kind());
        let namespace = body["metadata"]["namespace"].as_str().map(str::to_owned);
        let api = cluster.api(resource, namespace.as_deref());
        let Ok(object) = serde_json::from_value::<DynamicObject>(body) else {
            continue;
        };
        let Ok(created) = api.create(&PostParams::default(), &object).await else {
            continue;
        };
        accepted += 1;
        if let Some(status) = status {
            let patch = Patch::Merge(json!({ "status": status }));
            let name = created.metadata.name.unwrap();
            let patched = api.patch_status(&name, &PatchParams::default(), &patch).await;
            accepted += usize::from(patched.is_ok());
        }
    }
    accepted
}

fn nodes() -> Vec<(Value, Option<Value>)> {
    let long = format!("{}.{}", "n".repeat(63), "o".repeat(60));
    let mut nodes = Vec::new();
    for (number, quantity) in QUANTITIES.iter().enumerate() {
        for (other, allocatable) in QUANTITIES.iter().enumerate() {
            let text = TEXTS[(number + other) % TEXTS.len()];
            let at = INSTANTS[(number + other) % INSTANTS.len()];
            let amounts = |of: &str| json!({"cpu": of, "memory": of, "nvidia.com/gpu": of, "pods": of, "ephemeral-storage": of, "example.com/x": of});
            let metadata = json!({
                "name": format!("n{number}-{other}.{long}"),
                "labels": {"team": "t".repeat(63), "node.kubernetes.io/instance-type": "x".repeat(63)},
                "annotations": {"fleetledger.io/text": text, "fleetledger.io/long": "y".repeat(100_000)},
            });
            let taint = json!({"key": format!("virtual-node.{}", "k".repeat(40)), "value": "v", "effect": "NoSchedule"});
            let status = json!({
                "capacity": amounts(quantity), "allocatable": amounts(allocatable),
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": at, "lastTransitionTime": at, "reason": text, "message": text}],
                "nodeInfo": {"kubeletVersion": text, "kernelVersion": text, "bootID": text, "osImage": text, "machineID": "", "systemUUID": "", "containerRuntimeVersion": text, "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": text},
            });
            nodes.push((
                json!({"metadata": metadata, "spec": {"taints": [taint]}}),
                Some(status),
            ));
        }
    }
    nodes
}

fn pods() -> Vec<(Value, Option<Value>)> {
    let mut pods = Vec::new();
    for (number, quantity) in QUANTITIES.iter().enumerate() {
        for (other, text) in TEXTS.iter().enumerate() {
            let at = INSTANTS[(number + other) % INSTANTS.len()];
            let requests = json!({"cpu": quantity, "memory": quantity});
            let container = |name: &str| json!({"name": name, "image": "x".repeat(5_000), "resources": {"requests": requests.clone()}});
            let names = [format!("a{}", "c".repeat(60)), "b".to_owned()];
            let metadata = json!({
                "name": format!("p{number}-{other}{}", "p".repeat(200)), "namespace": "default",
                "labels": {"app": "a".repeat(63), "owner": ""},
                "annotations": {"fleetledger.io/text": text},
            });
            let spec = json!({
                "nodeName": format!("n{number}-0.{}.{}", "n".repeat(63), "o".repeat(60)),
                "terminationGracePeriodSeconds": i64::MAX, "priority": 0,
                "containers": names.iter().map(|name| container(name)).collect::<Vec<_>>(),
            });
            let state = |restarts: i32| {
                move |name: &String| {
                    json!({
                        "name": name, "image": "", "imageID": text, "ready": true, "restartCount": restarts,
                        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": text}},
                        "lastState": {"terminated": {"exitCode": i32::MIN, "reason": "OOMKilled", "message": text, "startedAt": at, "finishedAt": at}},
                    })
                }
            };
            let restarts = [i32::MAX, 0, i32::MIN][other % 3];
            let phase = ["Running", "Pending", "Failed", "Succeeded", "Unknown"][(number + other) % 5];
            let status = json!({
                "phase": phase,
                "reason": text, "message": text, "startTime": at,
                "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at}, {"type": "DisruptionTarget", "status": "True", "reason": text, "lastTransitionTime": at}],
                "containerStatuses": names.iter().map(state(restarts)).collect::<Vec<_>>(),
            });
            pods.push((json!({"metadata": metadata, "spec": spec}), Some(status)));
        }
    }
    pods
}

fn workloads() -> Vec<(Value, Option<Value>)> {
    let template =
        json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}});
    let deployment = |replicas: i32, text: &str| {
        let metadata = json!({"name": format!("w{}{}", replicas, "w".repeat(200)), "namespace": "default"});
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": {"app": "x"}}, "template": template.clone(), "progressDeadlineSeconds": i32::MAX});
        let status = json!({
            "replicas": i32::MAX, "readyReplicas": i32::MAX, "updatedReplicas": i32::MAX, "availableReplicas": 0, "unavailableReplicas": i32::MAX,
            "conditions": [{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": text, "lastTransitionTime": INSTANTS[2]}],
        });
        (json!({"metadata": metadata, "spec": spec}), Some(status))
    };
    TEXTS
        .iter()
        .zip([0, 1, 2, 1000, 1 << 30, i32::MAX - 1, i32::MAX])
        .map(|(text, replicas)| deployment(replicas, text))
        .collect()
}

fn cron_jobs() -> Vec<(Value, Option<Value>)> {
    let job = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}});
    let schedules = [
        "0 0 30 2 *",
        "* * * * *",
        "@every 1s",
        "@yearly",
        "*/59 23 31 12 6",
    ];
    let cron_job = |(number, schedule): (usize, &&str)| {
        let metadata = json!({"name": format!("c{number}"), "namespace": "default"});
        let spec = json!({"schedule": schedule, "timeZone": "Pacific/Kiritimati", "startingDeadlineSeconds": i64::MAX, "jobTemplate": job.clone()});
        let status = json!({"lastScheduleTime": INSTANTS[number % 4], "lastSuccessfulTime": INSTANTS[(number + 1) % 4]});
        (json!({"metadata": metadata, "spec": spec}), Some(status))
    };
    schedules.iter().enumerate().map(cron_job).collect()
}

/// A quiet cluster: a node, its namespace, a Deployment and pods.
async fn calm(emitter: &mut ManualEmitter) {
    let Record::Node(mut node) = manual_emitter::node("00000000-0000-4000-8000-000000000001", 8_000) else {
        unreachable!()
    };
    node.node = "node-1".to_owned();
    node.capacity.memory_bytes = Some(32 << 30);
    node.allocatable = node.capacity.clone();
    let pods = [2, 3]
        .map(|number| manual_emitter::pod(&format!("00000000-0000-4000-8000-00000000000{number}"), 1_500));
    emitter.sweep(RecordKind::Node, &[Record::Node(node)]);
    emitter.sweep(RecordKind::Pod, &pods);
    emitter.sweep(
        RecordKind::Namespace,
        &[manual_emitter::namespace(
            "00000000-0000-4000-8000-000000000004",
            "web",
        )],
    );
    emitter.sweep(
        RecordKind::Workload,
        &[manual_emitter::deployment(
            "00000000-0000-4000-8000-000000000005",
            2,
        )],
    );
    emitter.sweep(RecordKind::Watchdog, &[]);
    emitter.flush().await;
}

/// Everything that ships and anybody may ask, each as one statement that reads every row and column.
async fn statements(database: &LedgerDatabase) -> Vec<(String, String)> {
    let views = "select schemaname || '.' || viewname from pg_views where schemaname in ('fleet', 'fleet_asof') order by 1";
    let views = database.client.query(views, &[]).await.unwrap();
    let mut all: Vec<(String, String)> = views
        .iter()
        .map(|row| row.get::<_, String>(0))
        .map(|view| {
            (
                view.clone(),
                format!("select md5(string_agg(v::text, '')) from {view} as v"),
            )
        })
        .collect();
    for folder in ["alerts", "metrics", "reports", "rollups"] {
        let path = format!("{}/../queries/{folder}", env!("CARGO_MANIFEST_DIR"));
        for query in catalogue::load(path.as_ref()).unwrap().iter() {
            let mut sql = query.sql.clone();
            let parameters = query.report().map(|report| report.parameters.as_slice());
            for (place, parameter) in parameters.unwrap_or_default().iter().enumerate().rev() {
                let value = parameter.default.clone().unwrap_or_else(|| "hostile".to_owned());
                sql = sql.replace(&format!("${}", place + 1), &format!("'{value}'"));
            }
            let sql = format!("select md5(string_agg(v::text, '')) from ({sql}) as v");
            all.push((query.id.to_string(), sql));
        }
    }
    all
}

/// What fails of that.
async fn failures(database: &LedgerDatabase, statements: &[(String, String)]) -> String {
    let mut failures = String::new();
    for (name, sql) in statements {
        let run = format!(
            "begin; set local search_path = fleet; set local fleet.window_from = '{}'; {sql}; rollback",
            "2026-03-02 09:00Z"
        );
        if let Err(error) = database.client.batch_execute(&run).await {
            let error = error
                .as_db_error()
                .map_or_else(|| error.to_string(), ToString::to_string);
            writeln!(failures, "{name}: {error}").unwrap();
            database.client.batch_execute("rollback").await.unwrap();
        }
    }
    failures
}

/// What is known of the calm cluster, and what rating the hour of `at` says of it.
async fn of_calm(database: &LedgerDatabase, reader: &ReaderPool, at: jiff::Timestamp) -> Vec<String> {
    let rate = format!(
        "select ledger.cost_fill_rest('{at}', 'rerate', '{at}'), ledger.cost_fill_day_rest('{at}', '{at}')"
    );
    database.client.batch_execute(&rate).await.unwrap();
    let mut known = Vec::new();
    for view in [
        "node",
        "pod",
        "container",
        "namespace",
        "workload",
        "node_condition",
        "node_request",
        "cost_hourly",
        "cost_daily",
        "cost_node_hourly",
        "cost_node_daily",
        "cost_workload_daily",
        "cost_monthly",
        "cost_balance",
    ] {
        let sql = format!(
            "select coalesce(string_agg(to_jsonb(v)::text, ' ' order by to_jsonb(v)::text), '') from (select * from fleet.{view} where cluster = '{CALM}') as v"
        );
        let text: String = database.client.query_one(&sql, &[]).await.unwrap().get(0);
        assert!(!text.is_empty() || view == "node_condition", "{view}");
        // When something was rated or checked is no figure.
        let is_figure = |part: &&str| !part.contains("checked_at") && !part.contains("run_id");
        let text: Vec<&str> = text.split(", ").filter(is_figure).collect();
        known.push(format!("{view}: {}", text.join(", ")));
    }
    for aggregate in ["cluster,namespace", "cluster,node,pod,container"] {
        let parameters = AllocationParameters {
            window: format!(
                "{},{}",
                at.checked_sub(jiff::SignedDuration::from_hours(24)).unwrap(),
                at
            ),
            aggregate: Some(aggregate.to_owned()),
            accumulate: Some("true".to_owned()),
            include_idle: Some(true),
            share_idle: Some(true),
            ..AllocationParameters::default()
        };
        let question = parameters.read(at, &SharingOptions::default()).unwrap();
        let said = answer(reader, &question).await.unwrap();
        assert!(!said.csv().is_empty());
        for (name, one) in said
            .data
            .iter()
            .flatten()
            .filter(|(name, _)| name.starts_with(CALM))
        {
            known.push(format!("{name} {:.9} {:.6}", one.total_cost, one.cpu_core_hours));
        }
    }
    known
}

async fn price(database: &LedgerDatabase) {
    let sheet = "[[sheet]]\nsheet = 'a'\nvalid_from = 2025-01-01\ncurrency = 'USD'\n[[sheet.class]]\nclass = 'all'\n\
        price_per_core_hour = 0.03\nprice_per_gib_hour = 0.004\nprice_per_gpu_hour = 2\n";
    let book = CostDefinitions::parse(&[("test.toml", sheet)]).unwrap();
    let mut client = database.owner.connect("prices").await.unwrap();
    store::apply(&mut client, &book, "test").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_api_server_accepts_changes_and_breaks_nothing_of_another_cluster() {
    let test = "whatever_an_api_server_accepts_changes_and_breaks_nothing_of_another_cluster";
    let Some(cluster) = TestCluster::start(test).await else {
        return;
    };
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let (kafka, database, prefix) = (
        parts.kafka.client_config(),
        parts.database().await,
        parts.topics().await,
    );
    price(&database).await;
    let ingester = TestIngester::start(&prefix, &kafka, &database);
    let mut other = ManualEmitter::new(&kafka, &prefix, CALM, "11111111-0000-4000-8000-000000000000");
    calm(&mut other).await;
    eventually("the calm cluster has landed", LIMIT, || async {
        let all = "select (select count(*) from fleet.pod) + (select count(*) from fleet.node) + (select count(*) from fleet.namespace)
            + (select count(*) from fleet.workload)";
        let landed = database.number(all).await;
        ensure(landed == 5, || format!("{landed}"))
    })
    .await;
    let reader_url = database
        .owner_url
        .replacen("fleetledger@", "fleetledger_reader@", 1);
    let reader = fleetledger_schema::postgres::PostgresConnector::new(reader_url.parse().unwrap(), None);
    let reader = ReaderPool::new(&reader, 2).unwrap();
    // The running hour, as if it were over, before and after.
    let now = jiff::Timestamp::now().as_second();
    let at = jiff::Timestamp::from_second(now - now.rem_euclid(3600) + 3599).unwrap();
    let before = of_calm(&database, &reader, at).await;
    let statements = statements(&database).await;
    assert_eq!(failures(&database, &statements).await, "");

    let mut accepted = [0; 4];
    for (count, (resource, objects)) in accepted.iter_mut().zip([
        (ApiResourceKind::Node, nodes()),
        (ApiResourceKind::Pod, pods()),
        (ApiResourceKind::Deployment, workloads()),
        (ApiResourceKind::CronJob, cron_jobs()),
    ]) {
        *count = try_create(&cluster, resource, objects).await;
    }
    print_line(&format!(
        "accepted of nodes, pods, Deployments and CronJobs: {accepted:?}"
    ));
    assert!(accepted.iter().all(|count| *count >= 5), "{accepted:?}");
    let emitter = TestEmitter::start(
        emitter::settings(HOSTILE, &prefix),
        cluster.client.clone(),
        &kafka,
    );
    let listed = async |resource| i64::try_from(cluster.list(resource).await.len()).unwrap();
    let living = (
        listed(ApiResourceKind::Node).await,
        listed(ApiResourceKind::Pod).await,
    );
    eventually("the hostile cluster has landed", LIMIT, || async {
        let of = |view: &str| format!("select count(*) from fleet.{view} where cluster = '{HOSTILE}'");
        let landed = (
            database.number(&of("node")).await,
            database.number(&of("pod")).await,
        );
        let dead = "select kind || ' ' || reason || ': ' || detail from fleet.dead_letter limit 5";
        let dead = database.rows(&format!("select d from ({dead}) as d"), &[]).await;
        ensure(landed == living, || {
            format!("{landed:?} of {living:?}, dead letters {dead:?}")
        })
    })
    .await;
    assert_eq!(database.number("select count(*) from fleet.dead_letter").await, 0);
    assert_eq!(failures(&database, &statements).await, "");
    assert_eq!(of_calm(&database, &reader, at).await, before);
    let aside = database.rows("select * from fleet.cost_failure as f", &[]).await;
    assert!(aside.is_empty(), "{aside:?}");
    emitter.stop().await;
    ingester.stop().await;
}
