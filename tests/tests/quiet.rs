//! A fleet that is left alone: hours of it pass in minutes, every rule that ships is asked at each of its slots, and no alert
//! fires without an incident that the fleet shows.
//!
//! The simulated fleet has a clock of its own. What its emitter would have sent goes through Kafka and a real ingester, and
//! the rules are asked as of that clock, by the evaluator's own observation and state machine. The hours lie around a
//! midnight of the past in UTC, at which yesterday's cost is judged. `make soak SOAK_TEST=quiet` asks for more hours
//! (`QUIET_HOURS`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{collections::BTreeMap, time::Duration};

use fleetledger_cost::{definitions::CostDefinitions, store};
use fleetledger_emit::{
    EmitSettings, SimulateSettings,
    simulate::{HistoricRecord, SimulatedHistory},
};
use fleetledger_queries::catalogue;
use fleetledger_schema::{instant::Instant, key::RecordSource, kind::RecordKind, record::Record};
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    emitter,
    ingester::TestIngester,
    manual_emitter::ManualEmitter,
    parts,
    report::{TestRunReport, number_from_environment},
};
use fleetledger_trials::backtest::RunningTrial;
use rdkafka::ClientConfig;

/// The one without incidents, and the one whose incidents come at random.
const CALM: &str = "fra";
const BUSY: &str = "iad";
const CLUSTER: &str = "prod-1";
const SHORT_HOURS: u64 = 2;
const MINUTE_MICROS: i64 = 60_000_000;
const DAY_MICROS: i64 = 86_400_000_000;
const LIMIT: Duration = Duration::from_secs(120);

/// What the simulated incidents are and may be alerted of.
const OF_INCIDENTS: [&str; 11] = [
    "ContainerCrashLooping",
    "ContainersOomKilled",
    "ImageRestartingAcrossFleet",
    "NamespaceStuckTerminating",
    "NodeFlapping",
    "NodeNotReady",
    "NodeNotReporting",
    "PodsEvictedFromNode",
    "WatchdogFailing",
    "WorkloadPodsLeaking",
    "WorkloadReplicasUnavailable",
];

/// What compares the emitter's clock with the wall's: here they differ by hours, and that is so.
const OF_THE_WALL: [&str; 1] = ["EmitterClockSkewed"];

/// A simulated cluster and the emitter that writes what it lives through.
struct SimulatedSite {
    history: SimulatedHistory,
    emitter: ManualEmitter,
}

impl SimulatedSite {
    fn begin(
        (kafka, prefix): (&ClientConfig, &str),
        datacenter: &str,
        incidents: bool,
        whole: bool,
        from: Instant,
    ) -> Self {
        let settings = EmitSettings {
            datacenter: datacenter.to_owned(),
            ..emitter::settings(CLUSTER, prefix)
        };
        // The small demo, and half of it where hours are few.
        let share = if whole { 1.0 } else { 0.5 };
        let simulate = SimulateSettings {
            nodes: (30.0 * share) as u32,
            pods: (500.0 * share) as u32,
            changes_per_second: 15.0 * share,
            incidents,
            ..SimulateSettings::default()
        };
        let mut history = SimulatedHistory::begin(&settings, &simulate, from).unwrap();
        let mut emitter = ManualEmitter::new(kafka, prefix, CLUSTER, history.cluster_uid());
        emitter.source = RecordSource::new(datacenter, CLUSTER, history.cluster_uid()).unwrap();
        let all = history.advance(from);
        emitter.clock_skew_micros = from.micros_since(Instant::now());
        for kind in RecordKind::ALL {
            let of_kind = all.iter().map(|one| &one.record).filter(|one| one.kind() == kind);
            let of_kind: Vec<Record> = of_kind.cloned().collect();
            emitter.sweep(kind, &of_kind);
        }
        Self { history, emitter }
    }

    /// Writes what happens until `to`; returns how many records that were.
    fn live(&mut self, to: Instant) -> usize {
        let records = self.history.advance(to);
        for HistoricRecord { at, record } in &records {
            self.emitter.clock_skew_micros = at.micros_since(Instant::now());
            self.emitter.write(record);
            if record.deleted_at().is_some() {
                let tombstone = self.emitter.tombstone(record.kind(), record.uid());
                self.emitter.put(&tombstone);
            }
        }
        self.emitter.clock_skew_micros = to.micros_since(Instant::now());
        self.emitter.mark_all();
        records.len()
    }
}

/// Waits until everything that was written has landed.
async fn land(sites: &mut [SimulatedSite], database: &LedgerDatabase) {
    let mut ends: BTreeMap<(String, i32), i64> = BTreeMap::new();
    for site in sites {
        for place in site.emitter.flush().await {
            let end = ends.entry((place.topic, place.partition)).or_default();
            *end = (*end).max(place.offset + 1);
        }
    }
    eventually("everything has landed", LIMIT, || async {
        let query = "select topic, partition, next_offset from ledger.ingest_partition";
        let rows = database.client.query(query, &[]).await.unwrap();
        let next: BTreeMap<(String, i32), i64> = rows
            .iter()
            .map(|row| ((row.get(0), row.get(1)), row.get(2)))
            .collect();
        let behind = ends.iter().find(|(place, end)| next.get(*place) < Some(*end));
        ensure(behind.is_none(), || format!("{behind:?}"))
    })
    .await;
}

