//! `fleetledger completions` and `fleetledger man-pages`: made of the command line's own definitions.

use std::path::Path;

use crate::{cli::examples, exit::ExitReason};
use anyhow::Context as _;

/// Prints a shell's completions.
pub(super) fn print(shell: clap_complete::Shell) -> ExitReason {
    clap_complete::generate(
        shell,
        &mut examples::command(),
        "fleetledger",
        &mut std::io::stdout(),
    );
    ExitReason::Done
}

/// Writes a page for each command, `fleetledger-rules-test.1` for `fleetledger rules test`.
pub(super) fn write_man_pages(folder: &Path) -> anyhow::Result<ExitReason> {
    clap_mangen::generate_to(examples::command(), folder)
        .with_context(|| format!("write man pages into {}", folder.display()))?;
    println!("man pages in {}", folder.display());
    Ok(ExitReason::Done)
}
