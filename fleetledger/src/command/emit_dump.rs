//! `fleetledger emit --source dump`: sent once, without a port, and what came of it said at the end.

use std::{fmt::Write as _, time::Duration};

use anyhow::Context as _;
use fleetledger_emit::{EmitterHealth, EmitterSummary, ObjectSource};
use fleetledger_schema::renewable::Renewable;
use prometheus::Registry;
use rdkafka::ClientConfig;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{
    cli::OutputFormat,
    config::LoadedConfig,
    exit::ExitReason,
    output::{OutputColumn, OutputTable, count, print_answer},
    progress::{self, ProgressName, ProgressReading},
    shutdown::{ShutdownOutcome, StopSignals},
};

/// Sends the dump; what Kafka has not acknowledged at the end makes the exit code that of a failed check.
pub(super) async fn run(
    loaded: &LoadedConfig,
    source: ObjectSource,
    kafka: Renewable<ClientConfig>,
    format: OutputFormat,
) -> anyhow::Result<ExitReason> {
    let mut signals = StopSignals::listen()?;
    let (registry, health, stop) = (Registry::new(), EmitterHealth::new(), CancellationToken::new());
    let settings = loaded.config.emit.clone();
    let emitting = fleetledger_emit::run(settings, source, kafka, &registry, health.clone(), stop.clone());
    let deadline = Duration::from_secs(loaded.config.shutdown.deadline_seconds);
    let name = ProgressName {
        what: "dump",
        unit: "records",
    };
    let emitting = progress::show(name, || reading(&health), emitting);
    let summary = match signals.run(emitting, &stop, deadline).await {
        ShutdownOutcome::Finished(summary) => summary.context("emit the dump")?,
        ShutdownOutcome::GivenUp => return Ok(ExitReason::Deadline),
    };
    let totals = DumpTotals::of(&summary);
    let kinds = rows(&summary);
    let document = || {
        json!({
            "datacenter": summary.datacenter,
            "cluster": summary.cluster,
            "cluster_uid": summary.cluster_uid,
            "records": totals.records,
            "acknowledged": totals.acknowledged,
            "waiting": totals.waiting,
            "kinds": kinds,
            "passed_over": passed_over(&summary),
        })
    };
    let text = |is_wide| text(&summary, &totals, is_wide);
    print_answer(format, text, document, || OutputTable::of(columns(), &kinds))?;
    Ok(if totals.is_complete() {
        ExitReason::Done
    } else {
        ExitReason::Red
    })
}

/// What Kafka has acknowledged, of what was sent and is still to be.
fn reading(health: &EmitterHealth) -> ProgressReading {
    let totals = DumpTotals::of(&health.summary());
    let waiting = u64::try_from(totals.waiting).unwrap_or_default();
    ProgressReading {
        done: totals.acknowledged,
        total: Some(totals.records + waiting),
    }
}

/// Records of all kinds.
struct DumpTotals {
    records: u64,
    acknowledged: u64,
    /// Objects whose newest state was not handed over.
    waiting: usize,
}

impl DumpTotals {
    fn of(summary: &EmitterSummary) -> Self {
        let kinds = summary.kinds.values();
        Self {
            records: kinds.clone().map(|kind| kind.produced).sum(),
            acknowledged: kinds.map(|kind| kind.acknowledged).sum(),
            waiting: summary.pending,
        }
    }

    /// Something was sent, and Kafka has all of it.
    fn is_complete(&self) -> bool {
        self.records > 0 && self.acknowledged == self.records && self.waiting == 0
    }
}

fn columns() -> Vec<OutputColumn> {
    vec![
        OutputColumn::new("kind"),
        OutputColumn::new("objects"),
        OutputColumn::new("records"),
        OutputColumn::new("acknowledged"),
        OutputColumn::new("deleted").wide(),
        OutputColumn::new("living"),
    ]
}

/// What was sent of each kind; kinds of which the dump holds nothing are left out.
fn rows(summary: &EmitterSummary) -> Vec<Value> {
    let sent = summary.kinds.iter().filter(|(_, kind)| kind.produced > 0);
    sent.map(|(name, kind)| {
        json!({
            "kind": name.to_string(),
            "objects": kind.objects,
            "records": kind.produced,
            "acknowledged": kind.acknowledged,
            "deleted": kind.tombstones,
            "living": kind.living.count,
        })
    })
    .collect()
}

fn passed_over(summary: &EmitterSummary) -> Vec<Value> {
    let passed = summary.passed_over.iter();
    passed
        .map(|passed| {
            json!({
                "what": passed.what, "why": passed.why, "count": passed.count, "first": passed.example,
            })
        })
        .collect()
}

/// What was sent, for people.
fn text(summary: &EmitterSummary, totals: &DumpTotals, is_wide: bool) -> String {
    let number = |records: u64| count(i64::try_from(records).unwrap_or(i64::MAX));
    let mut out = format!(
        "dump of {}/{} (uid {})\n",
        summary.datacenter, summary.cluster, summary.cluster_uid
    );
    if let Ok(table) = OutputTable::of(columns(), &rows(summary)) {
        out.push_str(&table.text(is_wide));
    }
    for passed in &summary.passed_over {
        let _ = writeln!(
            out,
            "passed over: {} × {}: {} (first in {})",
            number(passed.count),
            passed.what,
            passed.why,
            passed.example
        );
    }
    let _ = match totals.is_complete() {
        true => writeln!(
            out,
            "Kafka has acknowledged all {} records; they land when an ingester reads them",
            number(totals.records)
        ),
        false => writeln!(
            out,
            "Kafka has acknowledged {} of {} records, and {} objects wait: emit the dump again",
            number(totals.acknowledged),
            number(totals.records),
            totals.waiting
        ),
    };
    out
}
