//! Who sends: clusters, names, quarantine.

use std::time::Duration;

use fleetledger_ingest::{
    clusters,
    dead_letters::{self, DeadLetterSelection},
    quarantine,
};
use fleetledger_schema::kind::RecordKind;

use crate::{
    emitter::{ScriptedEmitter, namespace},
    harness::IngestHarness,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_names_in_two_clusters_stay_apart() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut one = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let mut two = ScriptedEmitter::new(&place, "iad", "prod", "cu-2");
    one.put(namespace("u", "one")).await;
    two.put(namespace("u", "two")).await;
    two.tombstone(RecordKind::Namespace, "u").await;
    place.landed().await;
    let current = place
        .all("select c.datacenter || ' ' || n.phase from ledger.namespace as n join ledger.cluster as c using (cluster_id)")
        .await;
    assert_eq!(current, ["dfw one"]);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_cluster_uid_under_two_names_quarantines_the_newer_until_it_is_renamed() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut first = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    first.put(namespace("u", "first")).await;
    place.landed().await;
    let mut second = ScriptedEmitter::new(&place, "dfw", "copy", "cu-1");
    second.epoch = 2_000;
    second.put(namespace("u", "second")).await;
    second.tombstone(RecordKind::Namespace, "u").await;
    place.landed().await;
    assert_eq!(place.all("select phase from ledger.namespace").await, ["first"]);
    assert_eq!(
        place.all("select distinct reason from ledger.dead_letter").await,
        ["quarantined"]
    );
    let open = quarantine::list(&place.connector).await.unwrap();
    assert_eq!(
        (open.len(), open[0].reason.as_str(), open[0].records),
        (1, "duplicate_cluster_uid", 2)
    );

    clusters::rename(&place.connector, ("dfw", "prod"), ("dfw", "copy"))
        .await
        .unwrap();
    assert!(quarantine::list(&place.connector).await.unwrap().is_empty());
    // The lane looks at a source in quarantine again after 5 s; records until then are put aside.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    let mut number = 0;
    while place
        .one::<i64>("select count(*) from ledger.namespace where phase like 'renamed%'")
        .await
        == 0
    {
        assert!(std::time::Instant::now() < deadline);
        number += 1;
        second.put(namespace("u", &format!("renamed-{number}"))).await;
        place.landed().await;
    }
    // Tombstones under the former name close nothing, because the uid lives on.
    first.epoch = 3_000;
    first.tombstone(RecordKind::Namespace, "u").await;
    place.landed().await;
    assert_eq!(place.one::<i64>("select count(*) from ledger.namespace").await, 1);
    assert_eq!(place.one::<i64>("select count(*) from ledger.cluster").await, 1);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poisoned_source_is_quarantined_and_its_neighbour_goes_on() {
    let place = IngestHarness::new().await;
    let ingester = place.start_with(|settings| {
        settings.quarantine_minimum = 5;
        settings.quarantine_window = 100;
        for partition in 0..crate::harness::PARTITIONS {
            settings
                .partitions
                .push(format!("fleetledger.namespace:{partition}"));
        }
    });
    let mut bad = ScriptedEmitter::new(&place, "dfw", "bad", "cu-1");
    let mut good = ScriptedEmitter::new(&place, "dfw", "good", "cu-2");
    for number in 0..8 {
        let mut message = bad.object(&record(&format!("b{number}")));
        message.value.as_mut().unwrap().push(0);
        bad.send(&message).await;
        good.put(namespace(&format!("g{number}"), "Active")).await;
        place.landed().await;
    }
    place.until("select exists (select from ledger.quarantine where reason = 'poisoned' and topic = 'fleetledger.namespace')").await;
    bad.put(namespace("valid", "Active")).await;
    good.put(namespace("last", "Active")).await;
    place.landed().await;
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.namespace where uid_text like 'g%' or uid_text = 'last'")
            .await,
        9
    );
    assert_eq!(
        place
            .one::<String>("select reason from ledger.dead_letter where uid = 'valid'")
            .await,
        "quarantined"
    );

    let open = quarantine::list(&place.connector).await.unwrap();
    quarantine::release(&place.connector, open[0].quarantine_id)
        .await
        .unwrap();
    let selection = DeadLetterSelection {
        reason: Some("quarantined".into()),
        ..DeadLetterSelection::default()
    };
    let dry = dead_letters::replay(&place.ingester, &place.settings(), &selection, true)
        .await
        .unwrap();
    assert!(dry.dry_run && dry.landed == 1, "{dry:?}");
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.namespace where uid_text = 'valid'")
            .await,
        0
    );
    let report = dead_letters::replay(&place.ingester, &place.settings(), &selection, false)
        .await
        .unwrap();
    assert_eq!(report.landed, 1, "{report:?}");
    assert_eq!(
        place
            .one::<i64>("select count(*) from ledger.namespace where uid_text = 'valid'")
            .await,
        1
    );
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vanished_cluster_is_kept_until_it_is_retired_and_is_active_again_when_it_sends() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.put(namespace("u", "Active")).await;
    place.landed().await;
    assert_eq!(place.one::<i64>("select count(*) from ledger.namespace").await, 1);
    clusters::retire(&place.connector, "dfw", "prod").await.unwrap();
    assert_eq!(place.one::<i64>("select count(*) from ledger.namespace").await, 0);
    assert_eq!(
        place
            .one::<String>("select closed_reason from ledger.namespace_history")
            .await,
        "cluster_retired"
    );
    emitter.put(namespace("u", "Active")).await;
    place.landed().await;
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.namespace").await,
        1,
        "the cache was not believed"
    );
    assert_eq!(
        place.one::<String>("select state from ledger.cluster").await,
        "active"
    );
    ingester.stop().await;
}

fn record(uid: &str) -> fleetledger_schema::record::Record {
    use fleetledger_schema::record::ObjectRecord;
    namespace(uid, "Active").into_record()
}
