//! A week of history of 100,000 pods.

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use fleetledger_local::postgres::LocalPostgres;
use tokio::process::Command;

use super::{fill, load};
use crate::{
    figure::{BenchFigure, BenchReport},
    parts::{BenchContext, BenchLedger},
};

const PODS: usize = 100_000;
const DAYS: f64 = 7.0;
/// How long one backtest is waited for.
const LIMIT: Duration = Duration::from_secs(120);
const HISTORY: &str = include_str!("week.sql");
/// Over nodes, over pods and nodes, over containers and their pods, over workloads, over every pod.
const RULES: [&str; 5] = [
    "node-not-reporting",
    "pod-stuck-terminating",
    "container-crash-looping",
    "workload-replicas-unavailable",
    "pool-without-headroom",
];

/// Runs it.
pub(super) async fn run(
    setting: &BenchContext,
    report: &mut BenchReport,
    postgres: &LocalPostgres,
) -> anyhow::Result<()> {
    let pods = setting.scaled(PODS);
    let hours = ((DAYS * 24.0 * setting.scale).round() as i64).max(2);
    let ledger = BenchLedger::create(postgres, "week").await?;
    let more = format!("set bench.days = '{:.2}'; {HISTORY}", hours as f64 / 24.0);
    let seeded = Instant::now();
    fill(&ledger, pods, &more).await?;
    tracing::info!(
        pods,
        hours,
        seconds = seeded.elapsed().as_secs(),
        "its history is made"
    );
    let versions = ledger.number("select count(*) from ledger.pod_history").await?;
    let bounds = "
        select to_char(b.instant at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:00\"Z\"')
        from unnest(array[date_trunc('minute', now()) - make_interval(hours => $1), date_trunc('minute', now())]) as b (instant)";
    let rows = ledger.client.query(bounds, &[&i32::try_from(hours)?]).await?;
    let bounds: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    let [from, to] = bounds.as_slice() else {
        anyhow::bail!("a stretch has two ends");
    };
    let mut times = Vec::new();
    for rule in RULES {
        let seconds = one(setting, &postgres.url_of("week"), rule, from, to).await?;
        times.push((rule, seconds));
    }
    let named: Vec<String> = times
        .iter()
        .map(|(rule, seconds)| match *seconds >= LIMIT.as_secs_f64() {
            true => format!("{rule} given up after {} s", LIMIT.as_secs()),
            false => format!("{rule} {seconds:.1} s"),
        })
        .collect();
    let worst = times.iter().map(|(_, seconds)| *seconds).fold(0.0, f64::max);
    let detail = format!(
        "{hours} hours of {pods} pods, {versions} closed versions of pods; {}; load {}",
        named.join(", "),
        load()
    );
    report.add(BenchFigure::new(
        "backtest_week_100k_pods_seconds",
        worst,
        "s",
        detail,
    ));
    Ok(())
}

async fn one(setting: &BenchContext, url: &str, rule: &str, from: &str, to: &str) -> anyhow::Result<f64> {
    let file = format!("{}/../queries/alerts/{rule}.sql", env!("CARGO_MANIFEST_DIR"));
    let begin = Instant::now();
    let arguments = [
        "rules",
        "backtest",
        &file,
        "--from",
        from,
        "--to",
        to,
        "--postgres",
        url,
    ];
    let output = Command::new(&setting.program)
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Ok(output) = tokio::time::timeout(LIMIT, output).await else {
        return Ok(LIMIT.as_secs_f64());
    };
    let output = output.with_context(|| format!("start the backtest of {rule}"))?;
    anyhow::ensure!(
        output.status.success(),
        "the backtest of {rule} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let seconds = begin.elapsed().as_secs_f64();
    tracing::info!(rule, seconds, "backtest");
    Ok(seconds)
}
