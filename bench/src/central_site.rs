//! Broker, database with commit times and ingester: when each record was produced, and when SQL could show it.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use fleetledger_local::{kafka::LocalKafka, postgres::LocalPostgres};
use fleetledger_schema::{key::RecordSubject, kind::RecordKind};

use crate::{
    ingester::{self, BenchProcess},
    loader::RecordSender,
    log::{ProducedRecord, TopicReader},
    parts::{self, BenchContext, BenchLedger},
};

const LIMIT: Duration = Duration::from_secs(300);

/// How long the backlog of first sweeps may take to land, and how often is looked.
const CATCH_UP: Duration = Duration::from_secs(90);
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// When the offsets of a topic landed: partition → (first offset after the batch, commit in ms), in order.
type BatchCommits = HashMap<i32, Vec<(i64, f64)>>;

/// The central site of a fleet.
pub(crate) struct CentralSite {
    pub(crate) kafka: Arc<LocalKafka>,
    pub(crate) prefix: &'static str,
    pub(crate) postgres: LocalPostgres,
    pub(crate) ledger: BenchLedger,
    ingester: BenchProcess,
}

/// A record of an object, in ms since 1970.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LandedRecord {
    /// When the producer took it.
    pub(crate) produced_ms: f64,
    /// When the transaction with its row was committed.
    pub(crate) landed_ms: f64,
}

impl CentralSite {
    /// Starts it; `fill` puts into the database the current state there before the ingester begins. Topics and database are
    /// named by `prefix`.
    pub(crate) async fn start<Fill>(
        setting: &BenchContext,
        prefix: &'static str,
        fill: Fill,
    ) -> anyhow::Result<Self>
    where
        Fill: AsyncFnOnce(&BenchLedger) -> anyhow::Result<()>,
    {
        let kafka = setting.kafka().await?;
        let postgres = parts::postgres_with(&[("track_commit_timestamp", "on")]).await?;
        parts::create_topics(&kafka, prefix).await?;
        let ledger = BenchLedger::create(&postgres, prefix).await?;
        fill(&ledger).await?;
        let toml = ingester::configuration(&kafka.bootstrap_servers(), &ledger, prefix, "");
        let ingester = BenchProcess::start(&setting.program, &["ingest"], &toml)?;
        Ok(Self {
            kafka,
            prefix,
            postgres,
            ledger,
            ingester,
        })
    }

    /// Configuration of an emitter of this central site.
    pub(crate) fn emitter_configuration(&self, cluster: &str, more: &str) -> String {
        format!(
            "[kafka]\nbootstrap_servers = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nfilter = \"warn\"\n\
             [emit]\ndatacenter = \"dfw\"\ncluster = \"{cluster}\"\ntopic_prefix = \"{}\"\n{more}\n",
            self.kafka.bootstrap_servers(),
            self.prefix
        )
    }

    /// Starts emitters of simulated clusters of `pods` pods each, which change `rate` objects a second together.
    pub(crate) fn simulate(
        &self,
        program: &Path,
        emitters: usize,
        rate: f64,
        pods: usize,
    ) -> anyhow::Result<Vec<BenchProcess>> {
        let each = rate / emitters as f64;
        let start = |number| {
            let more = format!(
                "[simulate]\nseed = {number}\nnodes = {}\npods = {pods}\nchanges_per_second = {each:.1}\ndaily_shape = false",
                pods / 20
            );
            let toml = self.emitter_configuration(&format!("sim-{number}"), &more);
            BenchProcess::start(program, &["emit", "--source", "simulate"], &toml)
        };
        (0..emitters).map(start).collect()
    }

    /// Waits for the first sweep of so many clusters: what it carries are no changes.
    pub(crate) async fn await_sweeps(&mut self, clusters: usize) -> anyhow::Result<()> {
        let swept = "select count(*) from ledger.sweep where kind = $1 and state = 'complete'";
        let kind = RecordKind::Pod.number();
        parts::until("the clusters are swept", LIMIT, async || {
            self.ingester.check_alive()?;
            let row = self.ledger.client.query_one(swept, &[&kind]).await?;
            Ok(row.try_get::<_, i64>(0)? == clusters as i64)
        })
        .await
    }

    /// Waits until at most so many records are produced and have not landed: the first sweeps left a backlog, which is no
    /// measure of what comes after. What the figures' details say of it: something only if that was not within [`CATCH_UP`].
    pub(crate) async fn await_catch_up(&mut self, records: f64) -> anyhow::Result<&'static str> {
        let sender = RecordSender::new(&self.kafka.client_config())?;
        let taken = "select coalesce(sum(next_offset), 0)::bigint from ledger.ingest_partition";
        let begin = std::time::Instant::now();
        while begin.elapsed() < CATCH_UP {
            self.ingester.check_alive()?;
            let mut produced = 0;
            for kind in RecordKind::TOPICS {
                produced += sender.ends(&kind.topic(self.prefix, None))?.iter().sum::<i64>();
            }
            if ((produced - self.ledger.number(taken).await?) as f64) <= records {
                return Ok("");
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(", the backlog of the first sweeps still waiting")
    }

    /// Waits until all that was produced has landed; returns the ends of each topic's partitions.
    pub(crate) async fn settle(&mut self) -> anyhow::Result<Vec<(String, Vec<i64>)>> {
        let sender = RecordSender::new(&self.kafka.client_config())?;
        let mut topics = Vec::new();
        for kind in RecordKind::ALL {
            let topic = kind.topic(self.prefix, None);
            let ends = sender.ends(&topic)?;
            ingester::await_landed(&self.ledger, &topic, &ends, LIMIT).await?;
            topics.push((topic, ends));
        }
        self.ingester.check_alive()?;
        Ok(topics)
    }

    /// Every record of an object, once all has landed.
    pub(crate) async fn landed_records(&mut self) -> anyhow::Result<Vec<LandedRecord>> {
        let mut all = Vec::new();
        for (topic, ends) in self.settle().await? {
            let commits = self.commits(&topic).await?;
            for record in TopicReader::open(&self.kafka.client_config(), &topic)?.all(&ends)? {
                if matches!(record.subject, RecordSubject::Object(_)) {
                    all.push(LandedRecord {
                        produced_ms: record.produced_ms as f64,
                        landed_ms: commit_ms(&commits, &record)?,
                    });
                }
            }
        }
        Ok(all)
    }

    /// When the offsets of a topic landed.
    pub(crate) async fn commits(&self, topic: &str) -> anyhow::Result<BatchCommits> {
        let rows = self
            .ledger
            .client
            .query(
                "select partition, to_offset, extract(epoch from pg_xact_commit_timestamp(xmin))::double precision * 1000
                 from ledger.batch where topic = $1 order by partition, to_offset",
                &[&topic],
            )
            .await?;
        let mut commits = BatchCommits::new();
        for row in rows {
            commits
                .entry(row.try_get(0)?)
                .or_default()
                .push((row.try_get(1)?, row.try_get(2)?));
        }
        Ok(commits)
    }
}

/// When the record landed, in ms since 1970.
pub(crate) fn commit_ms(commits: &BatchCommits, record: &ProducedRecord) -> anyhow::Result<f64> {
    let of_partition = commits
        .get(&record.partition)
        .context("a partition without batches")?;
    let batch = of_partition.partition_point(|(end, _)| *end <= record.offset);
    Ok(of_partition.get(batch).context("a record without a batch")?.1)
}
