//! Emitter order: a deposed emitter changes nothing, a slow clock does not lose, a lost record is noticed.

use fleetledger_schema::kind::RecordKind;

use crate::{
    emitter::{ScriptedEmitter, namespace},
    harness::IngestHarness,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deposed_emitter_that_goes_on_is_superseded_and_counted() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut old = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    old.put(namespace("u", "old")).await;
    let mut new = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    new.epoch = old.epoch + 1;
    new.put(namespace("u", "new")).await;
    old.put(namespace("u", "late")).await;
    old.put(namespace("v", "late")).await;
    old.tombstone(RecordKind::Namespace, "u").await;
    place.landed().await;
    assert_eq!(
        place
            .all("select uid_text || ' ' || phase from ledger.namespace")
            .await,
        ["u new"]
    );
    assert_eq!(
        place
            .one::<i64>("select stale_records from ledger.emitter_state")
            .await,
        3
    );
    assert_eq!(place.counts().await, [5, 2, 0, 3, 0, 0, 0]);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_emitter_with_a_slow_clock_takes_over() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut before = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    before.put(namespace("u", "before")).await;
    place.landed().await;
    let mut after = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    // Its Lease told it the old epoch, so its clock, an hour slow, does not matter.
    after.epoch = before.epoch + 1;
    after.clock_micros = -3_600_000_000;
    after.put(namespace("u", "after")).await;
    place.landed().await;
    assert_eq!(
        place.one::<String>("select phase from ledger.namespace").await,
        "after"
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sequence_that_jumps_without_a_hole_in_offsets_is_loss_before_kafka() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "a")).await;
    *emitter.sequences.get_mut(&RecordKind::Namespace).unwrap() += 3;
    emitter.put(namespace("u", "b")).await;
    place.landed().await;
    let reason: String = place.one("select reason from ledger.ingest_gap").await;
    assert!(reason.contains("3 records were lost before kafka"), "{reason}");
    ingester.stop().await;
}
