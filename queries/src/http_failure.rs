//! What a request that failed is answered with.
//!
//! It lives here because every room with HTTP routes runs stored SQL and depends on this one; a client then reads one
//! shape of error, whichever room answered. How a room's own error becomes a status stays with that error.

use std::fmt;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of a response that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HttpErrorBody {
    /// What is wrong, and what to do.
    pub error: String,
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpFailure {
    /// How the response begins.
    pub status: StatusCode,
    /// What is wrong, and what to do.
    pub error: String,
}

impl HttpFailure {
    /// A failure of any status.
    pub fn new(status: StatusCode, error: impl fmt::Display) -> Self {
        Self {
            status,
            error: error.to_string(),
        }
    }

    /// 400: the request asks for what cannot be.
    pub fn bad(error: impl fmt::Display) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// 403: the caller's token is of a lesser role than `role`.
    pub fn forbidden(role: &str) -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            format!("this requires a token of role {role}"),
        )
    }

    /// 404: there is no such thing.
    pub fn not_found(error: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// 500: what PostgreSQL says of our own statements is for the log, which the caller has written.
    #[must_use]
    pub fn database() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the database could not be queried; see the console's log",
        )
    }
}

impl IntoResponse for HttpFailure {
    fn into_response(self) -> Response {
        (self.status, Json(HttpErrorBody { error: self.error })).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failure_is_answered_with_its_status_and_one_field() {
        let response = HttpFailure::forbidden("admin").into_response();
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        let body = axum::body::to_bytes(response.into_body(), 1_000).await.unwrap();
        assert_eq!(&body[..], br#"{"error":"this requires a token of role admin"}"#);
    }
}
