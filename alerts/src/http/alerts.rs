//! Alerts: list, show, acknowledge, drill.

use std::collections::BTreeMap;

use axum::{
    Extension, Json,
    extract::{Path, Query, State},
};
use fleetledger_paging::{
    Alert, AlertLinks, LabelSet, Matcher, Notification, NotifyKind, NotifyReason,
    group::{dedup_key, stream_id},
};
use fleetledger_queries::{HttpErrorBody, HttpFailure};
use fleetledger_schema::instant::Instant;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_postgres::Row;
use utoipa::{IntoParams, ToSchema};

use super::{AlertsApi, AlertsCaller, CallerRole, OperatorCaller};
use crate::{
    errors::while_,
    store::{texts, timestamp},
};

/// Alerts that one answer holds at most.
const MOST: i64 = 10_000;

/// One alert.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AlertRow {
    /// Rule it comes from.
    pub rule: String,
    /// Hash of its labels: its identity within the rule.
    pub fingerprint: String,
    /// Name of the alert.
    pub alertname: String,
    /// pending, firing, recovering or resolved.
    pub condition: String,
    /// Severity.
    pub severity: Option<String>,
    /// What it says.
    pub summary: Option<String>,
    /// Value of its newest row.
    pub value: Option<f64>,
    /// First slot at which its condition held.
    pub active_at: Option<String>,
    /// Slot at which it began to fire.
    pub fired_at: Option<String>,
    /// Until when it is snoozed.
    pub snoozed_until: Option<String>,
    /// Who acknowledged it.
    pub acked_by: Option<String>,
    /// Why nothing can be said about it just now.
    pub held_reason: Option<String>,
    /// Alert that keeps it from being notified.
    pub inhibited_by: Option<String>,
    /// True if its rule notifies nobody.
    pub shadow: bool,
    /// Notifications sent about it.
    pub notifications: i64,
    /// Receivers it goes to.
    pub receivers: Vec<String>,
    /// All its labels.
    pub labels: LabelSet,
    /// All its annotations.
    pub annotations: LabelSet,
}

/// One alert with its history.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AlertDetail {
    /// The alert.
    pub alert: AlertRow,
    /// SQL of its rule.
    pub query_text: String,
    /// What went wrong at the newest run of its rule.
    pub last_error: Option<String>,
    /// What happened to it, the newest first.
    pub history: Vec<AlertEvent>,
}

/// Something that happened to an alert.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AlertEvent {
    /// When.
    pub at: String,
    /// What.
    pub event: String,
    /// Why.
    pub reason: Option<String>,
    /// Receiver, for notifications.
    pub receiver: Option<String>,
    /// Who did it.
    pub by: Option<String>,
}

/// Which alerts.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(crate) struct AlertFilter {
    /// pending, firing or recovering; all three if not given.
    condition: Option<String>,
    /// Label matchers, separated by commas, such as `cluster=a,node=~"n.*"`.
    #[serde(default)]
    matchers: String,
}

/// Who acknowledges what.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AckRequest {
    /// Label matchers, all of which must hold, such as `alertname=NodeNotReporting`.
    pub matchers: Vec<String>,
    /// What to tell others.
    #[serde(default)]
    pub reason: String,
}

/// Which receiver is tried out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillRequest {
    /// Its name; all of them if not given.
    pub receiver: Option<String>,
}

/// How many it was about.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AffectedCount {
    /// So many.
    pub count: usize,
}

const READ_ALERTS: &str = "
    select rule, fingerprint, alertname, condition, labels, annotations, value, active_at, fired_at, snoozed_until,
        acked_by, held_reason, inhibited_by, shadow, notifications, receivers
    from ledger.alert_instance";

/// Alerts that are pending, firing or recovering.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts", params(AlertFilter),
    responses((status = 200, body = Vec<AlertRow>), (status = 400, body = HttpErrorBody)))]
