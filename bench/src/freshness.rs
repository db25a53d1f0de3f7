//! From a change to its row: how long until SQL shows it.
//!
//! Every record is judged, none sampled. The batch ledger says which transaction landed which offsets, and PostgreSQL
//! (`track_commit_timestamp`) when that transaction committed.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use fleetledger_local::{kafka::Kafka, kube_apiserver::KubeApiserver, postgres::Postgres};
use fleetledger_schema::{instant::Instant as Wall, key::Subject, kind::Kind};
use tokio::task::JoinSet;

use crate::{
    cluster::Cluster,
    figure::{Figure, Report, percentile},
    ingester::{self, Program},
    loader::Sender,
    log::{Log, Produced},
    parts::{self, Ledger, Setting},
};

const LIMIT: Duration = Duration::from_secs(300);
/// Simulated clusters; each is an emitter process of its own.
const EMITTERS: usize = 5;
const CHANGES_PER_SECOND: f64 = 5000.0;
const API_CHANGES_PER_SECOND: f64 = 200.0;
const API_PODS: usize = 2000;

/// Broker, database with commit times, ingester.
struct Centre {
    kafka: Arc<Kafka>,
    prefix: &'static str,
    _postgres: Postgres,
    ledger: Ledger,
    ingester: Program,
}

impl Centre {
    async fn start(setting: &Setting, prefix: &'static str) -> anyhow::Result<Self> {
        let kafka = setting.kafka().await?;
        let postgres = parts::postgres_with(&[("track_commit_timestamp", "on")]).await?;
        parts::create_topics(&kafka, prefix).await?;
        let ledger = Ledger::create(&postgres, "freshness").await?;
        let toml = ingester::configuration(&kafka.bootstrap_servers(), &ledger, prefix, "");
        let ingester = Program::start(&setting.program, &["ingest"], &toml)?;
        Ok(Self {
            kafka,
            prefix,
            _postgres: postgres,
            ledger,
            ingester,
        })
    }

    /// Waits until all that was produced has landed; returns the ends of each topic's partitions.
    async fn settle(&mut self) -> anyhow::Result<Vec<(String, Vec<i64>)>> {
        let sender = Sender::new(&self.kafka.client_config())?;
        let mut topics = Vec::new();
        for kind in Kind::ALL {
            let topic = kind.topic(self.prefix, None);
            let ends = sender.ends(&topic)?;
            ingester::landed(&self.ledger, &topic, &ends, LIMIT).await?;
            topics.push((topic, ends));
        }
        self.ingester.check_alive()?;
        Ok(topics)
    }

