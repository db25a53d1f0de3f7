//! The HTTP API of cost; the binary mounts it beside the other rooms' and says who calls.

use axum::{
    Extension, Json,
    extract::{FromRequestParts, Query, State, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use deadpool_postgres::{Object, Pool};
use fleetledger_queries::{HttpErrorBody, HttpFailure, ReaderPool};
use fleetledger_schema::instant::Instant;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    allocation::{
        AllocationParameters, opencost,
        shape::AllocationResponse,
        store::{answer, default_share},
        window::CostWindow,
    },
    definitions::CostDefinitions,
    errors::CostError,
    focus, rating,
    store::{self, ClosedMonth, DefinitionChanges},
    unmatched,
};

/// What the API works with.
#[derive(Clone)]
pub struct CostApi {
    /// Connections of the evaluator's role, which books.
    pub pool: Pool,
    /// Connections of the reader's role, which answers.
    pub reader: ReaderPool,
}

/// Who calls; the binary puts it into each request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CostCaller {
    /// Name of the token's owner.
    pub name: String,
    /// True if prices may be applied, hours rated again and months closed.
    pub may_apply: bool,
}

const CSV: &str = "text/csv; charset=utf-8";

/// Hours that one request rates again at most: a request is answered within a minute or two.
const HOURS_AT_ONCE: i64 = 24;

/// All routes of this room.
pub fn router(api: CostApi) -> OpenApiRouter {
    let mut router = OpenApiRouter::new();
    for path in opencost::PATHS {
        router = router.route(path, get(opencost_allocation));
    }
    router
        .routes(routes!(allocation))
        .routes(routes!(focus_export))
        .routes(routes!(apply))
        .routes(routes!(check))
        .routes(routes!(close))
        .routes(routes!(rerate))
        .with_state(api)
}

/// A month to close.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CloseRequest {
    /// The month, such as 2026-04.
    pub month: String,
}

/// Hours to rate again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RerateRequest {
    /// Begin, RFC 3339.
    pub from: String,
    /// End, exclusive; at most 24 hours later.
    pub to: String,
}

/// What nothing in the ledger matches.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct UnmatchedResponse {
    /// A sentence for each class of nodes and each label of `cost.rollup_labels`.
    pub unmatched: Vec<String>,
}

/// Hours that were rated again.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct RerateResponse {
    /// How many.
    pub hours: usize,
}

/// Cost by whatever it is asked by, in OpenCost's shape.
#[utoipa::path(get, path = "/api/allocation", tag = "cost", params(AllocationParameters), responses(
    (status = 200, body = AllocationResponse), (status = 400, body = HttpErrorBody), (status = 422, body = HttpErrorBody)))]
async fn allocation(
    State(api): State<CostApi>,
    Extension(_): Extension<CostCaller>,
    parameters: Result<Query<AllocationParameters>, QueryRejection>,
) -> Result<Response, HttpFailure> {
    let Query(parameters) = parameters.map_err(|error| HttpFailure::bad(error.body_text()))?;
    let answer = api.answer(&parameters).await?;
    Ok(match answer {
        AllocationAnswer::Csv(text) => csv(text),
        AllocationAnswer::Json(answer) => Json(answer).into_response(),
    })
}

/// The same for OpenCost's clients, where they look for it: numbers where their types have numbers, labels as a map.
async fn opencost_allocation(
    State(api): State<CostApi>,
    Extension(_): Extension<CostCaller>,
    parameters: Result<Query<AllocationParameters>, QueryRejection>,
) -> Result<Response, HttpFailure> {
    let Query(parameters) = parameters.map_err(|error| HttpFailure::bad(error.body_text()))?;
    let answer = api.answer(&opencost::with_defaults(parameters)).await?;
    Ok(match answer {
        AllocationAnswer::Csv(text) => csv(text),
        AllocationAnswer::Json(answer) => Json(opencost::response(&answer)).into_response(),
    })
}

fn csv(text: String) -> Response {
    ([(CONTENT_TYPE, CSV)], text).into_response()
}

/// A window of the export.
#[derive(Debug, Clone, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct FocusParameters {
    /// Window of time, as in /api/allocation.
    pub window: String,
}

/// Cost by hour, line and resource in the columns of FOCUS 1.2, with those of 1.3 for split cost, as CSV.
#[utoipa::path(get, path = "/api/v1/cost/focus", tag = "cost", params(FocusParameters), responses(
    (status = 200, body = String, content_type = "text/csv"), (status = 400, body = HttpErrorBody)))]
async fn focus_export(
    State(api): State<CostApi>,
    Extension(_): Extension<CostCaller>,
    parameters: Result<Query<FocusParameters>, QueryRejection>,
) -> Result<Response, HttpFailure> {
    let Query(parameters) = parameters.map_err(|error| HttpFailure::bad(error.body_text()))?;
    let now = Instant::now().to_timestamp().unwrap_or(Timestamp::UNIX_EPOCH);
    let window = CostWindow::parse(&parameters.window, now).map_err(HttpFailure::bad)?;
    let body = focus::csv(&api.reader, window).await?;
    Ok(([(CONTENT_TYPE, CSV)], body).into_response())
}

/// What is answered, in the form that was asked for.
enum AllocationAnswer {
    Json(AllocationResponse),
    Csv(String),
}

