//! fleetledger keeps the books of a Kubernetes fleet; this crate is its one binary, with many roles.
//!
//! * [`cli`]: the command line; [`config`]: file, environment, secrets; [`exit`]: exit codes.
//! * [`connect`]: the three hops (Kafka, PostgreSQL, API server) and what their errors mean.
//! * [`telemetry`]: log, metrics, health; [`shutdown`]: signals and the deadline.
//! * `setup`: configuration to connected parts; `output`: what commands print; `progress`: how far long work is.
//! * [`command`]: one file a subcommand; [`doctor`]: one file a check; [`demo`]: everything in one process.
//!
//! Invariants: configuration is checked before any port or connection opens; secrets reach no log and no
//! error; a failure is logged once; a role that is told to stop ends within its deadline.

pub mod build_info;
pub mod cli;
pub mod command;
pub mod config;
pub mod connect;
pub mod demo;
pub mod doctor;
pub mod exit;
mod output;
mod progress;
mod reaper;
mod setup;
pub mod shutdown;
pub mod telemetry;
pub mod topics;

use std::time::Duration;

use cli::Cli;
use exit::ExitReason;

/// How long background work may take to end once the command has: what hangs is given up.
const BACKGROUND: Duration = Duration::from_secs(2);

/// Runs one command to its exit code; what failed has been said on standard error.
#[must_use]
pub fn run(cli: Cli) -> ExitReason {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("fleetledger: start the runtime: {error}");
            return ExitReason::Failed;
        }
    };
    let ended = runtime.block_on(command::run(cli));
    runtime.shutdown_timeout(BACKGROUND);
    match ended {
        Ok(exit) => exit,
        Err(error) => {
            eprintln!("fleetledger: {}", connect::hop::chain(error.as_ref()));
            if setup::is_denied(error.as_ref()) {
                eprintln!(
                    "fleetledger: the user of [postgres] lacks that right; the table in docs/quick-start.md says which user each command takes"
                );
            }
            ExitReason::of(&error)
        }
    }
}
