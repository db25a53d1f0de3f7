//! `fleetledger doctor`.

use serde_json::json;

use crate::{
    cli::DoctorArgs,
    config::{ConfigError, Loaded},
    doctor::{self, Finding, Verdict},
    exit::Exit,
};

pub(super) async fn run(loaded: &Loaded, args: &DoctorArgs) -> anyhow::Result<Exit> {
    if args.list {
        for check in doctor::CHECKS {
            println!("{:<28} {}", check.name, check.about);
        }
        return Ok(Exit::Done);
    }
    let findings = doctor::examine(loaded, args.only).await;
    Ok(report(&findings, args.json))
}

/// A configuration that is refused is itself what is broken: nothing else can be looked at.
pub(super) fn refused(args: &DoctorArgs, error: &ConfigError) -> anyhow::Result<Exit> {
    let finding = Finding {
        check: "configuration",
        verdict: Verdict::Broken {
            why: error.to_string(),
            fix: "correct it; fleetledger config check says whether it can be used, fleetledger config reference lists every key".to_owned(),
        },
    };
    report(&[finding], args.json);
    Ok(Exit::Configuration)
}

fn report(findings: &[Finding], as_json: bool) -> Exit {
    let broken = findings
        .iter()
        .filter(|finding| matches!(finding.verdict, Verdict::Broken { .. }))
        .count();
    if as_json {
        super::print_json(&json!({ "broken": broken, "findings": findings }));
    } else {
        for finding in findings {
            match &finding.verdict {
                Verdict::Well { detail } => println!("ok      {:<28} {detail}", finding.check),
                Verdict::Skipped { why } => println!("skipped {:<28} {why}", finding.check),
                Verdict::Broken { why, fix } => {
                    println!("BROKEN  {:<28} {why}\n        fix: {fix}", finding.check)
                }
            }
        }
        println!("\n{} checks, {broken} broken", findings.len());
    }
    if broken == 0 { Exit::Done } else { Exit::Red }
}
