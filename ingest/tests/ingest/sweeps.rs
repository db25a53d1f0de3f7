//! Sweeps close what is gone, and never what was only not seen.

use fleetledger_schema::{
    kind::RecordKind,
    object_uid::ObjectUid,
    record::{ObjectRecord, Record},
};

use crate::{
    emitter::{ScriptedEmitter, namespace},
    harness::IngestHarness,
};

fn record(uid: &str) -> Record {
    namespace(uid, "Active").into_record()
}

async fn current_uids(place: &IngestHarness) -> Vec<String> {
    place
        .all("select uid_text from ledger.namespace order by uid_text")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_complete_sweep_closes_what_it_does_not_name() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    for uid in ["a", "b", "c"] {
        emitter.put(namespace(uid, "Active")).await;
    }
    // b vanished while no emitter ran: nobody said so.
    emitter
        .living
        .get_mut(&RecordKind::Namespace)
        .unwrap()
        .remove("b");
    emitter.mark(RecordKind::Namespace).await;
    place.landed().await;
    assert!(
        !place.one::<bool>("select balanced from fleet.balance").await,
        "the mark does not count b"
    );
    emitter
        .sweep(RecordKind::Namespace, &[record("a"), record("c")])
        .await;
    place.landed().await;
    assert_eq!(current_uids(&place).await, ["a", "c"]);
    assert_eq!(
        place
            .one::<String>("select closed_reason from ledger.namespace_history")
            .await,
        "absent_from_sweep"
    );
    assert_eq!(
        place
            .all("select state || objects || closed_objects from ledger.sweep")
            .await,
        ["complete21"]
    );
    assert!(place.one::<bool>("select balanced from fleet.balance").await);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_with_a_hole_is_void_and_closes_nothing() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    for uid in ["a", "b"] {
        emitter.put(namespace(uid, "Active")).await;
    }
    let begun = emitter.begin_sweep(RecordKind::Namespace).await;
    emitter.put(namespace("a", "Active")).await;
    let lost = emitter.object(&record("b"));
    drop(lost);
    emitter.end_sweep(RecordKind::Namespace, begun).await;
    place.landed().await;
    assert_eq!(current_uids(&place).await, ["a", "b"]);
    assert_eq!(
        place.one::<String>("select state from ledger.sweep").await,
        "void"
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_record_counts_as_seen_and_its_object_stays() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    for uid in ["a", "b"] {
        emitter.put(namespace(uid, "Active")).await;
    }
    let begun = emitter.begin_sweep(RecordKind::Namespace).await;
    let mut dead = emitter.object(&record("b"));
    dead.value.as_mut().unwrap().push(0);
    emitter
        .living
        .get_mut(&RecordKind::Namespace)
        .unwrap()
        .remove("a");
    emitter.send(&dead).await;
    emitter.end_sweep(RecordKind::Namespace, begun).await;
    place.landed().await;
    assert_eq!(current_uids(&place).await, ["b"]);
    assert_eq!(
        place.all("select uid::text from ledger.dead_key").await,
        [ObjectUid::of("b").to_string()]
    );
    // The next record of the object settles it.
    emitter.put(namespace("b", "Terminating")).await;
    place.landed().await;
    assert!(
        place
            .all("select uid::text from ledger.dead_key")
            .await
            .is_empty()
    );
    assert_eq!(
        place.all("select state from ledger.dead_letter").await,
        ["superseded"]
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_inside_a_sweep_reads_it_again_from_its_begin() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    for uid in ["a", "b", "c"] {
        emitter.put(namespace(uid, "Active")).await;
    }
    let begun = emitter.begin_sweep(RecordKind::Namespace).await;
    emitter.put(namespace("a", "Active")).await;
    place.landed().await;
    assert_eq!(
        place.one::<String>("select state from ledger.sweep").await,
        "running"
    );
    ingester.stop().await;
    let second = place.start();
    emitter.put(namespace("c", "Active")).await;
    emitter
        .living
        .get_mut(&RecordKind::Namespace)
        .unwrap()
        .remove("b");
    emitter.end_sweep(RecordKind::Namespace, begun).await;
    place.landed().await;
    assert_eq!(
        current_uids(&place).await,
        ["a", "c"],
        "a was named before the claim"
    );
    assert_eq!(
        place.one::<String>("select state from ledger.sweep").await,
        "complete"
    );
    assert!(place.one::<bool>("select balanced from fleet.balance").await);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_is_known_as_a_dump_by_its_newest_marks() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    for (origin, known) in [
        (None, None),
        (Some("dump"), Some("dump")),
        (Some("watch"), Some("watch")),
        // A word of a newer emitter changes nothing.
        (Some("replay"), Some("watch")),
    ] {
        emitter.origin = origin;
        emitter.sweep(RecordKind::Namespace, &[record("a")]).await;
        emitter.mark(RecordKind::Namespace).await;
        place.landed().await;
        let source: Option<String> = place.one("select source from fleet.cluster").await;
        assert_eq!(source.as_deref(), known, "{origin:?}");
    }
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sweep_that_would_close_too_much_waits_for_a_second_one() {
    let place = IngestHarness::new().await;
    let ingester = place.start_with(|settings| {
        settings.sweep_hold_minimum = 2;
        settings.sweep_hold_seconds = 2;
    });
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let all = ["a", "b", "c", "d", "e"].map(record);
    emitter.sweep(RecordKind::Namespace, &all).await;
    // Two of five are no more than half; three are.
    emitter.sweep(RecordKind::Namespace, &all[..3]).await;
    place.landed().await;
    assert_eq!(current_uids(&place).await, ["a", "b", "c"]);
    emitter.sweep(RecordKind::Namespace, &all).await;
    emitter.sweep(RecordKind::Namespace, &all[..1]).await;
    emitter.sweep(RecordKind::Namespace, &all[..1]).await;
    place.landed().await;
    assert_eq!(current_uids(&place).await.len(), 5, "the second came too soon");
    assert_eq!(
        place
            .all("select state || held_objects || closed_objects from fleet.sweep")
            .await,
        ["held40"]
    );
    // One that would close less ends the wait, and the next large one begins it anew.
    emitter.sweep(RecordKind::Namespace, &all).await;
    emitter.sweep(RecordKind::Namespace, &all[..1]).await;
    place.landed().await;
    assert_eq!(current_uids(&place).await.len(), 5);
    place
        .until("select held_at < now() - interval '2 seconds' from ledger.sweep")
        .await;
    emitter
        .living
        .get_mut(&RecordKind::Namespace)
        .unwrap()
        .retain(|uid, _| uid == "a");
    emitter.sweep(RecordKind::Namespace, &all[..1]).await;
    place.landed().await;
    assert_eq!(current_uids(&place).await, ["a"]);
    assert!(place.one::<bool>("select balanced from fleet.balance").await);
    ingester.stop().await;
}
