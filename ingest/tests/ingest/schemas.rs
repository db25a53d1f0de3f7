//! Announced schemas: each cluster's are its own, and there are only so many.

use std::sync::Arc;

use fleetledger_schema::{
    codec::{SchemaSubject, WriterSchema, own_schema},
    kind::RecordKind,
    record::{ObjectRecord, Record},
};
use serde_json::{Value as Json, json};

use crate::{
    emitter::{ScriptedEmitter, namespace},
    harness::IngestHarness,
};

/// Our namespace schema with one more field, which may be null.
fn with_field(name: &str) -> Arc<WriterSchema> {
    changed(|fields| fields.push(json!({"name": name, "type": ["null", "string"], "default": null})))
}

fn changed(change: impl FnOnce(&mut Vec<Json>)) -> Arc<WriterSchema> {
    let own = own_schema(SchemaSubject::Kind(RecordKind::Namespace));
    let mut json: Json = serde_json::from_str(own.json()).unwrap();
    change(json["fields"].as_array_mut().unwrap());
    Arc::new(WriterSchema::parse(&json.to_string()).unwrap())
}

fn record(uid: &str) -> Record {
    namespace(uid, "Active").into_record()
}

/// A schema of another shape with this fingerprint. A CRC is linear: of 80 letters that are `a` or `b`, each changes it by a
/// vector of its own, and 64 of these that are independent give any fingerprint there is.
fn forged(fingerprint: u64) -> Arc<WriterSchema> {
    const LETTERS: usize = 80;
    let of = |letters: u128| {
        let name: String = (0..LETTERS)
            .map(|place| if letters >> place & 1 == 1 { 'b' } else { 'a' })
            .collect();
        changed(|fields| {
            fields.insert(0, json!({"name": name, "type": "long"}));
        })
    };
    let base = of(0).fingerprint();
    // Independent vectors, those of higher bits first, and which letters make each.
    let mut rows: Vec<(u64, u128)> = Vec::new();
    let reduce = |rows: &[(u64, u128)], mut vector: u64, mut letters: u128| {
        for (row, of_row) in rows {
            if vector >> row.ilog2() & 1 == 1 {
                (vector, letters) = (vector ^ row, letters ^ of_row);
            }
        }
        (vector, letters)
    };
    for place in 0..LETTERS {
        let letters = 1_u128 << place;
        let (vector, letters) = reduce(&rows, of(letters).fingerprint() ^ base, letters);
        if vector != 0 {
            rows.push((vector, letters));
            rows.sort_unstable_by(|one, other| other.cmp(one));
        }
    }
    let (rest, letters) = reduce(&rows, fingerprint ^ base, 0);
    assert_eq!(rest, 0, "{} independent letters", rows.len());
    of(letters)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_forged_to_another_clusters_fingerprint_changes_nothing_there() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let newer = with_field("color");
    let forged_schema = forged(newer.fingerprint());
    assert_eq!(forged_schema.fingerprint(), newer.fingerprint());
    assert_ne!(forged_schema.canonical_form(), newer.canonical_form());
    let mut forger = ScriptedEmitter::new(&place, "dfw", "forger", "cu-forger");
    forger.announce(RecordKind::Namespace, &forged_schema).await;
    place.landed().await;

    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.announce(RecordKind::Namespace, &newer).await;
    let body = newer.encode(&record("u"), &json!({"color": "blue"})).unwrap();
    let message = emitter.body(&record("u"), &newer, &body);
    emitter.send(&message).await;
    place.landed().await;
    let landed = "select cluster_id::text || unknown::text from ledger.namespace where phase = 'Active'";
    assert_eq!(place.all(landed).await.len(), 1);
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.dead_letter").await,
        0
    );

    // Nor may a cluster give one of its own another meaning, or one of this version's.
    emitter.announce(RecordKind::Namespace, &forged_schema).await;
    let own = own_schema(SchemaSubject::Kind(RecordKind::Namespace));
    emitter
        .announce(RecordKind::Namespace, &forged(own.fingerprint()))
        .await;
    place.landed().await;
    let refused = "select detail from ledger.dead_letter where reason = 'bad_schema'";
    let refused = place.all(refused).await;
    assert_eq!(refused.len(), 2, "{refused:?}");
    assert!(
        refused
            .iter()
            .all(|detail| detail.contains("another schema with fingerprint")),
        "{refused:?}"
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemas_of_a_cluster_are_bounded_and_the_oldest_that_no_row_needs_makes_way() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let kept = "select count(*) from ledger.announced_schema";
    let used = with_field("used");
    emitter.announce(RecordKind::Namespace, &used).await;
    let body = used.encode(&record("u"), &Json::Null).unwrap();
    let message = emitter.body(&record("u"), &used, &body);
    emitter.send(&message).await;
    for number in 0..100 {
        emitter
            .announce(RecordKind::Namespace, &with_field(&format!("unused_{number}")))
            .await;
    }
    place.landed().await;
    let names = place.one::<i64>(kept).await;
    // Those of the batch that was being written when the last ones came are beyond it.
    assert!(names <= 2 * 64, "{names}");
    let refused = "select detail from ledger.dead_letter where reason = 'bad_schema'";
    let first_refused = place.all(refused).await.len();
    assert!(first_refused >= 101 - 64, "{first_refused}");

    // A minute later the oldest makes way, unless a row was written by it.
    let age = "update ledger.announced_schema set announced_at = announced_at - interval '2 minutes'";
    place.execute(age).await;
    let newest = with_field("newest");
    emitter.announce(RecordKind::Namespace, &newest).await;
    place.landed().await;
    let is_kept = "select count(*) from ledger.announced_schema where fingerprint = $1";
    for schema in [used, newest] {
        let found = place.one_of::<i64>(is_kept, &[&schema.number()]).await;
        assert_eq!(found, 1, "{}", schema.json());
    }

    // Each of these is needed by a row: there is room for 64 names, and the next is refused.
    for number in 0..70 {
        let schema = with_field(&format!("used_{number}"));
        emitter.announce(RecordKind::Namespace, &schema).await;
        let uid = format!("u{number}");
        let body = schema.encode(&record(&uid), &Json::Null).unwrap();
        let message = emitter.body(&record(&uid), &schema, &body);
        emitter.send(&message).await;
        if number % 10 == 9 {
            place.landed().await;
            place.execute(age).await;
        }
    }
    let refused = place.all(refused).await;
    let later = refused.len() - first_refused;
    assert!(later > 0 && later < 20, "{later}");
    let says = |detail: &String| detail.contains("limit of schemas kept for namespace is reached");
    assert!(refused.iter().all(says), "{refused:?}");
    println!(
        "100 schemas of one cluster at once: {names} names kept, {first_refused} refused; 71 that rows need: {} names kept, {later} refused",
        place.one::<i64>(kept).await,
    );
    let bytes = "select sum(octet_length(schema_json))::bigint from ledger.announced_schema";
    for number in 0..5 {
        let large = with_field(&format!("x{}", number.to_string().repeat(200_000)));
        emitter.announce(RecordKind::Namespace, &large).await;
    }
    place.landed().await;
    let bytes = place.one::<i64>(bytes).await;
    assert!(bytes <= (1 << 20) + 2 * 256 * 1024, "{bytes}");
    ingester.stop().await;
}
