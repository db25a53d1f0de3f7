//! The page that opens the console: are the clusters heard of, what is wrong, can the ledger be believed, what does it cost.

mod cost;
mod site;

use axum::{Extension, extract::State, response::Response};
use fleetledger_alerts::http::{AlertsApi, AlertsCaller, CallerRole};
use fleetledger_queries::HttpFailure;
use serde::Serialize;

use crate::layout::{HtmlPage, page_response};
use cost::{CostSummary, read_cost};
use site::{SiteSummary, read_site};

/// After how many seconds a browser asks again.
const RELOAD_SECONDS: u32 = 30;

/// What the page shows.
#[derive(Serialize)]
struct FleetPage {
    site: SiteSummary,
    /// `None` = it could not be read; the rest of the page is shown.
    cost: Option<CostSummary>,
    reload_seconds: u32,
}

/// The page.
pub(crate) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
) -> Response {
    page_response(page(&api, &caller).await)
}

async fn page(api: &AlertsApi, caller: &AlertsCaller) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let site = read_site(&api.reader).await.map_err(|error| {
        tracing::error!(error = format!("{error:#}"), "the console cannot read the fleet");
        HttpFailure::database()
    })?;
    let cost = match read_cost(&api.reader).await {
        Ok(cost) => Some(cost),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the console cannot read cost");
            None
        }
    };
    let shown = FleetPage {
        site,
        cost,
        reload_seconds: RELOAD_SECONDS,
    };
    let mut page = HtmlPage::new("Fleet", include_str!("fleet/fleet.html"), &shown)?;
    page.reload_seconds = Some(RELOAD_SECONDS);
    Ok(page)
}
