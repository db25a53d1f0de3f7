//! The real controllers beside the real API server: pods that a workload loses, pods that it cannot make, and whatever else
//! only a controller writes into a status.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{sync::Arc, time::Duration};

use fleetledger_local::kube_apiserver::{ControllerManager, KubeApiserver, KubeApiserverBuilder};
use fleetledger_tests::{
    cluster::{ApiResourceKind, DesiredObject, TestCluster, text},
    comparison::compare,
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    emitter::{self, TestEmitter},
    ingester::TestIngester,
    parts::{self, SharedServers},
    program,
};
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

const CLUSTER: &str = "prod-1";
const LIMIT: Duration = Duration::from_secs(90);
/// A CronJob's next full minute, and what follows it.
const NEXT_MINUTE: Duration = Duration::from_secs(150);
/// Pods that the quota of the namespace allows: the leak ends there.
const QUOTA: i64 = 40;

/// A cluster whose controllers run, and its way into a database.
struct ControlledCluster {
    _parts: Arc<SharedServers>,
    cluster: TestCluster,
    _controllers: ControllerManager,
    database: LedgerDatabase,
    emitter: TestEmitter,
    ingester: TestIngester,
}

impl ControlledCluster {
    async fn start(test: &str, builder: KubeApiserverBuilder<'_>) -> Option<Self> {
        let cluster = TestCluster::start_with(test, builder).await?;
        let parts = parts::shared(test).await?;
        let controllers = cluster.server.start_controllers().await.unwrap();
        let kafka = parts.kafka.client_config();
        let (database, prefix) = (parts.database().await, parts.topics().await);
        let ingester = TestIngester::start(&prefix, &kafka, &database);
        let emitter = TestEmitter::start(
            emitter::settings(CLUSTER, &prefix),
            cluster.client.clone(),
            &kafka,
        );
        Some(Self {
            _parts: parts,
            cluster,
            _controllers: controllers,
            database,
            emitter,
            ingester,
        })
    }

    /// Awaits that the central site is what the API server is at the same moment.
    async fn await_equality(&self) {
        let comparison = eventually("central site = API server", LIMIT, || async {
            compare(&self.cluster, &self.database, CLUSTER).await.equal()
        })
        .await;
        println!("{comparison}");
    }

    /// Awaits an object's status.
    async fn await_status(
        &self,
        resource: ApiResourceKind,
        namespace: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let what = format!("status of {} {name}", resource.kind());
        eventually(&what, LIMIT, || async {
            let object = self.cluster.get(resource, Some(namespace), name).await;
            let object = object.ok_or("it is not there")?;
            ensure(holds(&object["status"]), || object["status"].to_string()).map(|()| object)
        })
        .await
    }

    /// The rows of a shipped rule, asked by the binary as the reader.
    fn rule(&self, name: &str) -> Vec<Value> {
        let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../queries/alerts")
            .join(format!("{name}.sql"));
        let reader = self
            .database
            .owner_url
            .replacen("fleetledger@", "fleetledger_reader@", 1);
        let asked = [
            "rules",
            "run",
            file.to_str().unwrap(),
            "--postgres",
            &reader,
            "--json",
        ];
        let (code, printed) = program::run(&asked, "");
        assert_eq!(code, Some(0), "{printed}");
        let answer: Value =
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"));
        answer["rows"].as_array().unwrap().clone()
    }

    /// Pods of a namespace whose name begins with `prefix`.
    async fn pods(&self, namespace: &str, prefix: &str) -> Vec<Value> {
        let mut pods = self.cluster.list(ApiResourceKind::Pod).await;
        pods.retain(|pod| {
            text(pod, "/metadata/namespace") == namespace && text(pod, "/metadata/name").starts_with(prefix)
        });
        pods
    }

