//! Rules: list, show.

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use fleetledger_queries::{HttpErrorBody, HttpFailure};
use fleetledger_schema::instant::Instant;
use serde::{Deserialize, Serialize};
use tokio_postgres::Row;
use utoipa::ToSchema;

use super::{AlertsApi, AlertsCaller, CallerRole};
use crate::errors::while_;

/// A stored query that runs on schedule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RuleRow {
    /// Its id.
    pub rule: String,
    /// alert, record or rollup; empty where no version of a refused file was ever read.
    pub kind: String,
    /// Name of the alert, of the series, or of the rollup.
    pub name: String,
    /// Group it belongs to.
    pub group: String,
    /// new, ok, error, refused or removed.
    pub state: String,
    /// live, shadow or disabled.
    pub mode: String,
    /// Severity of its alerts.
    pub severity: Option<String>,
    /// Newest slot it was run for.
    pub last_slot: Option<String>,
    /// How long its query took then, in seconds.
    pub last_seconds: Option<f64>,
    /// Rows it gave then.
    pub last_rows: Option<i64>,
    /// What went wrong then.
    pub last_error: Option<String>,
    /// Slots in a row at which its query failed.
    pub failures: i32,
    /// How often it runs, in seconds.
    pub interval_seconds: f64,
    /// What is wrong with its file, where that is refused.
    #[serde(default)]
    pub refused_reason: Option<String>,
    /// Since when it is refused.
    #[serde(default)]
    pub refused_since: Option<String>,
    /// Whether a version of it is evaluated: of a refused file the one that was read before.
    #[serde(default)]
    pub evaluated: bool,
}

/// A rule with its SQL and its newest runs.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RuleDetail {
    /// The rule.
    pub rule: RuleRow,
    /// File it was read from.
    pub file: String,
    /// Its SQL.
    pub query_text: String,
    /// Its newest runs, the newest first.
    pub runs: Vec<RunRow>,
}

/// One run of a rule.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunRow {
    /// Slot.
    pub slot: String,
    /// ok or error.
    pub outcome: String,
    /// What went wrong.
    pub error: Option<String>,
    /// How long the query took, in seconds.
    pub query_seconds: f64,
    /// Rows it gave.
    pub rows: i64,
    /// Alerts it changed.
    pub changed: i64,
    /// Notifications it queued.
    pub queued: i64,
}

const READ_RULES: &str = "
    select rule, coalesce(kind, ''), coalesce(rule_name, ''), coalesce(rule_group, ''), state, coalesce(mode, 'live'), severity,
        last_slot, last_seconds, last_rows, last_error, coalesce(failures, 0), coalesce(interval_seconds, 0), file,
        coalesce(query_text, ''), refused_reason, refused_since, kind is not null and removed_at is null
    from fleet.rule";

/// Those whose files are gone are left out.
const IS_OF_THE_FOLDER: &str = "(removed_at is null or state = 'refused')";

/// Rules that run on schedule.
#[utoipa::path(get, path = "/api/v1/rules", tag = "rules", responses((status = 200, body = Vec<RuleRow>)))]
pub(crate) async fn list(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
) -> Result<Json<Vec<RuleRow>>, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    Ok(Json(all(&api).await?))
}

/// Rules that run on schedule.
///
/// # Errors
/// The database's.
pub async fn all(api: &AlertsApi) -> Result<Vec<RuleRow>, HttpFailure> {
    let client = api.client().await?;
    let ask = format!("{READ_RULES} where {IS_OF_THE_FOLDER} order by state <> 'refused', kind, rule");
    let rows = client.query(&ask, &[]).await.map_err(while_("list the rules"))?;
    Ok(rows.iter().map(read).collect())
}

/// One rule, with its SQL and its newest runs.
#[utoipa::path(get, path = "/api/v1/rules/{rule}", tag = "rules", params(("rule" = String, Path)),
    responses((status = 200, body = RuleDetail), (status = 404, body = HttpErrorBody)))]
pub(crate) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Path(rule): Path<String>,
) -> Result<Json<RuleDetail>, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    Ok(Json(detail(&api, &rule).await?))
}

/// One rule, with its SQL and its newest runs.
///
/// # Errors
/// 404 where there is none; the database's.
pub async fn detail(api: &AlertsApi, rule: &str) -> Result<RuleDetail, HttpFailure> {
    let client = api.client().await?;
    let ask = format!("{READ_RULES} where rule = $1");
    let row = client
        .query_opt(&ask, &[&rule])
        .await
        .map_err(while_("show a rule"))?;
    let row = row.ok_or_else(|| HttpFailure::not_found(format!("rule {rule} not found")))?;
    let runs = client
        .query(READ_RULE_RUNS, &[&rule])
        .await
        .map_err(while_("show a rule"))?;
    Ok(RuleDetail {
        rule: read(&row),
        file: row.get(13),
        query_text: row.get(14),
        runs: runs
            .iter()
            .map(|row| RunRow {
                slot: row.get::<_, Instant>(0).to_string(),
                outcome: row.get(1),
                error: row.get(2),
                query_seconds: row.get(3),
                rows: row.get(4),
                changed: row.get(5),
                queued: row.get(6),
            })
            .collect(),
    })
}

fn read(row: &Row) -> RuleRow {
    RuleRow {
        rule: row.get(0),
        kind: row.get(1),
        name: row.get(2),
        group: row.get(3),
        state: row.get(4),
        mode: row.get(5),
        severity: row.get(6),
        last_slot: row.get::<_, Option<Instant>>(7).map(|at| at.to_string()),
        last_seconds: row.get(8),
        last_rows: row.get(9),
        last_error: row.get(10),
        failures: row.get(11),
        interval_seconds: row.get(12),
        refused_reason: row.get(15),
        refused_since: row.get::<_, Option<Instant>>(16).map(|at| at.to_string()),
        evaluated: row.get(17),
    }
}

const READ_RULE_RUNS: &str = "
    select slot, outcome, error, query_seconds, rows, changed, queued
    from ledger.rule_run where rule = $1 order by slot desc limit 20";
