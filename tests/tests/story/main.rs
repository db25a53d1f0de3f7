//! The demo's story: what every rule that ships says of the hours that a demo plays before it begins, and what reaches its
//! receiver live.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use fleetledger_local::ArtifactCache;
use fleetledger_queries::{StoredQuery, catalogue};
use fleetledger_schema::postgres::PostgresConnector;
use fleetledger_tests::{
    deadline::{ensure, eventually},
    program,
    report::{TestRunReport, number_from_environment},
};
use fleetledger_trials::backtest::{BacktestError, BacktestRange, backtest};
use jiff::{SignedDuration, Timestamp};
use tokio_postgres::{Client, SimpleQueryMessage};

/// Hours that are played.
const HOURS: i64 = 2;
const CYCLE_MINUTES: i64 = 30;
/// Slots lie this many minutes apart at most, and a simulated clock moves by seconds.
const TOLERANCE_MINUTES: i64 = 6;

/// An alert of the story: in each cycle (or every other one) it fires from one minute of the cycle to another. An end beyond the
/// cycle lies in the next one.
struct StoryAlert {
    alert: &'static str,
    /// Labels that it has.
    labels: &'static [(&'static str, &'static str)],
    from: i64,
    to: i64,
    cycles: i64,
}

const fn every_cycle(
    alert: &'static str,
    labels: &'static [(&'static str, &'static str)],
    from: i64,
    to: i64,
) -> StoryAlert {
    StoryAlert {
        alert,
        labels,
        from,
        to,
        cycles: 1,
    }
}

const STORY: [StoryAlert; 16] = [
    every_cycle(
        "WatchdogFailing",
        &[("datacenter", "iad"), ("watchdog", "dns")],
        1,
        6,
    ),
    every_cycle("ImageRestartingAcrossFleet", &[], 3, 20),
    every_cycle(
        "ContainerCrashLooping",
        &[("datacenter", "dfw"), ("workload", "storefront")],
        13,
        20,
    ),
    every_cycle(
        "ContainerCrashLooping",
        &[("datacenter", "iad"), ("workload", "storefront")],
        13,
        20,
    ),
    every_cycle(
        "ContainerCrashLooping",
        &[("datacenter", "fra"), ("workload", "storefront")],
        13,
        20,
    ),
    every_cycle(
        "WorkloadReplicasUnavailable",
        &[("datacenter", "dfw"), ("workload", "storefront")],
        18,
        25,
    ),
    every_cycle(
        "WorkloadReplicasUnavailable",
        &[("datacenter", "iad"), ("workload", "storefront")],
        18,
        25,
    ),
    every_cycle(
        "WorkloadReplicasUnavailable",
        &[("datacenter", "fra"), ("workload", "storefront")],
        18,
        25,
    ),
    every_cycle(
        "WorkloadReplicasUnavailable",
        &[("datacenter", "fra"), ("workload", "forecast")],
        17,
        24,
    ),
    every_cycle(
        "PodPendingTooLong",
        &[("datacenter", "fra"), ("workload", "forecast")],
        17,
        24,
    ),
    every_cycle("PodsEvictedFromNode", &[("datacenter", "iad")], 6, 34),
    every_cycle(
        "UnlimitedPodsUnderMemoryPressure",
        &[("datacenter", "iad")],
        10,
        17,
    ),
    every_cycle(
        "NodeUnderPressure",
        &[("datacenter", "iad"), ("condition", "MemoryPressure")],
        15,
        17,
    ),
    every_cycle("NodeNotReporting", &[("datacenter", "dfw")], 15, 18),
    every_cycle(
        "ContainersOomKilled",
        &[("datacenter", "fra"), ("workload", "ranker")],
        11,
        23,
    ),
    StoryAlert {
        alert: "NamespaceStuckTerminating",
        labels: &[("datacenter", "fra")],
        from: 35,
        to: 50,
        cycles: 2,
    },
];

/// Rules about books without history, which no backtest can ask: those run live alone.
const WITHOUT_HISTORY: [&str; 5] = [
    "EmitterClockSkewed",
    "EmitterOvertaken",
    "IngestLagging",
    "LedgerOutOfBalance",
    "SweepHeld",
];

/// An alert of the story and the number of its cycle.
type Occurrence = (usize, i64);

/// The part of the story that an episode is.
fn occurrence(alert: &str, labels: &[(String, String)], from: i64, to: Option<i64>) -> Option<Occurrence> {
    let has = |name: &str, value: &str| labels.iter().any(|(label, is)| label == name && is == value);
    let near = |is: i64, wanted: i64| (wanted - 1..=wanted + TOLERANCE_MINUTES).contains(&is);
    STORY.iter().enumerate().find_map(|(index, story)| {
        let fits = story.alert == alert && story.labels.iter().all(|(name, value)| has(name, value));
        let length = story.cycles * CYCLE_MINUTES;
        let number = (from + 1 - story.from).div_euclid(length);
        let begin = number * length;
        let ends = to.is_none_or(|to| near(to - begin, story.to));
        (fits && near(from - begin, story.from) && ends).then_some((index, number))
    })
}

