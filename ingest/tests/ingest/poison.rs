//! Poison: each kind goes to the dead letters with its place and reason, its neighbours land, and replay lands what a
//! fix makes valid and resurrects nothing.

use fleetledger_ingest::dead_letters::{self, DeadLetterSelection};
use fleetledger_schema::{
    codec::{SchemaSubject, WriterSchema, encode, own_schema},
    framing::{SchemaRef, join},
    instant::Instant,
    key::RecordSubject,
    kind::RecordKind,
    record::{Namespace, ObjectRecord},
};
use serde_json::{Value as Json, json};

use crate::{
    emitter::{ScriptedEmitter, ScriptedMessage, namespace},
    harness::IngestHarness,
};

fn header(message: &mut ScriptedMessage, name: &str, value: Option<&str>) {
    message.headers.retain(|(header, _)| header != name);
    if let Some(value) = value {
        message.headers.push((name.to_owned(), value.as_bytes().to_vec()));
    }
}

/// The reason a record must die of, how its object is spoiled, and how its message.
type PoisonSetCase = (&'static str, fn(&mut Namespace), fn(&mut ScriptedMessage));

/// One of each.
fn poison_set() -> Vec<PoisonSetCase> {
    let mut set: Vec<PoisonSetCase> = Vec::new();
    let mut add = |reason, object: fn(&mut Namespace), spoil: fn(&mut ScriptedMessage)| {
        set.push((reason, object, spoil))
    };
    add("bad_magic", |_| {}, |m| m.value.as_mut().unwrap()[0] = b'{');
    add("unknown_schema", |_| {}, |m| m.value.as_mut().unwrap()[3] ^= 0xff);
    add("truncated", |_| {}, |m| m.value.as_mut().unwrap().truncate(14));
    add("truncated", |_| {}, |m| m.value.as_mut().unwrap().truncate(6));
    add("trailing_bytes", |_| {}, |m| m.value.as_mut().unwrap().push(0));
    add("nul_in_text", |n| n.phase = "a\0b".into(), |_| {});
    add(
        "nul_in_text",
        |n| {
            n.labels.insert("team".into(), "a\0".into());
        },
        |_| {},
    );
    add(
        "instant_out_of_range",
        |n| n.created_at = Instant(9_223_372_036_854_775_000),
        |_| {},
    );
    add(
        "oversized",
        |n| {
            n.labels.insert("team".into(), "x".repeat(100_000));
        },
        |_| {},
    );
    add(
        "wrong_key",
        |_| {},
        |m| {
            let key = String::from_utf8(m.key.clone()).unwrap();
            m.key = key.replace("poison-", "other-").into_bytes();
        },
    );
    add("bad_headers", |_| {}, |m| header(m, "ce_time", None));
    add("bad_headers", |_| {}, |m| header(m, "ce_epoch", Some("soon")));
    add(
        "source_mismatch",
        |_| {},
        |m| header(m, "ce_source", Some("/iad/prod/cu-1")),
    );
    add(
        "type_mismatch",
        |_| {},
        |m| header(m, "ce_type", Some("fleetledger.pod.v1")),
    );
    add("bad_key", |_| {}, |m| m.key = b"nonsense".to_vec());
    add(
        "wrong_partition",
        |_| {},
        |m| m.partition = (m.partition + 1) % crate::harness::PARTITIONS,
    );
    // A body whose array of finalizers claims two thousand million items.
    add(
        "truncated",
        |_| {},
        |m| {
            let body = encode(&namespace("x", "Active").into_record()).unwrap();
            let mut huge = body[..body.len() - 10].to_vec();
            huge.extend_from_slice(&[0xfe, 0xff, 0xff, 0xff, 0x0f]);
            let schema = own_schema(SchemaSubject::Kind(RecordKind::Namespace));
            m.value = Some(join(SchemaRef::Fingerprint(schema.fingerprint()), &huge));
        },
    );
    set
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_the_poison_set_is_a_dead_letter_and_its_neighbours_land() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let set = poison_set();
    let mut expected = Vec::new();
    for (number, (reason, spoil_object, spoil_message)) in set.iter().enumerate() {
        let mut object = namespace(&format!("poison-{number}"), "Active");
        spoil_object(&mut object);
        let mut message = emitter.object(&object.into_record());
        spoil_message(&mut message);
        let offset = emitter.send(&message).await;
        expected.push(format!(
            "{}:{}@{offset} {reason}",
            message.topic, message.partition
        ));
        emitter
            .put(namespace(&format!("neighbour-{number}"), "Active"))
            .await;
    }
    place.landed().await;
    let mut found = place.all("select topic || ':' || partition || '@' || record_offset || ' ' || reason from ledger.dead_letter").await;
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.namespace").await,
        set.len() as i64
    );
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.quarantine").await,
        0
    );
    let whole: i64 = place.one("select count(*) from ledger.dead_letter where record_key is not null and record_value is not null").await;
    assert_eq!(whole, set.len() as i64);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_beyond_the_bound_of_their_source_and_day_are_counted_with_an_example() {
    const BOUND: u64 = 60_000;
    const LETTERS: i64 = 40;
    let place = IngestHarness::new().await;
    let ingester = place.start_with(|settings| {
        settings.dead_letter_day_bytes = BOUND;
        settings.quarantine_minimum = 1_000;
    });
    let mut noisy = ScriptedEmitter::new(&place, "dfw", "noisy", "cu-1");
    let mut other = ScriptedEmitter::new(&place, "dfw", "other", "cu-2");
    for number in 0..LETTERS {
        let mut object = namespace(&format!("n{number}"), "Active");
        object.labels.insert("team".into(), "x".repeat(5_000));
        let mut message = noisy.object(&object.into_record());
        message.value.as_mut().unwrap()[0] = b'{';
        noisy.send(&message).await;
        noisy
            .put(namespace(&format!("neighbour-{number}"), "Active"))
            .await;
    }
    let mut message = other.object(&namespace("o", "Active").into_record());
    message.value.as_mut().unwrap()[0] = b'{';
    other.send(&message).await;
    place.landed().await;
    let kept: i64 = place
        .one("select count(*) from ledger.dead_letter where cluster = 'noisy'")
        .await;
    let bytes: i64 = place
        .one("select sum(length(record_key) + length(record_value))::bigint from ledger.dead_letter where cluster = 'noisy'")
        .await;
    assert!(
        kept > 5 && bytes as u64 <= BOUND,
        "{kept} letters of {bytes} bytes"
    );
    let counted: i64 = place
        .one(
            "select letters from fleet.dead_letter_overflow where cluster = 'noisy' and reason = 'bad_magic'",
        )
        .await;
    assert_eq!(kept + counted, LETTERS);
    let example: bool = place
        .one("select length(record_value) = 1024 and length(record_key) > 10 and detail <> '' from ledger.dead_letter_overflow")
        .await;
    assert!(example);
    let key: bool = place
        .one("select record_key like '%/noisy/%' from fleet.dead_letter_overflow")
        .await;
    assert!(key, "readers see whose the first was");
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.dead_letter where cluster = 'other'")
            .await,
        1
    );
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.namespace").await,
        LETTERS
    );
    assert_eq!(
        place.counts().await[6],
        LETTERS + 1,
        "every one is in the batch ledger"
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_datacenter_is_refused_where_topics_have_suffixes() {
    let place = IngestHarness::with_suffixes(&["dfw"]).await;
    let ingester = place.start_with(|settings| settings.topic_suffixes = vec!["dfw".into()]);
    let mut foreign = ScriptedEmitter::new(&place, "iad", "prod", "cu-2");
    foreign.suffix = Some("dfw".into());
    let mut own = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    own.suffix = Some("dfw".into());
    foreign.put(namespace("u", "foreign")).await;
    own.put(namespace("u", "own")).await;
    place.landed().await;
    assert_eq!(place.all("select phase from ledger.namespace").await, ["own"]);
    assert_eq!(
        place
            .all("select reason || ' ' || datacenter from ledger.dead_letter")
            .await,
        ["source_not_allowed iad"]
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_lands_what_a_fix_makes_valid_and_resurrects_nothing() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    // A newer emitter whose schema nobody announced.
    let mut json: Json =
        serde_json::from_str(own_schema(SchemaSubject::Kind(RecordKind::Namespace)).json()).unwrap();
    json["fields"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "color", "type": ["null", "string"], "default": null}));
    let newer = WriterSchema::parse(&json.to_string()).unwrap();
    emitter.put(namespace("kept", "old")).await;
    for uid in ["kept", "born", "deleted", "overwritten", "tombstoned"] {
        let record = namespace(uid, "dead").into_record();
        let body = newer.encode(&record, &json!({"color": "red"})).unwrap();
        let message = emitter.body(&record, &newer, &body);
        emitter.send(&message).await;
    }
    emitter.put(namespace("overwritten", "newer")).await;
    emitter.delete(namespace("deleted", "gone"), Instant::now()).await;
    emitter.tombstone(RecordKind::Namespace, "tombstoned").await;
    emitter.mark(RecordKind::Namespace).await;
    place.landed().await;
    assert_eq!(
        place.all("select distinct reason from ledger.dead_letter").await,
        ["unknown_schema"]
    );
    assert!(
        place.one::<bool>("select balanced from fleet.balance").await,
        "emitter = central site + open dead keys"
    );

    let selection = DeadLetterSelection {
        reason: Some("unknown_schema".into()),
        ..DeadLetterSelection::default()
    };
    let report = dead_letters::replay(&place.ingester, &place.settings(), &selection, false)
        .await
        .unwrap();
    assert_eq!((report.landed, report.still_dead), (0, 2), "{report:?}");
    // The fix: the schema becomes known.
    let message = emitter.message(
        RecordKind::Namespace,
        RecordSubject::Schema(newer.fingerprint()),
        Some(newer.json().as_bytes().to_vec()),
    );
    emitter.send(&message).await;
    place.landed().await;
    let dry = dead_letters::replay(&place.ingester, &place.settings(), &selection, true)
        .await
        .unwrap();
    assert_eq!((dry.landed, dry.dry_run), (2, true), "{dry:?}");
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.namespace where phase = 'dead'")
            .await,
        0
    );
    let report = dead_letters::replay(&place.ingester, &place.settings(), &selection, false)
        .await
        .unwrap();
    assert_eq!(report.landed, 2, "{report:?}");
    let current = place
        .all("select uid_text || ' ' || phase from ledger.namespace order by uid_text")
        .await;
    assert_eq!(current, ["born dead", "kept dead", "overwritten newer"]);
    assert!(
        dead_letters::list(&place.connector, &DeadLetterSelection::default(), 10)
            .await
            .unwrap()
            .is_empty()
    );
    // The running ingester still counts right, and its next sweep finds nothing to mend.
    emitter.mark(RecordKind::Namespace).await;
    emitter.tombstone(RecordKind::Namespace, "born").await;
    emitter.mark(RecordKind::Namespace).await;
    place.landed().await;
    assert!(place.one::<bool>("select balanced from fleet.balance").await);
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.namespace where uid_text = 'born'")
            .await,
        0
    );
    place.check().await;
    ingester.stop().await;
}
