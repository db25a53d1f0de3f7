//! `fleetledger config init`: the examples of `deploy/config/`, which the binary carries.

use std::{fs::File, io::Write as _, path::Path};

use anyhow::Context as _;

use crate::{cli::ConfigRole, exit::ExitReason, output::print_text};

/// The example of a role, or of all of them in one file.
#[must_use]
pub(super) fn example(role: Option<ConfigRole>) -> &'static str {
    match role {
        None => include_str!("../../../deploy/config/fleetledger.toml"),
        Some(ConfigRole::Emit) => include_str!("../../../deploy/config/emit.toml"),
        Some(ConfigRole::Ingest) => include_str!("../../../deploy/config/ingest.toml"),
        Some(ConfigRole::Evaluate) => include_str!("../../../deploy/config/evaluate.toml"),
        Some(ConfigRole::Console) => include_str!("../../../deploy/config/console.toml"),
        Some(ConfigRole::Central) => include_str!("../../../deploy/config/central.toml"),
    }
}

/// Writes it into a file that is not there yet.
pub(super) fn run(role: Option<ConfigRole>, to: &Path) -> anyhow::Result<ExitReason> {
    let text = example(role);
    if to == Path::new("-") {
        print_text(text)?;
        return Ok(ExitReason::Done);
    }
    let mut file = File::create_new(to).with_context(|| {
        format!(
            "make {} (a file that is there is never overwritten)",
            to.display()
        )
    })?;
    file.write_all(text.as_bytes())
        .with_context(|| format!("write {}", to.display()))?;
    let place = to.display();
    print_text(&format!(
        "{place}\nset the addresses in it, then: fleetledger --config {place} config check\n"
    ))?;
    Ok(ExitReason::Done)
}
