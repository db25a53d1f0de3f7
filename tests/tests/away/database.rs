//! An ingester whose database is stopped, with a full topic.

use std::time::Duration;

use fleetledger_local::{postgres::LocalPostgres, skip::unless_available};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::eventually,
    delivered,
    manual_emitter::{ManualEmitter, pod},
    parts,
    program::{LedgerProcess, every_partition, ingest_configuration},
    report::{TestRunReport, number_from_environment},
};

use crate::resident::{megabytes, peak_while};

const SHORT_RECORDS: u64 = 60_000;
/// Records of one flush.
const FLUSH: u64 = 5_000;
const LIMIT: Duration = Duration::from_secs(300);
/// Bytes of records in memory, as set below.
const BUFFER: u64 = 16 << 20;
/// Bytes that the Kafka client reads ahead, as set below.
const QUEUE: u64 = 8 << 20;
/// What the ingester may take for each of these bytes, as docs/operating.md says: the record itself, its places in lists,
/// and the batches that are being built from it, decoded and encoded. How many of those are being built when the database
/// goes is chance; 1.8 was seen.
const OVERHEAD: u64 = 3;
/// How long the database stays away at least, from when nothing more is read.
const AWAY: Duration = Duration::from_secs(20);

/// So many records of pods, each new.
async fn fill(scribe: &mut ManualEmitter, records: u64) {
    for number in 0..records {
        scribe.write(&pod(&format!("pod-{number}"), 100));
        if number % FLUSH == 0 {
            scribe.flush().await;
        }
    }
    scribe.flush().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_database_an_ingester_keeps_to_its_budget() {
    let test = "without_its_database_an_ingester_keeps_to_its_budget";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let cache = parts::cache();
    let server = LocalPostgres::builder().temporary().fast().start(&cache).await;
    let Some(mut server) = unless_available(test, server).unwrap() else {
        return;
    };
    let database = LedgerDatabase::create(&server, "away").await;
    let (prefix, url) = (parts.topics().await, database.owner_url.clone());
    let records = number_from_environment("FLEETLEDGER_AWAY_RECORDS", SHORT_RECORDS);
    let report = TestRunReport::named("away-database");

    let more = format!(
        "buffer_bytes = {BUFFER}\nbatch_bytes = 4194304\n{}",
        every_partition(&prefix)
    );
    let ingest = ingest_configuration(
        &parts.kafka.bootstrap_servers(),
        &prefix,
        &database.ingester_url,
        &more,
    );
    let toml = format!(
        "{ingest}[kafka.properties]\n\"queued.max.messages.kbytes\" = \"{}\"\n",
        QUEUE / 1024
    );
    let mut scribe = ManualEmitter::new(&parts.kafka.client_config(), &prefix, "prod", "cluster-uid");
    fill(&mut scribe, 100).await;
    let mut ingester = LedgerProcess::start(&["ingest"], &toml, &[]);
    let landed = "select count(*) from ledger.pod";
    eventually("the first records land", LIMIT, || async {
        let pods = LedgerDatabase::ask(&url, landed).await?;
        fleetledger_tests::deadline::ensure(pods == 100, || format!("{pods} pods\n{}", ingester.log_text()))
    })
    .await;
    let base = peak_while(&ingester, Duration::from_secs(2)).await;
    drop(database);
    server.stop_immediate().await.unwrap();
    fill(&mut scribe, records).await;
    let peak = peak_while(&ingester, AWAY).await;
    let budget = OVERHEAD * (BUFFER + QUEUE);
    report.line(&format!(
        "database stopped, {records} records in the topic: ingester {:.1} MB, before {:.1} MB; it may take {:.1} MB \
         ({OVERHEAD} x buffer_bytes {:.1} MB and the client's queue {:.1} MB)",
        megabytes(peak),
        megabytes(base),
        megabytes(budget),
        megabytes(BUFFER),
        megabytes(QUEUE)
    ));
    assert!(peak < base + budget, "{peak} bytes, {base} before");
    server.start().await.unwrap();
    let database = LedgerDatabase::open(&url).await;
    let fold = delivered::fold(
        &delivered::read_all(&parts.kafka.client_config(), &prefix),
        &Default::default(),
    );
    eventually("everything is ingested", LIMIT, || fold.is_ingested(&database)).await;
    assert_eq!(delivered::judge(&fold, &database).await, Vec::<String>::new());
    report.line(&format!("database back: {}; 0 faults", fold.total()));
    ingester.stop().await;
}
