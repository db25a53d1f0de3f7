//! The servers a benchmark runs against, all on this machine, with the settings that are shipped.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use fleetledger_local::{ArtifactCache, kafka::LocalKafka, postgres::LocalPostgres};
use fleetledger_schema::{
    kind::RecordKind,
    postgres::{PostgresConnector, migrate},
};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

use crate::{fleet::PARTITIONS, usage};

/// What all benchmarks are told.
#[derive(Debug)]
pub(crate) struct BenchContext {
    /// Sizes are multiplied by it.
    pub(crate) scale: f64,
    /// Rounds of each comparison.
    pub(crate) rounds: usize,
    /// Kafka Connect is left out.
    pub(crate) without_connect: bool,
    /// The `fleetledger` binary.
    pub(crate) program: PathBuf,
    /// The broker, once one is needed; every benchmark has topics of its own.
    pub(crate) broker: OnceCell<Arc<LocalKafka>>,
}

impl BenchContext {
    /// `full`, scaled; at least 1.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        ((full as f64 * self.scale).round() as usize).max(1)
    }

    /// The broker.
    pub(crate) async fn kafka(&self) -> anyhow::Result<Arc<LocalKafka>> {
        let start = || async {
            LocalKafka::builder()
                .sustained()
                .start(&cache())
                .await
                .map(Arc::new)
        };
        Ok(self
            .broker
            .get_or_try_init(start)
            .await
            .context("start kafka")?
            .clone())
    }
}

/// The cache all parts come from.
pub(crate) fn cache() -> ArtifactCache {
    ArtifactCache::new(ArtifactCache::default_root())
}

/// A database server that waits for its disk.
pub(crate) async fn postgres() -> anyhow::Result<LocalPostgres> {
    postgres_with(&[]).await
}

/// The same, with more settings.
pub(crate) async fn postgres_with(more: &[(&str, &str)]) -> anyhow::Result<LocalPostgres> {
    let all = settings(RECOMMENDED).chain(more.iter().copied());
    let builder = all.fold(LocalPostgres::builder().temporary(), |builder, (key, value)| {
        builder.config(key, value)
    });
    builder.start(&cache()).await.context("start postgresql")
}

/// What we recommend for the central server; both sides of every comparison run with it.
const RECOMMENDED: &str = include_str!("../../deploy/postgres/fleetledger.conf");

/// Keys and values of a postgresql.conf.
fn settings(conf: &str) -> impl Iterator<Item = (&str, &str)> {
    conf.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim(), value.trim()))
}

/// A migrated database.
#[derive(Debug)]
pub(crate) struct BenchLedger {
    /// As the ingester.
    pub(crate) ingester_url: String,
    /// The owner's session.
    pub(crate) client: Client,
}

impl BenchLedger {
    /// Creates and migrates database `name`.
    pub(crate) async fn create(postgres: &LocalPostgres, name: &str) -> anyhow::Result<Self> {
        postgres.create_database(name).await?;
        let url = postgres.url_of(name);
        let owner = PostgresConnector::new(url.parse()?, None);
        migrate(&owner, |_| {}).await?;
        Ok(Self {
            ingester_url: url.replacen("fleetledger@", "fleetledger_ingest@", 1),
            client: owner.connect("fleetledger bench").await?,
        })
    }

    /// The one number of a query.
    pub(crate) async fn number(&self, query: &str) -> anyhow::Result<i64> {
        number(&self.client, query).await
    }
}

/// The one bigint of a query.
pub(crate) async fn number(client: &Client, query: &str) -> anyhow::Result<i64> {
    let row = client
        .query_one(query, &[])
        .await
        .with_context(|| query.to_owned())?;
    Ok(row.try_get(0)?)
}

/// Topics of every kind, as `fleetledger topics create` makes them.
pub(crate) async fn create_topics(kafka: &LocalKafka, prefix: &str) -> anyhow::Result<()> {
    for kind in RecordKind::TOPICS {
        create_topic(kafka, &kind.topic(prefix, None)).await?;
    }
    Ok(())
}

/// One topic.
pub(crate) async fn create_topic(kafka: &LocalKafka, name: &str) -> anyhow::Result<()> {
    let settings = [
        ("cleanup.policy", "compact"),
        ("min.compaction.lag.ms", "604800000"),
    ];
    Ok(kafka.create_topic(name, PARTITIONS, &settings).await?)
}

/// Waits until `check` says yes.
pub(crate) async fn until<Check>(what: &str, limit: Duration, mut check: Check) -> anyhow::Result<()>
where
    Check: AsyncFnMut() -> anyhow::Result<bool>,
{
    let begin = std::time::Instant::now();
    while !check().await? {
        anyhow::ensure!(
            begin.elapsed() < limit,
            "{what}: not within {} s",
            limit.as_secs()
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(())
}

/// How often a benchmark looks whether a lap is over: seldom enough to cost nothing.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What a lap took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LapTime {
    /// Wall time.
    pub(crate) seconds: f64,
    /// CPU time of client, broker and database together.
    pub(crate) cpu_seconds: f64,
}

/// Wall and CPU clocks of a lap.
#[derive(Debug)]
pub(crate) struct LapClock {
    roots: Vec<u32>,
    cpu_seconds: f64,
    begin: std::time::Instant,
}

impl LapClock {
    /// Starts it; `roots` are the processes whose trees are counted.
    pub(crate) fn start(roots: Vec<u32>) -> anyhow::Result<Self> {
        let cpu_seconds = usage::cpu_seconds(&roots)?;
        Ok(Self {
            roots,
            cpu_seconds,
            begin: std::time::Instant::now(),
        })
    }

    /// Stops it.
    pub(crate) fn stop(self) -> anyhow::Result<LapTime> {
        let seconds = self.begin.elapsed().as_secs_f64();
        Ok(LapTime {
            seconds,
            cpu_seconds: usage::cpu_seconds(&self.roots)? - self.cpu_seconds,
        })
    }
}
