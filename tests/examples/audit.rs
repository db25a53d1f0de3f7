//! `make audit`: licences, bans and sources, and the advisories of RustSec, which are fetched from GitHub.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a tool for developers")]

use std::process::{Command, ExitCode};

use fleetledger_local::{ArtifactCache, cargo_tool::CARGO_DENY};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let program = match CARGO_DENY.fetch(&cache).await {
        Ok(program) => program,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(3);
        }
    };
    let check = |what: &[&str]| Command::new(&program).arg("check").args(what).output();
    let mut code = ExitCode::SUCCESS;
    for what in [&["bans", "licenses", "sources"][..], &["advisories"]] {
        let output = match check(what) {
            Ok(output) => output,
            Err(error) => {
                eprintln!("{}: {error}", program.display());
                return ExitCode::from(3);
            }
        };
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        print!("{said}");
        if output.status.success() {
            continue;
        }
        if said.contains("failed to fetch advisory database") {
            eprintln!(
                "SKIPPED advisories: their database cannot be fetched from here; nothing is known of them"
            );
        } else {
            code = ExitCode::FAILURE;
        }
    }
    code
}
