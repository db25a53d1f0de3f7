//! Who is let in: by token, or, where there is none, from this machine alone.

use std::sync::Arc;

use anyhow::Context as _;
use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{AUTHORIZATION, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use fleetledger_alerts::http::{AlertsCaller, CallerRole};
use fleetledger_queries::HttpFailure;
use prometheus::Registry;

use super::{
    failed_logins::{FailedLogins, LoginRefusal},
    tokens::ConsoleTokens,
};
use crate::{
    config::{ConsoleConfig, LoadedConfig},
    telemetry::connections::PeerAddress,
};

/// What a console knows of its callers.
pub(super) struct ConsoleGuard {
    tokens: ConsoleTokens,
    failed_logins: FailedLogins,
}

impl ConsoleGuard {
    /// Reads the tokens.
    ///
    /// # Errors
    /// One that cannot be read.
    pub(super) fn new(
        loaded: &LoadedConfig,
        console: &ConsoleConfig,
        registry: &Registry,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            tokens: ConsoleTokens::new(&console.tokens).map_err(|fault| loaded.explain(fault))?,
            failed_logins: FailedLogins::new(registry).context("count failed logins")?,
        })
    }

    /// Who calls; everybody may where there are no tokens, because then only this machine can.
    async fn caller(&self, request: &Parts) -> Result<AlertsCaller, Response> {
        if self.tokens.is_empty() {
            is_of_this_machine(&request.headers).map_err(IntoResponse::into_response)?;
            return Ok(AlertsCaller {
                name: "local".to_owned(),
                role: CallerRole::Admin,
            });
        }
        let is_page = !request.uri.path().starts_with("/api/");
        let header = request.headers.get(AUTHORIZATION);
        // A browser sends a password along with whatever another site makes it ask for, so with one nothing is changed.
        let is_read = request.method.is_safe();
        let Some(token) = header
            .and_then(|value| value.to_str().ok())
            .and_then(|value| token(value, is_read))
        else {
            return Err(unauthorized(is_page));
        };
        if let Some(caller) = self.tokens.caller(&token) {
            return Ok(caller);
        }
        let peer = request.extensions.get::<PeerAddress>().map(|peer| peer.0);
        Err(match self.failed_logins.refuse(peer).await {
            LoginRefusal::Delayed => unauthorized(is_page),
            LoginRefusal::TooMany => {
                let why = "too many requests with unknown tokens; try again in a few seconds";
                let mut refused = HttpFailure::new(StatusCode::TOO_MANY_REQUESTS, why).into_response();
                refused
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("2"));
                refused
            }
        })
    }
}

/// The token of a header, of either form.
fn token(header: &str, is_read: bool) -> Option<Vec<u8>> {
    match header.strip_prefix("Bearer ") {
        Some(token) => Some(token.trim().as_bytes().to_vec()),
        None => password(header.strip_prefix("Basic ").filter(|_| is_read)?),
    }
}

/// The password of a browser's answer: the token. Whatever name it was given with says nothing.
fn password(encoded: &str) -> Option<Vec<u8>> {
    let decoded = openssl::base64::decode_block(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

fn unauthorized(is_page: bool) -> Response {
    let why = "this requires a token: send Authorization: Bearer …, or in a browser enter it as the \
         password, with any name";
    let mut refused = HttpFailure::new(StatusCode::UNAUTHORIZED, why).into_response();
    if is_page {
        let ask = HeaderValue::from_static("Basic realm=\"fleetledger\", charset=\"UTF-8\"");
        refused.headers_mut().insert(WWW_AUTHENTICATE, ask);
    }
    refused
}

/// Refuses what a page of another site makes a browser of this machine ask: by a name that it had resolved to the
/// loopback, or across origins.
fn is_of_this_machine(headers: &HeaderMap) -> Result<(), HttpFailure> {
    let text = |value: &HeaderValue| value.to_str().map(str::to_ascii_lowercase).unwrap_or_default();
    let host = headers.get(HOST).map(text).unwrap_or_default();
    if !is_loopback(&host) {
        return Err(HttpFailure::new(
            StatusCode::MISDIRECTED_REQUEST,
            "without tokens the console answers only to the host names localhost, 127.0.0.1 and [::1]",
        ));
    }
    let is_same = |origin: String| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority == Some(host.as_str())
    };
    match headers.get_all(ORIGIN).iter().map(text).all(is_same) {
        true => Ok(()),
        false => Err(HttpFailure::new(
            StatusCode::FORBIDDEN,
            "without tokens the console refuses requests from pages of other origins",
        )),
    }
}

fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or((rest, "")),
        None => host.split_once(':').unwrap_or((host, "")),
    };
    let is_port = port
        .trim_start_matches(':')
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    is_port
        && (name == "localhost"
            || name
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback()))
}

/// Lets a request in with its caller, or answers it. Nothing of its body has been read.
pub(super) async fn admit(State(guard): State<Arc<ConsoleGuard>>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let caller = match guard.caller(&parts).await {
        Ok(caller) => caller,
        Err(refused) => return refused,
    };
    // No name in the database holds a NUL.
    if parts.uri.path().contains("%00") {
        return HttpFailure::not_found("nothing has such a name").into_response();
    }
    parts.extensions.insert(fleetledger_cost::http::CostCaller {
        name: caller.name.clone(),
        may_apply: caller.role >= CallerRole::Admin,
    });
    parts.extensions.insert(caller);
    next.run(Request::from_parts(parts, body)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            let name = axum::http::HeaderName::from_static(name);
            (name, value.parse::<HeaderValue>().unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_browser_may_look_with_the_token_as_its_password_and_change_nothing() {
        let header = |text: &str| format!("Basic {}", openssl::base64::encode_block(text.as_bytes()));
        for known in ["alice:alice-token", ":alice-token"] {
            assert_eq!(
                token(&header(known), true),
                Some(b"alice-token".to_vec()),
                "{known}"
            );
            assert_eq!(token(&header(known), false), None, "{known}");
        }
        assert_eq!(token(&header("alice-token"), true), None);
        assert_eq!(token("Bearer alice-token", false), Some(b"alice-token".to_vec()));
        assert_eq!(token("alice-token", true), None);
    }

    #[test]
    fn without_tokens_this_machine_is_answered_by_its_own_names_and_origins() {
        for host in [
            "localhost",
            "LOCALHOST:9660",
            "127.0.0.1:9660",
            "[::1]:9660",
            "127.3.2.1",
        ] {
            assert_eq!(is_of_this_machine(&headers(&[("host", host)])), Ok(()), "{host}");
            let origin = format!("http://{host}");
            let same = headers(&[("host", host), ("origin", &origin)]);
            assert_eq!(is_of_this_machine(&same), Ok(()), "{host}");
        }
        for host in [
            "",
            "evil.example.com",
            "127.0.0.1.example.com:9660",
            "localhost.example.com",
            "10.0.0.1",
            "[::2]",
        ] {
            assert!(is_of_this_machine(&headers(&[("host", host)])).is_err(), "{host}");
        }
        for origin in [
            "null",
            "http://evil.example.com",
            "http://localhost:3000",
            "localhost:9660",
            "",
        ] {
            let other = headers(&[("host", "localhost:9660"), ("origin", origin)]);
            assert!(is_of_this_machine(&other).is_err(), "{origin}");
        }
    }
}
