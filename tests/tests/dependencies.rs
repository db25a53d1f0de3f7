//! What is depended on, judged by tools that others wrote.

#![allow(clippy::unwrap_used, reason = "a failure should say where")]

use std::path::{Path, PathBuf};

use fleetledger_local::{
    ArtifactCache,
    cargo_tool::{CARGO_DENY, CARGO_SHEAR, CargoTool},
    skip,
};
use tokio::process::Command;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Exit status 0, and all that the tool said; nothing where it cannot be had.
async fn run(test: &str, tool: CargoTool, arguments: &[&str]) -> Option<(bool, String)> {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let program = skip::unless_available(test, tool.fetch(&cache).await).unwrap()?;
    let output = Command::new(program)
        .args(arguments)
        .current_dir(workspace())
        .output()
        .await
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    Some((
        output.status.success(),
        String::from_utf8_lossy(&said).into_owned(),
    ))
}

/// `deny.toml` says which. What nothing matches any more is a warning, and refused too.
#[tokio::test]
async fn licences_bans_and_sources_are_those_allowed() {
    let test = "licences_bans_and_sources_are_those_allowed";
    // Not offline: crates of other systems, which no build here fetches, are looked at too.
    let arguments = ["--locked", "check", "bans", "licenses", "sources"];
    let Some((passed, said)) = run(test, CARGO_DENY, &arguments).await else {
        return;
    };
    assert!(passed && !said.contains("warning["), "{said}");
    println!("cargo-deny {}: {}", CARGO_DENY.release, said.trim());
}

#[tokio::test]
async fn every_dependency_is_used() {
    let Some((passed, said)) = run("every_dependency_is_used", CARGO_SHEAR, &[]).await else {
        return;
    };
    assert!(passed, "{said}");
}
