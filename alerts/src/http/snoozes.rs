//! Snoozes and planned silences.

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use fleetledger_paging::{AlertSnooze, snooze::SnoozeKind};
use fleetledger_queries::{HttpErrorBody, HttpFailure};
use fleetledger_schema::instant::Instant;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AlertsApi, AlertsCaller, CallerRole, OperatorCaller, alerts::read_matchers};
use crate::{
    errors::while_,
    rule_set,
    store::{read_snooze, timestamp},
};

/// What is to be quiet, and for how long.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SnoozeRequest {
    /// Label matchers, all of which must hold, such as `alertname=NodeNotReporting`, `node=~"n[12]"`.
    pub matchers: Vec<String>,
    /// For how long, in seconds; 30 days at most.
    pub for_seconds: u64,
    /// Why.
    pub reason: String,
    /// When it begins, in RFC 3339: a planned silence, which lasts to its end. Now, if not given.
    #[serde(default)]
    pub from: Option<String>,
}

/// A snooze or planned silence.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SnoozeRow {
    /// Its number.
    pub id: i64,
    /// snooze or silence.
    pub kind: String,
    /// Label matchers.
    pub matchers: Vec<String>,
    /// When it begins.
    pub from: String,
    /// When it ends.
    pub until: String,
    /// Who snoozed.
    pub owner: String,
    /// Why.
    pub reason: String,
}

impl SnoozeRow {
    fn of(snooze: &AlertSnooze) -> Self {
        Self {
            id: snooze.id.parse().unwrap_or_default(),
            kind: kind(snooze.kind).to_owned(),
            matchers: snooze.matchers.iter().map(ToString::to_string).collect(),
            from: snooze.from.to_string(),
            until: snooze.until.to_string(),
            owner: snooze.owner.clone(),
            reason: snooze.reason.clone(),
        }
    }
}

fn kind(kind: SnoozeKind) -> &'static str {
    match kind {
        SnoozeKind::Snooze => "snooze",
        SnoozeKind::Silence => "silence",
    }
}

/// Snoozes and silences that have not ended.
#[utoipa::path(get, path = "/api/v1/snoozes", tag = "snoozes", responses((status = 200, body = Vec<SnoozeRow>)))]
pub(crate) async fn list(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
) -> Result<Json<Vec<SnoozeRow>>, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let client = api.client().await?;
    let rows = client
        .query(READ_SNOOZES, &[])
        .await
        .map_err(while_("list the snoozes"))?;
    let snoozes = rows.iter().map(|row| Ok(SnoozeRow::of(&read_snooze(row)?)));
    Ok(Json(snoozes.collect::<Result<_, crate::errors::AlertsError>>()?))
}

/// Snoozes. Counts from the next slot on.
#[utoipa::path(post, path = "/api/v1/snoozes", tag = "snoozes", request_body = SnoozeRequest,
    responses((status = 201, body = SnoozeRow), (status = 400, body = HttpErrorBody)))]
pub(crate) async fn create(
    State(api): State<AlertsApi>,
    OperatorCaller(caller): OperatorCaller,
    Json(request): Json<SnoozeRequest>,
) -> Result<(StatusCode, Json<SnoozeRow>), HttpFailure> {
    let client = api.client().await?;
    let now = rule_set::now(&client).await?;
    let from = match &request.from {
        None => now,
        Some(text) => Instant::parse(text).ok_or_else(|| {
            HttpFailure::bad(format!(
                "{text:?} is not an instant; write it as in 2026-01-31T22:00:00Z"
            ))
        })?,
    };
    let length = i64::try_from(Duration::from_secs(request.for_seconds).as_micros()).unwrap_or(i64::MAX);
    let mut snooze = AlertSnooze {
        id: String::new(),
        kind: if request.from.is_some() {
            SnoozeKind::Silence
        } else {
            SnoozeKind::Snooze
        },
        matchers: read_matchers(&request.matchers)?,
        owner: caller.name.clone(),
        reason: request.reason,
        from: timestamp(from),
        until: timestamp(from.plus_micros(length)),
        ended_at: None,
    };
    snooze.check().map_err(HttpFailure::bad)?;
    let matchers = serde_json::json!(snooze.matchers);
    let until = Instant::from_timestamp(snooze.until);
    let row = client
        .query_one(
            INSERT_SNOOZE,
            &[
                &kind(snooze.kind),
                &matchers,
                &from,
                &until,
                &snooze.owner,
                &snooze.reason,
                &now,
            ],
        )
        .await
        .map_err(while_("store a snooze"))?;
    snooze.id = row.get::<_, i64>(0).to_string();
    tracing::info!(by = caller.name, snooze = snooze.id, until = %snooze.until, reason = snooze.reason, "snoozed");
    Ok((StatusCode::CREATED, Json(SnoozeRow::of(&snooze))))
}

/// Ends a snooze now: what still fires is notified again at the next slot.
#[utoipa::path(delete, path = "/api/v1/snoozes/{id}", tag = "snoozes", params(("id" = i64, Path)),
    responses((status = 200, body = SnoozeRow), (status = 404, body = HttpErrorBody)))]
pub(crate) async fn end(
    State(api): State<AlertsApi>,
    OperatorCaller(caller): OperatorCaller,
    id: Result<Path<i64>, PathRejection>,
) -> Result<Json<SnoozeRow>, HttpFailure> {
    let Path(id) = id.map_err(|_| {
        HttpFailure::not_found("a snooze is named by its number; see fleetledger alerts snoozes")
    })?;
    let client = api.client().await?;
    let row = client
        .query_opt(END_SNOOZE, &[&id, &caller.name])
        .await
        .map_err(while_("end a snooze"))?;
    let row =
        row.ok_or_else(|| HttpFailure::not_found(format!("snooze {id} not found, or already ended")))?;
    tracing::info!(by = caller.name, snooze = id, "unsnoozed");
    Ok(Json(SnoozeRow::of(&read_snooze(&row)?)))
}

const READ_SNOOZES: &str = "
    select snooze_id, kind, matchers, created_by, reason, from_at, until_at, ended_at
    from ledger.snooze where ended_at is null and until_at > clock_timestamp() order by until_at, snooze_id";

const INSERT_SNOOZE: &str = "
    insert into ledger.snooze (kind, matchers, from_at, until_at, created_by, reason, created_at)
    values ($1, $2, $3, $4, $5, $6, $7) returning snooze_id";

const END_SNOOZE: &str = "
    update ledger.snooze set ended_at = clock_timestamp(), ended_by = $2, ended_reason = 'unsnoozed'
    where snooze_id = $1 and ended_at is null and until_at > clock_timestamp()
    returning snooze_id, kind, matchers, created_by, reason, from_at, until_at, ended_at";
