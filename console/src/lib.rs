//! The console's pages: HTML that is made here of what the other rooms know. Whole without scripts, and nothing is fetched
//! from anywhere.
//!
//! [`router`] has every page by its path; the binary mounts it behind its guard, beside the rooms' APIs. `layout` is the
//! frame and the look of all of them (docs/console.md), and a file each is a page: `fleet` opens the console, `alert`, `rule`,
//! `runbook` and `timeline` are what notifications link to.
//!
//! Invariants: whatever is shown is escaped; a page changes nothing; a part of a page that cannot be read says so, and the
//! rest of the page is shown.

mod alert;
mod filter;
mod fleet;
mod layout;
mod markdown;
mod reading;
mod rule;
mod runbook;
mod shell_word;
mod timeline;

use std::collections::BTreeMap;

use axum::{Router, routing::get};
use fleetledger_alerts::http::AlertsApi;

/// Alerts and events that one page shows at most.
const MOST: i64 = 200;

/// Labels that an address names.
type AddressLabels = BTreeMap<String, String>;

/// Every page, by its path.
pub fn router(api: AlertsApi) -> Router {
    Router::new()
        .route("/", get(fleet::show))
        .route("/alerts", get(alert::list))
        .route("/alerts/{rule}/{fingerprint}", get(alert::show))
        .route("/rules", get(rule::list))
        .route("/rules/{rule}", get(rule::show))
        .route("/timeline", get(timeline::show))
        .route("/runbooks/{name}", get(runbook::show))
        .with_state(api)
}
