//! What snapshots and changes cost on disk, and what a million pods cost the ingester in memory.

use crate::{
    figure::{BenchFigure, BenchReport},
    fleet::RecordShape,
    ours::{ChangeShare, LedgerSide, PodRevisions},
    parts::{self, BenchContext, BenchLedger},
    usage,
};

const PODS: usize = 20_000;
const MEMORY_PODS: usize = 1_000_000;
const CHANGED_SWEEPS: usize = 3;

/// Bytes of the object and history tables of pods and containers, with indexes and TOAST.
async fn bytes(ledger: &BenchLedger, history_only: bool) -> anyhow::Result<i64> {
    let names = if history_only {
        "(pod|container)_history.*"
    } else {
        "(pod|container)(_history.*)?"
    };
    let query = format!(
        "select coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint from pg_class as c
         join pg_namespace as n on n.oid = c.relnamespace
         where n.nspname = 'ledger' and c.relkind = 'r' and c.relname ~ '^{names}$'"
    );
    ledger.number(&query).await
}

/// Bytes a snapshot and a change take.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let count = setting.scaled(PODS);
    let (kafka, postgres) = (setting.kafka().await?, parts::postgres().await?);
    let mut ours = LedgerSide::start(setting, &kafka, &postgres, "storage", 1, "").await?;
    let mut pods = PodRevisions::new(count, RecordShape::Full);
    ours.sweep(&pods).await?;
    let size_bytes = bytes(&ours.ledger, false).await?;
    let per_pod = size_bytes as f64 / count as f64;
    let what = "pods of 3 containers, with indexes";
    report.add(BenchFigure::new(
        "bytes_per_pod",
        per_pod,
        "B",
        format!("{count} {what}: pod and container rows, no history yet"),
    ));
    for _ in 0..2 {
        ours.sweep(&pods).await?;
    }
    let after = bytes(&ours.ledger, false).await?;
    let per_snapshot = (after - size_bytes) as f64 / (2 * count) as f64;
    let detail = format!("growth of object and history tables over 2 sweeps of {count} {what}, none changed");
    report.add(BenchFigure::new(
        "bytes_per_unchanged_snapshot",
        per_snapshot,
        "B",
        detail,
    ));
    let before = bytes(&ours.ledger, true).await?;
    for _ in 0..CHANGED_SWEEPS {
        pods.change(ChangeShare::All);
        ours.sweep(&pods).await?;
    }
    let history = (bytes(&ours.ledger, true).await? - before) as f64 / (CHANGED_SWEEPS * count) as f64;
    let all = (bytes(&ours.ledger, false).await? - after) as f64 / (CHANGED_SWEEPS * count) as f64;
    let detail = format!(
        "history written by a restart of one container of {count} {what}: one version of the pod, one of the container; \
         {all:.0} B with what the current tables grew within {CHANGED_SWEEPS} such sweeps, which later ones use again"
    );
    report.add(BenchFigure::new("bytes_per_change", history, "B", detail));
    Ok(())
}

/// Resident memory of an ingester that knows a million pods.
pub(crate) async fn run_memory(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let count = setting.scaled(MEMORY_PODS);
    let (kafka, postgres) = (setting.kafka().await?, parts::postgres().await?);
    let mut ours = LedgerSide::start(setting, &kafka, &postgres, "memory", 1, "").await?;
    let pid = ours
        .ingesters
        .first()
        .map(crate::ingester::BenchProcess::pid)
        .unwrap_or_default();
    let (base_mb, _) = usage::resident_mb(pid)?;
    let pods = PodRevisions::new(count, RecordShape::Flat);
    ours.sweep(&pods).await?;
    let (first_mb, _) = usage::resident_mb(pid)?;
    ours.sweep(&pods).await?;
    let (resident_mb, most_mb) = usage::resident_mb(pid)?;
    let detail = format!(
        "resident with {count} pods after two sweeps, everything included; {base_mb:.0} MB with none, {first_mb:.0} MB after the first, at most {most_mb:.0} MB"
    );
    let value = base_mb + (resident_mb - base_mb) * MEMORY_PODS as f64 / count as f64;
    report.add(BenchFigure::new(
        "ingester_mb_per_million_pods",
        value,
        "MB",
        detail,
    ));
    Ok(())
}
