//! The server of the console: every room's routes on one port, behind tokens.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{AUTHORIZATION, WWW_AUTHENTICATE},
    },
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use fleetledger_alerts::http::{self, AlertsApi, AlertsCaller, CallerRole};
use fleetledger_queries::HttpFailure;
use openssl::{memcmp, sha::sha256};
use utoipa::OpenApi as _;

use super::evaluator::EvaluatorParts;
use crate::{
    config::{ConfigFault, ConsoleConfig, HttpConfig, LoadedConfig},
    telemetry::http::BoundServer,
};

/// Queries that callers ask at a time; others wait for ten seconds, and are then told that all are busy.
const ASKED_AT_ONCE: usize = 4;

/// Who may call, by the hash of their token.
struct TokenGuard {
    tokens: Vec<([u8; 32], AlertsCaller)>,
}

/// Takes the console's port.
pub(crate) async fn bind(
    loaded: &LoadedConfig,
    console: &ConsoleConfig,
    parts: &EvaluatorParts,
) -> anyhow::Result<BoundServer> {
    let guard = guard(console).map_err(|fault| loaded.explain(fault))?;
    let api = AlertsApi {
        pool: parts.pool.clone(),
        reader: parts.reader.beside(ASKED_AT_ONCE)?,
        rules: parts.rules.clone(),
        receivers: parts.settings.receivers.clone(),
        link_targets: parts.settings.link_targets.clone(),
        runbooks: console.runbooks.clone(),
    };
    let cost = fleetledger_cost::http::CostApi {
        pool: api.pool.clone(),
        reader: api.reader.clone(),
    };
    let listen: HttpConfig = console.http();
    BoundServer::bind_router(&listen, "console.listen", router(api, cost, guard)).await
}

#[derive(utoipa::OpenApi)]
#[openapi(info(
    title = "fleetledger",
    description = "Alerts, snoozes, rules and reports. Each request carries `Authorization: Bearer <token>` where tokens are configured."
))]
struct ConsoleOpenApi;

fn router(api: AlertsApi, cost: fleetledger_cost::http::CostApi, guard: TokenGuard) -> Router {
    let (routes, document) = utoipa_axum::router::OpenApiRouter::with_openapi(ConsoleOpenApi::openapi())
        .merge(http::router(api))
        .merge(fleetledger_cost::http::router(cost))
        .split_for_parts();
    let document = Arc::new(document);
    routes
        .route_layer(from_fn_with_state(Arc::new(guard), admit))
        .route(
            "/api/openapi.json",
            get(move || async move { Json((*document).clone()) }),
        )
        .fallback(|| async { HttpFailure::not_found("there is no such path; see /api/openapi.json") })
}

fn guard(console: &ConsoleConfig) -> Result<TokenGuard, ConfigFault> {
    let read = |(name, token): (&String, &crate::config::TokenConfig)| {
        let secret = token.token.read(&format!("console.tokens.{name}.token"))?;
        let caller = AlertsCaller {
            name: name.clone(),
            role: token.role,
        };
        Ok((sha256(secret.expose().as_bytes()), caller))
    };
    Ok(TokenGuard {
        tokens: console.tokens.iter().map(read).collect::<Result<_, _>>()?,
    })
}

impl TokenGuard {
    /// Who calls with this header; everybody may where there are no tokens, because then only this machine can.
    fn caller(&self, header: Option<&str>, is_read: bool) -> Option<AlertsCaller> {
        if self.tokens.is_empty() {
            return Some(AlertsCaller {
                name: "local".to_owned(),
                role: CallerRole::Admin,
            });
        }
        let header = header?;
        let token = match header.strip_prefix("Bearer ") {
            Some(token) => token.trim().as_bytes().to_vec(),
            None => password(header.strip_prefix("Basic ").filter(|_| is_read)?)?,
        };
        let hash = sha256(&token);
        let known = self.tokens.iter().find(|(token, _)| memcmp::eq(token, &hash));
        known.map(|(_, caller)| caller.clone())
    }
}

/// The password of a browser's answer: the token. Whatever name it was given with says nothing.
fn password(encoded: &str) -> Option<Vec<u8>> {
    let decoded = openssl::base64::decode_block(encoded.trim()).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    decoded.get(colon + 1..).map(<[u8]>::to_vec)
}

async fn admit(State(guard): State<Arc<TokenGuard>>, mut request: Request, next: Next) -> Response {
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    // A browser sends a password along with whatever another site makes it ask for, so with one nothing is changed.
    let is_read = request.method().is_safe();
    let is_page = !request.uri().path().starts_with("/api/");
    match guard.caller(header, is_read) {
        Some(caller) => {
            request
                .extensions_mut()
                .insert(fleetledger_cost::http::CostCaller {
                    name: caller.name.clone(),
                    may_apply: caller.role >= CallerRole::Admin,
                });
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        None => {
            let mut refused = HttpFailure::new(
                StatusCode::UNAUTHORIZED,
                "this takes a token: Authorization: Bearer …, or in a browser as the password, with any name",
            )
            .into_response();
            if is_page {
                let ask = HeaderValue::from_static("Basic realm=\"fleetledger\", charset=\"UTF-8\"");
                refused.headers_mut().insert(WWW_AUTHENTICATE, ask);
            }
            refused
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(tokens: &[(&str, CallerRole)]) -> TokenGuard {
        let token = |(token, role): &(&str, CallerRole)| {
            let caller = AlertsCaller {
                name: (*token).to_owned(),
                role: *role,
            };
            (sha256(token.as_bytes()), caller)
        };
        TokenGuard {
            tokens: tokens.iter().map(token).collect(),
        }
    }

    #[test]
    fn a_token_says_who_calls_and_what_they_may_do() {
        let guard = guard(&[
            ("alice-token", CallerRole::Viewer),
            ("bob-token", CallerRole::Admin),
        ]);
        assert_eq!(
            guard.caller(Some("Bearer alice-token"), false).unwrap().role,
            CallerRole::Viewer
        );
        assert_eq!(
            guard.caller(Some("Bearer bob-token"), false).unwrap().name,
            "bob-token"
        );
        for refused in [
            None,
            Some("Bearer x"),
            Some("alice-token"),
            Some("Basic alice-token"),
            Some("Bearer "),
        ] {
            assert_eq!(guard.caller(refused, true), None, "{refused:?}");
        }
    }

    #[test]
    fn a_browser_may_look_with_the_token_as_its_password_and_change_nothing() {
        let guard = guard(&[("alice-token", CallerRole::Admin)]);
        let header = |text: &str| format!("Basic {}", openssl::base64::encode_block(text.as_bytes()));
        for known in ["alice:alice-token", ":alice-token"] {
            assert!(guard.caller(Some(&header(known)), true).is_some(), "{known}");
            assert_eq!(guard.caller(Some(&header(known)), false), None, "{known}");
        }
        for unknown in ["alice-token", "alice-token:", "alice-token:x"] {
            assert_eq!(guard.caller(Some(&header(unknown)), true), None, "{unknown}");
        }
    }

    #[test]
    fn without_tokens_the_caller_is_of_this_machine() {
        assert_eq!(guard(&[]).caller(None, false).unwrap().role, CallerRole::Admin);
    }
}
