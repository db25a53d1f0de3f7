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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_epoch_is_refused_a_day_ahead_and_below_that_it_can_be_reset() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut owner = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    owner.put(namespace("u", "first")).await;
    let hour = 3_600_000_000;
    let now = fleetledger_schema::instant::Instant::now().0;
    for (epoch, sequence) in [
        (i64::MAX, 1),
        (now + 87_660 * hour, 1),
        (now + 25 * hour, 1),
        (owner.epoch, i64::MAX),
    ] {
        let mut forger = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
        forger.epoch = epoch;
        forger.sequences.insert(RecordKind::Namespace, sequence - 1);
        forger.put(namespace("u", "forged")).await;
    }
    owner.put(namespace("u", "second")).await;
    place.landed().await;
    assert_eq!(place.all("select phase from ledger.namespace").await, ["second"]);
    assert_eq!(
        place.all("select distinct reason from ledger.dead_letter").await,
        ["epoch_out_of_range"]
    );
    // An hour ahead is a clock that is wrong: the owner is locked out until its epoch is reset.
    for (epoch, sequence) in [(now + hour, 1), (owner.epoch, 1 << 40)] {
        let mut forger = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
        forger.epoch = epoch;
        forger.sequences.insert(RecordKind::Namespace, sequence - 1);
        forger.put(namespace("u", "forged")).await;
        owner.put(namespace("u", "late")).await;
        place.landed().await;
        assert_eq!(place.all("select phase from ledger.namespace").await, ["forged"]);
        assert!(
            place
                .one::<bool>("select stale_seen_at > now() - interval '1 minute' from ledger.emitter_state")
                .await
        );
        let logs = fleetledger_ingest::clusters::reset_epoch(&place.connector, "cu-1").await;
        assert_eq!(logs.unwrap(), 1);
        owner.put(namespace("u", "again")).await;
        place.landed().await;
        assert_eq!(place.all("select phase from ledger.namespace").await, ["again"]);
    }
    ingester.stop().await;
}