/// Makes prices, owners and sharing stand.
#[utoipa::path(post, path = "/api/v1/cost/book", tag = "cost", request_body = CostDefinitions,
    responses((status = 200, body = DefinitionChanges), (status = 400, body = HttpErrorBody)))]
async fn apply(
    State(api): State<CostApi>,
    ApplyingCaller(caller): ApplyingCaller,
    Json(book): Json<CostDefinitions>,
) -> Result<Json<DefinitionChanges>, HttpFailure> {
    let mut client = api.client().await?;
    let mut changes = store::apply(&mut client, &book, &caller.name).await?;
    changes.unmatched = api.unmatched(&book).await?;
    Ok(Json(changes))
}

/// Classes of nodes and labels that no object of the ledger can match; changes nothing.
#[utoipa::path(post, path = "/api/v1/cost/check", tag = "cost", request_body = CostDefinitions,
    responses((status = 200, body = UnmatchedResponse), (status = 400, body = HttpErrorBody)))]
async fn check(
    State(api): State<CostApi>,
    Extension(_): Extension<CostCaller>,
    Json(book): Json<CostDefinitions>,
) -> Result<Json<UnmatchedResponse>, HttpFailure> {
    let unmatched = api.unmatched(&book).await?;
    Ok(Json(UnmatchedResponse { unmatched }))
}

/// Closes a month.
#[utoipa::path(post, path = "/api/v1/cost/months", tag = "cost", request_body = CloseRequest,
    responses((status = 200, body = ClosedMonth), (status = 400, body = HttpErrorBody)))]
async fn close(
    State(api): State<CostApi>,
    ApplyingCaller(caller): ApplyingCaller,
    Json(request): Json<CloseRequest>,
) -> Result<Json<ClosedMonth>, HttpFailure> {
    let client = api.client().await?;
    Ok(Json(store::close(&client, &request.month, &caller.name).await?))
}

/// Rates hours again, by the prices and owners that stand.
#[utoipa::path(post, path = "/api/v1/cost/rerate", tag = "cost", request_body = RerateRequest,
    responses((status = 200, body = RerateResponse), (status = 400, body = HttpErrorBody)))]
async fn rerate(
    State(api): State<CostApi>,
    _: ApplyingCaller,
    Json(request): Json<RerateRequest>,
) -> Result<Json<RerateResponse>, HttpFailure> {
    let read = |key: &str, text: &str| {
        Instant::parse(text).ok_or_else(|| {
            HttpFailure::bad(format!(
                "{key}: `{text}` is not an instant such as 2026-04-01T00:00:00Z"
            ))
        })
    };
    let (from, to) = (read("from", &request.from)?, read("to", &request.to)?);
    if from >= to || to.micros_since(from) > HOURS_AT_ONCE * 3_600_000_000 {
        return Err(HttpFailure::bad(format!(
            "to: is not within {HOURS_AT_ONCE} hours after from"
        )));
    }
    let client = api.client().await?;
    let hours = rating::rerate(&client, from, to, Instant::now()).await?;
    Ok(Json(RerateResponse { hours }))
}

/// A caller who may apply prices. Whoever may not is refused before a byte of the body is read.
struct ApplyingCaller(CostCaller);

impl<S: Sync> FromRequestParts<S> for ApplyingCaller {
    type Rejection = HttpFailure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, HttpFailure> {
        match parts.extensions.get::<CostCaller>() {
            Some(caller) if caller.may_apply => Ok(Self(caller.clone())),
            _ => Err(HttpFailure::forbidden("admin")),
        }
    }
}

impl CostApi {
    async fn answer(&self, parameters: &AllocationParameters) -> Result<AllocationAnswer, HttpFailure> {
        let now = Instant::now().to_timestamp().unwrap_or(Timestamp::UNIX_EPOCH);
        let default = default_share(&self.reader).await?;
        let question = parameters.read(now, &default).map_err(HttpFailure::bad)?;
        let answer = answer(&self.reader, &question).await?;
        Ok(match question.csv {
            true => AllocationAnswer::Csv(answer.csv()),
            false => AllocationAnswer::Json(answer),
        })
    }

    async fn unmatched(&self, book: &CostDefinitions) -> Result<Vec<String>, HttpFailure> {
        let client = self.reader.get().await.map_err(|error| CostError::Connect {
            step: "compare definitions with the ledger",
            why: error.to_string(),
        })?;
        let found = unmatched::of_definitions(&client, book).await?;
        Ok(found.into_sentences())
    }

    async fn client(&self) -> Result<Object, HttpFailure> {
        let client = self.pool.get().await.map_err(|error| CostError::Connect {
            step: "answer a request",
            why: error.to_string(),
        });
        Ok(client?)
    }
}

impl From<CostError> for HttpFailure {
    fn from(error: CostError) -> Self {
        match &error {
            CostError::Refused(_) => Self::bad(error),
            // A text with a NUL, a number out of its range: what was sent is at fault.
            CostError::Database { source, .. }
                if source.code().is_some_and(|code| code.code().starts_with("22")) =>
            {
                Self::bad(
                    "a value cannot be stored: PostgreSQL's text cannot contain NUL characters, and its \
                     numbers have limits",
                )
            }
            CostError::TooLarge(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, error),
            // What PostgreSQL says of our own statements is for the log.
            _ => {
                tracing::error!(error = error.chain(), "a request about cost failed");
                Self::database()
            }
        }
    }
}
