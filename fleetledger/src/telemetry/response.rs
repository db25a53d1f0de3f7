//! What every response carries, and how large it may be.

use axum::{
    Router,
    body::{Body, HttpBody as _},
    extract::Request,
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS},
    },
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
};
use fleetledger_queries::HttpFailure;

/// Largest response that is made in one piece, in bytes. An export that is written while it is read has no such bound.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// The routes, with what every response of them carries: browsers guess no type, keep nothing, and, where this server
/// speaks TLS, come back with TLS alone for a year.
pub(super) fn guarded(router: Router, has_tls: bool) -> Router {
    router.layer(from_fn(move |request: Request, next: Next| async move {
        let mut response = bounded(next.run(request).await);
        let headers = response.headers_mut();
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if has_tls {
            let a_year = HeaderValue::from_static("max-age=31536000");
            headers.insert(STRICT_TRANSPORT_SECURITY, a_year);
        }
        response
    }))
}

fn bounded(response: Response<Body>) -> Response {
    match response.body().size_hint().exact() {
        Some(bytes) if bytes > MOST_BYTES => HttpFailure::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("the response has {bytes} bytes, more than the limit of {MOST_BYTES}; request less"),
        )
        .into_response(),
        _ => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_beyond_its_bound_is_a_sentence() {
        let large = vec![b'x'; usize::try_from(MOST_BYTES).unwrap() + 1];
        assert_eq!(
            bounded(large.into_response()).status(),
            StatusCode::UNPROCESSABLE_ENTITY
        );
        assert_eq!(bounded(vec![b'x'; 100].into_response()).status(), StatusCode::OK);
    }
}