    /// When the offsets of a topic landed: partition → (first offset after the batch, commit in ms), in order.
    async fn commits(&self, topic: &str) -> anyhow::Result<HashMap<i32, Vec<(i64, f64)>>> {
        let rows = self
            .ledger
            .client
            .query(
                "select partition, to_offset, extract(epoch from pg_xact_commit_timestamp(xmin))::double precision * 1000
                 from ledger.batch where topic = $1 order by partition, to_offset",
                &[&topic],
            )
            .await?;
        let mut commits: HashMap<i32, Vec<(i64, f64)>> = HashMap::new();
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
fn landed_millis(commits: &HashMap<i32, Vec<(i64, f64)>>, record: &Produced) -> anyhow::Result<f64> {
    let of_partition = commits
        .get(&record.partition)
        .context("a partition without batches")?;
    let batch = of_partition.partition_point(|(end, _)| *end <= record.offset);
    Ok(of_partition.get(batch).context("a record without a batch")?.1)
}

fn emitter_configuration(centre: &Centre, cluster: &str, more: &str) -> String {
    format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nfilter = \"warn\"\n\
         [emit]\ndatacenter = \"dfw\"\ncluster = \"{cluster}\"\ntopic_prefix = \"{}\"\n{more}\n",
        centre.kafka.bootstrap_servers(),
        centre.prefix
    )
}

/// Simulated emitters: from `produce` in their process to the commit.
pub(crate) async fn run_simulated(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let seconds = (120.0 * setting.scale).max(5.0);
    let each = CHANGES_PER_SECOND * setting.scale.min(1.0) / EMITTERS as f64;
    let mut centre = Centre::start(setting, "simulated").await?;
    let pods = setting.scaled(10_000).max(200);
    let mut emitters = Vec::new();
    for number in 0..EMITTERS {
        let more = format!(
            "[simulate]\nseed = {number}\nnodes = {}\npods = {pods}\nchanges_per_second = {each:.1}\ndaily_shape = false",
            pods / 20
        );
        let toml = emitter_configuration(&centre, &format!("sim-{number}"), &more);
        emitters.push(Program::start(
            &setting.program,
            &["emit", "--source", "simulate"],
            &toml,
        )?);
    }
    // The clusters' first sweeps are not changes.
    let swept = "select count(*) from ledger.sweep where kind = $1 and state = 'complete'";
    let kind = Kind::Pod.number();
    parts::until("the clusters are swept", LIMIT, async || {
        let row = centre.ledger.client.query_one(swept, &[&kind]).await?;
        Ok(row.try_get::<_, i64>(0)? == EMITTERS as i64)
    })
    .await?;
    let begin = Wall::now();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let end = Wall::now();
    for emitter in &mut emitters {
        emitter.check_alive()?;
        emitter.kill().await?;
    }
    let mut millis = Vec::new();
    for (topic, ends) in centre.settle().await? {
        let commits = centre.commits(&topic).await?;
        for record in Log::open(&centre.kafka.client_config(), &topic)?.all(&ends)? {
            let within = (begin.0 / 1000..end.0 / 1000).contains(&record.produced_millis);
            if within && matches!(record.subject, Subject::Object(_)) {
                millis.push(landed_millis(&commits, &record)? - record.produced_millis as f64);
            }
        }
    }
    let detail = format!(
        "simulated emitters' produce → commit; {} records of {EMITTERS} clusters at {:.0}/s for {seconds:.0} s; median {:.0} ms, most {:.0} ms",
        millis.len(),
        millis.len() as f64 / seconds,
        percentile(&millis, 50.0),
        percentile(&millis, 100.0),
    );
    report.add(Figure::new(
        "freshness_p99_ms",
        percentile(&millis, 99.0),
        "ms",
        detail,
    ));
    Ok(())
}

/// A real API server: from its answer to a write to the commit.
pub(crate) async fn run_api(setting: &Setting, report: &mut Report) -> anyhow::Result<()> {
    let seconds = (60.0 * setting.scale).max(5.0);
    let rate = (API_CHANGES_PER_SECOND * setting.scale.min(1.0)).max(20.0);
    let pods = setting.scaled(API_PODS).max(100);
    let mut centre = Centre::start(setting, "api").await?;
    let server = KubeApiserver::builder().start(&parts::cache()).await?;
    let cluster = Cluster::connect(&server).await?;
    cluster.create_pods(pods).await?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig_yaml())?;
    let more = format!(
        "[emit.leadership]\nnamespace = \"default\"\n[kubernetes]\nkubeconfig = \"{}\"",
        kubeconfig.display()
    );
    let toml = emitter_configuration(&centre, "real", &more);
    let mut emitter = Program::start(&setting.program, &["emit"], &toml)?;
    parts::until("the pods land", LIMIT, async || {
        emitter.check_alive()?;
        Ok(centre.ledger.number("select count(*) from ledger.pod").await? == pods as i64)
    })
    .await?;
    let written = write_changes(&cluster, pods, rate, seconds).await?;
    let last = written.len();
    parts::until("the changes land", LIMIT, async || {
        let statement = "select count(*) from ledger.pod where reason = 'Last'";
        Ok(centre.ledger.number(statement).await? == pods as i64)
    })
    .await?;
    let topic = Kind::Pod.topic(centre.prefix, None);
    let topics = centre.settle().await?;
    let ends = topics
        .into_iter()
        .find(|(name, _)| *name == topic)
        .context("no topic of pods")?
        .1;
    let commits = centre.commits(&topic).await?;
    let mut millis = Vec::new();
    for record in Log::open(&centre.kafka.client_config(), &topic)?.all(&ends)? {
        let version = record.resource_version.as_deref().unwrap_or_default();
        if let Some(acknowledged) = written.get(version) {
            millis.push(landed_millis(&commits, &record)? - acknowledged.0 as f64 / 1000.0);
        }
    }
    emitter.kill().await?;
    let detail = format!(
        "kube-apiserver's answer → commit, through emitter, Kafka and ingester; {} of {last} writes to {pods} pods at {:.0}/s for {seconds:.0} s; median {:.0} ms, most {:.0} ms",
        millis.len(),
        last as f64 / seconds,
        percentile(&millis, 50.0),
        percentile(&millis, 100.0),
    );
    report.add(Figure::new(
        "freshness_api_p99_ms",
        percentile(&millis, 99.0),
        "ms",
        detail,
    ));
    Ok(())
}

/// Changes pods one after the other at `rate`; when the API server had answered, by resource version. Then every
/// pod is changed once more, so that the end can be awaited.
async fn write_changes(
    cluster: &Cluster,
    pods: usize,
    rate: f64,
    seconds: f64,
) -> anyhow::Result<HashMap<String, Wall>> {
    let mut written = HashMap::new();
    let mut writing = JoinSet::new();
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let begin = Instant::now();
    let mut number = 0;
    while begin.elapsed().as_secs_f64() < seconds {
        ticks.tick().await;
        let cluster = cluster.clone();
        let turn = number;
        writing.spawn(async move {
            let version = cluster.change_pod(turn % pods, &format!("Turn{turn}")).await;
            version.map(|version| (version, Wall::now()))
        });
        number += 1;
        while let Some(done) = writing.try_join_next() {
            let (version, at) = done.context("a write was cancelled")??;
            written.insert(version, at);
        }
    }
    while let Some(done) = writing.join_next().await {
        let (version, at) = done.context("a write was cancelled")??;
        written.insert(version, at);
    }
    cluster.change_all(pods, "Last").await?;
    Ok(written)
}