    /// What scheduler and kubelet would do: binds a pod and says how it fares.
    async fn play_kubelet(&self, pod: &Value, status: &Value) {
        let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
        if pod.pointer("/spec/nodeName").is_none() {
            let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name},
                "target": {"apiVersion": "v1", "kind": "Node", "name": "node-1"}});
            let pods = self.cluster.api(ApiResourceKind::Pod, Some(&namespace));
            pods.create_subresource::<Value, Value>("binding", &name, &PostParams::default(), &binding)
                .await
                .unwrap();
        }
        self.cluster
            .patch_status(ApiResourceKind::Pod, Some(&namespace), &name, status)
            .await;
    }

    /// Asks for a pod's end; as nobody plays its kubelet, it stays.
    async fn terminate(&self, pod: &Value) {
        let pods = self
            .cluster
            .api(ApiResourceKind::Pod, Some(&text(pod, "/metadata/namespace")));
        pods.delete(&text(pod, "/metadata/name"), &DeleteParams::default())
            .await
            .unwrap();
    }

    async fn end(self) {
        self.emitter.stop().await;
        self.ingester.stop().await;
    }
}

fn ready() -> Value {
    let ready =
        |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    json!({"phase": "Running", "conditions": [ready("PodScheduled"), ready("Ready")]})
}

fn workload(resource: ApiResourceKind, namespace: &str, name: &str, spec: Value) -> DesiredObject {
    DesiredObject {
        resource,
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
        owner: None,
        body: json!({"metadata": {}, "spec": spec}),
        status: None,
    }
}

fn template(app: &str, restart_policy: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}},
        "spec": {"restartPolicy": restart_policy, "containers": [{"name": "main", "image": "app:1"}]}})
}

fn of_app(app: &str, replicas: i64) -> Value {
    json!({"replicas": replicas, "selector": {"matchLabels": {"app": app}}, "template": template(app, "Always")})
}

/// A policy of the API server itself that drops the labels of pods while they are made, in namespace shop.
fn label_dropping_policy() -> [Value; 2] {
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "drops-labels"},
        "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"],
                "resources": ["pods"]}]},
            "matchConditions": [{"name": "has-labels", "expression": "has(object.metadata.labels)"}],
            "mutations": [{"patchType": "JSONPatch",
                "jsonPatch": {"expression": r#"[JSONPatch{op: "remove", path: "/metadata/labels"}]"#}}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1beta1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "drops-labels"},
        "spec": {"policyName": "drops-labels",
            "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}},
    });
    [policy, binding]
}

/// A namespace with a quota that a controller has counted, and a policy that the server has taken up.
async fn prepare_leak(line: &ControlledCluster) {
    let cluster = &line.cluster;
    cluster
        .create_manifest(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))
        .await;
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods", "namespace": "shop"},
        "spec": {"hard": {"pods": QUOTA.to_string()}}});
    cluster.create_manifest(&quota).await;
    for manifest in label_dropping_policy() {
        cluster.create_manifest(&manifest).await;
    }
    await_labels_of_new_pods(cluster, "the policy drops labels, and the quota counts", false).await;
}

