//! `fleetledger audit`.

use serde_json::json;

use crate::{cli::AuditArgs, config::Loaded, exit::Exit};

pub(super) async fn run(loaded: &Loaded, args: &AuditArgs) -> anyhow::Result<Exit> {
    let _ = (loaded, args, json!({}));
    Ok(Exit::Done)
}
