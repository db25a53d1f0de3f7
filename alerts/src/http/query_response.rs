//! What a query answered, as JSON or CSV.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use fleetledger_queries::{
    HttpFailure, ResultCell, ResultTable, RunError, StoredQuery,
    report_run::{AskError, run_with_parameters},
};
use fleetledger_schema::instant::Instant;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::AlertsApi;

/// Says `true` where a CSV file holds not all rows.
const EXCEEDED: HeaderName = HeaderName::from_static("fleetledger-exceeded");

/// The rows of a query.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct QueryResponse {
    /// Its columns, in order.
    pub columns: Vec<ResponseColumn>,
    /// Its rows, by column. A number that JSON cannot hold exactly is a text.
    #[schema(value_type = Vec<Object>)]
    pub rows: Vec<Map<String, Value>>,
    /// True if there were more rows than the query's limit; they are left out.
    pub exceeded: bool,
    /// How long the database took, in seconds.
    pub seconds: f64,
}

/// A column.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ResponseColumn {
    /// Its name.
    pub name: String,
    /// PostgreSQL's type.
    pub r#type: String,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ResponseFormat {
    /// One document.
    #[default]
    Json,
    /// A head and a line a row, as RFC 4180 says.
    Csv,
}

impl QueryResponse {
    /// What a table says.
    #[must_use]
    pub fn new(table: &ResultTable) -> Self {
        let names = table.columns.iter().map(|column| &column.name);
        let row = |cells: &Vec<ResultCell>| {
            let pairs = names.clone().zip(cells);
            pairs.map(|(name, cell)| (name.clone(), cell.json())).collect()
        };
        Self {
            columns: table
                .columns
                .iter()
                .map(|column| ResponseColumn {
                    name: column.name.clone(),
                    r#type: column.column_type.to_string(),
                })
                .collect(),
            rows: table.rows.iter().map(row).collect(),
            exceeded: table.exceeded,
            seconds: table.took.as_secs_f64(),
        }
    }
}

impl ResponseFormat {
    /// # Errors
    /// Any other word.
    pub(super) fn read(text: Option<&str>) -> Result<Self, HttpFailure> {
        match text {
            None | Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            Some(other) => Err(HttpFailure::bad(format!(
                "format `{other}` is neither json nor csv"
            ))),
        }
    }
}

/// Asks a query once, with connections that no rule waits for.
pub(super) async fn run_query(
    api: &AlertsApi,
    query: &Arc<StoredQuery>,
    values: &BTreeMap<String, String>,
    as_of: Option<&str>,
    format: ResponseFormat,
) -> Result<Response, HttpFailure> {
    let as_of = as_of.map(instant).transpose()?;
    let table = run_with_parameters(&api.reader, query, values, as_of)
        .await
        .map_err(failure)?;
    Ok(match format {
        ResponseFormat::Json => Json(QueryResponse::new(&table)).into_response(),
        ResponseFormat::Csv => csv_response(query.id.as_str(), &table),
    })
}

fn instant(text: &str) -> Result<Instant, HttpFailure> {
    Instant::parse(text).ok_or_else(|| {
        HttpFailure::bad(format!(
            "as_of `{text}` is not an instant; write it as in 2026-01-31T14:00:00Z"
        ))
    })
}

pub(super) fn failure(error: impl Into<AskError>) -> HttpFailure {
    let error = error.into();
    let status = match &error {
        AskError::Question(_) => StatusCode::BAD_REQUEST,
        AskError::Run(RunError::Refused(_)) => StatusCode::UNPROCESSABLE_ENTITY,
        AskError::Run(RunError::Timeout { .. }) => StatusCode::GATEWAY_TIMEOUT,
        AskError::Run(RunError::Unavailable(_) | RunError::SessionLost(_)) => StatusCode::SERVICE_UNAVAILABLE,
    };
    HttpFailure::new(status, error)
}

fn csv_response(name: &str, table: &ResultTable) -> Response {
    let mut response = (
        [(CONTENT_TYPE, "text/csv; charset=utf-8")],
        csv(table).into_bytes(),
    )
        .into_response();
    let headers = response.headers_mut();
    let exceeded = if table.exceeded { "true" } else { "false" };
    headers.insert(EXCEEDED, HeaderValue::from_static(exceeded));
    if let Ok(file) = HeaderValue::from_str(&format!("attachment; filename=\"{name}.csv\"")) {
        headers.insert(CONTENT_DISPOSITION, file);
    }
    response
}

fn csv(table: &ResultTable) -> String {
    let mut out = String::new();
    csv_line(&mut out, table.columns.iter().map(|column| column.name.clone()));
    for row in &table.rows {
        csv_line(&mut out, row.iter().map(ResultCell::text));
    }
    out
}

fn csv_line(out: &mut String, fields: impl Iterator<Item = String>) {
    for (place, field) in fields.enumerate() {
        if place > 0 {
            out.push(',');
        }
        if field.contains(['"', ',', '\n', '\r']) {
            out.push('"');
            out.push_str(&field.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&field);
        }
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_would_break_a_line_are_quoted() {
        let mut line = String::new();
        let fields = ["plain", "a,b", "say \"x\"", "two\nlines", ""];
        csv_line(&mut line, fields.map(str::to_owned).into_iter());
        assert_eq!(line, "plain,\"a,b\",\"say \"\"x\"\"\",\"two\nlines\",\r\n");
    }
}
