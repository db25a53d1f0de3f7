//! Everything at once: ingesters are killed without end while members come and go, the database crashes and fails
//! over, a broker is lost, and a storm of records blows. The current state at the end is judged by the oracle.
//!
//! `make soak` asks for more by the environment: `FLEETLEDGER_SOAK_SEED`, `FLEETLEDGER_SOAK_KILLS`,
//! `FLEETLEDGER_SOAK_SECONDS` (at least so long), and `FLEETLEDGER_REPORT_DIR` (where the report is kept).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

mod members;
mod replicated_database;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use fleetledger_ingest::fail_point::FailPoint;
use fleetledger_local::{kafka::LocalKafka, skip::unless_available};
use fleetledger_tests::{
    deadline::eventually,
    delivered, parts,
    report::{TestRunReport, number_from_environment},
    storm::{RecordStorm, RunningStorm},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{members::IngesterGroup, replicated_database::ReplicatedDatabase};

const SHORT_KILLS: u64 = 8;
const CRASHES: u64 = 3;
/// For what is left at the end, on a machine that does everything at once.
const LIMIT: Duration = Duration::from_secs(300);
/// Between two looks whether something has landed.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Records every 20 ms, at most.
const PACE: usize = 5;

/// What happens beside the kills, in this order, spread evenly over them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum SoakEvent {
    DatabaseCrashes,
    BrokerIsLost,
    BrokerReturns,
    DatabaseFailsOver,
}

const EVENTS: [SoakEvent; 6] = [
    SoakEvent::DatabaseCrashes,
    SoakEvent::BrokerIsLost,
    SoakEvent::BrokerReturns,
    SoakEvent::DatabaseCrashes,
    SoakEvent::DatabaseFailsOver,
    SoakEvent::DatabaseCrashes,
];

struct SoakRun {
    seed: u64,
    random: StdRng,
    kafka: LocalKafka,
    postgres: ReplicatedDatabase,
    members: IngesterGroup,
    behind: i64,
    lost_broker: i32,
}

impl SoakRun {
    async fn happen(&mut self, event: SoakEvent) {
        match event {
            SoakEvent::DatabaseCrashes => self.postgres.crash().await,
            SoakEvent::DatabaseFailsOver => {
                self.postgres.stop_following().await;
                for _ in 0..5 {
                    self.moves().await;
                }
                self.behind = self.postgres.fail_over().await;
            }
            SoakEvent::BrokerIsLost => self.kafka.kill_broker(self.lost_broker).await.unwrap(),
            SoakEvent::BrokerReturns => self.kafka.start_broker(self.lost_broker).await.unwrap(),
        }
    }

    /// Waits until something has landed since the last time; members that died at a fail point are replaced.
    async fn moves(&mut self) {
        let began = Instant::now();
        while !self.postgres.has_moved().await {
            assert!(
                began.elapsed() < LIMIT,
                "nothing lands: {}",
                self.members.log_text()
            );
            let nth = self.random.random_range(1..6);
            self.members.replace_ended(nth);
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Kills at random, `kills` of them and for `seconds` at least, with every event once in between.
    async fn run(&mut self, kills: u64, seconds: Duration) {
        let began = Instant::now();
        let step = (kills / (EVENTS.len() as u64 + 1)).max(1);
        let mut next_event = step;
        let mut events = EVENTS.into_iter();
        while self.members.killed < kills || began.elapsed() < seconds {
            self.moves().await;
            // The instant of the kill is the experiment.
            tokio::time::sleep(Duration::from_micros(self.random.random_range(0..400_000))).await;
            let number = self.random.random_range(0..self.members.len());
            let nth = self.random.random_range(1..6);
            self.members.kill(number, nth).await;
            if self.members.killed >= next_event
                && let Some(event) = events.next()
            {
                next_event += step;
                self.happen(event).await;
            }
        }
        for event in events {
            self.happen(event).await;
        }
        self.members.hit_what_was_not_hit().await;
    }

    async fn judge(&self, report: &TestRunReport, began: Instant) {
        let records = delivered::read_all(&self.kafka.client_config(), "soak");
        let fold = delivered::fold(&records, &BTreeSet::new());
        let database = self.postgres.database().await;
        eventually("everything is ingested", LIMIT, || async {
            let behind = fold.is_ingested(&database).await;
            behind.map_err(|why| format!("{why}\n{}", self.members.log_text()))
        })
        .await;
        let faults = delivered::judge(&fold, &database).await;
        let claims = database
            .number("select sum(owner_epoch)::bigint from ledger.ingest_partition")
            .await;
        let by_point: BTreeMap<&str, u64> = FailPoint::ALL
            .into_iter()
            .map(|point| (point.as_str(), self.members.hits(point)))
            .collect();
        report.line(&format!(
            "killed with SIGKILL at random instants: {}",
            self.members.killed
        ));
        report.line(&format!("killed at fail points: {by_point:?}"));
        report.line(&format!(
            "ended by themselves: {}; members started: {}; claims of partitions: {claims}",
            self.members.ended, self.members.started
        ));
        report.line(&format!(
            "database: {CRASHES} crashes that lost acknowledged commits, 1 fail-over to a standby that was {} records behind, \
             the old primary read-only",
            self.behind
        ));
        report.line(&format!("broker {} of 3 lost, and back", self.lost_broker));
        report.line(&format!("time: {:.0?}", began.elapsed()));
        report.line(&format!("oracle: {}", fold.total()));
        for fault in &faults {
            report.line(&format!("fault: {fault}"));
        }
        assert!(faults.is_empty(), "seed {}: {} faults", self.seed, faults.len());
        report.line("oracle: 0 lost, 0 doubled, history contiguous, batch ledger agrees: 0 faults");
        let missed: Vec<_> = by_point.iter().filter(|(_, hits)| **hits == 0).collect();
        assert!(missed.is_empty(), "fail points without a hit: {missed:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_crashed_failed_over_and_short_of_a_broker_everything_lands_once() {
    let test = "killed_crashed_failed_over_and_short_of_a_broker_everything_lands_once";
    let cache = parts::cache();
    let kafka = LocalKafka::builder()
        .brokers(3)
        .property("group.min.session.timeout.ms", "500")
        .start(&cache);
    let Some(kafka) = unless_available(test, kafka.await).unwrap() else {
        return;
    };
    let Some(postgres) = ReplicatedDatabase::start(test).await else {
        return;
    };
    let seed = number_from_environment("FLEETLEDGER_SOAK_SEED", 5_150);
    let kills = number_from_environment("FLEETLEDGER_SOAK_KILLS", SHORT_KILLS);
    let seconds = Duration::from_secs(number_from_environment("FLEETLEDGER_SOAK_SECONDS", 0));
    let report = TestRunReport::named(&format!("soak-{seed}"));
    report.line(&format!(
        "seed {seed}, {kills} kills, 2 ingesters in one group, 3 brokers, 4 clusters"
    ));
    let began = Instant::now();
    parts::create_topics(&kafka, "soak", parts::PARTITIONS).await;
    let storm = RecordStorm::new(&kafka.client_config(), "soak", seed).await;
    let blowing = RunningStorm::start_at(storm, PACE);
    let mut random = StdRng::seed_from_u64(seed);
    let lost_broker = random.random_range(1..=3);
    let members = IngesterGroup::start(2, &kafka, &postgres);
    let mut soak = SoakRun {
        seed,
        random,
        kafka,
        postgres,
        members,
        behind: 0,
        lost_broker,
    };
    soak.run(kills, seconds).await;
    blowing.end().await;
    soak.judge(&report, began).await;
    soak.members.stop().await;
}
