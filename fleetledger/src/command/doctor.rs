//! `fleetledger doctor`.

use serde_json::json;

use crate::{
    cli::DoctorArgs,
    config::{ConfigError, LoadedConfig},
    doctor::{self, CheckVerdict, DoctorFinding},
    exit::ExitReason,
    output::print_json,
};

pub(super) async fn run(loaded: &LoadedConfig, args: &DoctorArgs) -> anyhow::Result<ExitReason> {
    if args.list {
        for check in doctor::CHECKS {
            println!("{:<28} {}", check.name, check.about);
        }
        return Ok(ExitReason::Done);
    }
    let findings = doctor::examine(loaded, args.only).await;
    Ok(report(&findings, args.json))
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
    report(&[finding], args.json);
    Ok(ExitReason::Configuration)
}

fn report(findings: &[DoctorFinding], as_json: bool) -> ExitReason {
    let count =
        |is_so: fn(&CheckVerdict) -> bool| findings.iter().filter(|finding| is_so(&finding.verdict)).count();
    let broken = count(|verdict| matches!(verdict, CheckVerdict::Broken { .. }));
    let warned = count(|verdict| matches!(verdict, CheckVerdict::Warned { .. }));
    if as_json {
        print_json(&json!({ "broken": broken, "warned": warned, "findings": findings }));
    } else {
        for finding in findings {
            match &finding.verdict {
                CheckVerdict::Well { detail } => println!("ok      {:<28} {detail}", finding.check),
                CheckVerdict::Skipped { why } => println!("skipped {:<28} {why}", finding.check),
                CheckVerdict::Warned { why, fix } => {
                    println!("warning {:<28} {why}\n        fix: {fix}", finding.check)
                }
                CheckVerdict::Broken { why, fix } => {
                    println!("BROKEN  {:<28} {why}\n        fix: {fix}", finding.check)
                }
            }
        }
        println!("\n{} checks, {broken} broken, {warned} warnings", findings.len());
    }
    if broken == 0 {
        ExitReason::Done
    } else {
        ExitReason::Red
    }
}
