//! What was altered or deleted by hand is found, and healed by the next sweep.

use fleetledger_ingest::audit;
use fleetledger_schema::{
    kind::RecordKind,
    record::{ObjectRecord, Record},
};

use crate::{
    emitter::{ScriptedEmitter, pod},
    harness::IngestHarness,
};

fn pods() -> Vec<Record> {
    ["a", "b", "c"]
        .map(|uid| pod(uid, "Running", &[0, 1]).into_record())
        .to_vec()
}

async fn content(place: &IngestHarness) -> Vec<String> {
    place
        .all("select p.uid_text || p.phase || c.container || c.restart_count from ledger.pod as p join ledger.container as c using (cluster_id, uid) order by 1")
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hand_edited_row_is_found_by_audit_and_healed_by_the_next_sweep() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.sweep(RecordKind::Pod, &pods()).await;
    place.landed().await;
    let before = content(&place).await;
    assert_eq!(
        audit::run(&place.ingester, |_| {}).await.unwrap().altered.len(),
        0
    );
    place
        .execute("update ledger.pod set phase = 'Forged' where uid_text = 'a'")
        .await;
    place
        .execute("update ledger.container set restart_count = 77 where pod = 'pod-b' and container = 'c1'")
        .await;
    let report = audit::run(&place.ingester, |_| {}).await.unwrap();
    assert_eq!(report.altered.len(), 2, "{report:?}");
    // Figures of kinds add up to those of all, and those of each kind to its rows.
    let kinds: Vec<(&str, [u64; 5])> = report
        .kinds
        .iter()
        .map(|kind| {
            let figures = [kind.rows, kind.sound, kind.altered, kind.waiting, kind.changed];
            (kind.kind.as_str(), figures)
        })
        .collect();
    let of_pods = kinds.iter().find(|(kind, _)| *kind == "pod").unwrap();
    assert_eq!(of_pods.1, [3, 1, 2, 0, 0], "{kinds:?}");
    assert_eq!(kinds.len(), 5);
    for (kind, [rows, parts @ ..]) in &kinds {
        assert_eq!(*rows, parts.iter().sum::<u64>(), "{kind}");
    }
    let sum = |place: usize| kinds.iter().map(|(_, figures)| figures[place]).sum::<u64>();
    assert_eq!((sum(0), sum(1), sum(2)), (report.rows, report.sound, 2));
    // Looked at again before they are healed, they wait.
    let again = audit::run(&place.ingester, |_| {}).await.unwrap();
    assert_eq!((again.rows, again.sound, again.waiting), (3, 1, 2));
    emitter.sweep(RecordKind::Pod, &pods()).await;
    place.landed().await;
    assert_eq!(content(&place).await, before);
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.pod_history").await,
        0,
        "healing makes no version"
    );
    let report = audit::run(&place.ingester, |_| {}).await.unwrap();
    assert_eq!((report.rows, report.sound), (3, 3));
    // Healed: the next sweep finds everything unchanged again.
    let landed = place.counts().await[1];
    emitter.sweep(RecordKind::Pod, &pods()).await;
    place.landed().await;
    assert_eq!(place.counts().await[1], landed);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_deleted_by_hand_is_found_by_the_table_sum_and_healed_by_the_next_sweep() {
    let place = IngestHarness::new().await;
    let ingester = place.start_with(|settings| {
        settings.kinds = vec!["pod".into()];
        settings.table_sum_interval_seconds = 1;
    });
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    emitter.sweep(RecordKind::Pod, &pods()).await;
    place.landed().await;
    let before = content(&place).await;
    place
        .until("select count(*) = 1 from ledger.table_sum where agrees and kind = 2")
        .await;
    place.execute("delete from ledger.pod where uid_text = 'a'").await;
    place
        .execute("delete from ledger.container where pod = 'pod-b' and container = 'c0'")
        .await;
    place
        .until("select count(*) = 1 from ledger.table_sum where not agrees and kind = 2")
        .await;
    assert!(
        !place
            .one::<bool>("select balanced from fleet.balance where kind = 'pod'")
            .await
    );
    place
        .until("select count(*) = 1 from ledger.kind_state where generation = 1")
        .await;
    emitter.sweep(RecordKind::Pod, &pods()).await;
    place.landed().await;
    assert_eq!(content(&place).await, before);
    place
        .until("select count(*) = 1 from ledger.table_sum where agrees and kind = 2")
        .await;
    place
        .until("select balanced from fleet.balance where kind = 'pod'")
        .await;
    assert_eq!(
        place.one::<i64>("select generation from ledger.kind_state").await,
        1,
        "raised once"
    );
    ingester.stop().await;
}