/// Those that must have been seen within the hours played: what would begin near their end may lie beyond it.
fn expected() -> BTreeSet<Occurrence> {
    let mut expected = BTreeSet::new();
    for (index, story) in STORY.iter().enumerate() {
        let length = story.cycles * CYCLE_MINUTES;
        let numbers = 0..HOURS * 60 / length;
        let within = numbers.filter(|number| number * length + story.from + TOLERANCE_MINUTES < HOURS * 60);
        expected.extend(within.map(|number| (index, number)));
    }
    expected
}

async fn play_rule(
    connector: &PostgresConnector,
    query: &Arc<StoredQuery>,
    alert: &str,
    began: Timestamp,
    faults: &mut Vec<String>,
) -> BTreeSet<Occurrence> {
    let range = BacktestRange {
        from: began,
        to: began + SignedDuration::from_hours(HOURS),
        connections: 2,
    };
    let mut seen = BTreeSet::new();
    let report = match backtest(connector, query, &range).await {
        Err(BacktestError::Refused { .. }) if WITHOUT_HISTORY.contains(&alert) => return seen,
        report => report.unwrap(),
    };
    if report.failed > 0 {
        faults.push(format!(
            "{alert}: {} slots failed: {:?}",
            report.failed, report.failure
        ));
    }
    for episode in report.episodes {
        let minute = |at: Timestamp| at.duration_since(began).as_secs().div_euclid(60);
        let labels: Vec<(String, String)> = episode
            .labels
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        let (from, to) = (minute(episode.from), episode.to.map(minute));
        match occurrence(alert, &labels, from, to) {
            Some(occurrence) if seen.insert(occurrence) => {}
            Some(_) => faults.push(format!("{alert} twice in a cycle: {labels:?} from minute {from}")),
            None => faults.push(format!(
                "{alert} is not of the story: {labels:?} from minute {from} to {to:?}"
            )),
        }
    }
    seen
}

/// A demo in a folder of its own, stopped and removed at the end.
struct WatchedDemo {
    folder: PathBuf,
    process: Child,
}

impl WatchedDemo {
    /// Starts one, and waits until it has played its hours and shows its figures.
    fn start() -> Self {
        let cache = ArtifactCache::new(ArtifactCache::default_root());
        let folder = cache
            .data_root()
            .join(format!("story-test-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut process = Command::new(program::binary())
            .args(["demo", "--fresh", "--history", &format!("{HOURS}h")])
            .env("FLEETLEDGER__DEMO__DIRECTORY", &folder)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let demo = Self { folder, process };
        assert!(
            lines.any(|line| line.unwrap().contains("clusters 3 fresh")),
            "the demo ended"
        );
        // Whoever prints must not find its reader gone.
        std::thread::spawn(move || lines.count());
        demo
    }

    /// A file of it, without white space around it; empty where there is none.
    fn read(&self, name: &str) -> String {
        let text = std::fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        text.trim().to_owned()
    }

    /// A session of the reader.
    async fn reader(&self) -> Client {
        let url = self.url().replace("fleetledger@", "fleetledger_reader@");
        let reader = PostgresConnector::new(url.parse().unwrap(), None);
        reader.connect("story").await.unwrap()
    }

    /// A page of its console.
    fn page(&self, path: &str) -> String {
        let address = format!("127.0.0.1:{}", self.read("console.port"));
        let mut console = TcpStream::connect(&address).unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
        console.write_all(request.as_bytes()).unwrap();
        let mut page = String::new();
        console.read_to_string(&mut page).unwrap();
        page
    }

    fn url(&self) -> String {
        format!(
            "postgres://fleetledger@127.0.0.1:{}/fleetledger",
            self.read("postgres.port")
        )
    }
}

impl Drop for WatchedDemo {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .args(["-INT", &self.process.id().to_string()])
            .status();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The first cell of each row.
async fn first_column(reader: &Client, sql: &str) -> Vec<Option<String>> {
    let messages = reader.simple_query(sql).await;
    let messages = messages.unwrap_or_else(|error| panic!("{error:?}\n{sql}"));
    let cells = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).map(str::to_owned)),
        _ => None,
    });
    cells.collect()
}

