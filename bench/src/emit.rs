//! An emitter of a real API server: what 10,000 pods cost it, and how long a sweep of them takes.

use std::time::{Duration, Instant};

use fleetledger_local::{kafka::LocalKafka, kube_apiserver::KubeApiserver};
use fleetledger_schema::{instant::Instant as Wall, key::RecordSubject, kind::RecordKind};

use crate::{
    cluster::BenchCluster,
    figure::{BenchFigure, BenchReport},
    ingester::BenchProcess,
    log::TopicReader,
    parts::{self, BenchContext},
    usage,
};

const LIMIT: Duration = Duration::from_secs(300);
const PODS: usize = 10_000;
const PREFIX: &str = "emit";

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let pods = setting.scaled(PODS).max(100);
    let kafka = setting.kafka().await?;
    parts::create_topics(&kafka, PREFIX).await?;
    let server = KubeApiserver::builder().start(&parts::cache()).await?;
    let base = sweep(setting, &kafka, &server, "base").await?;
    BenchCluster::connect(&server).await?.create_pods(pods).await?;
    let full = sweep(setting, &kafka, &server, "full").await?;
    let per_10k = (full.resident_mb - base.resident_mb) * PODS as f64 / pods as f64;
    let detail = format!(
        "resident {:.1} MB with {pods} pods of 3 containers less {:.1} MB with none; at most {:.1} MB while it listed",
        full.resident_mb, base.resident_mb, full.most_mb
    );
    report.add(BenchFigure::new("emitter_mb_per_10k_pods", per_10k, "MB", detail));
    let detail = format!(
        "{pods} pods of a real API server: list complete → last record acknowledged, second sweep; its list and its wait for the watches took {:.1} s; the first sweep {:.2} s after {:.1} s",
        full.second.listed_seconds, full.first.sent_seconds, full.first.listed_seconds
    );
    report.add(BenchFigure::new(
        "emitter_sweep_seconds_10k_pods",
        full.second.sent_seconds,
        "s",
        detail,
    ));
    Ok(())
}

struct SweepTiming {
    /// From the request, or the start, to the sweep's begin in the log.
    listed_seconds: f64,
    /// From there until the broker shows the sweep's end.
    sent_seconds: f64,
}

struct EmitMeasurement {
    resident_mb: f64,
    most_mb: f64,
    first: SweepTiming,
    second: SweepTiming,
}

/// Runs an emitter through its first sweep and one more.
async fn sweep(
    setting: &BenchContext,
    kafka: &LocalKafka,
    server: &KubeApiserver,
    cluster: &str,
) -> anyhow::Result<EmitMeasurement> {
    let folder = tempfile::tempdir()?;
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, server.kubeconfig_yaml())?;
    let toml = format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nfilter = \"warn\"\n\
         [emit]\ndatacenter = \"dfw\"\ncluster = \"{cluster}\"\ntopic_prefix = \"{PREFIX}\"\n\
         [emit.leadership]\nnamespace = \"default\"\nlease = \"{cluster}\"\n[kubernetes]\nkubeconfig = \"{}\"\n",
        kafka.bootstrap_servers(),
        kubeconfig.display()
    );
    let log = TopicReader::open(&kafka.client_config(), &RecordKind::Pod.topic(PREFIX, None))?;
    // What an earlier emitter wrote is passed over.
    while log.next(Duration::from_secs(1))?.is_some() {}
    let mut emitter = BenchProcess::start(&setting.program, &["emit"], &toml)?;
    let first = follow(&log, Wall::now()).await?;
    let asked = Wall::now();
    emitter.ask_for_sweep();
    let second = follow(&log, asked).await?;
    emitter.check_alive()?;
    let (resident_mb, most_mb) = usage::resident_mb(emitter.pid())?;
    emitter.kill().await?;
    Ok(EmitMeasurement {
        resident_mb,
        most_mb,
        first,
        second,
    })
}

async fn follow(log: &TopicReader, asked: Wall) -> anyhow::Result<SweepTiming> {
    let is_begin = |subject: &RecordSubject| matches!(subject, RecordSubject::SweepBegin(_));
    let (begin, _) = log.await_subject(LIMIT, is_begin).await?;
    let is_end = |subject: &RecordSubject| matches!(subject, RecordSubject::SweepEnd(_));
    let (_, seen) = log.await_subject(LIMIT, is_end).await?;
    let begun_micros = begin.produced_ms * 1000;
    let seen_micros = Wall::now().0 - i64::try_from(Instant::now().duration_since(seen).as_micros())?;
    Ok(SweepTiming {
        listed_seconds: (begun_micros - asked.0) as f64 / 1e6,
        sent_seconds: (seen_micros - begun_micros) as f64 / 1e6,
    })
}
