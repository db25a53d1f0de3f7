//! `fleetledger audit`.

use std::fmt::Write as _;

use anyhow::Context as _;
use fleetledger_ingest::audit::{AuditReport, KindAudit};

use crate::{
    cli::OutputArgs,
    config::LoadedConfig,
    exit::ExitReason,
    output::{self, count, counted, print_document},
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
    out.push_str(&figures(report));
    if !sound {
        out.push_str(
            "the next sweep of their clusters (hourly, or SIGUSR1 to the emitter) lands them anew\n",
        );
    }
    out
}

/// A line for each kind, and their sum: rows are those that are sound, altered now, altered before, or changed meanwhile.
fn figures(report: &AuditReport) -> String {
    let number = |number: u64| count(i64::try_from(number).unwrap_or(i64::MAX));
    let line = |name: &str, numbers: [u64; 5]| {
        let mut line = vec![name.to_owned()];
        line.extend(numbers.map(number));
        line
    };
    let of_kind = |kind: &KindAudit| {
        let numbers = [kind.rows, kind.sound, kind.altered, kind.waiting, kind.changed];
        line(&kind.kind, numbers)
    };
    let mut rows: Vec<Vec<String>> = report.kinds.iter().map(of_kind).collect();
    let altered = u64::try_from(report.altered.len()).unwrap_or(u64::MAX);
    let all = [report.rows, report.sound, altered, report.waiting, report.changed];
    rows.push(line("all", all));
    let head = [
        "kind",
        "rows",
        "match",
        "differ now",
        "differed before",
        "changed meanwhile",
    ];
    let rest = match report.changed {
        0 => String::new(),
        changed => format!(", {} changed meanwhile", number(changed)),
    };
    format!(
        "{}{} compared with the records they were stored from: {} match, {} differ now, {} differed before and wait for a sweep{rest}\n",
        output::text(&head, &rows),
        counted(report.rows, "row"),
        number(report.sound),
        number(altered),
        number(report.waiting),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_add_up_to_the_last_line() {
        let kind = |kind: &str, rows, sound, altered| KindAudit {
            kind: kind.to_owned(),
            rows,
            sound,
            altered,
            ..KindAudit::default()
        };
        let report = AuditReport {
            rows: 1_201,
            sound: 1_200,
            altered: vec!["pod 1 a".to_owned()],
            kinds: vec![kind("node", 1, 1, 0), kind("pod", 1_200, 1_199, 1)],
            ..AuditReport::default()
        };
        let lines = figures(&report);
        let cells = |begin: &str| {
            let line = lines.lines().find(|line| line.trim().starts_with(begin)).unwrap();
            line.split_whitespace()
                .skip(1)
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(cells("node"), "1 1 0 0 0");
        assert_eq!(cells("pod"), "1,200 1,199 1 0 0");
        assert_eq!(cells("all"), "1,201 1,200 1 0 0");
        let last = "1,201 rows compared with the records they were stored from: 1,200 match, 1 differ now, 0 differed before and wait for a sweep";
        assert_eq!(lines.lines().last().unwrap(), last);
    }
}
