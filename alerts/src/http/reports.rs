//! Reports, and any query asked once.

use std::{collections::BTreeMap, path, sync::Arc};

use axum::{
    Extension, Json,
    extract::{Path, Query as Parameters, State},
    response::Response,
};
use fleetledger_queries::{
    HttpErrorBody, HttpFailure, StoredQuery, prepare::refuse_forbidden_calls, report::ReportRule,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    AlertsApi, AlertsCaller, CallerRole, OperatorCaller,
    query_response::{QueryResponse, ResponseFormat, failure, run_query},
};

/// A saved query.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ReportRow {
    /// What it is asked by: its file's name without `.sql`.
    pub name: String,
    /// Its title.
    pub title: String,
    /// One sentence about it.
    pub description: Option<String>,
    /// What may be asked.
    pub parameters: Vec<ParameterRow>,
}

/// A parameter of a report.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ParameterRow {
    /// Its name.
    pub name: String,
    /// text, integer, number, boolean, instant or duration.
    pub r#type: String,
    /// Its value where none is given; `null` = it must be given.
    pub default: Option<String>,
    /// What it means.
    pub help: String,
}

/// A query to ask once, as a file holds it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RunRequest {
    /// Name of the file, such as `node-not-ready.sql`.
    pub file: String,
    /// What it holds, front matter and all.
    pub text: String,
    /// Values of a report's parameters.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// As of this instant (RFC 3339) in place of now.
    #[serde(default)]
    pub as_of: Option<String>,
}

/// All reports.
#[utoipa::path(get, path = "/api/v1/reports", tag = "reports", responses((status = 200, body = Vec<ReportRow>)))]
pub(crate) async fn list(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
) -> Result<Json<Vec<ReportRow>>, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let catalogue = Arc::clone(&api.rules.borrow().catalogue);
    Ok(Json(
        catalogue
            .reports()
            .map(|(query, rule)| row(query, rule))
            .collect(),
    ))
}

/// Asks a report. Its parameters stand in the query by their names, such as `?datacenter=dfw&rows=10`; beside them
/// `as_of` asks as of an instant, and `format=csv` for a file.
#[utoipa::path(get, path = "/api/v1/reports/{report}", tag = "reports",
    params(
        ("report" = String, Path, description = "Name of the report."),
        ("as_of" = Option<String>, Query, description = "Instant of the report (RFC 3339); default: now."),
        ("format" = Option<String>, Query, description = "json or csv."),
        ("parameters" = Option<BTreeMap<String, String>>, Query, description = "Parameters of the report, by name.")
    ),
    responses((status = 200, body = QueryResponse), (status = 400, body = HttpErrorBody), (status = 404, body = HttpErrorBody),
        (status = 422, description = "PostgreSQL refused the query.", body = HttpErrorBody),
        (status = 503, description = "The database is unavailable or busy.", body = HttpErrorBody),
        (status = 504, description = "The query exceeded its timeout.", body = HttpErrorBody)))]
pub(crate) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Path(name): Path<String>,
    Parameters(mut values): Parameters<BTreeMap<String, String>>,
) -> Result<Response, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    let catalogue = Arc::clone(&api.rules.borrow().catalogue);
    let report = catalogue.get(&name).filter(|query| query.report().is_some());
    let Some(report) = report else {
        let names: Vec<&str> = catalogue.reports().map(|(query, _)| query.id.as_str()).collect();
        return Err(HttpFailure::not_found(format!(
            "report `{name}` not found; there are {}",
            names.join(", ")
        )));
    };
    let (as_of, format) = (values.remove("as_of"), values.remove("format"));
    let format = ResponseFormat::read(format.as_deref())?;
    run_query(&api, report, &values, as_of.as_deref(), format).await
}

/// Asks any query once, as the reader; nothing is kept of it. What is wrong with its text is said by line.
#[utoipa::path(post, path = "/api/v1/rules/run", tag = "rules", request_body = RunRequest,
    responses((status = 200, body = QueryResponse), (status = 400, body = HttpErrorBody), (status = 403, body = HttpErrorBody),
        (status = 422, description = "PostgreSQL refused the query.", body = HttpErrorBody),
        (status = 503, description = "The database is unavailable or busy.", body = HttpErrorBody),
        (status = 504, description = "The query exceeded its timeout.", body = HttpErrorBody)))]
pub(crate) async fn run(
    State(api): State<AlertsApi>,
    OperatorCaller(caller): OperatorCaller,
    Json(request): Json<RunRequest>,
) -> Result<Response, HttpFailure> {
    let parsed = fleetledger_queries::parse(path::Path::new(&request.file), "run", &request.text);
    let query = Arc::new(parsed.map_err(|refusals| {
        let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        HttpFailure::bad(lines.join("\n"))
    })?);
    tracing::info!(caller = caller.name, query = %query.id, "a query is run by hand");
    // No file of the folder: nobody has judged what it calls.
    refuse_forbidden_calls(&api.reader, &query)
        .await
        .map_err(failure)?;
    let as_of = request.as_of.as_deref();
    run_query(&api, &query, &request.parameters, as_of, ResponseFormat::Json).await
}

fn row(query: &StoredQuery, rule: &ReportRule) -> ReportRow {
    let parameter = |parameter: &fleetledger_queries::report::ReportParameter| ParameterRow {
        name: parameter.name.clone(),
        r#type: parameter.parameter_type.as_str().to_owned(),
        default: parameter.default.clone(),
        help: parameter.help.clone(),
    };
    ReportRow {
        name: query.id.to_string(),
        title: rule.report.clone(),
        description: query.description.clone(),
        parameters: rule.parameters.iter().map(parameter).collect(),
    }
}