pub(crate) async fn list(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Query(which): Query<AlertFilter>,
) -> Result<Json<Vec<AlertRow>>, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let matchers = which
        .matchers
        .split(',')
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned);
    let matchers = read_matchers(&matchers.collect::<Vec<_>>())?;
    let conditions: Vec<&str> = match which.condition.as_deref() {
        None => vec!["pending", "firing", "recovering"],
        Some(one @ ("pending" | "firing" | "recovering" | "resolved")) => vec![one],
        Some(other) => {
            return Err(HttpFailure::bad(format!(
                "condition {other} is unknown; write pending, firing, recovering or resolved"
            )));
        }
    };
    let client = api.client().await?;
    let ask =
        format!("{READ_ALERTS} where condition = any ($1) order by alertname, labels::text limit {MOST}");
    let rows = client
        .query(&ask, &[&conditions])
        .await
        .map_err(while_("list the alerts"))?;
    let alerts = rows
        .iter()
        .map(read)
        .filter(|alert| fleetledger_paging::matcher::all_met(&matchers, &alert.labels));
    Ok(Json(alerts.collect()))
}

/// One alert, with its rule and what happened to it.
#[utoipa::path(get, path = "/api/v1/alerts/{rule}/{fingerprint}", tag = "alerts",
    params(("rule" = String, Path), ("fingerprint" = String, Path)),
    responses((status = 200, body = AlertDetail), (status = 404, body = HttpErrorBody)))]
pub(crate) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Path((rule, fingerprint)): Path<(String, String)>,
) -> Result<Json<AlertDetail>, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    Ok(Json(detail(&api, &rule, &fingerprint).await?))
}

/// Open alerts that have all these labels; where there are labels and no such alert, those that were resolved within a day.
///
/// # Errors
/// The database's.
pub async fn open_or_just_resolved(
    api: &AlertsApi,
    labels: &BTreeMap<String, String>,
    limit: i64,
) -> Result<Vec<AlertRow>, HttpFailure> {
    let client = api.client().await?;
    let wanted = serde_json::json!(labels);
    let open = format!("{READ_ALERTS} {OPEN_WITH_LABELS_TEMPLATE}");
    let mut rows = client
        .query(&open, &[&wanted, &limit])
        .await
        .map_err(while_("list the alerts"))?;
    if rows.is_empty() && !labels.is_empty() {
        let resolved = format!("{READ_ALERTS} {RESOLVED_WITH_LABELS_TEMPLATE}");
        rows = client
            .query(&resolved, &[&wanted, &limit])
            .await
            .map_err(while_("list the alerts"))?;
    }
    Ok(rows.iter().map(read).collect())
}

/// One alert, with its rule and what happened to it.
///
/// # Errors
/// 404 where there is none; the database's.
pub async fn detail(api: &AlertsApi, rule: &str, fingerprint: &str) -> Result<AlertDetail, HttpFailure> {
    let client = api.client().await?;
    let ask = format!("{READ_ALERTS} where rule = $1 and fingerprint = $2");
    let row = client
        .query_opt(&ask, &[&rule, &fingerprint])
        .await
        .map_err(while_("show an alert"))?;
    let row = row.ok_or_else(|| HttpFailure::not_found(format!("alert {rule}/{fingerprint} not found")))?;
    let of_rule = client
        .query_opt(READ_RULE_QUERY, &[&rule])
        .await
        .map_err(while_("show an alert"))?;
    let history = client
        .query(READ_INSTANCE_EVENTS, &[&rule, &fingerprint])
        .await
        .map_err(while_("show an alert"))?;
    Ok(AlertDetail {
        alert: read(&row),
        query_text: of_rule.as_ref().map(|row| row.get(0)).unwrap_or_default(),
        last_error: of_rule.and_then(|row| row.get(1)),
        history: history
            .iter()
            .map(|row| AlertEvent {
                at: row.get::<_, Instant>(0).to_string(),
                event: row.get(1),
                reason: row.get(2),
                receiver: row.get(3),
                by: row.get(4),
            })
            .collect(),
    })
}

