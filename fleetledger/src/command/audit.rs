//! `fleetledger audit`.

use std::fmt::Write as _;

use anyhow::Context as _;
use fleetledger_ingest::audit::AuditReport;

use crate::{
    cli::OutputArgs,
    config::LoadedConfig,
    exit::ExitReason,
    output::{count, print_document},
    setup::database,
};

/// Altered rows that are named; the rest is counted.
const NAMED: usize = 50;

pub(super) async fn run(loaded: &LoadedConfig, args: &OutputArgs) -> anyhow::Result<ExitReason> {
    let (connector, _) = database(loaded, "fleetledger-audit").await?;
    let report = fleetledger_ingest::audit::run(&connector, |step| eprintln!("{step}"))
        .await
        .context("audit")?;
    let sound = report.altered.is_empty() && report.waiting == 0;
    print_document(args.format(), &report, || text(&report, sound))?;
    Ok(if sound { ExitReason::Done } else { ExitReason::Red })
}

fn text(report: &AuditReport, sound: bool) -> String {
    let mut out = String::new();
    for row in report.altered.iter().take(NAMED) {
        let _ = writeln!(out, "ALTERED {row}");
    }
    if report.altered.len() > NAMED {
        let _ = writeln!(out, "… {} more", report.altered.len() - NAMED);
    }
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let _ = writeln!(
        out,
        "{} rows encoded again: {} as they travelled, {} altered now, {} altered before and not yet healed",
        count(number(report.rows)),
        count(number(report.sound)),
        report.altered.len(),
        count(number(report.waiting)),
    );
    if !sound {
        out.push_str(
            "the next sweep of their clusters (hourly, or SIGUSR1 to the emitter) lands them anew\n",
        );
    }
    out
}
