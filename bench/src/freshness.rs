//! From a change to its row: how long until SQL shows it.
//!
//! Every record is judged, none sampled. The batch ledger says which transaction landed which offsets, and PostgreSQL
//! (`track_commit_timestamp`) when that transaction committed.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use fleetledger_local::kube_apiserver::KubeApiserver;
use fleetledger_schema::{instant::Instant as Wall, kind::RecordKind};
use tokio::task::JoinSet;

use crate::{
    central_site::{self, CentralSite},
    cluster::BenchCluster,
    figure::{BenchFigure, BenchReport, percentile},
    ingester::BenchProcess,
    log::TopicReader,
    parts::{self, BenchContext},
};

const LIMIT: Duration = Duration::from_secs(300);
/// Simulated clusters; each is an emitter process of its own.
const EMITTERS: usize = 5;
const RECORDS_PER_SECOND: f64 = 5000.0;
/// An object that goes is two records, its last state and its tombstone; measured over the simulated fleet.
const RECORDS_PER_CHANGE: f64 = 1.1;
/// The time counted begins when no more than the changes of so many seconds wait.
const CAUGHT_UP_SECONDS: f64 = 0.5;
const API_CHANGES_PER_SECOND: f64 = 200.0;
const API_PODS: usize = 2000;

/// Simulated emitters: from `produce` in their process to the commit.
pub(crate) async fn run_simulated(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let seconds = (120.0 * setting.scale).max(5.0);
    let rate = RECORDS_PER_SECOND / RECORDS_PER_CHANGE * setting.scale.min(1.0);
    let mut site = CentralSite::start(setting, "simulated", async |_| Ok(())).await?;
    let pods = setting.scaled(10_000).max(200);
    let mut emitters = site.simulate(&setting.program, EMITTERS, rate, pods)?;
    site.await_sweeps(EMITTERS).await?;
    let caught_up = site.await_catch_up(rate * CAUGHT_UP_SECONDS).await?;
    let begin = Wall::now();
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    let end = Wall::now();
    for emitter in &mut emitters {
        emitter.check_alive()?;
        emitter.kill().await?;
    }
    let within = (begin.0 as f64 / 1000.0)..(end.0 as f64 / 1000.0);
    let mut ms = Vec::new();
    for record in site.landed_records().await? {
        if within.contains(&record.produced_ms) {
            ms.push(record.landed_ms - record.produced_ms);
        }
    }
    let detail = format!(
        "simulated emitters' produce → commit; {} records of {EMITTERS} clusters at {:.0}/s for {seconds:.0} s{caught_up}; median {:.0} ms, most {:.0} ms",
        ms.len(),
        ms.len() as f64 / seconds,
        percentile(&ms, 50.0),
        percentile(&ms, 100.0),
    );
    report.add(BenchFigure::new(
        "freshness_p99_ms",
        percentile(&ms, 99.0),
        "ms",
        detail,
    ));
    Ok(())
}

/// A real API server: from its answer to a write to the commit.
pub(crate) async fn run_api(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let seconds = (60.0 * setting.scale).max(5.0);
    let rate = (API_CHANGES_PER_SECOND * setting.scale.min(1.0)).max(20.0);
    let pods = setting.scaled(API_PODS).max(100);
    let mut site = CentralSite::start(setting, "api", async |_| Ok(())).await?;
    let server = KubeApiserver::builder().start(&parts::cache()).await?;
    let cluster = BenchCluster::connect(&server).await?;
    cluster.create_pods(pods).await?;
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig_yaml())?;
    let more = format!(
        "[emit.leadership]\nnamespace = \"default\"\n[kubernetes]\nkubeconfig = \"{}\"",
        kubeconfig.display()
    );
    let toml = site.emitter_configuration("real", &more);
    let mut emitter = BenchProcess::start(&setting.program, &["emit"], &toml)?;
    parts::until("the pods land", LIMIT, async || {
        emitter.check_alive()?;
        Ok(site.ledger.number("select count(*) from ledger.pod").await? == pods as i64)
    })
    .await?;
    let written = write_changes(&cluster, pods, rate, seconds).await?;
    let last = written.len();
    parts::until("the changes land", LIMIT, async || {
        let statement = "select count(*) from ledger.pod where reason = 'Last'";
        Ok(site.ledger.number(statement).await? == pods as i64)
    })
    .await?;
    let topic = RecordKind::Pod.topic(site.prefix, None);
    let topics = site.settle().await?;
    let ends = topics
        .into_iter()
        .find(|(name, _)| *name == topic)
        .context("no topic of pods")?
        .1;
    let commits = site.commits(&topic).await?;
    let mut ms = Vec::new();
    for record in TopicReader::open(&site.kafka.client_config(), &topic)?.all(&ends)? {
        let version = record.resource_version.as_deref().unwrap_or_default();
        if let Some(acknowledged) = written.get(version) {
            ms.push(central_site::commit_ms(&commits, &record)? - acknowledged.0 as f64 / 1000.0);
        }
    }
    emitter.kill().await?;
    let detail = format!(
        "kube-apiserver's answer → commit, through emitter, Kafka and ingester; {} of {last} writes to {pods} pods at {:.0}/s for {seconds:.0} s; median {:.0} ms, most {:.0} ms",
        ms.len(),
        last as f64 / seconds,
        percentile(&ms, 50.0),
        percentile(&ms, 100.0),
    );
    report.add(BenchFigure::new(
        "freshness_api_p99_ms",
        percentile(&ms, 99.0),
        "ms",
        detail,
    ));
    Ok(())
}

/// Changes pods one after the other at `rate`; when the API server had answered, by resource version. Then every
/// pod is changed once more, so that the end can be awaited.
async fn write_changes(
    cluster: &BenchCluster,
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
