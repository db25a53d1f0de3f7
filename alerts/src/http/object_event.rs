//! What alerts said of one object: a node, a pod, whatever their labels name.

use std::collections::BTreeMap;

use fleetledger_queries::HttpFailure;
use fleetledger_schema::instant::Instant;
use serde::Serialize;
use serde_json::json;

use super::AlertsApi;
use crate::errors::while_;

/// One event of one alert about an object.
#[derive(Debug, Clone, Serialize)]
pub struct ObjectEvent {
    /// Slot at which it happened.
    pub at: String,
    /// Rule of the alert.
    pub rule: String,
    /// The alert's identity within the rule.
    pub fingerprint: String,
    /// Name of the alert.
    pub alertname: String,
    /// What happened.
    pub event: String,
    /// Why.
    pub reason: Option<String>,
    /// Receiver, for notifications.
    pub receiver: Option<String>,
    /// Who did it.
    pub by: Option<String>,
}

/// Events of alerts that have all these labels and are open or were resolved within a day, the newest first.
///
/// # Errors
/// The database's.
pub async fn events_of_labels(
    api: &AlertsApi,
    labels: &BTreeMap<String, String>,
    limit: i64,
) -> Result<Vec<ObjectEvent>, HttpFailure> {
    let client = api.client().await?;
    let rows = client
        .query(READ_EVENTS, &[&json!(labels), &limit])
        .await
        .map_err(while_("read a timeline"))?;
    let events = rows.iter().map(|row| ObjectEvent {
        at: row.get::<_, Instant>(0).to_string(),
        rule: row.get(1),
        fingerprint: row.get(2),
        alertname: row.get(3),
        event: row.get(4),
        reason: row.get(5),
        receiver: row.get(6),
        by: row.get(7),
    });
    Ok(events.collect())
}

/// Of each alert its newest events, by their index: the history of a year is not searched for labels.
const READ_EVENTS: &str = "
    select e.slot, e.rule, e.fingerprint, e.alertname, e.event, e.reason, e.receiver, e.by_whom
    from (
        select rule, fingerprint from ledger.alert_instance where labels @> $1
        order by changed_slot desc, rule, fingerprint limit $2
    ) as i
    cross join lateral (
        select * from ledger.alert_event as e where e.rule = i.rule and e.fingerprint = i.fingerprint
        order by e.slot desc, e.alert_event_id desc limit $2
    ) as e
    order by e.slot desc, e.alert_event_id desc limit $2";
