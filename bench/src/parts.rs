//! The servers a benchmark runs against, all on this machine, with the settings that are shipped.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use fleetledger_local::{Cache, kafka::Kafka, postgres::Postgres};
use fleetledger_schema::{
    kind::Kind,
    postgres::{Connector, migrate},
};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

use crate::{fleet::PARTITIONS, usage};

/// What all benchmarks are told.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Sizes are multiplied by it.
    pub(crate) scale: f64,
    /// Rounds of each comparison.
    pub(crate) rounds: usize,
    /// Kafka Connect is left out.
    pub(crate) without_connect: bool,
    /// The `fleetledger` binary.
    pub(crate) program: PathBuf,
    /// The broker, once one is needed; every benchmark has topics of its own.
    pub(crate) broker: OnceCell<Arc<Kafka>>,
}

impl Setting {
    /// `full`, scaled; at least 1.
    pub(crate) fn scaled(&self, full: usize) -> usize {
        ((full as f64 * self.scale).round() as usize).max(1)
    }

    /// The broker.
    pub(crate) async fn kafka(&self) -> anyhow::Result<Arc<Kafka>> {
        let start = || async { Kafka::builder().start(&cache()).await.map(Arc::new) };
        Ok(self
            .broker
            .get_or_try_init(start)
            .await
            .context("start kafka")?
            .clone())
    }
}

/// The cache all parts come from.
pub(crate) fn cache() -> Cache {
    Cache::new(Cache::default_root())
}

/// A database server that waits for its disk.
pub(crate) async fn postgres() -> anyhow::Result<Postgres> {
    postgres_with(&[]).await
}

/// The same, with more settings.
pub(crate) async fn postgres_with(more: &[(&str, &str)]) -> anyhow::Result<Postgres> {
    let all = settings(RECOMMENDED).chain(more.iter().copied());
    let builder = all.fold(Postgres::builder().temporary(), |builder, (key, value)| {
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
pub(crate) struct Ledger {
    /// As the ingester.
    pub(crate) ingester_url: String,
    /// The owner's session.
    pub(crate) client: Client,
}

impl Ledger {
    /// Creates and migrates database `name`.
    pub(crate) async fn create(postgres: &Postgres, name: &str) -> anyhow::Result<Self> {
        postgres.create_database(name).await?;
        let url = postgres.url_of(name);
        let owner = Connector::new(url.parse()?, None);
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
pub(crate) async fn create_topics(kafka: &Kafka, prefix: &str) -> anyhow::Result<()> {
    for kind in Kind::TOPICS {
        create_topic(kafka, &kind.topic(prefix, None)).await?;
    }
    Ok(())
}

/// One topic.
pub(crate) async fn create_topic(kafka: &Kafka, name: &str) -> anyhow::Result<()> {
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
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// How often a benchmark looks whether a lap is over: seldom enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What a lap took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lap {
    /// Wall time.
    pub(crate) seconds: f64,
    /// CPU time of client, broker and database together.
    pub(crate) cpu_seconds: f64,
}

/// Wall and CPU clocks of a lap.
#[derive(Debug)]
pub(crate) struct Clock {
    roots: Vec<u32>,
    cpu_seconds: f64,
    begin: std::time::Instant,
}

impl Clock {
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
    pub(crate) fn stop(self) -> anyhow::Result<Lap> {
        let seconds = self.begin.elapsed().as_secs_f64();
        Ok(Lap {
            seconds,
            cpu_seconds: usage::cpu_seconds(&self.roots)? - self.cpu_seconds,
        })
    }
}
