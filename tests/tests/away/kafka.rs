//! An emitter without Kafka, under load.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use fleetledger_local::{kafka::LocalKafka, skip::unless_available};
use fleetledger_schema::kind::RecordKind;
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    delivered::{self, LogFold},
    parts::{self, create_topics, unique},
    program::{LedgerProcess, ingest_configuration},
    report::{TestRunReport, number_from_environment},
};

use crate::resident::{megabytes, peak_while};

const SHORT_SECONDS: u64 = 15;
const SHORT_CHANGES: u64 = 1_000;
/// What an emitter may need beyond its base while Kafka is away, in bytes.
const BOUND: u64 = 60_000_000;
/// What it has seen of its source.
const EVENTS: &str = "fleetledger_emit_events_total";
const PREFIX: &str = "away";
const LIMIT: Duration = Duration::from_secs(300);

fn emitter_toml(kafka: &LocalKafka, changes: u64) -> String {
    let pods = changes * 2;
    format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [emit]\ndatacenter = \"dfw\"\ncluster = \"prod\"\ntopic_prefix = \"{PREFIX}\"\nmark_interval_seconds = 2\n\
         [simulate]\nseed = 7\nnodes = {}\npods = {pods}\nchanges_per_second = {changes}.0\ndaily_shape = false\n",
        kafka.bootstrap_servers(),
        pods / 20
    )
}

/// Sweeps that were complete for every kind and ended after `since`, and the changes that the watches had missed.
async fn sweeps_since(database: &LedgerDatabase, since: &str) -> Result<i64, String> {
    let query = format!(
        "select count(distinct kind) as kinds, coalesce(sum(missed_changes), 0)::bigint as missed
         from ledger.sweep where state = 'complete' and begin_at > '{since}'"
    );
    let row = database.row(&query).await;
    ensure(row["kinds"] == RecordKind::ALL.len(), || row.to_string())?;
    Ok(row["missed"].as_i64().unwrap())
}

async fn now(database: &LedgerDatabase) -> String {
    let row = database.row("select clock_timestamp()::text as now").await;
    row["now"].as_str().unwrap().to_owned()
}

/// A sweep that is asked for now finds the emitter's memory equal to its source, and every kind is balanced.
async fn sweep_finds_nothing_missing(emitter: &mut LedgerProcess, database: &LedgerDatabase) -> i64 {
    let since = now(database).await;
    emitter.signal("USR1");
    let missed = eventually("a sweep of every kind", LIMIT, || sweeps_since(database, &since)).await;
    eventually("every kind is balanced", LIMIT, || async {
        let query = "select kind, in_cluster, in_ledger, balanced from fleet.balance";
        let rows = database.rows(query, &[]).await;
        let balanced = rows.iter().filter(|row| row["balanced"] == true).count();
        ensure(balanced == RecordKind::ALL.len(), || format!("{rows:?}"))
    })
    .await;
    missed
}

async fn fold_of(kafka: &LocalKafka, database: &LedgerDatabase, ingester: &LedgerProcess) -> LogFold {
    let records = delivered::read_all(&kafka.client_config(), PREFIX);
    let fold = delivered::fold(&records, &BTreeSet::new());
    eventually("everything is ingested", LIMIT, || async {
        let behind = fold.is_ingested(database).await;
        behind.map_err(|why| format!("{why}\n{}", ingester.log_text()))
    })
    .await;
    fold
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_kafka_an_emitter_keeps_the_newest_state_within_its_bound() {
    let test = "without_kafka_an_emitter_keeps_the_newest_state_within_its_bound";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let cache = parts::cache();
    let Some(mut kafka) = unless_available(test, LocalKafka::builder().start(&cache).await).unwrap() else {
        return;
    };
    create_topics(&kafka, PREFIX, parts::PARTITIONS).await;
    let database = LedgerDatabase::create(&parts.postgres, &unique("away")).await;
    let away = Duration::from_secs(number_from_environment("FLEETLEDGER_AWAY_SECONDS", SHORT_SECONDS));
    let changes = number_from_environment("FLEETLEDGER_AWAY_CHANGES", SHORT_CHANGES);
    let report = TestRunReport::named("away-kafka");
    report.line(&format!(
        "simulated cluster of {} pods, {changes} changes a second; kafka away for {away:.0?}",
        changes * 2
    ));

    let toml = ingest_configuration(&kafka.bootstrap_servers(), PREFIX, &database.ingester_url, "");
    let mut ingester = LedgerProcess::start(&["ingest"], &toml, &[]);
    let mut emitter = LedgerProcess::start(
        &["emit", "--source", "simulate"],
        &emitter_toml(&kafka, changes),
        // As deploy/ starts it.
        &[("MIMALLOC_PURGE_DELAY", "0")],
    );
    let start = now(&database).await;
    eventually("the first sweep", LIMIT, || sweeps_since(&database, &start)).await;
    // The simulated fleet has its size once what is born with a minute to live has begun to die, and the emitter its own.
    let base = peak_while(&emitter, away.min(Duration::from_secs(120))).await;
    report.line(&format!("emitter with kafka: {:.1} MB", megabytes(base)));

    kafka.stop().await.unwrap();
    let seen = emitter.metric(EVENTS);
    let began = Instant::now();
    let peak = peak_while(&emitter, away).await;
    let rate = (emitter.metric(EVENTS) - seen) / began.elapsed().as_secs_f64();
    report.line(&format!(
        "emitter without kafka for {away:.0?}, {rate:.0} changes a second seen: at most {:.1} MB, {:+.1} MB; \
         {:.0} records and {:.1} MB wait, {:.0} objects wait as their newest state",
        megabytes(peak),
        megabytes(peak) - megabytes(base),
        emitter.metric("fleetledger_emit_in_flight_records"),
        emitter.metric("fleetledger_emit_in_flight_bytes") / 1e6,
        emitter.metric("fleetledger_emit_pending_objects")
    ));
    kafka.start_all().await.unwrap();
    let healed = Instant::now();
    let missed = sweep_finds_nothing_missing(&mut emitter, &database).await;
    report.line(&format!(
        "healed after {:.0?}: a sweep against the source found {missed} missed changes, every kind is balanced",
        healed.elapsed()
    ));
    let after = peak_while(&emitter, Duration::from_secs(5)).await;
    report.line(&format!("emitter afterwards: {:.1} MB", megabytes(after)));
    emitter.stop().await;
    let fold = fold_of(&kafka, &database, &ingester).await;
    let mut faults = delivered::judge(&fold, &database).await;
    // A real emitter sends a pod again once it knows the pod's owner: another body, and by design no version.
    faults.retain(|fault| !fault.contains("versions in the log"));
    report.line(&format!(
        "oracle: {}; 0 lost, 0 doubled, history contiguous, batch ledger agrees: {} faults",
        fold.total(),
        faults.len()
    ));
    assert!(faults.is_empty(), "{:#?}", &faults[..faults.len().min(20)]);
    assert_eq!(missed, 0, "changes that the watches had missed");
    assert!(peak < base + BOUND, "{peak} bytes, {base} before");
    ingester.stop().await;
}
