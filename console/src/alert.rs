//! Alerts: those with some labels, and one with its history.

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::Response,
};
use fleetledger_alerts::http::{AlertsApi, AlertsCaller, CallerRole, alert_detail, open_or_just_resolved};
use fleetledger_queries::HttpFailure;
use serde_json::json;

use crate::{
    AddressLabels, MOST,
    layout::{HtmlPage, page_response},
    shell_word::{quote_for_shell, shell_words},
};

/// Alerts that have all labels of the address: open ones, else those that were resolved within a day. One alone is
/// shown with its history.
pub(crate) async fn list(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Query(labels): Query<AddressLabels>,
) -> Response {
    page_response(find(&api, &caller, &labels).await)
}

async fn find(
    api: &AlertsApi,
    caller: &AlertsCaller,
    labels: &AddressLabels,
) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let found = open_or_just_resolved(api, labels, MOST).await?;
    if let ([one], false) = (found.as_slice(), labels.is_empty()) {
        return page(api, caller, &one.rule, &one.fingerprint).await;
    }
    let with = json!({ "labels": labels, "alerts": found, "most": MOST });
    HtmlPage::new("Alerts", include_str!("alerts.html"), &with)
}

/// One alert.
pub(crate) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Path((rule, fingerprint)): Path<(String, String)>,
) -> Response {
    page_response(page(&api, &caller, &rule, &fingerprint).await)
}

async fn page(
    api: &AlertsApi,
    caller: &AlertsCaller,
    rule: &str,
    fingerprint: &str,
) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let detail = alert_detail(api, rule, fingerprint).await?;
    let alert = &detail.alert;
    let links = api.link_targets.links_within(&alert.labels, &alert.annotations);
    let (name, words) = (quote_for_shell(&alert.alertname), shell_words(&alert.labels));
    let with = json!({
        "alert": alert,
        "last_error": detail.last_error,
        "history": detail.history,
        "runbook": links.runbook,
        "timeline": links.timeline,
        "snooze": format!("fleetledger alerts snooze {name} {words} --for 2h --reason \"…\""),
        "ack": format!("fleetledger alerts ack {name} {words} --reason \"…\""),
    });
    HtmlPage::new(alert.alertname.as_str(), include_str!("alert.html"), &with)
}