/// Every rule over the hours that were played.
async fn faults_of_the_past(connector: &PostgresConnector, began: Timestamp) -> Vec<String> {
    let root = format!("{}/../queries/alerts", env!("CARGO_MANIFEST_DIR"));
    let rules = catalogue::load(root.as_ref()).unwrap();
    let (mut faults, mut seen, mut asked) = (Vec::new(), BTreeSet::new(), 0);
    for (query, alert) in rules.alerts() {
        asked += 1;
        seen.extend(play_rule(connector, query, &alert.alert, began, &mut faults).await);
    }
    assert!(asked >= 50, "{asked} rules");
    for (index, number) in expected().difference(&seen) {
        let story = &STORY[*index];
        faults.push(format!(
            "{} {:?} is missing in cycle {number}",
            story.alert, story.labels
        ));
    }
    faults
}

/// What fires live beside [`STORY`]: the heartbeat always, and what a stranger in the pipeline brings about.
const OF_THE_PIPELINE: [&str; 3] = ["ClusterRefused", "DeadLettersWaiting", "FleetledgerHeartbeat"];

/// Live alerts that have fired, and those of them that are not of the story.
async fn faults_of_the_present(client: &Client, began: Timestamp, report: &TestRunReport) -> Vec<String> {
    let query = "select alertname, labels::text, extract(epoch from happened_at)::bigint
        from fleet.alert_history where event = 'firing' order by happened_at";
    let mut faults = Vec::new();
    for row in client.query(query, &[]).await.unwrap() {
        let (alert, labels, at): (String, String, i64) = (row.get(0), row.get(1), row.get(2));
        let labels: std::collections::BTreeMap<String, String> = serde_json::from_str(&labels).unwrap();
        let labels: Vec<(String, String)> = labels.into_iter().collect();
        let minute = (at - began.as_second()).div_euclid(60);
        report.line(&format!("minute {minute}: {alert} {labels:?}"));
        let is_of_the_pipeline = OF_THE_PIPELINE.contains(&alert.as_str());
        if !is_of_the_pipeline && occurrence(&alert, &labels, minute, None).is_none() {
            faults.push(format!(
                "live, {alert} is not of the story: {labels:?} at minute {minute}"
            ));
        }
    }
    faults
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_finds_the_story_in_the_hours_played_and_nothing_else() {
    let report = TestRunReport::named("story");
    let minutes = number_from_environment("FLEETLEDGER_STORY_MINUTES", 0);
    let demo = tokio::task::block_in_place(WatchedDemo::start);
    let connector = PostgresConnector::new(demo.url().parse().unwrap(), None);
    let client = connector.connect("story").await.unwrap();
    let began = "select extract(epoch from first_seen_at)::bigint, count(*) from fleet.cluster group by 1";
    let rows = client.query(began, &[]).await.unwrap();
    assert_eq!(rows.len(), 1, "all clusters have been known since one instant");
    let began = Timestamp::from_second(rows[0].get(0)).unwrap();

    let past = "select count(*)::bigint from fleet.pod_at(to_timestamp($1::bigint::double precision + 1800))";
    let pods: i64 = client
        .query_one(past, &[&began.as_second()])
        .await
        .unwrap()
        .get(0);
    assert!(
        (1_000..2_500).contains(&pods),
        "{pods} pods half an hour after the past began"
    );

    let mut faults = faults_of_the_past(&connector, began).await;
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    // The story goes on live, and before long a page is delivered.
    eventually("a page is delivered", Duration::from_secs(600), || async {
        let notifications = demo.read("notifications.log");
        let is_there = notifications.contains("  page  ");
        ensure(is_there, || notifications)
    })
    .await;
    let reader = demo.reader().await;
    let guide = include_str!("../../../docs/quick-start.md");
    let (_, story) = guide.split_once("### The story of the demo").unwrap();
    let (_, blocks) = story.split_once("```sql\n").unwrap();
    let (taught, _) = blocks.split_once("```").unwrap();
    let asked = format!("{}\n{taught}", demo.read("questions.sql"));
    let asked: Vec<&str> = asked
        .split(";\n")
        .map(str::trim)
        .filter(|sql| !sql.is_empty())
        .collect();
    assert_eq!(asked.len(), 14);
    eventually(
        "every question has an answer",
        Duration::from_secs(240),
        || async {
            let mut unanswered = Vec::new();
            for sql in &asked {
                if first_column(&reader, sql).await.is_empty() {
                    unanswered.push(*sql);
                }
            }
            ensure(unanswered.is_empty(), || format!("{unanswered:?}"))
        },
    )
    .await;
    let firing = "select alertname from fleet.alert where condition = 'firing' and labels ->> 'severity' <> 'info' limit 1";
    let firing = first_column(&reader, firing).await;
    let alert = firing.into_iter().flatten().next().expect("an alert fires");
    for path in ["/", "/alerts"] {
        let page = demo.page(path);
        assert!(page.contains(&alert), "{path} does not show {alert}: {page}");
    }
    let live = began + SignedDuration::from_hours(HOURS);
    let left = Duration::from_secs(minutes * 60);
    tokio::time::sleep(left).await;
    faults.extend(faults_of_the_present(&client, live, &report).await);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
