//! `fleetledger version`.

use serde_json::json;

use crate::{build_info, cli::OutputFormat, exit::ExitReason, output::print_document};

pub(super) fn run(format: OutputFormat) -> anyhow::Result<ExitReason> {
    let (commit, built_at) = (build_info::commit(), build_info::built_at());
    let document = json!({
        "version": build_info::VERSION,
        "commit": commit,
        "built_at": built_at.map(|at| at.to_string()),
    });
    print_document(format, &document, || {
        let of_debug = "not recorded: a debug build";
        let built_at = built_at.map_or_else(|| of_debug.to_owned(), |at| at.to_string());
        format!(
            "fleetledger {}\ncommit   {}\nbuilt at {built_at}\n",
            build_info::VERSION,
            commit.unwrap_or(of_debug)
        )
    })?;
    Ok(ExitReason::Done)
}
