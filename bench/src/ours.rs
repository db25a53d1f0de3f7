//! Our side of a comparison: a fleet of pods, the emitters that send it, the shipped ingester, its database.

use std::time::Duration;

use fleetledger_local::{kafka::LocalKafka, postgres::LocalPostgres};
use fleetledger_schema::{
    kind::RecordKind,
    record::{ObjectRecord as _, Pod},
};

use crate::{
    figure::{BenchFigure, BenchReport, median},
    fleet::{self, CLUSTERS, PARTITIONS, RecordShape},
    ingester::{self, BenchProcess},
    loader::RecordLoader,
    parts::{self, BenchContext, BenchLedger, LapClock, LapTime},
};

const LIMIT: Duration = Duration::from_secs(600);

/// How many pods change from one sweep to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeShare {
    All,
    Fifth,
    None,
}

/// The pods of the fleet, and at which revision each stands.
pub(crate) struct PodRevisions {
    revisions: Vec<u32>,
    shape: RecordShape,
    turn: usize,
}

impl PodRevisions {
    pub(crate) fn new(count: usize, shape: RecordShape) -> Self {
        Self {
            revisions: vec![0; count],
            shape,
            turn: 0,
        }
    }

    pub(crate) fn change(&mut self, changes: ChangeShare) {
        self.turn += 1;
        // Whole runs of numbers, so that every cluster has its fifth.
        let chosen = |number: usize| match changes {
            ChangeShare::All => true,
            ChangeShare::Fifth => (number / CLUSTERS + self.turn).is_multiple_of(5),
            ChangeShare::None => false,
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
pub(crate) struct LedgerSide {
    pub(crate) loader: RecordLoader,
    pub(crate) ingesters: Vec<BenchProcess>,
    pub(crate) ledger: BenchLedger,
    /// Where the topic's partitions ended before the newest sweep, and after it.
    pub(crate) begins: Vec<i64>,
    pub(crate) ends: Vec<i64>,
    roots: Vec<u32>,
}

impl LedgerSide {
    pub(crate) async fn start(
        setting: &BenchContext,
        kafka: &LocalKafka,
        postgres: &LocalPostgres,
        prefix: &str,
        ingesters: usize,
        more: &str,
    ) -> anyhow::Result<Self> {
        parts::create_topics(kafka, prefix).await?;
        let ledger = BenchLedger::create(postgres, prefix).await?;
        let loader = RecordLoader::new(&kafka.client_config(), prefix, RecordKind::Pod)?;
        let toml = ingester::configuration(&kafka.bootstrap_servers(), &ledger, prefix, more);
        let started: anyhow::Result<Vec<BenchProcess>> = (0..ingesters)
            .map(|_| BenchProcess::start(&setting.program, &["ingest"], &toml))
            .collect();
        let ingesters = started?;
        let pids = ingesters.iter().map(BenchProcess::pid).collect();
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
    pub(crate) async fn sweep(&mut self, pods: &PodRevisions) -> anyhow::Result<LapTime> {
        self.load(pods)?;
        self.lap().await
    }

    /// Puts a sweep into the topic, unseen by the ingester until the lap.
    pub(crate) fn load(&mut self, pods: &PodRevisions) -> anyhow::Result<()> {
        for ingester in &mut self.ingesters {
            ingester.freeze()?;
        }
        let ends = self
            .loader
            .sweep(pods.iter().map(|(cluster, pod)| (cluster, pod.into_record())))?;
        self.begins = std::mem::replace(&mut self.ends, ends);
        Ok(())
    }

    pub(crate) async fn lap(&mut self) -> anyhow::Result<LapTime> {
        let clock = LapClock::start(self.roots.clone())?;
        self.ingesters.iter_mut().for_each(BenchProcess::thaw);
        let landed = ingester::await_landed(&self.ledger, self.loader.topic(), &self.ends, LIMIT).await;
        let lap = clock.stop()?;
        self.ingesters
            .iter_mut()
            .try_for_each(BenchProcess::check_alive)?;
        landed.map(|()| lap)
    }
}

/// Median wall time, in seconds.
pub(crate) fn seconds(laps: &[LapTime]) -> f64 {
    median(&laps.iter().map(|lap| lap.seconds).collect::<Vec<_>>())
}

/// Median CPU time, in seconds.
pub(crate) fn cpu(laps: &[LapTime]) -> f64 {
    median(&laps.iter().map(|lap| lap.cpu_seconds).collect::<Vec<_>>())
}

/// Reports records per second.
pub(crate) fn rate(report: &mut BenchReport, name: &str, records: usize, laps: &[LapTime], what: &str) {
    if laps.is_empty() {
        return;
    }
    let (wall, cpu) = (seconds(laps), cpu(laps));
    let detail = format!(
        "{what}; {records} records in {wall:.2} s, {:.1} CPU µs a record of client, broker and database",
        cpu * 1e6 / records as f64
    );
    report.add(BenchFigure::new(name, records as f64 / wall, "records/s", detail));
}
