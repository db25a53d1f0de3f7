//! Rules: where each stands, and one with its SQL and its newest runs.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use fleetledger_queries::HttpFailure;
use serde_json::json;

use super::{HtmlPage, page_response};
use crate::http::{AlertsApi, AlertsCaller, CallerRole, rules};

/// All rules.
pub(super) async fn list(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
) -> Response {
    page_response(all(&api, &caller).await)
}

async fn all(api: &AlertsApi, caller: &AlertsCaller) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let with = json!({ "rules": rules::all(api).await? });
    HtmlPage::new("Rules", include_str!("rules.html"), &with)
}

/// One rule.
pub(super) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Path(rule): Path<String>,
) -> Response {
    page_response(page(&api, &caller, &rule).await)
}

async fn page(api: &AlertsApi, caller: &AlertsCaller, rule: &str) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let detail = rules::detail(api, rule).await?;
    HtmlPage::new(detail.rule.rule.as_str(), include_str!("rule.html"), &detail)
}
