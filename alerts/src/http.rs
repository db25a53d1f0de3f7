//! The HTTP API of alerts, snoozes, rules and reports; the binary mounts it beside the other rooms' and says who calls. The
//! pages that notifications link to are those of room `console/`, which reads what they show through this module.

mod alerts;
mod object_event;
mod query_response;
mod reports;
mod rules;
mod snoozes;

use std::{path::PathBuf, sync::Arc};

use axum::{extract::FromRequestParts, http::request::Parts};
use deadpool_postgres::{Object, Pool};
use fleetledger_queries::{HttpFailure, ReaderPool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{errors::AlertsError, links::LinkTargets, receivers::ReceiverSet, rules::RuleSet};

pub use alerts::{
    AckRequest, AffectedCount, AlertDetail, AlertEvent, AlertRow, DrillRequest, detail as alert_detail,
    open_or_just_resolved,
};
pub use object_event::{ObjectEvent, events_of_labels};
pub use query_response::{QueryResponse, ResponseColumn};
pub use reports::{ParameterRow, ReportRow, RunRequest};
pub use rules::{RuleDetail, RuleRow, RunRow, all as all_rules, detail as rule_detail};
pub use snoozes::{SnoozeRequest, SnoozeRow};

/// What the API works with.
#[derive(Clone)]
pub struct AlertsApi {
    /// Connections of the evaluator's role.
    pub pool: Pool,
    /// Connections of the reader's role, which no evaluator waits for.
    pub reader: ReaderPool,
    /// Rules as the folder holds them.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// Who can be told.
    pub receivers: ReceiverSet,
    /// Where links lead to.
    pub link_targets: LinkTargets,
    /// Folder of the runbooks.
    pub runbooks: PathBuf,
}

/// Who calls; the binary puts it into each request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertsCaller {
    /// Name of the token's owner.
    pub name: String,
    /// What they may do.
    pub role: CallerRole,
}

/// What somebody may do; each may do what the one before may.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CallerRole {
    /// Look at everything.
    Viewer,
    /// Snooze, acknowledge, run queries.
    Operator,
    /// Everything.
    Admin,
}

/// All routes of this room, below `/api/v1`.
pub fn router(api: AlertsApi) -> OpenApiRouter {
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

impl From<AlertsError> for HttpFailure {
    fn from(error: AlertsError) -> Self {
        match &error {
            AlertsError::NotFound(_) => Self::not_found(error),
            AlertsError::Refused(_) => Self::bad(error),
            // A text with a NUL, a number out of its range: what was sent is at fault.
            AlertsError::Database { source, .. } if is_data_fault(source) => Self::bad(
                "a value cannot be stored: PostgreSQL's text cannot contain NUL characters, and its \
                     numbers have limits",
            ),
            // What PostgreSQL says of our own statements is for the log.
            _ => {
                tracing::error!(error = error.chain(), "a request failed");
                Self::database()
            }
        }
    }
}

/// Class 22 of SQLSTATE: data exceptions.
fn is_data_fault(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("22"))
}

impl AlertsCaller {
    /// Refuses who may not.
    ///
    /// # Errors
    /// 403, with the role that it takes.
    pub fn must_be(&self, role: CallerRole) -> Result<(), HttpFailure> {
        if self.role >= role {
            return Ok(());
        }
        let wanted = match role {
            CallerRole::Viewer => "viewer",
            CallerRole::Operator => "operator",
            CallerRole::Admin => "admin",
        };
        Err(HttpFailure::forbidden(wanted))
    }
}

/// A caller who may snooze, acknowledge and run queries. Whoever may not is refused before a byte of the body is read.
pub(crate) struct OperatorCaller(pub(crate) AlertsCaller);

impl<S: Sync> FromRequestParts<S> for OperatorCaller {
    type Rejection = HttpFailure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpFailure> {
        match parts.extensions.get::<AlertsCaller>() {
            Some(caller) => caller
                .must_be(CallerRole::Operator)
                .map(|()| Self(caller.clone())),
            None => Err(HttpFailure::forbidden("operator")),
        }
    }
}

impl AlertsApi {
    pub(crate) async fn client(&self) -> Result<Object, HttpFailure> {
        let step = "answer a request";
        Ok(self
            .pool
            .get()
            .await
            .map_err(|source| AlertsError::Pool { step, source })?)
    }
}
