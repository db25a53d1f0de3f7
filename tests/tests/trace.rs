//! The central site equals the API server on a production trace: as filled, after thousands of random changes, and as
//! of every earlier instant.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use fleetledger_tests::{
    churn::FleetChurn,
    cluster::{ApiResourceKind, TestCluster},
    comparison::{ViewComparison, ViewSelection, compare_rows},
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    delivered,
    emitter::{self, TestEmitter},
    expected::{self, ExpectedRows},
    fleet::{FleetObjects, SECRET},
    ingester::TestIngester,
    parts,
};

const CLUSTER: &str = "prod-1";
const SEED: u64 = 20_260_101;
const ROUNDS: usize = 5;
const CHANGES_A_ROUND: usize = 1_000;
/// For ten thousand objects from the API server to a row, on a small machine that does everything at once.
const LIMIT: Duration = Duration::from_secs(120);

/// Awaits that the central site is what the API server is now, and returns both.
async fn await_equality(cluster: &TestCluster, database: &LedgerDatabase) -> (ExpectedRows, ViewComparison) {
    let rows = expected::rows(&cluster.list_all().await);
    let comparison = eventually("central site = API server", LIMIT, || async {
        compare_rows(&rows, database, CLUSTER, ViewSelection::Live)
            .await
            .equal()
    })
    .await;
    (rows, comparison)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn central_site_equals_api_server_on_the_trace_and_at_every_earlier_instant() {
    let test = "centre_equals_api_server_on_the_trace_and_at_every_earlier_instant";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let Some(cluster) = TestCluster::start(test).await else {
        return;
    };
    let kafka = parts.kafka.client_config();
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let ingester = TestIngester::start(&prefix, &kafka, &database);
    let emitter = TestEmitter::start(
        emitter::settings(CLUSTER, &prefix),
        cluster.client.clone(),
        &kafka,
    );

    let fleet = FleetObjects::from_environment(SEED);
    let started = Instant::now();
    cluster.create_all(&fleet.objects).await;
    println!(
        "filled the API server from {}, seed {SEED}: {} nodes, {} pods, {} objects in {:.0?}",
        fleet.origin,
        fleet.count(ApiResourceKind::Node),
        fleet.count(ApiResourceKind::Pod),
        fleet.objects.len(),
        started.elapsed()
    );
    let (_, comparison) = await_equality(&cluster, &database).await;
    println!("central site = API server, {comparison}");

    let mut churn = FleetChurn::new(&fleet, SEED);
    let mut earlier: Vec<(String, ExpectedRows)> = Vec::new();
    for round in 1..=ROUNDS {
        churn.run(&cluster, CHANGES_A_ROUND).await;
        let (rows, comparison) = await_equality(&cluster, &database).await;
        let instant = database.row("select clock_timestamp()::text as instant").await["instant"]
            .as_str()
            .unwrap()
            .to_owned();
        println!(
            "after {} changes: central site = API server, {comparison}",
            round * CHANGES_A_ROUND
        );
        earlier.push((instant, rows));
    }
    println!("changes: {:?}", churn.planned);

    emitter.health.request_sweep();
    eventually(
        "a sweep of every kind that found no missed change",
        LIMIT,
        || async {
            let summary = emitter.health.summary();
            let of_pods = summary
                .kinds
                .values()
                .map(|kind| (kind.sweeps, kind.missed_changes));
            let counts: Vec<_> = of_pods.collect();
            ensure(
                counts.len() == 5 && counts.iter().all(|(sweeps, _)| *sweeps >= 2),
                || format!("{counts:?}"),
            )
        },
    )
    .await;
    let missed: u64 = emitter
        .health
        .summary()
        .kinds
        .values()
        .map(|kind| kind.missed_changes)
        .sum();
    assert_eq!(missed, 0, "changes the watches missed");
    emitter.stop().await;

    check_log(&kafka, &prefix, &database).await;
    for (instant, rows) in &earlier {
        let as_of = compare_rows(rows, &database, CLUSTER, ViewSelection::AsOf(instant)).await;
        as_of.assert_equal();
        println!("fleet_asof as of {instant} = API server then, {as_of}");
    }
    // The functions share their text with the views: two instants are enough.
    for (instant, rows) in [&earlier[0], &earlier[ROUNDS / 2]] {
        let at = compare_rows(rows, &database, CLUSTER, ViewSelection::At(instant)).await;
        at.assert_equal();
        println!("fleet.…_at({instant}) = API server then, {at}");
    }
    ingester.stop().await;
}

/// The batch ledger adds up to what Kafka holds, the history has no holes, and no secret travelled.
async fn check_log(kafka: &rdkafka::ClientConfig, prefix: &str, database: &LedgerDatabase) {
    let records = delivered::read_all(kafka, prefix);
    let spilled = records.iter().filter(|record| {
        let value = record.value.as_deref().unwrap_or_default();
        value
            .windows(SECRET.len())
            .any(|window| window == SECRET.as_bytes())
    });
    assert_eq!(spilled.count(), 0, "records with a secret");
    let fold = delivered::fold(&records, &BTreeSet::new());
    eventually("everything is ingested", LIMIT, || fold.is_ingested(database)).await;
    let faults = delivered::judge(&fold, database).await;
    assert!(
        faults.is_empty(),
        "{} faults: {:#?}",
        faults.len(),
        &faults[..faults.len().min(20)]
    );
    println!("{}; 0 faults, 0 records with the secret", fold.total());
    eventually("every kind is balanced", LIMIT, || async {
        let rows = database.rows("select * from fleet.balance", &[]).await;
        ensure(
            rows.len() == 5
                && rows
                    .iter()
                    .all(|row| row["balanced"] == true && !row["in_table"].is_null()),
            || format!("{rows:?}"),
        )
    })
    .await;
    println!("fleet.balance: balanced for 5 kinds");
}
