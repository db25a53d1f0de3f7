//! The HTTP API of cost; the binary mounts it beside the other rooms' and says who calls.

use axum::{
    Extension, Json,
    extract::{Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use deadpool_postgres::{Object, Pool};
use fleetledger_queries::{HttpErrorBody, HttpFailure, ReaderPool};
use fleetledger_schema::instant::Instant;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    allocation::{
        AllocationParameters,
        shape::AllocationResponse,
        store::{answer, default_share},
    },
    definitions::CostDefinitions,
    errors::CostError,
    rating,
    store::{self, ClosedMonth, DefinitionChanges},
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

/// Hours that one request rates again at most: a request is answered within a minute or two.
const HOURS_AT_ONCE: i64 = 24;

/// All routes of this room.
pub fn router(api: CostApi) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(allocation))
        .routes(routes!(apply))
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
    parameters: Result<Query<AllocationParameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, HttpFailure> {
    let Query(parameters) = parameters.map_err(|error| HttpFailure::bad(error.body_text()))?;
    let now = Instant::now().to_timestamp().unwrap_or(Timestamp::UNIX_EPOCH);
    let default = default_share(&api.reader).await?;
    let question = parameters.read(now, &default).map_err(HttpFailure::bad)?;
    let answer = answer(&api.reader, &question).await?;
    if question.csv {
        return Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], answer.csv()).into_response());
    }
    Ok(Json(answer).into_response())
}

/// Makes prices, owners and sharing stand.
#[utoipa::path(post, path = "/api/v1/cost/book", tag = "cost", request_body = CostDefinitions,
    responses((status = 200, body = DefinitionChanges), (status = 400, body = HttpErrorBody)))]
async fn apply(
    State(api): State<CostApi>,
    Extension(caller): Extension<CostCaller>,
    Json(book): Json<CostDefinitions>,
) -> Result<Json<DefinitionChanges>, HttpFailure> {
    caller.must_apply()?;
    let mut client = api.client().await?;
    Ok(Json(store::apply(&mut client, &book, &caller.name).await?))
}

/// Closes a month.
#[utoipa::path(post, path = "/api/v1/cost/months", tag = "cost", request_body = CloseRequest,
    responses((status = 200, body = ClosedMonth), (status = 400, body = HttpErrorBody)))]
async fn close(
    State(api): State<CostApi>,
    Extension(caller): Extension<CostCaller>,
    Json(request): Json<CloseRequest>,
) -> Result<Json<ClosedMonth>, HttpFailure> {
    caller.must_apply()?;
    let client = api.client().await?;
    Ok(Json(store::close(&client, &request.month, &caller.name).await?))
}

/// Rates hours again, by the prices and owners that stand.
#[utoipa::path(post, path = "/api/v1/cost/rerate", tag = "cost", request_body = RerateRequest,
    responses((status = 200, body = RerateResponse), (status = 400, body = HttpErrorBody)))]
async fn rerate(
    State(api): State<CostApi>,
    Extension(caller): Extension<CostCaller>,
    Json(request): Json<RerateRequest>,
) -> Result<Json<RerateResponse>, HttpFailure> {
    caller.must_apply()?;
    let read = |key: &str, text: &str| {
        Instant::parse(text).ok_or_else(|| {
            HttpFailure::bad(format!(
                "{key}: `{text}` is no instant such as 2026-04-01T00:00:00Z"
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

impl CostCaller {
    fn must_apply(&self) -> Result<(), HttpFailure> {
        match self.may_apply {
            true => Ok(()),
            false => Err(HttpFailure::forbidden("admin")),
        }
    }
}

impl CostApi {
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
            CostError::TooLarge(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, error),
            // What PostgreSQL says of our own statements is for the log.
            _ => {
                tracing::error!(error = error.chain(), "a request about cost failed");
                Self::database()
            }
        }
    }
}
