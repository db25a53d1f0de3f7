//! Our side of a comparison: a fleet of pods, the emitters that send it, the shipped ingester, its database.

use std::time::Duration;

use fleetledger_local::{kafka::Kafka, postgres::Postgres};
use fleetledger_schema::{
    kind::Kind,
    record::{Object as _, Pod},
};

use crate::{
    figure::{Figure, Report, median},
    fleet::{self, CLUSTERS, PARTITIONS, Shape},
    ingester::{self, Program},
    loader::Loader,
    parts::{self, Clock, Lap, Ledger, Setting},
};

const LIMIT: Duration = Duration::from_secs(600);

/// How many pods change from one sweep to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changes {
    All,
    Fifth,
    None,
}

/// The pods of the fleet, and at which revision each stands.
pub(crate) struct Pods {
    revisions: Vec<u32>,
    shape: Shape,
    turn: usize,
}

impl Pods {
    pub(crate) fn new(count: usize, shape: Shape) -> Self {
        Self {
            revisions: vec![0; count],
            shape,
            turn: 0,
        }
    }

    pub(crate) fn change(&mut self, changes: Changes) {
        self.turn += 1;
        // Whole runs of numbers, so that every cluster has its fifth.
        let chosen = |number: usize| match changes {
            Changes::All => true,
            Changes::Fifth => (number / CLUSTERS + self.turn).is_multiple_of(5),
            Changes::None => false,
        };
        for (number, revision) in self.revisions.iter_mut().enumerate() {
            *revision += u32::from(chosen(number));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Pod)> + '_ {
        let pods = self.revisions.iter().enumerate();
        pods.map(|(number, revision)| {
            (
                fleet::cluster_of(number),
                fleet::pod(number, *revision, self.shape),
            )
        })
    }
}

/// Our side: loader, ingester, database.
pub(crate) struct Ours {
    pub(crate) loader: Loader,
    pub(crate) ingesters: Vec<Program>,
    pub(crate) ledger: Ledger,
    /// Where the topic's partitions ended before the newest sweep, and after it.
    pub(crate) begins: Vec<i64>,
    pub(crate) ends: Vec<i64>,
    roots: Vec<u32>,
}

impl Ours {
    pub(crate) async fn start(
        setting: &Setting,
        kafka: &Kafka,
        postgres: &Postgres,
        prefix: &str,
        ingesters: usize,
        more: &str,
    ) -> anyhow::Result<Self> {
        parts::create_topics(kafka, prefix).await?;
        let ledger = Ledger::create(postgres, prefix).await?;
        let loader = Loader::new(&kafka.client_config(), prefix, Kind::Pod)?;
        let toml = ingester::configuration(&kafka.bootstrap_servers(), &ledger, prefix, more);
        let started: anyhow::Result<Vec<Program>> = (0..ingesters)
            .map(|_| Program::start(&setting.program, &["ingest"], &toml))
            .collect();
        let ingesters = started?;
        let pids = ingesters.iter().map(Program::pid).collect();
        let roots = [kafka.pids(), postgres.pid().into_iter().collect(), pids].concat();
        let claimed = "select count(*) + 1000 * count(distinct owner) from ledger.ingest_partition
            where topic like '%.pod' and owner is not null";
        let wanted = i64::from(PARTITIONS) + 1000 * i64::try_from(ingesters.len())?;
        parts::until("the ingesters claim their partitions", LIMIT, async || {
            Ok(ledger.number(claimed).await? == wanted)
        })
        .await?;
        Ok(Self {
            loader,
            ingesters,
            ledger,
            begins: Vec::new(),
            ends: vec![0; PARTITIONS as usize],
            roots,
        })
    }

    /// Loads a sweep and lands it.
    pub(crate) async fn sweep(&mut self, pods: &Pods) -> anyhow::Result<Lap> {
        self.load(pods)?;
        self.lap().await
    }

    /// Puts a sweep into the topic, unseen by the ingester until the lap.
    pub(crate) fn load(&mut self, pods: &Pods) -> anyhow::Result<()> {
        for ingester in &mut self.ingesters {
            ingester.freeze()?;
        }
        let ends = self
            .loader
            .sweep(pods.iter().map(|(cluster, pod)| (cluster, pod.into_record())))?;
        self.begins = std::mem::replace(&mut self.ends, ends);
        Ok(())
    }

    pub(crate) async fn lap(&mut self) -> anyhow::Result<Lap> {
        let clock = Clock::start(self.roots.clone())?;
        self.ingesters.iter_mut().for_each(Program::thaw);
        let landed = ingester::landed(&self.ledger, self.loader.topic(), &self.ends, LIMIT).await;
        let lap = clock.stop()?;
        self.ingesters.iter_mut().try_for_each(Program::check_alive)?;
        landed.map(|()| lap)
    }
}

/// Median wall time, in seconds.
pub(crate) fn seconds(laps: &[Lap]) -> f64 {
    median(&laps.iter().map(|lap| lap.seconds).collect::<Vec<_>>())
}

/// Median CPU time, in seconds.
pub(crate) fn cpu(laps: &[Lap]) -> f64 {
    median(&laps.iter().map(|lap| lap.cpu_seconds).collect::<Vec<_>>())
}

/// Reports records per second.
pub(crate) fn rate(report: &mut Report, name: &str, records: usize, laps: &[Lap], what: &str) {
    if laps.is_empty() {
        return;
    }
    let (wall, cpu) = (seconds(laps), cpu(laps));
    let detail = format!(
        "{what}; {records} records in {wall:.2} s, {:.1} CPU µs a record of client, broker and database",
        cpu * 1e6 / records as f64
    );
    report.add(Figure::new(name, records as f64 / wall, "records/s", detail));
}
