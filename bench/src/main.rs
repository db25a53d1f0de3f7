//! Benchmarks, side by side in one run with what we compare to. docs/performance.md says how and what came out.
//!
//! Each comparison runs in turns (A B A B …) on one machine with real parts, and gives the ratio of the medians.
//! Figures go to standard output as JSON lines and a table, and into a file that keeps the newest of each.

mod asof;
mod central_site;
mod cluster;
mod connect;
mod consume;
mod copy;
mod cost;
mod dashboards;
mod emit;
mod figure;
mod flat;
mod fleet;
mod freshness;
mod ingest;
mod ingester;
mod loader;
mod log;
mod mac;
mod ours;
mod parts;
mod recovery;
mod rules;
mod scaling;
mod storage;
mod usage;
mod viewers;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use tokio::sync::OnceCell;

use figure::BenchReport;
use parts::BenchContext;

/// Measures fleetledger on this machine.
#[derive(Debug, Parser)]
#[command(name = "fleetledger-bench", version)]
struct BenchArgs {
    /// What to measure; everything where nothing is named.
    #[arg(value_enum)]
    parts: Vec<BenchPart>,
    /// Sizes and times are multiplied by it: 0.01 shows within a minute that all of it works.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Rounds of each comparison.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Leaves Kafka Connect out, whose jars are a download of 150 MB.
    #[arg(long)]
    without_connect: bool,
    /// The file that keeps the newest of each figure.
    #[arg(long, default_value = "bench/results/latest.jsonl")]
    results: PathBuf,
    /// The `fleetledger` binary; the one beside this program where it is not given.
    #[arg(long)]
    program: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum BenchPart {
    /// Records from Kafka to PostgreSQL against Kafka Connect, COPY and raw consumption.
    Ingest,
    /// Records that carry a MAC against the same without, and what checking one takes.
    Mac,
    /// Memory and sweeps of an emitter of 10,000 pods of a real API server.
    Emit,
    /// From a change to its row, with simulated emitters and with a real API server.
    Freshness,
    /// Bytes of snapshots and changes, and the ingester's memory for a million pods.
    Storage,
    /// The fleet as of 30 days ago.
    Asof,
    /// From kill -9 of an ingester until another one lands its partitions.
    Recovery,
    /// One and two ingesters, one and two writers, up to a million pods.
    Scaling,
    /// Every panel of every dashboard, at a hundred thousand pods and at a million, with 30 days of history.
    Dashboards,
    /// 20 viewers of every dashboard while 2,000 objects change each second.
    Viewers,
    /// 200 rules over a million pods, 100,000 alerts, notifications, a week of history.
    Rules,
    /// An hour of a million pods rated, and a month of cost asked for.
    Cost,
}

fn main() -> anyhow::Result<()> {
    let arguments = BenchArgs::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "info,rdkafka=error,librdkafka=error".into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: BenchArgs) -> anyhow::Result<()> {
    let setting = BenchContext {
        scale: arguments.scale,
        rounds: arguments.rounds.max(1),
        without_connect: arguments.without_connect,
        program: arguments.program.map_or_else(beside, Ok)?,
        broker: OnceCell::new(),
    };
    let mut report = BenchReport::default();
    let parts = if arguments.parts.is_empty() {
        BenchPart::value_variants()
    } else {
        &arguments.parts
    };
    let mut failed = Vec::new();
    for part in parts {
        tracing::info!(?part, "begins");
        let begin = std::time::Instant::now();
        if let Err(error) = Box::pin(measure(*part, &setting, &mut report)).await {
            tracing::error!(?part, error = format!("{error:#}"), "failed");
            failed.push(format!("{part:?}: {error:#}"));
        }
        tracing::info!(?part, seconds = begin.elapsed().as_secs(), "ended");
    }
    if !report.is_empty() {
        report.keep(&arguments.results)?;
        report.print();
    }
    anyhow::ensure!(failed.is_empty(), "failed: {}", failed.join("; "));
    Ok(())
}

async fn measure(part: BenchPart, setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    match part {
        BenchPart::Ingest => {
            ingest::run(setting, report).await?;
            ingest::run_full(setting, report).await
        }
        BenchPart::Mac => mac::run(setting, report).await,
        BenchPart::Emit => emit::run(setting, report).await,
        BenchPart::Freshness => {
            freshness::run_simulated(setting, report).await?;
            freshness::run_api(setting, report).await
        }
        BenchPart::Storage => {
            storage::run(setting, report).await?;
            storage::run_memory(setting, report).await
        }
        BenchPart::Asof => asof::run(setting, report).await,
        BenchPart::Recovery => recovery::run(setting, report).await,
        BenchPart::Scaling => scaling::run(setting, report).await,
        BenchPart::Dashboards => dashboards::run(setting, report).await,
        BenchPart::Viewers => viewers::run(setting, report).await,
        BenchPart::Rules => rules::run(setting, report).await,
        BenchPart::Cost => cost::run(setting, report).await,
    }
}

/// The binary of the same build.
fn beside() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("find this program")?;
    let program = own.with_file_name("fleetledger");
    anyhow::ensure!(
        program.is_file(),
        "{} is not built; run: cargo build --locked --release -p fleetledger",
        program.display()
    );
    Ok(program)
}
