//! Commit and date of the build, which `fleetledger version` says.
//!
//! Both come from the environment (`FLEETLEDGER_COMMIT`, `SOURCE_DATE_EPOCH`), as `deploy/release/build.sh` sets them. Else a
//! release asks git, and the date is that of the commit, so that the same commit gives the same bytes. A debug build says
//! neither: it would be linked anew after each commit.

use std::{path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=FLEETLEDGER_COMMIT");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let is_release = variable("PROFILE").as_deref() == Some("release");
    let ask = |arguments: &[&str]| is_release.then(|| git(arguments)).flatten();
    let commit = variable("FLEETLEDGER_COMMIT").or_else(|| ask(&["rev-parse", "--short=12", "HEAD"]));
    let epoch = variable("SOURCE_DATE_EPOCH").or_else(|| ask(&["log", "-1", "--format=%ct"]));
    // Written at every commit and every checkout.
    let log = ask(&["rev-parse", "--git-path", "logs/HEAD"]);
    if let Some(log) = log.filter(|log| Path::new(log).exists()) {
        println!("cargo:rerun-if-changed={log}");
    }
    for (name, value) in [
        ("FLEETLEDGER_BUILD_COMMIT", commit),
        ("FLEETLEDGER_BUILD_EPOCH", epoch),
    ] {
        println!("cargo:rustc-env={name}={}", value.unwrap_or_default());
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "cargo speaks to build scripts through the environment"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What git prints; nothing where there is no git, or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