/// The prices of the demo.
async fn price(database: &LedgerDatabase) {
    let files = [
        ("cloud.toml", include_str!("../../deploy/cost/cloud.toml")),
        ("owners.toml", include_str!("../../deploy/cost/owners.toml")),
        ("sharing.toml", include_str!("../../deploy/cost/sharing.toml")),
    ];
    let book = CostDefinitions::parse(&files).unwrap();
    let mut client = database.owner.connect("prices").await.unwrap();
    store::apply(&mut client, &book, "test").await.unwrap();
}

/// Rates what is due at an instant, as the evaluator does.
async fn rate(database: &LedgerDatabase, at: jiff::Timestamp) {
    let due = format!("select hour_at::text, reason from ledger.cost_due('{at}')");
    for hour in database.client.query(&due, &[]).await.unwrap() {
        let (hour, reason): (String, String) = (hour.get(0), hour.get(1));
        let rate = format!(
            "select ledger.cost_fill_rest('{hour}', '{reason}', '{at}'), ledger.cost_fill_day_rest('{hour}', '{at}')"
        );
        database.client.batch_execute(&rate).await.unwrap();
    }
}

/// The last midnight in UTC that lies `after` in the past, and `before` earlier.
fn midnight(after: i64, before: i64) -> Instant {
    let last = Instant::now().0 - after;
    Instant(last - last.rem_euclid(DAY_MICROS) - before)
}

async fn open_trials(database: &LedgerDatabase) -> Vec<(String, RunningTrial)> {
    let root = format!("{}/../queries/alerts", env!("CARGO_MANIFEST_DIR"));
    let rules = catalogue::load(root.as_ref()).unwrap();
    let mut trials = Vec::new();
    for (query, alert) in rules.alerts() {
        let trial = RunningTrial::open(&database.owner, query).await.unwrap();
        trials.push((alert.alert.clone(), trial));
    }
    trials
}

/// What must not have fired, and queries that failed.
fn faults(trials: &[(String, RunningTrial)], report: &TestRunReport) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, trial) in trials {
        let outcome = trial.report();
        assert!(outcome.slots > 0, "{name} was never asked");
        if outcome.failed > 0 {
            faults.push(format!(
                "{name}: {} slots failed: {:?}",
                outcome.failed, outcome.failure
            ));
        }
        if OF_THE_WALL.contains(&name.as_str()) {
            continue;
        }
        if !outcome.episodes.is_empty() {
            report.line(&format!("{name}: {} episodes", outcome.episodes.len()));
        }
        for episode in outcome.episodes {
            let is_calm = episode.labels.get("datacenter").is_some_and(|of| of == CALM);
            if is_calm || !OF_INCIDENTS.contains(&name.as_str()) {
                faults.push(format!("{name} from {}: {:?}", episode.from, episode.labels));
            }
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_alert_fires_in_hours_of_a_fleet_without_an_incident_that_it_shows() {
    let test = "no_alert_fires_in_hours_of_a_fleet_without_an_incident_that_it_shows";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let hours = i64::try_from(number_from_environment("FLEETLEDGER_QUIET_HOURS", SHORT_HOURS)).unwrap();
    let (kafka, database, prefix) = (
        parts.kafka.client_config(),
        parts.database().await,
        parts.topics().await,
    );
    let report = TestRunReport::named("quiet");
    // An hour before midnight, and the rest after it.
    let from = midnight((hours - 1).max(1) * 60 * MINUTE_MICROS, 60 * MINUTE_MICROS);
    let begins = from.to_timestamp().unwrap();
    let days = format!("select ledger.ensure_partitions('{begins}'::date - 1, current_date + 1)");
    database.client.batch_execute(&days).await.unwrap();
    price(&database).await;
    let ingester = TestIngester::start(&prefix, &kafka, &database);
    let whole = hours > i64::try_from(SHORT_HOURS).unwrap();
    let mut sites = [(CALM, false), (BUSY, true)].map(|(datacenter, incidents)| {
        SimulatedSite::begin((&kafka, &prefix), datacenter, incidents, whole, from)
    });
    land(&mut sites, &database).await;
    let first_seen = format!("update ledger.cluster set first_seen_at = '{begins}'");
    database.client.batch_execute(&first_seen).await.unwrap();
    let mut trials = open_trials(&database).await;
    let (mut records, began) = (0, std::time::Instant::now());
    for minute in 1..=hours * 60 {
        let now = from.plus_micros(minute * MINUTE_MICROS);
        records += sites.iter_mut().map(|site| site.live(now)).sum::<usize>();
        land(&mut sites, &database).await;
        let at = now.to_timestamp().unwrap();
        if minute % 5 == 0 {
            rate(&database, at).await;
        }
        for (_, trial) in &mut trials {
            trial.ask(at).await.unwrap();
        }
    }
    report.line(&format!(
        "{hours} hours from {begins}: {records} records, {} rules, {} s",
        trials.len(),
        began.elapsed().as_secs()
    ));
    let faults = faults(&trials, &report);
    ingester.stop().await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
