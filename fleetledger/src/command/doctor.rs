//! `fleetledger doctor`.

use std::fmt::Write as _;

use clap::ValueEnum as _;
use serde_json::json;

use crate::{
    cli::{DoctorArgs, OutputFormat},
    config::{ConfigError, LoadedConfig},
    doctor::{self, CheckVerdict, DoctorFinding},
    exit::ExitReason,
    output::{
        OutputColumn, OutputTable,
        color::{TextColor, paint},
        print_answer, print_rows,
    },
};

pub(super) async fn run(loaded: &LoadedConfig, args: &DoctorArgs) -> anyhow::Result<ExitReason> {
    if args.list {
        list(args.output.format())?;
        return Ok(ExitReason::Done);
    }
    let findings = doctor::examine(loaded, args.only).await;
    report(&findings, args.output.format())
}

/// A configuration that is refused is itself what is broken: nothing else can be looked at.
pub(super) fn refused(args: &DoctorArgs, error: &ConfigError) -> anyhow::Result<ExitReason> {
    let finding = DoctorFinding {
        check: "configuration",
        verdict: CheckVerdict::Broken {
            why: error.to_string(),
            fix: "correct it; fleetledger config check says whether it can be used, fleetledger config reference lists every key".to_owned(),
        },
    };
    report(&[finding], args.output.format())?;
    Ok(ExitReason::Configuration)
}

/// Every check, without running it.
fn list(format: OutputFormat) -> anyhow::Result<()> {
    let rows = doctor::CHECKS.iter().map(|check| {
        let hop = check.hop.to_possible_value();
        json!({
            "check": check.name,
            "hop": hop.as_ref().map(|hop| hop.get_name()),
            "about": check.about,
        })
    });
    let columns = vec![
        OutputColumn::new("check"),
        OutputColumn::new("hop").wide(),
        OutputColumn::new("about"),
    ];
    let table = OutputTable::of(columns, &rows.collect::<Vec<_>>())?;
    print_rows(format, &table, "", "")
}

fn report(findings: &[DoctorFinding], format: OutputFormat) -> anyhow::Result<ExitReason> {
    let count =
        |is_so: fn(&CheckVerdict) -> bool| findings.iter().filter(|finding| is_so(&finding.verdict)).count();
    let broken = count(|verdict| matches!(verdict, CheckVerdict::Broken { .. }));
    let warned = count(|verdict| matches!(verdict, CheckVerdict::Warned { .. }));
    let rows = || {
        let names = ["check", "verdict", "detail", "why", "fix"];
        OutputTable::of(names.map(OutputColumn::new).to_vec(), findings)
    };
    let document = || json!({ "broken": broken, "warned": warned, "findings": findings });
    let text = |_| {
        let mut out = String::new();
        for finding in findings {
            out.push_str(&describe(finding));
        }
        let _ = writeln!(
            out,
            "\n{} checks, {broken} broken, {warned} warnings",
            findings.len()
        );
        out
    };
    print_answer(format, text, document, rows)?;
    Ok(if broken == 0 {
        ExitReason::Done
    } else {
        ExitReason::Red
    })
}

/// A finding for people.
fn describe(finding: &DoctorFinding) -> String {
    let (word, color, what, fix) = match &finding.verdict {
        CheckVerdict::Well { detail } => ("ok     ", TextColor::Good, detail, None),
        CheckVerdict::Skipped { why } => ("skipped", TextColor::Dim, why, None),
        CheckVerdict::Warned { why, fix } => ("warning", TextColor::Doubtful, why, Some(fix)),
        CheckVerdict::Broken { why, fix } => ("BROKEN ", TextColor::Bad, why, Some(fix)),
    };
    let fix = fix.map_or_else(String::new, |fix| format!("        fix: {fix}\n"));
    format!("{} {:<28} {what}\n{fix}", paint(color, word), finding.check)
}
