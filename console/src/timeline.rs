//! What alerts said of one object: a node, a pod, whatever their labels name.

use axum::{
    Extension,
    extract::{Query, State},
    response::Response,
};
use fleetledger_alerts::{
    http::{AlertsApi, AlertsCaller, CallerRole, events_of_labels},
    links::OBJECT_LABELS,
};
use fleetledger_queries::HttpFailure;
use fleetledger_schema::postgres::literal;
use serde_json::json;

use crate::{
    AddressLabels, MOST,
    layout::{HtmlPage, page_response},
};

/// The timeline of what the address names.
pub(crate) async fn show(
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
            "name the object of the timeline, as in /timeline?cluster=…&node=…",
        ));
    }
    if let Some(other) = labels.keys().find(|name| !OBJECT_LABELS.contains(&name.as_str())) {
        let known = OBJECT_LABELS.join(", ");
        return Err(HttpFailure::bad(format!(
            "`{other}` is not a parameter that names an object; these are: {known}"
        )));
    }
    let events = events_of_labels(api, labels, MOST).await?;
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
