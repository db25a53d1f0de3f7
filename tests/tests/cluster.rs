//! One emitter and one API server: what is born between two sweeps, who owns whom, what a pod needs, and what
//! happens while either side is away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_local::kube_apiserver::KubeApiserver;
use fleetledger_tests::{
    churn::FleetChurn,
    cluster::{self, ApiResourceKind, DesiredObject, TestCluster},
    cluster_pipeline::{CLUSTER, ClusterPipeline, LIMIT},
    deadline::{ensure, eventually},
    delivered,
    emitter::{self, TestEmitter},
    expected,
    fleet::FleetObjects,
    parts,
    proxy::TcpProxy,
};
use serde_json::{Value, json};

fn pod(name: &str, spec: &Value) -> DesiredObject {
    DesiredObject {
        resource: ApiResourceKind::Pod,
        namespace: Some("default".to_owned()),
        name: name.to_owned(),
        owner: None,
        body: json!({"metadata": {"labels": {"app": name}}, "spec": spec}),
        status: None,
    }
}

fn one_container() -> Value {
    json!({"containers": [{"name": "main", "image": "app:1"}]})
}

fn owned(resource: ApiResourceKind, name: &str, owner: Option<(ApiResourceKind, &str)>) -> DesiredObject {
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": one_container()});
    DesiredObject {
        resource,
        namespace: Some("default".to_owned()),
        name: name.to_owned(),
        owner: owner.map(|(resource, name)| (resource, name.to_owned())),
        body: json!({"metadata": {}, "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "x"}}, "template": template}}),
        status: None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_fleet_is_equal_while_watches_break_off_and_history_is_forgotten() {
    let test = "a_small_fleet_is_equal_while_watches_break_off_and_history_is_forgotten";
    let Some(mut line) = ClusterPipeline::start(test).await else {
        return;
    };
    line.cluster.install_watchdogs().await;
    let proxy = TcpProxy::start(line.cluster.port()).await;
    let emitter = line.emitter_through(line.cluster.client_through(proxy.address).await);
    let fleet = FleetObjects::small(7, 40, 400);
    line.cluster.create_all(&fleet.objects).await;
    line.cluster.create(&watchdog("hairpin")).await;
    let comparison = line.await_equality().await;
    assert_eq!(comparison.objects["watchdog"], 1);
    println!("filled: {comparison}");
    let mut churn = FleetChurn::new(&fleet, 8);
    for _ in 0..3 {
        churn.run(&line.cluster, 100).await;
        proxy.cut();
        churn.run(&line.cluster, 100).await;
    }
    println!("watches cut 3 times: {}", line.await_equality().await);
    // The server forgets the past and starts afresh: every watch is answered with 410 and lists again.
    line.cluster.server.compact().await.unwrap();
    line.cluster.server.restart().await.unwrap();
    churn.run(&line.cluster, 100).await;
    println!("after compaction and restart: {}", line.await_equality().await);
    line.end(emitter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_watch_list_the_emitter_pages_with_the_shipped_rights_alone() {
    let test = "without_watch_list_the_emitter_pages_with_the_shipped_rights_alone";
    let account = "system:serviceaccount:fleetledger:fleetledger-emit";
    let builder = KubeApiserver::builder()
        .feature_gate("WatchList=false")
        .user(account, &[]);
    let Some(line) = ClusterPipeline::start_with(test, TestCluster::start_with(test, builder).await).await
    else {
        return;
    };
    line.cluster.apply("emit-rbac.yaml").await;
    let fleet = FleetObjects::small(9, 10, 120);
    line.cluster.create_all(&fleet.objects).await;
    let mut settings = emitter::settings(CLUSTER, &line.prefix);
    settings.page_size = 50;
    settings.leadership.namespace = "fleetledger".to_owned();
    let client = cluster::client(&line.cluster.server.kubeconfig_yaml_of(account).unwrap()).await;
    let emitter = TestEmitter::start(settings, client, &line.parts.kafka.client_config());
    println!(
        "WatchList off, pages of 50, rights of emit-rbac.yaml: {}",
        line.await_equality().await
    );
    FleetChurn::new(&fleet, 10).run(&line.cluster, 100).await;
    println!(
        "WatchList off, after 100 changes: {}",
        line.await_equality().await
    );
    line.end(emitter).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_born_owned_and_sized_on_the_api_server_lands_so() {
    let test = "what_is_born_owned_and_sized_on_the_api_server_lands_so";
    let Some(line) = ClusterPipeline::start(test).await else {
        return;
    };
    let emitter = line.emitter();
    line.await_equality().await;
    let sweeps = line
        .database
        .rows("select * from fleet.sweep order by kind", &[])
        .await;

    // Born and gone between two sweeps.
    line.cluster.create(&pod("mayfly", &one_container())).await;
    line.await_equality().await;
    line.cluster
        .delete(ApiResourceKind::Pod, Some("default"), "mayfly")
        .await;
    let comparison = line.await_equality().await;
    assert_eq!(comparison.objects.get("pod"), Some(&0));
    let life = line.database.row("select min(valid_from) as born, max(valid_to) as gone, max(closed_reason) as reason from fleet.pod_history where pod = 'mayfly'").await;
    assert_eq!(life["reason"], "deleted", "{life}");
    assert_eq!(
        line.database
            .rows("select * from fleet.sweep order by kind", &[])
            .await,
        sweeps,
        "no sweep in between"
    );
    println!("a pod born and gone between two sweeps is in the history: {life}");

    // Owners are followed by reference; names say nothing.
    line.cluster
        .create(&owned(ApiResourceKind::Deployment, "z", None))
        .await;
    line.cluster
        .create(&owned(
            ApiResourceKind::ReplicaSet,
            "a-b-c",
            Some((ApiResourceKind::Deployment, "z")),
        ))
        .await;
    let mut owned_pod = pod("a-b-c-x1", &one_container());
    owned_pod.owner = Some((ApiResourceKind::ReplicaSet, "a-b-c".to_owned()));
    line.cluster.create(&owned_pod).await;
    line.await_equality().await;
    let workload = "select workload_kind, workload, owner_kind, owner, owner_resolved from fleet.pod where pod = 'a-b-c-x1'";
    let found = line.database.row(workload).await;
    assert_eq!(
        found,
        json!({"workload_kind": "Deployment", "workload": "z", "owner_kind": "ReplicaSet", "owner": "a-b-c", "owner_resolved": true})
    );
    println!("pod of ReplicaSet a-b-c under Deployment z: {found}");
    custom_controllers(&line).await;

    kep_753(&line).await;

    // A known owner stays known when it is deleted before its pod and the emitter starts again.
    line.cluster
        .delete(ApiResourceKind::ReplicaSet, Some("default"), "a-b-c")
        .await;
    line.cluster
        .delete(ApiResourceKind::Deployment, Some("default"), "z")
        .await;
    emitter.stop().await;
    let emitter = line.emitter();
    line.cluster
        .patch(
            ApiResourceKind::Pod,
            Some("default"),
            "a-b-c-x1",
            &json!({"metadata": {"labels": {"app": "changed"}}}),
        )
        .await;
    eventually("the orphan's change lands", LIMIT, || async {
        let labels = line
            .database
            .row("select labels from fleet.pod where pod = 'a-b-c-x1'")
            .await;
        ensure(labels["labels"]["app"] == "changed", || labels.to_string())
    })
    .await;
    // The newest record does not know it; the central site does.
    let mut kept = found.clone();
    kept["owner_resolved"] = json!(false);
    assert_eq!(line.database.row(workload).await, kept, "the known owner is kept");
    line.end(emitter).await;
}

/// A uid of Kubernetes' form for an object that is not there.
fn uuid_of(name: &str) -> String {
    let number = name
        .bytes()
        .fold(0_u64, |number, byte| number * 256 + u64::from(byte));
    format!("00000000-0000-4000-8000-{number:012x}")
}

/// Pods of controllers whose objects cannot be read: the last owner known by reference is the workload.
async fn custom_controllers(line: &ClusterPipeline) {
    let controlled = |name: &str, api_version: &str, kind: &str, owner: &str| {
        let mut controlled = pod(name, &one_container());
        controlled.body["metadata"]["ownerReferences"] = json!([{"apiVersion": api_version, "kind": kind, "name": owner,
            "uid": uuid_of(owner), "controller": true}]);
        controlled
    };
    let mut set = owned(ApiResourceKind::ReplicaSet, "web-7d9", None);
    set.body["metadata"]["ownerReferences"] = json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web",
        "uid": uuid_of("web"), "controller": true}]);
    line.cluster.create(&set).await;
    let mut of_rollout = pod("web-7d9-x1", &one_container());
    of_rollout.owner = Some((ApiResourceKind::ReplicaSet, "web-7d9".to_owned()));
    line.cluster.create(&of_rollout).await;
    let expected = [
        ("kafka-0", "core.strimzi.io/v1beta2", "StrimziPodSet", "kafka"),
        ("pg-1", "postgresql.cnpg.io/v1", "Cluster", "pg"),
        ("ray-head", "ray.io/v1", "RayCluster", "ray"),
        ("train-worker-0", "kubeflow.org/v1", "PyTorchJob", "train"),
    ];
    for (name, api_version, kind, owner) in expected {
        line.cluster
            .create(&controlled(name, api_version, kind, owner))
            .await;
    }
    line.await_equality().await;
    let found = line
        .database
        .rows(
            "select pod, workload_kind, workload, owner_resolved from fleet.pod
            where not owner_resolved order by pod",
            &[],
        )
        .await;
    let expected = expected
        .map(|(pod, _, kind, owner)| (pod, kind, owner))
        .into_iter()
        .chain([("web-7d9-x1", "Rollout", "web")]);
    let expected: Vec<Value> = expected
        .map(|(pod, kind, owner)| {
            json!({"pod": pod, "workload_kind": kind, "workload": owner, "owner_resolved": false})
        })
        .collect();
    assert_eq!(json!(found), json!(expected));
}

/// Every vector of KEP-753 through the API server to SQL.
async fn kep_753(line: &ClusterPipeline) {
    let text = include_str!("../../emit/testdata/kep-753.yaml");
    let vectors: Value = serde_yaml_ng::from_str(text).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    assert!(cases.len() >= 12, "{} cases", cases.len());
    let mut fields = 0;
    for (number, case) in cases.iter().enumerate() {
        // Overhead comes from a RuntimeClass, as the API server insists.
        let mut spec = case["spec"].clone();
        if spec["overhead"].is_object() {
            spec["runtimeClassName"] = json!(
                line.cluster
                    .create_runtime_class(&format!("kep-{number}"), &spec["overhead"])
                    .await
            );
        }
        line.cluster
            .create(&pod(&format!("kep-{number:02}"), &spec))
            .await;
    }
    line.await_equality().await;
    for (number, case) in cases.iter().enumerate() {
        let name = format!("kep-{number:02}");
        let row = line
            .database
            .row(&format!("select * from fleet.pod where pod = '{name}'"))
            .await;
        for which in ["requests", "limits"] {
            if case[which].is_null() {
                continue;
            }
            let prefix = which.trim_end_matches('s');
            for (member, column, scale) in [
                ("cpu_millicores", format!("cpu_{prefix}_cores"), 1000.0),
                ("memory_bytes", format!("memory_{prefix}_bytes"), 1.0),
                (
                    "ephemeral_storage_bytes",
                    format!("ephemeral_storage_{prefix}_bytes"),
                    1.0,
                ),
                ("gpu_millis", format!("gpu_{prefix}"), 1000.0),
            ] {
                // The API server's defaults: a limit of an extended resource is also its request.
                let found = row[&column].as_f64().map(|value| (value * scale).round() as i64);
                assert_eq!(
                    found,
                    case[which][member].as_i64(),
                    "{}: {which}.{member}",
                    case["name"]
                );
                fields += 1;
            }
        }
    }
    println!(
        "KEP-753: {} cases through the API server to SQL, {fields} fields, 0 differences",
        cases.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_emitters_on_one_api_server_produce_equal_bytes() {
    let test = "two_emitters_on_one_api_server_produce_equal_bytes";
    let Some(cluster) = TestCluster::start(test).await else {
        return;
    };
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let kafka = parts.kafka.client_config();
    let fleet = FleetObjects::small(11, 20, 300);
    cluster.create_all(&fleet.objects).await;
    let prefixes = [parts.topics().await, parts.topics().await];
    let mut emitters = Vec::new();
    for (number, prefix) in prefixes.iter().enumerate() {
        let mut settings = emitter::settings(CLUSTER, prefix);
        // Both lead, each by a Lease of its own; they list in different ways.
        settings.leadership.lease = format!("emitter-{number}");
        settings.streaming_lists = number == 0;
        emitters.push(TestEmitter::start(settings, cluster.client.clone(), &kafka));
    }
    let mut churn = FleetChurn::new(&fleet, 12);
    churn.run(&cluster, 300).await;
    let wanted = expected::rows(&cluster.list_all().await);
    let objects: usize = wanted
        .iter()
        .filter(|(view, _)| **view != "container")
        .map(|(_, rows)| rows.len())
        .sum();
    let living = eventually("both logs hold the same living objects", LIMIT, || async {
        let [one, other] =
            [&prefixes[0], &prefixes[1]].map(|prefix| newest_bodies(&delivered::read_all(&kafka, prefix)));
        let differing = one
            .iter()
            .filter(|(key, body)| other.get(*key) != Some(*body))
            .count();
        let agree = one.len() == objects && other.len() == objects && differing == 0;
        ensure(agree, || {
            format!(
                "{} and {} of {objects} objects, {differing} differ",
                one.len(),
                other.len()
            )
        })
        .map(|()| one.len())
    })
    .await;
    println!("two emitters, streaming and paging: {living} living objects, equal bytes, 0 differences");
    for emitter in emitters {
        emitter.stop().await;
    }
}

/// The framed body of every living object by its key.
fn newest_bodies(records: &[delivered::DeliveredRecord]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut bodies = BTreeMap::new();
    for record in records.iter().filter(|record| !record.key.contains(&b'!')) {
        match &record.value {
            Some(value) => bodies.insert(record.key.clone(), value.clone()),
            None => bodies.remove(&record.key),
        };
    }
    bodies
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_deleted_while_the_emitter_was_down_are_closed_and_a_slow_clock_takes_over() {
    let test = "objects_deleted_while_the_emitter_was_down_are_closed_and_a_slow_clock_takes_over";
    let Some(line) = ClusterPipeline::start(test).await else {
        return;
    };
    let kafka = line.parts.kafka.client_config();
    let first = line.emitter();
    let fleet = FleetObjects::small(13, 10, 60);
    line.cluster.create_all(&fleet.objects).await;
    line.await_equality().await;
    let epoch = first.health.summary().epoch;

    // A crash: nobody says farewell, and the Lease stays taken until it has run out.
    drop(first);
    let doomed: Vec<&DesiredObject> = fleet
        .objects
        .iter()
        .filter(|object| object.resource == ApiResourceKind::Pod)
        .take(10)
        .collect();
    cluster::each(doomed.iter().copied(), |object| {
        line.cluster
            .delete(ApiResourceKind::Pod, object.namespace.as_deref(), &object.name)
    })
    .await;
    // As if the crashed one's clock had been an hour ahead of its successor's.
    let ahead = epoch + 3_600_000_000;
    line.cluster
        .patch(
            ApiResourceKind::Lease,
            Some("default"),
            "fleetledger-emit",
            &json!({"metadata": {"annotations": {fleetledger_emit::EPOCH_ANNOTATION: ahead.to_string()}}}),
        )
        .await;
    let second = line.emitter();
    println!(
        "after a crash and 10 deletions nobody saw: {}",
        line.await_equality().await
    );
    let names: Vec<String> = doomed.iter().map(|object| format!("'{}'", object.name)).collect();
    let closed = format!(
        "select distinct pod, closed_reason from fleet.pod_history where pod in ({}) and closed_reason <> 'changed'",
        names.join(", ")
    );
    let closed = line.database.rows(&closed, &[]).await;
    assert_eq!(closed.len(), 10, "{closed:?}");
    assert!(
        closed
            .iter()
            .all(|row| row["closed_reason"] == "deleted_inferred"),
        "{closed:?}"
    );
    assert!(
        second.health.summary().epoch > ahead,
        "{} is not above {ahead}",
        second.health.summary().epoch
    );

    // What the slow clock's emitter sends is taken.
    let mut churn = FleetChurn::new(
        &FleetObjects {
            objects: fleet
                .objects
                .iter()
                .filter(|object| object.resource == ApiResourceKind::Node)
                .cloned()
                .collect(),
            ..fleet
        },
        14,
    );
    churn.run(&line.cluster, 50).await;
    println!("a slow clock took over: {}", line.await_equality().await);

    // A healthy standby takes over, and the log shows the deposed one's end.
    let third = line.emitter();
    second.stop().await;
    churn.run(&line.cluster, 50).await;
    line.await_equality().await;
    assert!(third.health.summary().epoch > ahead + 1);
    third.stop().await;
    let fold = delivered::fold(&delivered::read_all(&kafka, &line.prefix), &BTreeSet::new());
    eventually("everything is ingested", LIMIT, || {
        fold.is_ingested(&line.database)
    })
    .await;
    let faults = delivered::judge(&fold, &line.database).await;
    assert!(faults.is_empty(), "{faults:#?}");
    println!("three leadership terms: {}; 0 faults", fold.total());
    line.ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_altered_and_deleted_by_hand_are_found_and_healed_by_the_next_sweep() {
    let test = "rows_altered_and_deleted_by_hand_are_found_and_healed_by_the_next_sweep";
    let Some(line) = ClusterPipeline::start(test).await else {
        return;
    };
    let emitter = line.emitter();
    let fleet = FleetObjects::small(15, 10, 100);
    line.cluster.create_all(&fleet.objects).await;
    line.await_equality().await;
    line.database.execute("delete from ledger.pod where uid = (select uid from ledger.pod order by uid limit 1); update ledger.node set kernel_version = 'forged' where uid = (select uid from ledger.node order by uid limit 1)").await;
    let balance = "select kind, balanced from fleet.balance where not balanced order by kind";
    eventually("the table sum finds the missing row", LIMIT, || async {
        let rows = line.database.rows(balance, &[]).await;
        ensure(rows == [json!({"kind": "pod", "balanced": false})], || {
            format!("{rows:?}")
        })
    })
    .await;
    let report = fleetledger_ingest::audit::run(&line.database.owner, |_| {})
        .await
        .unwrap();
    assert_eq!(report.altered.len(), 1, "{report:?}");
    println!(
        "table sum: pods are not balanced; audit of {} rows: altered {:?}",
        report.rows, report.altered
    );
    emitter.health.request_sweep();
    println!("healed by the next sweep: {}", line.await_equality().await);
    eventually("every kind is balanced again", LIMIT, || async {
        let rows = line.database.rows(balance, &[]).await;
        ensure(rows.is_empty(), || format!("{rows:?}"))
    })
    .await;
    let report = fleetledger_ingest::audit::run(&line.database.owner, |_| {})
        .await
        .unwrap();
    assert_eq!(
        (report.altered.len(), report.rows),
        (0, report.sound),
        "{report:?}"
    );
    line.end(emitter).await;
}

fn watchdog(name: &str) -> DesiredObject {
    DesiredObject {
        resource: ApiResourceKind::Watchdog,
        namespace: None,
        name: name.to_owned(),
        owner: None,
        body: json!({"metadata": {"labels": {"app": "w"}}, "spec": {
            "scope": "Node", "interval": "5m", "severity": "critical", "runbook": "https://example.com/r",
            "snooze": {"until": "2026-12-01T00:00:00Z", "by": "ann", "reason": "maintenance"},
            "check": {"hairpin": {}}}}),
        status: Some(json!({
            "observedGeneration": 1, "state": "Firing", "episode": 3, "incarnation": 4, "dedupKey": "k",
            "nodes": {"desired": 9, "reporting": 8, "ok": 5, "failing": 2, "unknown": 1},
            "failing": [{"node": "node-1", "message": "no answer", "since": "2026-01-01T00:00:00Z"}],
            "conditions": [{"type": "Healthy", "status": "False", "reason": "Failing", "message": "2 nodes", "lastTransitionTime": "2026-01-01T00:00:00Z"},
                {"type": "Accepted", "status": "True", "reason": "Valid", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
        })),
    }
}
