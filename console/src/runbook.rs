//! Runbooks, read from their folder each time: what is mended is seen at once.

use std::io::ErrorKind;

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use fleetledger_alerts::http::{AlertsApi, AlertsCaller, CallerRole};
use fleetledger_queries::HttpFailure;

use crate::{
    layout::{HtmlPage, page_response},
    markdown,
};

/// One runbook.
pub(crate) async fn show(
    State(api): State<AlertsApi>,
    Extension(caller): Extension<AlertsCaller>,
    Path(name): Path<String>,
) -> Response {
    page_response(page(&api, &caller, &name).await)
}

async fn page(api: &AlertsApi, caller: &AlertsCaller, name: &str) -> Result<HtmlPage, HttpFailure> {
    caller.must_be(CallerRole::Viewer)?;
    // A name of the folder and nothing else: no dots, no slashes.
    let is_name = |one: char| one.is_ascii_alphanumeric() || one == '-' || one == '_';
    let missing =
        || HttpFailure::not_found(format!("runbook {name} not found in {}", api.runbooks.display()));
    if name.is_empty() || !name.chars().all(is_name) {
        return Err(missing());
    }
    let file = api.runbooks.join(format!("{name}.md"));
    let text = tokio::fs::read_to_string(&file)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => missing(),
            _ => {
                tracing::error!(file = %file.display(), %error, "a runbook cannot be read");
                HttpFailure::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("{} cannot be read: {error}", file.display()),
                )
            }
        })?;
    let (title, body) = markdown::html(&text);
    Ok(HtmlPage {
        title: title.unwrap_or_else(|| name.to_owned()),
        body,
        reload_seconds: None,
    })
}
