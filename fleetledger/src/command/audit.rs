//! `fleetledger audit`.

use anyhow::Context as _;

use crate::{
    cli::AuditArgs,
    config::LoadedConfig,
    exit::ExitReason,
    output::{count, print_json},
    setup::database,
};

/// Altered rows that are named; the rest is counted.
const NAMED: usize = 50;

pub(super) async fn run(loaded: &LoadedConfig, args: &AuditArgs) -> anyhow::Result<ExitReason> {
    let (connector, _) = database(loaded, "fleetledger-audit").await?;
    let report = fleetledger_ingest::audit::run(&connector, |step| eprintln!("{step}"))
        .await
        .context("audit")?;
    let sound = report.altered.is_empty() && report.waiting == 0;
    if args.json {
        print_json(&serde_json::to_value(&report).context("write the report as JSON")?);
    } else {
        for row in report.altered.iter().take(NAMED) {
            println!("ALTERED {row}");
        }
        if report.altered.len() > NAMED {
            println!("… {} more", report.altered.len() - NAMED);
        }
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        println!(
            "{} rows encoded again: {} as they travelled, {} altered now, {} altered before and not yet healed",
            count(number(report.rows)),
            count(number(report.sound)),
            report.altered.len(),
            count(number(report.waiting)),
        );
        if !sound {
            println!("the next sweep of their clusters (hourly, or SIGUSR1 to the emitter) lands them anew");
        }
    }
    Ok(if sound { ExitReason::Done } else { ExitReason::Red })
}
