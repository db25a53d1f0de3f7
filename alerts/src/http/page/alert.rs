//! Alerts: those with some labels, and one with its history.

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::Response,
};
use serde_json::json;

use super::{MOST, Named, Page, answer, quoted, words};
use crate::{
    errors::while_,
    http::{Api, Caller, Failure, Role, alerts},
};

/// Alerts that have all labels of the address: open ones, else those that were resolved within a day. One alone is
/// shown with its history.
pub(super) async fn list(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Query(labels): Query<Named>,
) -> Response {
    answer(find(&api, &caller, &labels).await)
}

async fn find(api: &Api, caller: &Caller, labels: &Named) -> Result<Page, Failure> {
    caller.must_be(Role::Viewer)?;
    let client = api.client().await?;
    let wanted = serde_json::json!(labels);
    let open = format!(
        "{} where labels @> $1 and condition in ('pending', 'firing', 'recovering')
         order by condition = 'pending', fired_at desc nulls last, alertname, fingerprint limit {MOST}",
        alerts::COLUMNS
    );
    let mut rows = client
        .query(&open, &[&wanted])
        .await
        .map_err(while_("list the alerts"))?;
    if rows.is_empty() && !labels.is_empty() {
        let over = format!(
            "{} where labels @> $1 and condition = 'resolved' order by resolved_at desc, fingerprint limit {MOST}",
            alerts::COLUMNS
        );
        rows = client
            .query(&over, &[&wanted])
            .await
            .map_err(while_("list the alerts"))?;
    }
    drop(client);
    let found: Vec<_> = rows.iter().map(alerts::read).collect();
    if let ([one], false) = (found.as_slice(), labels.is_empty()) {
        return page(api, caller, &one.rule, &one.fingerprint).await;
    }
    let with = json!({ "labels": labels, "alerts": found, "most": MOST });
    Page::new("Alerts", include_str!("alerts.html"), &with)
}

/// One alert.
pub(super) async fn show(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Path((rule, fingerprint)): Path<(String, String)>,
) -> Response {
    answer(page(&api, &caller, &rule, &fingerprint).await)
}

async fn page(api: &Api, caller: &Caller, rule: &str, fingerprint: &str) -> Result<Page, Failure> {
    caller.must_be(Role::Viewer)?;
    let detail = alerts::detail(api, rule, fingerprint).await?;
    let alert = &detail.alert;
    let links = api.places.links_within(&alert.labels, &alert.annotations);
    let (name, words) = (quoted(&alert.alertname), words(&alert.labels));
    let with = json!({
        "alert": alert,
        "last_error": detail.last_error,
        "history": detail.history,
        "runbook": links.runbook,
        "timeline": links.timeline,
        "snooze": format!("fleetledger alerts snooze {name} {words} --for 2h --reason \"…\""),
        "ack": format!("fleetledger alerts ack {name} {words} --reason \"…\""),
    });
    Page::new(alert.alertname.as_str(), include_str!("alert.html"), &with)
}