/// Waits until a new pod would keep its labels, or would not: servers take a policy up, and give it up, in their own time.
async fn await_labels_of_new_pods(cluster: &TestCluster, what: &str, are_kept: bool) {
    let probe = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": "shop", "labels": {"app": "x"}},
        "spec": {"containers": [{"name": "main", "image": "app:1"}]}});
    let pods = cluster.api(ApiResourceKind::Pod, Some("shop"));
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    eventually(what, LIMIT, || async {
        let created = pods
            .create(&dry_run, &serde_json::from_value(probe.clone()).unwrap())
            .await;
        let created = created.map_err(|error| error.to_string())?;
        ensure(created.metadata.labels.is_some() == are_kept, || {
            format!("{:?}", created.metadata.labels)
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_that_the_real_controller_lets_go_are_named_and_so_is_what_it_cannot_make() {
    let test = "pods_that_the_real_controller_lets_go_are_named_and_so_is_what_it_cannot_make";
    let builder = KubeApiserver::builder()
        .feature_gate("MutatingAdmissionPolicy=true")
        .flag("runtime-config=admissionregistration.k8s.io/v1beta1=true");
    let Some(line) = ControlledCluster::start(test, builder).await else {
        return;
    };
    prepare_leak(&line).await;
    let web = workload(ApiResourceKind::Deployment, "shop", "web", of_app("web", 3));
    line.cluster.create(&web).await;

    // The controller makes pods until the quota is used up, and has none of them.
    let failing = |status: &Value| {
        let conditions = status["conditions"].as_array().into_iter().flatten();
        conditions
            .clone()
            .any(|condition| condition["type"] == "ReplicaFailure" && condition["status"] == "True")
    };
    let deployment = line
        .await_status(ApiResourceKind::Deployment, "shop", "web", failing)
        .await;
    assert_eq!(deployment.pointer("/status/replicas"), None, "{deployment}");
    eventually("every pod is let go", LIMIT, || async {
        let pods = line.pods("shop", "web-").await;
        let orphans = pods
            .iter()
            .filter(|pod| pod["metadata"].get("ownerReferences").is_none());
        let (orphans, pods) = (orphans.count(), pods.len());
        ensure(
            orphans == pods && i64::try_from(pods).is_ok_and(|pods| pods == QUOTA),
            || format!("{orphans} of {pods}"),
        )
    })
    .await;
    line.await_equality().await;

    let found = line.rule("pods-orphaned");
    println!("PodsOrphaned: {found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
    let sets = line.cluster.list(ApiResourceKind::ReplicaSet).await;
    let set = text(&sets[0], "/metadata/name");
    assert_eq!(found[0]["namespace"], "shop");
    assert_eq!(found[0]["name_prefix"], json!(set));
    assert_eq!(found[0]["orphans"], json!(QUOTA));
    assert_eq!(found[0]["new_pods"], json!(QUOTA.to_string()));
    let workload_named = text(&found[0], "/workload");
    assert!(
        workload_named == format!("ReplicaSet {set}") || workload_named == "Deployment web",
        "{workload_named}"
    );
    assert_eq!(line.rule("workload-pods-leaking"), [] as [Value; 0]);

    let found = line.rule("workload-create-failing");
    println!("WorkloadCreateFailing: {found:?}");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (&found[0]["workload_kind"], &found[0]["workload"]),
        (&json!("Deployment"), &json!("web"))
    );
    let message = deployment["status"]["conditions"].as_array().unwrap().iter();
    let message = message
        .filter(|condition| condition["type"] == "ReplicaFailure")
        .map(|condition| text(condition, "/message"))
        .next()
        .unwrap();
    assert!(message.contains("exceeded quota: pods"), "{message}");
    assert_eq!(found[0]["message"], json!(message));

    end_leak(&line).await;
    line.end().await;
}

/// What the runbook says: nothing is made any more, the policy is repaired, the pods of the prefix go; then it is well.
async fn end_leak(line: &ControlledCluster) {
    let scale = |replicas: i64| json!({"spec": {"replicas": replicas}});
    let web = (ApiResourceKind::Deployment, Some("shop"), "web");
    line.cluster.patch(web.0, web.1, web.2, &scale(0)).await;
    let [_, binding] = label_dropping_policy();
    line.cluster.delete_manifest(&binding).await;
    // Whoever makes pods has heard of it when nothing more comes; the quota is used up until they are gone.
    eventually("no pod of the prefix is left", LIMIT, || async {
        let left = line.pods("shop", "web-").await;
        let pods = line.cluster.api(ApiResourceKind::Pod, Some("shop"));
        for pod in &left {
            // A controller may have been faster.
            drop(
                pods.delete(
                    &text(pod, "/metadata/name"),
                    &DeleteParams::default().grace_period(0),
                )
                .await,
            );
        }
        let sets = line.cluster.list(ApiResourceKind::ReplicaSet).await;
        let wanted = sets
            .iter()
            .any(|set| set["spec"]["replicas"] != 0 && text(set, "/metadata/namespace") == "shop");
        ensure(left.is_empty() && !wanted, || format!("{} pods", left.len()))
    })
    .await;
    await_labels_of_new_pods(&line.cluster, "labels are kept", true).await;
    let set = |replicas: i64| {
        move |status: &Value| {
            let failing = status["conditions"].as_array().into_iter().flatten();
            let failing = failing
                .filter(|condition| condition["type"] == "ReplicaFailure")
                .count();
            failing == 0 && status["replicas"].as_i64().unwrap_or(0) == replicas
        }
    };
    line.cluster.patch(web.0, web.1, web.2, &scale(3)).await;
    line.await_status(ApiResourceKind::Deployment, "shop", "web", set(3))
        .await;
    line.await_equality().await;
    assert_eq!(line.rule("pods-orphaned"), [] as [Value; 0]);
    assert_eq!(line.rule("workload-create-failing"), [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_real_controllers_say_of_their_workloads_is_what_the_ledger_says() {
    let test = "what_real_controllers_say_of_their_workloads_is_what_the_ledger_says";
    let Some(line) = ControlledCluster::start(test, KubeApiserver::builder()).await else {
        return;
    };
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}});
    line.cluster.create_manifest(&node).await;
    let every_minute = json!({"schedule": "* * * * *",
        "jobTemplate": {"spec": {"template": template("minutely", "Never")}}});
    let of_default = |resource, name: &str, spec: Value| workload(resource, "default", name, spec);
    let mut ordered = of_app("ordered", 2);
    ordered["serviceName"] = json!("ordered");
    let agent =
        json!({"selector": {"matchLabels": {"app": "agent"}}, "template": template("agent", "Always")});
    let indexed = json!({"completions": 5, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 0,
        "maxFailedIndexes": 5, "podReplacementPolicy": "Failed", "template": template("indexed", "Never")});
    for desired in [
        of_default(ApiResourceKind::CronJob, "minutely", every_minute),
        of_default(ApiResourceKind::Deployment, "web", of_app("web", 3)),
        of_default(ApiResourceKind::ReplicaSet, "bare", of_app("bare", 1)),
        of_default(ApiResourceKind::StatefulSet, "ordered", ordered),
        of_default(ApiResourceKind::DaemonSet, "agent", agent),
        of_default(ApiResourceKind::Job, "indexed", indexed),
    ] {
        line.cluster.create(&desired).await;
    }
    deployment_in_part(&line).await;
    job_by_index(&line).await;
    stateful_and_daemon_set(&line).await;
    cron_job(&line).await;
    line.await_equality().await;
    let rows = line
        .database
        .rows(
            "select workload_kind, workload, desired, current, ready, available, unavailable, terminating, succeeded,
                failed, active, completed_indexes, failed_indexes, wanted
            from fleet.workload where workload <> 'minutely' and workload not like 'minutely-%' order by workload_kind",
            &[],
        )
        .await;
    let expected = [
        json!({"workload_kind": "DaemonSet", "workload": "agent", "desired": 1, "current": 1, "ready": 1, "available": 1,
            "unavailable": 0, "terminating": null, "wanted": 1}),
        json!({"workload_kind": "Deployment", "workload": "web", "desired": 3, "current": 3, "ready": 2, "available": 2,
            "unavailable": 1, "terminating": 1, "wanted": 3}),
        json!({"workload_kind": "Job", "workload": "indexed", "desired": 3, "current": 2, "ready": 0, "terminating": 1,
            "succeeded": 1, "failed": 1, "active": 2, "completed_indexes": "0", "failed_indexes": "1", "wanted": 3}),
        json!({"workload_kind": "ReplicaSet", "workload": "bare", "desired": 1, "current": 1, "ready": 0, "available": 0,
            "unavailable": 1, "terminating": 0, "wanted": 1}),
        json!({"workload_kind": "StatefulSet", "workload": "ordered", "desired": 2, "current": 2, "ready": 1, "available": 1,
            "unavailable": 1, "terminating": null, "wanted": 2}),
    ];
    assert_eq!(rows.len(), expected.len(), "{rows:#?}");
    for (row, expected) in rows.iter().zip(&expected) {
        for (column, value) in expected.as_object().unwrap() {
            assert_eq!(&row[column], value, "{column} of {row}");
        }
    }
    line.end().await;
}

/// Three pods run, one of them is asked to end and stays: another is made in its place.
async fn deployment_in_part(line: &ControlledCluster) {
    let pods = eventually("three pods", LIMIT, || async {
        let pods = line.pods("default", "web-").await;
        ensure(pods.len() == 3, || pods.len().to_string()).map(|()| pods)
    })
    .await;
    for pod in &pods {
        line.play_kubelet(pod, &ready()).await;
    }
    let available = |count: i64| move |status: &Value| status["availableReplicas"] == count;
    line.await_status(ApiResourceKind::Deployment, "default", "web", available(3))
        .await;
    line.terminate(&pods[0]).await;
    let in_part = |status: &Value| {
        status["availableReplicas"] == 2 && status["terminatingReplicas"] == 1 && status["replicas"] == 3
    };
    let deployment = line
        .await_status(ApiResourceKind::Deployment, "default", "web", in_part)
        .await;
    println!("Deployment: {}", deployment["status"]);
}

/// Index 0 succeeds, 1 fails, 2 is asked to end and stays.
async fn job_by_index(line: &ControlledCluster) {
    let index = |pod: &Value| pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"].clone();
    let pods = eventually("three pods of the Job", LIMIT, || async {
        let mut pods = line.pods("default", "indexed-").await;
        pods.sort_by_key(|pod| index(pod).to_string());
        ensure(pods.len() == 3, || pods.len().to_string()).map(|()| pods)
    })
    .await;
    for (pod, status) in pods.iter().zip([
        json!({"phase": "Succeeded"}),
        json!({"phase": "Failed"}),
        json!({"phase": "Running"}),
    ]) {
        line.play_kubelet(pod, &status).await;
    }
    line.terminate(&pods[2]).await;
    let by_index = |status: &Value| {
        status["completedIndexes"] == "0"
            && status["failedIndexes"] == "1"
            && status["terminating"] == 1
            && status["active"] == 2
    };
    let job = line
        .await_status(ApiResourceKind::Job, "default", "indexed", by_index)
        .await;
    println!("Job: {}", job["status"]);
}

/// The second pod of a StatefulSet is made once the first is ready; a DaemonSet has one for the node.
async fn stateful_and_daemon_set(line: &ControlledCluster) {
    for (prefix, resource, name) in [
        ("ordered-0", ApiResourceKind::StatefulSet, "ordered"),
        ("agent-", ApiResourceKind::DaemonSet, "agent"),
    ] {
        let pod = eventually("its pod", LIMIT, || async {
            let pods = line.pods("default", prefix).await;
            pods.into_iter().next().ok_or("none")
        })
        .await;
        line.play_kubelet(&pod, &ready()).await;
        let is_available = |status: &Value| {
            let available = ["availableReplicas", "numberAvailable"];
            available.iter().any(|field| status[*field] == 1)
                && (resource == ApiResourceKind::DaemonSet || status["replicas"] == 2)
        };
        let object = line.await_status(resource, "default", name, is_available).await;
        println!("{}: {}", resource.kind(), object["status"]);
    }
}

/// Its Job is made at the next full minute; the pod's workload is the CronJob.
async fn cron_job(line: &ControlledCluster) {
    eventually("a pod of the CronJob", NEXT_MINUTE, || async {
        let pods = line.pods("default", "minutely-").await;
        ensure(!pods.is_empty(), || "none".to_owned())
    })
    .await;
    // No other full minute may come while rows are compared.
    line.cluster
        .patch(
            ApiResourceKind::CronJob,
            Some("default"),
            "minutely",
            &json!({"spec": {"suspend": true}}),
        )
        .await;
    line.await_equality().await;
    let row = line
        .database
        .row("select c.active, c.last_scheduled_at is not null as scheduled, p.owner_kind, p.workload_kind, p.workload
            from fleet.workload as c join fleet.pod as p on p.workload_uid = c.uid
            where c.workload = 'minutely' order by p.pod limit 1")
        .await;
    assert_eq!(
        row,
        json!({"active": 1, "scheduled": true, "owner_kind": "Job", "workload_kind": "CronJob", "workload": "minutely"})
    );
}
