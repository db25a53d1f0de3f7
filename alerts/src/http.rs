//! The HTTP API of alerts, snoozes, rules and reports, and the pages that notifications link to; the binary mounts it beside the other rooms' and says who calls.

mod alerts;
mod answer;
mod page;
mod reports;
mod rules;
mod snoozes;

use std::{fmt, path::PathBuf, sync::Arc};

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use deadpool_postgres::{Object, Pool};
use fleetledger_queries::Reader;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{errors::AlertsError, links::Places, receivers::Receivers, rules::RuleSet};

pub use alerts::{AckRequest, AlertDetail, AlertRow, Counted, DrillRequest, Happening};
pub use answer::{Answer, AnswerColumn};
pub use reports::{ParameterRow, ReportRow, RunRequest};
pub use rules::{RuleDetail, RuleRow, RunRow};
pub use snoozes::{SnoozeRequest, SnoozeRow};

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// Connections of the evaluator's role.
    pub pool: Pool,
    /// Connections of the reader's role, which no evaluator waits for.
    pub reader: Reader,
    /// Rules as the folder holds them.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// Who can be told.
    pub receivers: Receivers,
    /// Where links lead to.
    pub places: Places,
    /// Folder of the run books.
    pub runbooks: PathBuf,
}

/// Who calls; the binary puts it into each request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token's owner.
    pub name: String,
    /// What they may do.
    pub role: Role,
}

/// What somebody may do; each may do what the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look at everything.
    Viewer,
    /// Snooze, acknowledge, run queries.
    Operator,
    /// Everything.
    Admin,
}

/// All routes of this room: the API below `/api/v1`, and pages.
pub fn router(api: Api) -> OpenApiRouter {
    OpenApiRouter::from(page::router(api.clone())).merge(api_router(api))
}

fn api_router(api: Api) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(alerts::list))
        .routes(routes!(alerts::show))
        .routes(routes!(alerts::acknowledge))
        .routes(routes!(alerts::drill))
        .routes(routes!(snoozes::list, snoozes::create))
        .routes(routes!(snoozes::end))
        .routes(routes!(rules::list))
        .routes(routes!(rules::show))
        .routes(routes!(reports::run))
        .routes(routes!(reports::list))
        .routes(routes!(reports::show))
        .with_state(api)
}

/// An answer that is none.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    error: String,
}

/// What a failure looks like.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What is wrong, and what to do.
    pub error: String,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, error: impl fmt::Display) -> Self {
        Self {
            status,
            error: error.to_string(),
        }
    }

    pub(crate) fn bad(error: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    pub(crate) fn not_found(error: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.status, Json(Problem { error: self.error })).into_response()
    }
}

impl From<AlertsError> for Failure {
    fn from(error: AlertsError) -> Self {
        match &error {
            AlertsError::NotFound(_) => Self::not_found(error),
            AlertsError::Refused(_) => Self::bad(error),
            // What PostgreSQL says of our own statements is for the log.
            _ => {
                tracing::error!(error = error.chain(), "a request failed");
                Self::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the database could not be asked; see the console's log",
                )
            }
        }
    }
}

impl Caller {
    /// Refuses who may not.
    pub(crate) fn must_be(&self, role: Role) -> Result<(), Failure> {
        if self.role >= role {
            return Ok(());
        }
        let wanted = match role {
            Role::Viewer => "viewer",
            Role::Operator => "operator",
            Role::Admin => "admin",
        };
        Err(Failure::new(
            StatusCode::FORBIDDEN,
            format!("this takes a token of role {wanted}"),
        ))
    }
}

impl Api {
    pub(crate) async fn client(&self) -> Result<Object, Failure> {
        let step = "answer a request";
        Ok(self
            .pool
            .get()
            .await
            .map_err(|source| AlertsError::Pool { step, source })?)
    }
}