/// Says that somebody takes care of open alerts: they are not repeated. Taken up by the next run of each rule.
#[utoipa::path(post, path = "/api/v1/alerts/ack", tag = "alerts", request_body = AckRequest,
    responses((status = 200, body = AffectedCount), (status = 400, body = HttpErrorBody), (status = 404, body = HttpErrorBody)))]
pub(crate) async fn acknowledge(
    State(api): State<AlertsApi>,
    OperatorCaller(caller): OperatorCaller,
    Json(request): Json<AckRequest>,
) -> Result<Json<AffectedCount>, HttpFailure> {
    let matchers = read_matchers(&request.matchers)?;
    if fleetledger_paging::matcher::all_met(&matchers, &LabelSet::new()) {
        return Err(HttpFailure::bad(
            "an acknowledgement needs at least one matcher with a value, such as alertname=NodeNotReporting",
        ));
    }
    let client = api.client().await?;
    let ask = format!("{READ_ALERTS} where condition in ('firing', 'recovering')");
    let rows = client.query(&ask, &[]).await.map_err(while_("look for alerts"))?;
    let met: Vec<AlertRow> = rows
        .iter()
        .map(read)
        .filter(|alert| fleetledger_paging::matcher::all_met(&matchers, &alert.labels))
        .collect();
    if met.is_empty() {
        return Err(HttpFailure::not_found(
            "no firing alert has these labels; see fleetledger alerts list",
        ));
    }
    let rules: Vec<&str> = met.iter().map(|alert| alert.rule.as_str()).collect();
    let fingerprints: Vec<&str> = met.iter().map(|alert| alert.fingerprint.as_str()).collect();
    client
        .execute(
            INSERT_ACKS,
            &[&rules, &fingerprints, &caller.name, &request.reason],
        )
        .await
        .map_err(while_("acknowledge alerts"))?;
    tracing::info!(by = caller.name, count = met.len(), "acknowledged");
    Ok(Json(AffectedCount { count: met.len() }))
}

/// Sends a drill to a receiver: an alert that says that it is one, and its end behind it.
#[utoipa::path(post, path = "/api/v1/alerts/drill", tag = "alerts", request_body = DrillRequest,
    responses((status = 200, body = AffectedCount), (status = 404, body = HttpErrorBody)))]
