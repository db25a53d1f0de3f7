//! The one binary: reads the command line and ends with an exit code.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    fleetledger::run(fleetledger::cli::Cli::parse()).into()
}
