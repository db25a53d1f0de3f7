//! Many objects, several clusters and kinds: everything lands, and again means unchanged.

use std::time::Instant as Moment;

use fleetledger_schema::{kind::RecordKind, record::ObjectRecord};
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    emitter::{ScriptedEmitter, pod},
    harness::IngestHarness,
};

const PODS: usize = 4_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_pods_land_and_a_sweep_over_them_changes_nothing() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitters = [
        ScriptedEmitter::new(&place, "dfw", "a", "cu-1"),
        ScriptedEmitter::new(&place, "dfw", "b", "cu-4"),
    ];
    for round in 0..2 {
        let begin = Moment::now();
        for emitter in &mut emitters {
            let begun = emitter.begin_sweep(RecordKind::Pod).await;
            let messages: Vec<_> = (0..PODS)
                .map(|number| emitter.object(&pod(&format!("p{number}"), "Running", &[0, 1]).into_record()))
                .collect();
            let emitter_ref = &*emitter;
            let mut sent: FuturesUnordered<_> =
                messages.iter().map(|message| emitter_ref.send(message)).collect();
            while sent.next().await.is_some() {}
            drop(sent);
            emitter.end_sweep(RecordKind::Pod, begun).await;
        }
        place.landed().await;
        eprintln!("round {round}: {} records in {:?}", 2 * PODS, begin.elapsed());
    }
    let pods = 2 * PODS as i64;
    assert_eq!(place.one::<i64>("select count(*) from ledger.pod").await, pods);
    assert_eq!(
        place.one::<i64>("select count(*) from ledger.container").await,
        2 * pods
    );
    assert_eq!(place.counts().await, [2 * pods + 8, pods, pods, 0, 0, 8, 0]);
    assert!(
        place
            .one::<bool>("select bool_and(balanced) from fleet.balance")
            .await
    );
    assert_eq!(ingester.health.stats().cache_entries, pods as u64);
    ingester.stop().await;
}