pub(crate) async fn drill(
    State(api): State<AlertsApi>,
    OperatorCaller(caller): OperatorCaller,
    Json(request): Json<DrillRequest>,
) -> Result<Json<AffectedCount>, HttpFailure> {
    let known: Vec<&str> = api.receivers.names().collect();
    let wanted: Vec<&str> = match request.receiver.as_deref() {
        None => known.clone(),
        Some(one) => known.iter().copied().filter(|name| *name == one).collect(),
    };
    if wanted.is_empty() {
        let known = if known.is_empty() {
            "none is configured".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        return Err(HttpFailure::not_found(format!("receiver not found; {known}")));
    }
    let mut client = api.client().await?;
    let now = crate::rule_set::now(&client).await?;
    let transaction = client.transaction().await.map_err(while_("queue a drill"))?;
    for receiver in &wanted {
        for kind in [NotifyKind::Trigger, NotifyKind::Resolve] {
            let notification = drill_notification(receiver, kind, &caller.name, now);
            let stream = stream_id(receiver, &notification.group_key);
            let message = serde_json::json!(notification);
            let kind = kind.as_str();
            transaction
                .execute(
                    QUEUE_DRILL,
                    &[
                        &notification.idempotency_key,
                        receiver,
                        &stream,
                        &notification.dedup_key,
                        &kind,
                        &now,
                        &message,
                    ],
                )
                .await
                .map_err(while_("queue a drill"))?;
        }
    }
    transaction.commit().await.map_err(while_("queue a drill"))?;
    tracing::info!(by = caller.name, receivers = wanted.join(", "), "drill");
    Ok(Json(AffectedCount { count: wanted.len() }))
}

fn drill_notification(receiver: &str, kind: NotifyKind, by: &str, now: Instant) -> Notification {
    let at = timestamp(now);
    let pairs = |pairs: &[(&str, &str)]| -> LabelSet {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let at_text = now.to_string();
    // Two drills at once are two incidents.
    let labels = pairs(&[
        ("alertname", "FleetledgerDrill"),
        ("severity", "info"),
        ("at", at_text.as_str()),
    ]);
    let summary = format!("this is a drill requested by {by}: nothing is wrong");
    let is_end = kind == NotifyKind::Resolve;
    let key = dedup_key(&stream_id(receiver, &labels), 1);
    Notification {
        idempotency_key: format!("{key}:{}", kind.as_str()),
        receiver: receiver.to_owned(),
        kind,
        reason: if is_end {
            NotifyReason::Resolved
        } else {
            NotifyReason::New
        },
        decided_at: at,
        dedup_key: key,
        alerts: vec![Alert {
            annotations: pairs(&[("summary", summary.as_str())]),
            labels: labels.clone(),
            value: None,
            starts_at: at,
            ends_at: is_end.then_some(at),
            links: AlertLinks::default(),
        }],
        group_key: labels,
        alerts_total: 1,
        by: None,
        suppressed_episodes: 0,
        wake: 0,
    }
}

pub(super) fn read_matchers(texts: &[String]) -> Result<Vec<Matcher>, HttpFailure> {
    texts
        .iter()
        .map(|text| text.parse::<Matcher>().map_err(HttpFailure::bad))
        .collect()
}

fn read(row: &Row) -> AlertRow {
    let instant = |column: usize| row.get::<_, Option<Instant>>(column).map(|at| at.to_string());
    let (labels, annotations) = (texts(row.get::<_, Value>(4)), texts(row.get::<_, Value>(5)));
    AlertRow {
        rule: row.get(0),
        fingerprint: row.get(1),
        alertname: row.get(2),
        condition: row.get(3),
        severity: labels.get("severity").cloned(),
        summary: annotations.get("summary").cloned(),
        value: row.get(6),
        active_at: instant(7),
        fired_at: instant(8),
        snoozed_until: instant(9),
        acked_by: row.get(10),
        held_reason: row.get(11),
        inhibited_by: row.get(12),
        shadow: row.get(13),
        notifications: row.get(14),
        receivers: row.get(15),
        labels,
        annotations,
    }
}

/// Instances are kept for a day after they were resolved.
const RESOLVED_WITH_LABELS_TEMPLATE: &str =
    "where labels @> $1 and condition = 'resolved' order by resolved_at desc, fingerprint limit $2";

const OPEN_WITH_LABELS_TEMPLATE: &str = "
    where labels @> $1 and condition in ('pending', 'firing', 'recovering')
    order by condition = 'pending', fired_at desc nulls last, alertname, fingerprint limit $2";

const READ_RULE_QUERY: &str = "select query_text, last_error from ledger.rule where rule = $1";

const READ_INSTANCE_EVENTS: &str = "
    select slot, event, reason, receiver, by_whom from ledger.alert_event
    where rule = $1 and fingerprint = $2 order by slot desc, alert_event_id desc limit 200";

const INSERT_ACKS: &str = "
    insert into ledger.alert_ack (rule, fingerprint, acked_by, reason, acked_at)
    select r, f, $3, $4, clock_timestamp() from unnest($1::text[], $2::text[]) as u (r, f)";

const QUEUE_DRILL: &str = "
    insert into ledger.outbox (idempotency_key, receiver, stream_id, dedup_key, incarnation, kind, reason, slot,
        message, due_at, queued_at)
    values ($1, $2, $3, $4, 1, $5, 'drill', $6, $7, $6, $6)";
