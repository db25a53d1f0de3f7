//! kill -9 of the ingester at every named point of a batch's way, and at random while the fleet churns. What the
//! central site holds is judged by an oracle that reads Kafka itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use fleetledger_ingest::fail_point::FailPoint;
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::eventually,
    delivered::{self, LogFold},
    ingester::TestIngester,
    parts::{self, SharedServers},
    program::{LedgerProcess, every_partition, ingest_configuration},
    storm::{RecordStorm, RunningStorm},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const SEED: u64 = 5_150;
const RANDOM_KILLS: usize = 20;
const LIMIT: Duration = Duration::from_secs(120);

/// Configuration of an ingester that takes over from a killed one at once. `more` goes into `[ingest]`.
fn configuration(parts: &SharedServers, prefix: &str, database: &LedgerDatabase, more: &str) -> String {
    let servers = parts.kafka.bootstrap_servers();
    let more = format!("instance_id = \"victim\"\n{more}");
    ingest_configuration(&servers, prefix, &database.ingester_url, &more)
}

/// Awaits the end of the log, then judges everything by it.
async fn judge(
    parts: &Arc<SharedServers>,
    prefix: &str,
    database: &LedgerDatabase,
    survivor: &LedgerProcess,
) -> LogFold {
    let records = delivered::read_all(&parts.kafka.client_config(), prefix);
    let fold = delivered::fold(&records, &BTreeSet::new());
    eventually("everything is ingested", LIMIT, || async {
        fold.is_ingested(database)
            .await
            .map_err(|why| format!("{why}\n{}", survivor.log_text()))
    })
    .await;
    let faults = delivered::judge(&fold, database).await;
    assert!(
        faults.is_empty(),
        "seed {SEED}: {} faults: {:#?}",
        faults.len(),
        &faults[..faults.len().min(20)]
    );
    fold
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_fail_point_the_ingester_lands_everything_once() {
    let Some(parts) = parts::shared("killed_at_every_fail_point_the_ingester_lands_everything_once").await
    else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let toml = configuration(&parts, &prefix, &database, "static_membership = true");
    let mut storm = RecordStorm::new(&parts.kafka.client_config(), &prefix, SEED).await;
    storm.blow(2_000).await;
    let mut blowing = RunningStorm::start(storm);
    let mut hits = BTreeMap::new();
    for point in FailPoint::ALL {
        // Not the first batch: by then something stands, is cached, and is being changed.
        let mut victim = LedgerProcess::start(
            &["ingest"],
            &toml,
            &[("FLEETLEDGER_FAIL_POINT", &format!("{}:3", point.as_str()))],
        );
        let log = victim.await_end().await;
        assert!(
            log.contains(&format!("fail point {}", point.as_str())),
            "{} was not hit: {log}",
            point.as_str()
        );
        *hits.entry(point.as_str()).or_insert(0) += 1;
    }
    let storm = blowing.end().await;
    blowing = RunningStorm::start(storm);
    let mut survivor = LedgerProcess::start(&["ingest"], &toml, &[]);
    blowing.end().await;
    let fold = judge(&parts, &prefix, &database, &survivor).await;
    survivor.stop().await;
    println!(
        "seed {SEED}; kills by fail point: {hits:?}; {}; 0 faults",
        fold.total()
    );
    assert!(
        hits.len() == FailPoint::ALL.len() && hits.values().all(|hits| *hits > 0),
        "{hits:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_under_churn_the_ingester_lands_everything_once() {
    let Some(parts) = parts::shared("killed_at_random_under_churn_the_ingester_lands_everything_once").await
    else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let toml = configuration(&parts, &prefix, &database, &every_partition(&prefix));
    let mut random = StdRng::seed_from_u64(SEED);
    let blowing =
        RunningStorm::start(RecordStorm::new(&parts.kafka.client_config(), &prefix, SEED + 1).await);
    let (began, soak) = (Instant::now(), soak());
    let mut kills = 0;
    while kills < RANDOM_KILLS || began.elapsed() < soak {
        let before = database.number("select count(*) from ledger.batch").await;
        let mut victim = LedgerProcess::start(&["ingest"], &toml, &[]);
        eventually("the ingester lands a batch", LIMIT, || async {
            let batches = database.number("select count(*) from ledger.batch").await;
            if batches > before {
                Ok(())
            } else {
                Err(victim.log_text())
            }
        })
        .await;
        // The instant of the kill is the experiment.
        tokio::time::sleep(Duration::from_micros(random.random_range(0..400_000))).await;
        victim.kill().await;
        kills += 1;
    }
    let mut survivor = LedgerProcess::start(&["ingest"], &toml, &[]);
    blowing.end().await;
    let fold = judge(&parts, &prefix, &database, &survivor).await;
    survivor.stop().await;
    println!(
        "seed {SEED}; {kills} kills at random in {:.0?}; {}; 0 faults",
        began.elapsed(),
        fold.total()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracle_sees_every_sort_of_fault() {
    let Some(parts) = parts::shared("the_oracle_sees_every_sort_of_fault").await else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let kafka = parts.kafka.client_config();
    let mut storm = RecordStorm::new(&parts.kafka.client_config(), &prefix, SEED + 2).await;
    storm.blow(1_500).await;
    storm.end().await;
    let ingester = TestIngester::start(&prefix, &kafka, &database);
    let fold = delivered::fold(&delivered::read_all(&kafka, &prefix), &BTreeSet::new());
    eventually("everything is ingested", LIMIT, || fold.is_ingested(&database)).await;
    ingester.stop().await;
    assert_eq!(delivered::judge(&fold, &database).await, Vec::<String>::new());
    let one_pod = "(cluster_id, uid) = (select cluster_id, uid from ledger.pod order by 1, 2 limit 1)";
    let one_past = "(cluster_id, uid, valid_from) = (select cluster_id, uid, valid_from from ledger.pod_history order by 1, 2, 3 limit 1)";
    let one_batch = "from_offset = 0 and topic like '%.pod' and landed > 0";
    for (fault, tampering, sign) in [
        (
            "a row is lost",
            format!("delete from ledger.pod where {one_pod}"),
            "does not stand",
        ),
        (
            "a row is stale",
            format!("update ledger.pod set body_hash_lo = body_hash_lo + 1 where {one_pod}"),
            "another content",
        ),
        (
            "a version is lost",
            format!("delete from ledger.pod_history where {one_past}"),
            "versions in the log",
        ),
        (
            "a version landed twice",
            format!("insert into ledger.pod_history select * from ledger.pod_history where {one_past}"),
            "holes or overlaps",
        ),
        (
            "intervals overlap",
            "update ledger.pod set valid_from = valid_from - interval '1 ms'".to_owned(),
            "holes or overlaps",
        ),
        (
            "a batch is missing",
            format!("delete from ledger.batch where {one_batch}"),
            "batch ledger says",
        ),
        (
            "a batch landed twice",
            format!("insert into ledger.batch select * from ledger.batch where {one_batch}"),
            "begins at",
        ),
        (
            "a record stands in the wrong column",
            format!("update ledger.batch set landed = landed - 1, dead = dead + 1 where {one_batch}"),
            "batch ledger says",
        ),
    ] {
        database.execute(&format!("begin; {tampering}")).await;
        let faults = delivered::judge(&fold, &database).await;
        database.execute("rollback").await;
        assert!(
            faults.iter().any(|found| found.contains(sign)),
            "{fault}: {faults:?}"
        );
        println!("{fault}: seen, {} faults", faults.len());
    }
}

/// How long `make soak` asks for; nothing otherwise.
#[expect(
    clippy::disallowed_methods,
    reason = "the test runner speaks to tests through the environment"
)]
fn soak() -> Duration {
    let seconds = std::env::var("FLEETLEDGER_SOAK_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(0))
}
