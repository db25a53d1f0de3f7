//! Writers and readers of different versions: no false version, nothing lost.

use std::sync::Arc;

use fleetledger_ingest::audit;
use fleetledger_schema::{
    codec::{SchemaSubject, WriterSchema, own_schema},
    framing::{SchemaRef, join},
    key::RecordSubject,
    kind::RecordKind,
    record::{ObjectRecord, Record},
};
use serde_json::{Value as Json, json};

use crate::{
    emitter::{ScriptedEmitter, namespace, pod},
    harness::IngestHarness,
};

/// Our namespace schema, its fields changed.
fn schema(change: impl FnOnce(&mut Vec<Json>)) -> Arc<WriterSchema> {
    let mut json: Json =
        serde_json::from_str(own_schema(SchemaSubject::Kind(RecordKind::Namespace)).json()).unwrap();
    change(json["fields"].as_array_mut().unwrap());
    Arc::new(WriterSchema::parse(&json.to_string()).unwrap())
}

fn record(uid: &str) -> Record {
    let mut namespace = namespace(uid, "Active");
    namespace.finalizers = vec!["kubernetes".into()];
    namespace.into_record()
}

async fn versions(place: &IngestHarness) -> i64 {
    place.one("select count(*) from ledger.namespace_history").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emitter_upgraded_first_makes_no_false_version_and_keeps_what_it_adds() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter
        .sweep(RecordKind::Namespace, &[record("u"), record("v")])
        .await;
    place.landed().await;
    let newer =
        schema(|fields| fields.push(json!({"name": "color", "type": ["null", "string"], "default": null})));
    emitter.announce(RecordKind::Namespace, &newer).await;
    let begun = emitter.begin_sweep(RecordKind::Namespace).await;
    for uid in ["u", "v"] {
        let body = newer.encode(&record(uid), &json!({"color": "blue"})).unwrap();
        let message = emitter.body(&record(uid), &newer, &body);
        emitter.send(&message).await;
    }
    emitter.end_sweep(RecordKind::Namespace, begun).await;
    place.landed().await;
    assert_eq!(versions(&place).await, 0, "0 false versions");
    assert_eq!(
        place
            .all("select unknown ->> 'color' from ledger.namespace")
            .await,
        ["blue", "blue"]
    );
    assert_eq!(place.counts().await[6], 0);
    assert!(place.one::<bool>("select balanced from fleet.balance").await);
    let report = audit::run(&place.ingester, |_| {}).await.unwrap();
    assert_eq!(
        (report.rows, report.sound),
        (2, 2),
        "rows encode to what travelled, unknown fields included"
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn central_site_upgraded_first_makes_no_false_version_and_the_next_sweep_fills_the_new_column() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter
        .sweep(RecordKind::Namespace, &[record("u"), record("v")])
        .await;
    place.landed().await;
    ingester.stop().await;
    // As an older reader left them: it did not know finalizers, and hashed its rows without them.
    place
        .execute("update ledger.namespace set reader_version = 0, finalizers = '{}', row_hash_hi = 1, row_hash_lo = 1")
        .await;
    let upgraded = place.start();
    emitter
        .sweep(RecordKind::Namespace, &[record("u"), record("v")])
        .await;
    place.landed().await;
    assert_eq!(versions(&place).await, 0, "0 false versions");
    assert_eq!(
        place.all("select finalizers[1] from ledger.namespace").await,
        ["kubernetes", "kubernetes"]
    );
    assert!(
        place
            .one::<bool>("select min(reader_version) > 0 from ledger.namespace")
            .await
    );
    upgraded.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_emitter_that_lacks_a_field_makes_no_false_version() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let older = schema(|fields| fields.retain(|field| field["name"] != "finalizers"));
    emitter.announce(RecordKind::Namespace, &older).await;
    let body = older.encode(&record("u"), &Json::Null).unwrap();
    let message = emitter.body(&record("u"), &older, &body);
    emitter.send(&message).await;
    place.landed().await;
    let message = emitter.object(&record("u"));
    emitter.send(&message).await;
    place.landed().await;
    assert_eq!(versions(&place).await, 0);
    assert_eq!(
        place.all("select finalizers[1] from ledger.namespace").await,
        ["kubernetes"]
    );
    // A real change is still one.
    let mut changed = namespace("u", "Terminating");
    changed.finalizers = vec!["kubernetes".into()];
    emitter.put(changed).await;
    place.landed().await;
    assert_eq!(versions(&place).await, 1);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_field_added_within_containers_makes_no_false_version() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let mut json: Json =
        serde_json::from_str(own_schema(SchemaSubject::Kind(RecordKind::Pod)).json()).unwrap();
    let fields = json["fields"].as_array_mut().unwrap();
    let containers = fields
        .iter_mut()
        .find(|field| field["name"] == "containers")
        .unwrap();
    let inner = containers["type"]["items"]["fields"].as_array_mut().unwrap();
    inner.retain(|field| field["name"] != "image_id");
    let older = Arc::new(WriterSchema::parse(&json.to_string()).unwrap());
    let mut known = pod("u", "Running", &[0, 3]);
    known.containers[1].image_id = Some("sha256:1".into());
    let record = known.clone().into_record();
    emitter.announce(RecordKind::Pod, &older).await;
    let body = older.encode(&record, &Json::Null).unwrap();
    let message = emitter.body(&record, &older, &body);
    emitter.send(&message).await;
    place.landed().await;
    let message = emitter.object(&record);
    emitter.send(&message).await;
    place.landed().await;
    let versions =
        "select (select count(*) from ledger.pod_history) + (select count(*) from ledger.container_history)";
    assert_eq!(place.one::<i64>(versions).await, 0);
    let filled = "select coalesce(image_id, '-') from ledger.container order by container";
    assert_eq!(place.all(filled).await, ["-", "sha256:1"]);
    // A change beside the new field is one version of that container, and its pod's count and XOR follow.
    known.containers[1].restart_count = 4;
    emitter.put(known).await;
    place.landed().await;
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.container_history")
            .await,
        1
    );
    let report = audit::run(&place.ingester, |_| {}).await.unwrap();
    assert_eq!((report.rows, report.sound), (1, 1));
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emitter_that_names_its_schema_as_version_1_did_is_read_and_makes_no_false_version() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let older = schema(|fields| fields.retain(|field| field["name"] != "annotations"));
    let former = older.former_fingerprint();
    assert_ne!(former, older.fingerprint());
    let announcement = emitter.message(
        RecordKind::Namespace,
        RecordSubject::Schema(former),
        Some(older.json().as_bytes().to_vec()),
    );
    emitter.send(&announcement).await;
    for uid in ["u", "v"] {
        let body = older.encode(&record(uid), &Json::Null).unwrap();
        let mut message = emitter.body(&record(uid), &older, &body);
        message.value = Some(join(SchemaRef::Fingerprint(former), &body));
        emitter.send(&message).await;
    }
    // This version's own schema, under the name that it had.
    let mut message = emitter.object(&record("w"));
    let own = own_schema(SchemaSubject::Kind(RecordKind::Namespace));
    let body = message.value.unwrap().split_off(10);
    message.value = Some(join(SchemaRef::Fingerprint(own.former_fingerprint()), &body));
    emitter.send(&message).await;
    place.landed().await;
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.dead_letter").await,
        0
    );
    assert_eq!(place.one::<i64>("select count(*) from ledger.namespace").await, 3);
    for uid in ["u", "v", "w"] {
        let message = emitter.object(&record(uid));
        emitter.send(&message).await;
    }
    place.landed().await;
    assert_eq!(versions(&place).await, 0, "0 false versions");
    let stored = format!(
        "select count(*) from ledger.announced_schema where fingerprint in ({}, {})",
        former.cast_signed(),
        older.fingerprint().cast_signed()
    );
    assert_eq!(place.one::<i64>(&stored).await, 2, "found by either name");
    ingester.stop().await;
}
