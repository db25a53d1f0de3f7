//! What Kafka holds after an emitter has run: read by libraries that others wrote, and nothing of what says nothing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{collections::BTreeMap, time::Duration};

use fleetledger_emit::{EmitSettings, EmitterHealth, ObjectSource, SimulateSettings, UsageSettings};
use fleetledger_local::{avro_reader::AvroReader, skip::unless_available};
use fleetledger_schema::{
    headers::SCHEMA_EVENT_TYPE,
    key::{RecordKey, RecordSubject},
    kind::RecordKind,
};
use fleetledger_tests::{
    cluster::{self, ApiResourceKind, DesiredObject, TestCluster},
    deadline::{ensure, eventually},
    delivered::{self, DeliveredRecord},
    emitter::{self, TestEmitter},
    parts::{self, SharedServers},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// A window of usage is a minute of the clock, and one may have to be waited out first.
const LIMIT: Duration = Duration::from_secs(200);

/// Schemas that are announced at the head of a log, at most: that of its kind, and that of marks.
const ANNOUNCEMENTS: u64 = 2;

/// Runs an emitter of a simulated cluster until every topic holds records of its kind and a mark.
async fn emitted(parts: &SharedServers) -> Vec<DeliveredRecord> {
    let prefix = parts.topics().await;
    let settings = EmitSettings {
        datacenter: "dfw".to_owned(),
        cluster: "prod".to_owned(),
        topic_prefix: prefix.clone(),
        mark_interval_seconds: 1,
        settle_ms: 500,
        usage: UsageSettings {
            interval_seconds: 5,
            window_minutes: 1,
            ..UsageSettings::default()
        },
        ..EmitSettings::default()
    };
    let simulate = SimulateSettings {
        nodes: 6,
        pods: 80,
        changes_per_second: 50.0,
        ..SimulateSettings::default()
    };
    let (health, shutdown) = (EmitterHealth::new(), CancellationToken::new());
    let (kafka, registry) = (parts.kafka.client_config(), prometheus::Registry::new());
    let running = fleetledger_emit::run(
        settings,
        ObjectSource::Simulate(simulate),
        kafka.clone(),
        &registry,
        health.clone(),
        shutdown.clone(),
    );
    let watching = async {
        eventually("every topic has its records", LIMIT, || async {
            let summary = health.summary();
            let has = |kind: RecordKind| {
                summary.kinds.get(&kind).is_some_and(|counts| {
                    if kind.is_object() {
                        counts.objects > 0 && counts.marks > 0 && counts.sweeps > 0
                    } else {
                        counts.produced > ANNOUNCEMENTS
                    }
                })
            };
            let missing: Vec<_> = RecordKind::TOPICS
                .into_iter()
                .filter(|kind| !has(*kind))
                .collect();
            ensure(missing.is_empty(), || format!("nothing of {missing:?}"))
        })
        .await;
        shutdown.cancel();
    };
    let (summary, ()) = tokio::join!(running, watching);
    summary.unwrap();
    delivered::read_all(&kafka, &prefix)
}

/// The schema of a value, as a consumer learns it: from `ce_type`.
fn schema_of(record: &DeliveredRecord) -> String {
    let event_type = &record.headers["ce_type"];
    let name = event_type.strip_prefix("fleetledger.").unwrap();
    name.strip_suffix(".v1").unwrap().to_owned()
}

async fn assert_readable(reader: &AvroReader, records: &[DeliveredRecord]) {
    let (mut schemas, mut values, mut uids) = (BTreeMap::new(), Vec::new(), Vec::new());
    for record in records {
        let Some(value) = &record.value else {
            continue;
        };
        if record.headers["ce_type"] == SCHEMA_EVENT_TYPE {
            let text = String::from_utf8(value.clone()).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            schemas.insert(json["name"].as_str().unwrap().to_lowercase(), text);
            continue;
        }
        values.push((schema_of(record), value.clone()));
        uids.push(match RecordKey::parse(&record.key).unwrap().subject {
            RecordSubject::Object(uid) => Some(uid),
            _ => None,
        });
    }
    let schemas: Vec<(String, String)> = schemas.into_iter().collect();
    assert_eq!(schemas.len(), 7, "every schema was announced");
    let reading = reader.read(&schemas, &values).await.unwrap();
    assert_eq!(reading.values.len(), values.len());
    let mut read: BTreeMap<&str, usize> = BTreeMap::new();
    for ((name, first_field), uid) in reading.values.iter().zip(uids) {
        let first_field = first_field.as_ref().unwrap_or_else(|why| panic!("{name}: {why}"));
        *read.entry(name).or_default() += 1;
        if let Some(uid) = uid {
            assert_eq!(*first_field, uid, "{name}: the body is the key's object");
        }
    }
    println!("read: {read:?}");
    assert_eq!(read.len(), 7, "{read:?}");
    for (name, fingerprint, _) in &reading.schemas {
        let key_end = format!("!schema/{fingerprint:016x}");
        let announced = |record: &DeliveredRecord| record.key.ends_with(key_end.as_bytes());
        assert!(
            records.iter().any(announced),
            "{name} is announced by its fingerprint"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_body_of_every_topic_is_read_by_java_and_by_fastavro() {
    let test = "every_body_of_every_topic_is_read_by_java_and_by_fastavro";
    let cache = parts::cache();
    let readers = [AvroReader::java(&cache).await, AvroReader::fastavro(&cache).await];
    let readers = readers.map(|reader| unless_available(test, reader).unwrap());
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let records = emitted(&parts).await;
    for reader in readers.iter().flatten() {
        assert_readable(reader, &records).await;
    }
    for record in &records {
        let expected = if record.headers["ce_type"] == SCHEMA_EVENT_TYPE {
            "application/json"
        } else {
            "application/avro"
        };
        assert_eq!(record.headers["content-type"], expected, "{:?}", record.place);
        assert!(!record.headers.contains_key("ce_sequence"), "{:?}", record.place);
    }
}

fn condition(name: &str, status: &str) -> Value {
    json!({"type": name, "status": status, "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "r", "message": "m"})
}

/// An object of each kind with its keyed lists, and the patches that order them anew: of the object, and of its status.
fn ordered_objects() -> Vec<(DesiredObject, Value, Value)> {
    let namespaced = |resource: ApiResourceKind| {
        resource != ApiResourceKind::Node && resource != ApiResourceKind::Namespace
    };
    let object = |resource: ApiResourceKind, spec: Value, status: Value| DesiredObject {
        resource,
        namespace: namespaced(resource).then(|| "default".to_owned()),
        name: "ordered".to_owned(),
        owner: None,
        body: json!({"metadata": {"finalizers": ["example.com/b", "example.com/a"]}, "spec": spec}),
        status: Some(status),
    };
    let containers = json!([{"name": "web", "image": "web:1"}, {"name": "agent", "image": "agent:1"}]);
    let template = json!({"metadata": {"labels": {"app": "x"}}, "spec": {"containers": containers}});
    let selector = json!({"matchLabels": {"app": "x"}});
    let conditions = json!([condition("Progressing", "True"), condition("Available", "False")]);
    let taints = json!([{"key": "b", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]);
    let objects = [
        object(
            ApiResourceKind::Node,
            json!({"taints": taints}),
            json!({"conditions": [condition("Ready", "True"), condition("DiskPressure", "False")],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "ordered"}]}),
        ),
        object(
            ApiResourceKind::Pod,
            json!({"containers": containers}),
            json!({"conditions": [condition("Ready", "True"), condition("Initialized", "True")]}),
        ),
        object(
            ApiResourceKind::Deployment,
            json!({"replicas": 1, "selector": selector, "template": template}),
            json!({"conditions": conditions}),
        ),
        object(
            ApiResourceKind::StatefulSet,
            json!({"replicas": 1, "selector": selector, "template": template, "serviceName": "s"}),
            json!({"replicas": 1, "conditions": conditions}),
        ),
        object(
            ApiResourceKind::Namespace,
            json!({}),
            json!({"conditions": [condition("NamespaceDeletionContentFailure", "False"),
                condition("NamespaceContentRemaining", "False")]}),
        ),
    ];
    let turned = |value: &Value| json!(value.as_array().unwrap().iter().rev().collect::<Vec<_>>());
    let patched = |object: DesiredObject| {
        let mut patch = json!({"metadata": {"finalizers": ["example.com/a", "example.com/b"]}});
        if let Some(taints) = object.body["spec"].get("taints") {
            patch["spec"]["taints"] = turned(taints);
        }
        let status = object.status.clone().unwrap();
        let lists = status
            .as_object()
            .unwrap()
            .iter()
            .filter(|(_, list)| list.is_array());
        let status = lists.map(|(name, list)| (name.clone(), turned(list))).collect();
        (object, patch, status)
    };
    objects.into_iter().map(patched).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keyed_lists_that_an_api_server_holds_in_another_order_are_no_change() {
    let test = "keyed_lists_that_an_api_server_holds_in_another_order_are_no_change";
    let Some(cluster) = TestCluster::start(test).await else {
        return;
    };
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let (prefix, kafka) = (parts.topics().await, parts.kafka.client_config());
    let objects = ordered_objects();
    for (object, _, _) in &objects {
        cluster.create(object).await;
    }
    let emitter = TestEmitter::start(emitter::settings("prod", &prefix), cluster.client.clone(), &kafka);
    let records = |name: &str| {
        let uid = name.to_owned();
        let all = delivered::read_all(&kafka, &prefix);
        all.iter()
            .filter(|record| record.key.ends_with(format!("/{uid}").as_bytes()))
            .count()
    };
    let mut uids = Vec::new();
    for (object, _, _) in &objects {
        let namespace = object.namespace.as_deref();
        let found = cluster
            .get(object.resource, namespace, &object.name)
            .await
            .unwrap();
        uids.push((object, cluster::text(&found, "/metadata/uid"), found));
    }
    eventually("all are in the log", LIMIT, || async {
        let missing = uids.iter().filter(|(_, uid, _)| records(uid) == 0).count();
        ensure(missing == 0, || format!("{missing} are not"))
    })
    .await;
    let before: Vec<usize> = uids.iter().map(|(_, uid, _)| records(uid)).collect();
    for (object, patch, status) in &objects {
        let namespace = object.namespace.as_deref();
        cluster
            .patch(object.resource, namespace, &object.name, patch)
            .await;
        cluster
            .patch_status(object.resource, namespace, &object.name, status)
            .await;
    }
    for (object, uid, was) in &uids {
        let namespace = object.namespace.as_deref();
        let now = cluster
            .get(object.resource, namespace, &object.name)
            .await
            .unwrap();
        assert_ne!(
            now["status"], was["status"],
            "{uid}: the server keeps the new order"
        );
    }
    // What changed after them is in the log, so they would be.
    let mut last = Vec::new();
    for (object, _, _) in &objects {
        let mut sentinel = object.clone();
        sentinel.name = "sentinel".to_owned();
        last.push(cluster.create(&sentinel).await);
    }
    eventually("the sentinels are in the log", LIMIT, || async {
        let missing = last.iter().filter(|uid| records(uid) == 0).count();
        ensure(missing == 0, || format!("{missing} are not"))
    })
    .await;
    for ((object, uid, _), before) in uids.iter().zip(before) {
        assert_eq!(records(uid), before, "records of {:?}", object.resource);
    }
    emitter.stop().await;
}
