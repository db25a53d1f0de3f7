//! Rules: where each stands, and one with its SQL and its newest runs.

use axum::{
    Extension,
    extract::{Path, State},
    response::Response,
};
use fleetledger_alerts::http::{AlertsApi, AlertsCaller, CallerRole, all_rules, rule_detail};
use fleetledger_queries::HttpFailure;
use serde_json::json;

use crate::layout::{HtmlPage, page_response};

/// All rules.
pub(crate) async fn list(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
) -> Response {
    page_response(all(&api, &caller).await)
}

async fn all(api: &AlertsApi, caller: &AlertsCaller) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let with = json!({ "rules": all_rules(api).await? });
    HtmlPage::new("Rules", include_str!("rules.html"), &with)
}

/// One rule.
pub(crate) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Path(rule): Path<String>,
) -> Response {
    page_response(page(&api, &caller, &rule).await)
}

async fn page(api: &AlertsApi, caller: &AlertsCaller, rule: &str) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let detail = rule_detail(api, rule).await?;
    HtmlPage::new(detail.rule.rule.as_str(), include_str!("rule.html"), &detail)
}
