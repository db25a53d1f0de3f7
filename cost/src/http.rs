//! The HTTP API of cost; the binary mounts it beside the other rooms' and says who calls.

use axum::{
    Extension, Json,
    extract::{Query, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use deadpool_postgres::{Object, Pool};
use fleetledger_queries::Reader;
use fleetledger_schema::instant::Instant;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    allocation::{
        Parameters,
        shape::Answer,
        store::{answer, default_share},
    },
    book::Book,
    errors::CostError,
    rating,
    store::{self, Applied, Closed},
};

/// What the API works with.
#[derive(Clone)]
pub struct Api {
    /// Connections of the evaluator's role, which books.
    pub pool: Pool,
    /// Connections of the reader's role, which answers.
    pub reader: Reader,
}

/// Who calls; the binary puts it into each request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Name of the token's owner.
    pub name: String,
    /// True if prices may be applied, hours rated again and months closed.
    pub may_apply: bool,
}

/// Hours that one request rates again at most: a request is answered within a minute or two.
const HOURS_AT_ONCE: i64 = 24;

/// All routes of this room.
pub fn router(api: Api) -> OpenApiRouter {
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
pub struct Rerated {
    /// How many.
    pub hours: usize,
}

/// What a failure looks like.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[schema(as = CostProblem)]
pub struct Problem {
    /// What is wrong, and what to do.
    pub error: String,
}

/// Cost by whatever it is asked by, in OpenCost's shape.
#[utoipa::path(get, path = "/api/allocation", tag = "cost", params(Parameters), responses(
    (status = 200, body = Answer), (status = 400, body = Problem), (status = 422, body = Problem)))]
async fn allocation(
    State(api): State<Api>,
    Extension(_): Extension<Caller>,
    parameters: Result<Query<Parameters>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Failure> {
    let Query(parameters) = parameters.map_err(|error| Failure::bad(error.body_text()))?;
    let now = Instant::now().to_timestamp().unwrap_or(Timestamp::UNIX_EPOCH);
    let default = default_share(&api.reader).await?;
    let question = parameters.read(now, &default).map_err(Failure::bad)?;
    let answer = answer(&api.reader, &question).await?;
    if question.csv {
        return Ok(([(CONTENT_TYPE, "text/csv; charset=utf-8")], answer.csv()).into_response());
    }
    Ok(Json(answer).into_response())
}

/// Makes prices, owners and sharing stand.
#[utoipa::path(post, path = "/api/v1/cost/book", tag = "cost", request_body = Book,
    responses((status = 200, body = Applied), (status = 400, body = Problem)))]
async fn apply(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(book): Json<Book>,
) -> Result<Json<Applied>, Failure> {
    caller.must_apply()?;
    let mut client = api.client().await?;
    Ok(Json(store::apply(&mut client, &book, &caller.name).await?))
}

/// Closes a month.
#[utoipa::path(post, path = "/api/v1/cost/months", tag = "cost", request_body = CloseRequest,
    responses((status = 200, body = Closed), (status = 400, body = Problem)))]
async fn close(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<CloseRequest>,
) -> Result<Json<Closed>, Failure> {
    caller.must_apply()?;
    let client = api.client().await?;
    Ok(Json(store::close(&client, &request.month, &caller.name).await?))
}

/// Rates hours again, by the prices and owners that stand.
#[utoipa::path(post, path = "/api/v1/cost/rerate", tag = "cost", request_body = RerateRequest,
    responses((status = 200, body = Rerated), (status = 400, body = Problem)))]
async fn rerate(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Json(request): Json<RerateRequest>,
) -> Result<Json<Rerated>, Failure> {
    caller.must_apply()?;
    let read = |key: &str, text: &str| {
        Instant::parse(text).ok_or_else(|| {
            Failure::bad(format!(
                "{key}: `{text}` is no instant such as 2026-04-01T00:00:00Z"
            ))
        })
    };
    let (from, to) = (read("from", &request.from)?, read("to", &request.to)?);
    if from >= to || to.micros_since(from) > HOURS_AT_ONCE * 3_600_000_000 {
        return Err(Failure::bad(format!(
            "to: is not within {HOURS_AT_ONCE} hours after from"
        )));
    }
    let client = api.client().await?;
    let hours = rating::rerate(&client, from, to, Instant::now()).await?;
    Ok(Json(Rerated { hours }))
}

impl Caller {
    fn must_apply(&self) -> Result<(), Failure> {
        match self.may_apply {
            true => Ok(()),
            false => Err(Failure(
                StatusCode::FORBIDDEN,
                "this takes a token of role admin".to_owned(),
            )),
        }
    }
}

impl Api {
    async fn client(&self) -> Result<Object, Failure> {
        let client = self.pool.get().await.map_err(|error| CostError::Connect {
            step: "answer a request",
            why: error.to_string(),
        });
        Ok(client?)
    }
}

/// An answer that is none.
#[derive(Debug)]
struct Failure(StatusCode, String);

impl Failure {
    fn bad(error: impl ToString) -> Self {
        Self(StatusCode::BAD_REQUEST, error.to_string())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(Problem { error: self.1 })).into_response()
    }
}

impl From<CostError> for Failure {
    fn from(error: CostError) -> Self {
        match &error {
            CostError::Refused(_) => Self::bad(error),
            CostError::TooLarge(_) => Self(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()),
            // What PostgreSQL says of our own statements is for the log.
            _ => {
                tracing::error!(error = error.chain(), "a request about cost failed");
                let told = "the database could not be asked; see the console's log";
                Self(StatusCode::INTERNAL_SERVER_ERROR, told.to_owned())
            }
        }
    }
}
