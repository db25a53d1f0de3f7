//! What alerts said of one object: a node, a pod, whatever their labels name.

use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use fleetledger_queries::HttpFailure;
use fleetledger_schema::{instant::Instant, postgres::literal};
use serde::Serialize;
use serde_json::json;

use super::{AddressLabels, HtmlPage, MOST, page_response};
use crate::{
    errors::while_,
    http::{AlertsApi, AlertsCaller, CallerRole},
    links::OBJECT_LABELS,
};

/// One event of one alert.
#[derive(Serialize)]
struct TimelineEvent {
    at: String,
    rule: String,
    fingerprint: String,
    alertname: String,
    event: String,
    reason: Option<String>,
    receiver: Option<String>,
    by: Option<String>,
}

/// The timeline of what the address names.
pub(super) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Query(labels): Query<AddressLabels>,
) -> Response {
    page_response(page(&api, &caller, &labels).await)
}

async fn page(
    api: &AlertsApi,
    caller: &AlertsCaller,
    labels: &AddressLabels,
) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    if labels.is_empty() {
        return Err(HttpFailure::bad(
            "a timeline is of something: /timeline?cluster=…&node=…",
        ));
    }
    if let Some(other) = labels.keys().find(|name| !OBJECT_LABELS.contains(&name.as_str())) {
        let known = OBJECT_LABELS.join(", ");
        return Err(HttpFailure::bad(format!(
            "`{other}` names no object; there are {known}"
        )));
    }
    let ask = READ_EVENTS_TEMPLATE.replace("{most}", &MOST.to_string());
    let client = api.client().await?;
    let rows = client
        .query(&ask, &[&json!(labels)])
        .await
        .map_err(while_("read a timeline"))?;
    let events = rows.iter().map(|row| TimelineEvent {
        at: row.get::<_, Instant>(0).to_string(),
        rule: row.get(1),
        fingerprint: row.get(2),
        alertname: row.get(3),
        event: row.get(4),
        reason: row.get(5),
        receiver: row.get(6),
        by: row.get(7),
    });
    let events: Vec<TimelineEvent> = events.collect();
    let with = json!({ "labels": labels, "events": events, "sql": sql(labels) });
    HtmlPage::new("Timeline", include_str!("timeline.html"), &with)
}

/// Where more of it stands, ready to be pasted into psql.
fn sql(labels: &AddressLabels) -> String {
    let given = |names: &[&str]| -> String {
        let conditions = names.iter().filter_map(|name| {
            let value = labels.get(*name)?;
            Some(format!("{name} = {}", literal(value)))
        });
        conditions.collect::<Vec<_>>().join(" and ")
    };
    let alerts = given(&["datacenter", "cluster", "namespace", "pod", "node"]);
    let mut sql = match alerts.is_empty() {
        true => String::new(),
        false => SHOWN_ALERT_HISTORY_TEMPLATE.replace("{conditions}", &alerts),
    };
    let kinds = [
        ("pod", &["datacenter", "cluster", "namespace", "pod"][..]),
        ("workload", &["datacenter", "cluster", "namespace", "workload"]),
        ("node", &["datacenter", "cluster", "node"]),
        ("namespace", &["datacenter", "cluster", "namespace"]),
    ];
    if let Some((kind, names)) = kinds.iter().find(|(kind, _)| labels.contains_key(*kind)) {
        sql += &SHOWN_HISTORY_TEMPLATE
            .replace("{kind}", kind)
            .replace("{conditions}", &given(names));
    }
    sql
}

/// Of each alert its newest events, by their index: the history of a year is not searched for labels.
const READ_EVENTS_TEMPLATE: &str = "
    select e.slot, e.rule, e.fingerprint, e.alertname, e.event, e.reason, e.receiver, e.by_whom
    from (
        select rule, fingerprint from ledger.alert_instance where labels @> $1
        order by changed_slot desc, rule, fingerprint limit {most}
    ) as i
    cross join lateral (
        select * from ledger.alert_event as e where e.rule = i.rule and e.fingerprint = i.fingerprint
        order by e.slot desc, e.alert_event_id desc limit {most}
    ) as e
    order by e.slot desc, e.alert_event_id desc limit {most}";

const SHOWN_ALERT_HISTORY_TEMPLATE: &str =
    "select * from alert_history where {conditions} order by happened_at desc limit 200;\n";

const SHOWN_HISTORY_TEMPLATE: &str =
    "select * from {kind}_history where {conditions} order by valid_from desc limit 200;\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_asks_for_the_object_and_takes_any_name() {
        let labels: AddressLabels = [("cluster", "a"), ("node", "it's")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        let sql = sql(&labels);
        assert!(
            sql.contains("from node_history where cluster = 'a' and node = 'it''s' order by"),
            "{sql}"
        );
        assert!(
            sql.starts_with("select * from alert_history where cluster = 'a' and node = 'it''s'"),
            "{sql}"
        );
    }
}
