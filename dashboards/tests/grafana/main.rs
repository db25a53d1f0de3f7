//! Dashboards against a real PostgreSQL, and against Grafana's published types. No Grafana runs here: what its
//! documentation says of macros and variables is done by `fleetledger_dashboards::query`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

mod database;
mod incidents;
mod layout;
mod panels;
mod provisioning;
mod published_types;
mod reader_questions;
mod rollups;
mod stored_json;

use fleetledger_dashboards::{Dashboard, folder, load};

/// Every dashboard, by name.
fn dashboards() -> Vec<(String, Dashboard)> {
    load(folder()).unwrap()
}
