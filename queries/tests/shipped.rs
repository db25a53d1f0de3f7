//! The files that ship.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::path::Path;

#[test]
fn every_shipped_query_is_accepted() {
    let refusals = match fleetledger_queries::catalogue::load(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        Ok(catalogue) => {
            assert!(!catalogue.is_empty());
            return;
        }
        Err(refusals) => refusals,
    };
    let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(lines, Vec::<String>::new());
}
