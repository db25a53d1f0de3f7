//! Usage from where it is read to the hours in which it stands, with a real API server, Kafka and PostgreSQL. Kubelets are
//! an HTTP server that serves their metrics of containers that run evenly, so that every sum is known beforehand.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{sync::Arc, time::Duration};

use fleetledger_emit::{EmitSettings, GpuSettings, UsageSettings, UsageSource};
use fleetledger_local::kube_apiserver::KubeApiserver;
use fleetledger_schema::instant::Instant;
use fleetledger_tests::{
    cluster::{self, ApiResourceKind, DesiredObject, TestCluster},
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    emitter::{self, TestEmitter},
    ingester::TestIngester,
    kubelet::{FakeKubelets, ServedContainer},
    parts::{self, SharedServers},
};
use kube::{
    Api,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// A window is a minute of the clock, and one may have to be waited out first.
const LIMIT: Duration = Duration::from_secs(240);
const ACCOUNT: &str = "system:serviceaccount:fleetledger:fleetledger-emit";

/// Everything from an API server, with the rights that ship, to a database.
struct UsagePipeline {
    parts: Arc<SharedServers>,
    cluster: TestCluster,
    database: LedgerDatabase,
    prefix: String,
    ingester: TestIngester,
}

impl UsagePipeline {
    async fn start(test: &str) -> Option<Self> {
        let builder = KubeApiserver::builder().user(ACCOUNT, &[]);
        let cluster = TestCluster::start_with(test, builder).await?;
        let parts = parts::shared(test).await?;
        let (database, prefix) = (parts.database().await, parts.topics().await);
        let ingester = TestIngester::start(&prefix, &parts.kafka.client_config(), &database);
        cluster.apply("emit-rbac.yaml").await;
        Some(Self {
            parts,
            cluster,
            database,
            prefix,
            ingester,
        })
    }

    fn settings(&self, identity: &str, usage: UsageSettings) -> EmitSettings {
        let mut settings = emitter::settings("prod-1", &self.prefix);
        settings.leadership.namespace = "fleetledger".to_owned();
        settings.leadership.identity = identity.to_owned();
        settings.usage = usage;
        settings
    }

    async fn emitter(&self, settings: EmitSettings) -> TestEmitter {
        let kubeconfig = self.cluster.server.kubeconfig_yaml_of(ACCOUNT).unwrap();
        let client = cluster::client(&kubeconfig).await;
        TestEmitter::start(settings, client, &self.parts.kafka.client_config())
    }

    async fn create_node(&self, name: &str) {
        let node = DesiredObject {
            resource: ApiResourceKind::Node,
            namespace: None,
            name: name.to_owned(),
            owner: None,
            body: json!({"metadata": {}, "spec": {}}),
            status: Some(json!({"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]})),
        };
        self.cluster.create(&node).await;
    }

    async fn create_pod(&self, name: &str, containers: Value) {
        let pod = DesiredObject {
            resource: ApiResourceKind::Pod,
            namespace: Some("default".to_owned()),
            name: name.to_owned(),
            owner: None,
            body: json!({"metadata": {}, "spec": {"nodeName": "node-1", "containers": containers}}),
            status: None,
        };
        self.cluster.create(&pod).await;
    }

    /// Waits for so many minutes of node-1.
    async fn minutes(&self, least: i64) {
        let query = "select coalesce(sum(minutes_covered), 0)::bigint from fleet.usage_coverage where node = 'node-1'";
        eventually("windows land", LIMIT, || async {
            let minutes = self.database.number(query).await;
            ensure(minutes >= least, || format!("{minutes} minutes"))
        })
        .await;
    }

    /// Sums over all hours of a container.
    async fn sums(&self, container: &str) -> Value {
        let query = format!(
            "select sum(covered_seconds)::float8 as covered, sum(cpu_core_seconds)::float8 as cpu,
                 sum(cpu_charged_core_seconds)::float8 as charged, sum(memory_byte_seconds)::float8 as memory,
                 sum(memory_charged_byte_seconds)::float8 as memory_charged, max(cpu_max_cores)::float8 as cpu_max,
                 max(memory_max_bytes)::float8 as memory_max, sum(gpu_card_seconds)::float8 as gpu,
                 sum(gpu_covered_seconds)::float8 as gpu_covered
             from fleet.usage_hourly where container = '{container}'"
        );
        self.database.row(&query).await
    }

    /// Every record of usage is in a column, and none was lost or died.
    async fn assert_batches_agree(&self) {
        let query = format!(
            "select coalesce(sum(landed), 0)::bigint as landed, coalesce(sum(dead), 0)::bigint as dead,
                 (select sum(windows) from fleet.usage_coverage)::bigint as windows,
                 (select count(*) from fleet.gap)::bigint as gaps
             from fleet.batch where topic = '{}.usage'",
            self.prefix
        );
        let batches = self.database.row(&query).await;
        assert_eq!(
            (&batches["dead"], &batches["gaps"]),
            (&json!(0), &json!(0)),
            "{batches}"
        );
        assert_eq!(batches["landed"], batches["windows"], "{batches}");
    }
}

/// `sums[what]` is `per_second` for every covered second, to a hundredth.
fn assert_per_second(sums: &Value, what: &str, covered: &str, per_second: f64) {
    let (found, seconds) = (sums[what].as_f64().unwrap(), sums[covered].as_f64().unwrap());
    assert!(seconds > 0.0, "{sums}");
    let off = (found / seconds - per_second).abs() / per_second;
    assert!(
        off < 0.01,
        "{what}: {found} in {seconds} s, not {per_second} each: {sums}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubelets_usage_lands_though_an_emitter_is_lost_a_container_restarts_and_a_node_hangs() {
    let test = "kubelets_usage_lands_though_an_emitter_is_lost_a_container_restarts_and_a_node_hangs";
    let Some(line) = UsagePipeline::start(test).await else {
        return;
    };
    let kubelets = FakeKubelets::start().await;
    kubelets.hang("node-2");
    line.create_node("node-1").await;
    line.create_node("node-2").await;
    let requests = json!([
        {"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "500m", "memory": "100Mi"}}},
        {"name": "sidecar", "image": "app:1", "resources": {"requests": {"cpu": "100m"}}},
    ]);
    line.create_pod("api-0", requests).await;
    let mebibyte = 1_048_576;
    let served =
        |container: &str, millicores: i64, mebibytes: i64, gpu_percent: Option<f64>| ServedContainer {
            node: "node-1".to_owned(),
            namespace: "default".to_owned(),
            pod: "api-0".to_owned(),
            container: container.to_owned(),
            millicores,
            memory_bytes: mebibytes * mebibyte,
            gpu_percent,
            started_at: Instant::now(),
        };
    let both = vec![
        served("app", 250, 64, Some(40.0)),
        served("sidecar", 1500, 32, None),
    ];
    kubelets.serve(both.clone());
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "shown-to-kubelets\n").unwrap();
    let usage = UsageSettings {
        source: UsageSource::Kubelet,
        interval_seconds: 1,
        window_minutes: 1,
        gap_seconds: 30,
        timeout_seconds: 1,
        kubelet_url: format!("{}/{{node}}/metrics/resource", kubelets.url),
        token_file: token.path().display().to_string(),
        gpu: GpuSettings {
            url: format!("{}/{{node}}/gpu", kubelets.url),
            ..GpuSettings::default()
        },
        ..UsageSettings::default()
    };
    let first = line.emitter(line.settings("first", usage.clone())).await;
    eventually("the first emitter reads", LIMIT, || async {
        ensure(first.metric("fleetledger_emit_usage_reads_total") > 3.0, || {
            format!("{:?}", first.health.ready())
        })
    })
    .await;
    let second = line.emitter(line.settings("second", usage)).await;
    line.minutes(1).await;
    // A crash: whatever the first had of the running minute is lost with it.
    drop(first);
    let reads = || second.metric("fleetledger_emit_usage_reads_total");
    eventually("the second emitter reads", LIMIT, || async {
        ensure(reads() > 3.0, || format!("{} reads", reads()))
    })
    .await;
    let mut restarted = both;
    restarted[1].started_at = Instant::now();
    kubelets.serve(restarted);
    line.minutes(3).await;

    let app = line.sums("app").await;
    assert_per_second(&app, "cpu", "covered", 0.25);
    assert_per_second(&app, "charged", "covered", 0.5);
    assert_per_second(&app, "memory", "covered", (64 * mebibyte) as f64);
    assert_per_second(&app, "memory_charged", "covered", (100 * mebibyte) as f64);
    assert_per_second(&app, "gpu", "gpu_covered", 0.4);
    assert_eq!(app["memory_max"], json!(64 * mebibyte));
    let sidecar = line.sums("sidecar").await;
    assert_per_second(&sidecar, "cpu", "covered", 1.5);
    assert_per_second(&sidecar, "charged", "covered", 1.5);
    // Without a request all of it is usage; without a metric no card was seen.
    assert_per_second(&sidecar, "memory_charged", "covered", (32 * mebibyte) as f64);
    assert_eq!(sidecar["gpu"], Value::Null);
    let most = "select max(covered_ms - 60000 * bit_count(minutes::bit(60)))::bigint
        from ledger.usage_hourly as u join ledger.usage_window as w using (cluster_id, hour_at, node)";
    assert!(
        line.database.number(most).await <= 0,
        "more than the minutes have"
    );
    let rows = "select distinct node from fleet.usage_coverage";
    assert_eq!(line.database.rows(rows, &[]).await, [json!({"node": "node-1"})]);
    line.assert_batches_agree().await;

    let asked = kubelets.requests();
    let shown = Some("Bearer shown-to-kubelets".to_owned());
    assert!(asked.contains(&("/node-1/metrics/resource".to_owned(), shown)));
    assert!(
        asked
            .iter()
            .all(|(path, token)| !path.ends_with("/gpu") || token.is_none())
    );
    // The node that hangs is asked less and less often.
    let of = |node: &str| {
        asked
            .iter()
            .filter(|(path, _)| *path == format!("/{node}/metrics/resource"))
            .count()
    };
    assert!(
        of("node-2") >= 2 && of("node-2") * 4 < of("node-1"),
        "{} {}",
        of("node-2"),
        of("node-1")
    );
    println!("app {app}\nsidecar {sidecar}");
    second.stop().await;
    line.ingester.stop().await;
}

/// `metrics.k8s.io` without a metrics server: a custom resource of that group, whose objects the test writes.
const POD_METRICS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: pods.metrics.k8s.io
  annotations: {api-approved.kubernetes.io: "unapproved, a double for tests"}
spec:
  group: metrics.k8s.io
  scope: Namespaced
  names: {plural: pods, singular: pod, kind: PodMetrics, listKind: PodMetricsList}
  versions:
    - name: v1beta1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"#;

async fn install_pod_metrics(cluster: &TestCluster) -> Api<DynamicObject> {
    let resource = |group: &str, version: &str, kind: &str, plural: &str| ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version: format!("{group}/{version}"),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    let definitions = resource(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
    );
    let definition: DynamicObject = serde_yaml_ng::from_str(POD_METRICS).unwrap();
    let api: Api<DynamicObject> = Api::all_with(cluster.client.clone(), &definitions);
    api.create(&PostParams::default(), &definition).await.unwrap();
    let metrics = resource("metrics.k8s.io", "v1beta1", "PodMetrics", "pods");
    let api: Api<DynamicObject> = Api::namespaced_with(cluster.client.clone(), "default", &metrics);
    eventually("metrics.k8s.io is served", LIMIT, || async {
        api.list(&ListParams::default()).await
    })
    .await;
    api
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_of_metrics_k8s_io_lands_by_the_hour() {
    let test = "usage_of_metrics_k8s_io_lands_by_the_hour";
    let Some(line) = UsagePipeline::start(test).await else {
        return;
    };
    let api = install_pod_metrics(&line.cluster).await;
    line.create_node("node-1").await;
    let requests = json!([{"name": "app", "image": "app:1", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}}}]);
    line.create_pod("api-0", requests).await;
    let usage = UsageSettings {
        source: UsageSource::MetricsApi,
        interval_seconds: 1,
        window_minutes: 1,
        gap_seconds: 30,
        ..UsageSettings::default()
    };
    let emitter = line.emitter(line.settings("only", usage)).await;
    let writing = async {
        let parameters = PatchParams::apply("test").force();
        let mut every = tokio::time::interval(Duration::from_secs(2));
        loop {
            every.tick().await;
            let metrics = json!({
                "apiVersion": "metrics.k8s.io/v1beta1", "kind": "PodMetrics",
                "metadata": {"name": "api-0", "namespace": "default"},
                "timestamp": Instant::now().to_string(), "window": "2s",
                "containers": [{"name": "app", "usage": {"cpu": "200000000n", "memory": "32Mi"}}],
            });
            api.patch("api-0", &parameters, &Patch::Apply(&metrics))
                .await
                .unwrap();
        }
    };
    tokio::select! {
        () = writing => {}
        () = line.minutes(2) => {}
    }
    let app = line.sums("app").await;
    assert_per_second(&app, "cpu", "covered", 0.2);
    assert_per_second(&app, "charged", "covered", 0.2);
    assert_per_second(&app, "memory_charged", "covered", 64.0 * 1_048_576.0);
    line.assert_batches_agree().await;
    println!("app {app}");
    emitter.stop().await;
    line.ingester.stop().await;
}
