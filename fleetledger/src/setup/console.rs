//! The server of the console: every room's routes on one port, behind tokens.

mod failed_logins;
mod guard;
mod tokens;

use std::sync::Arc;

use axum::{Json, Router, middleware::from_fn_with_state, routing::get};
use fleetledger_alerts::http::{self, AlertsApi};
use fleetledger_queries::HttpFailure;
use guard::ConsoleGuard;
use prometheus::Registry;
use utoipa::OpenApi as _;

use super::evaluator::EvaluatorParts;
use crate::{
    config::{ConsoleConfig, HttpConfig, LoadedConfig},
    telemetry::http::BoundServer,
};

/// Queries that callers ask at a time; others wait for ten seconds, and are then told that all are busy.
const ASKED_AT_ONCE: usize = 4;

/// Takes the console's port.
pub(crate) async fn bind(
    loaded: &LoadedConfig,
    console: &ConsoleConfig,
    parts: &EvaluatorParts,
    registry: &Registry,
) -> anyhow::Result<BoundServer> {
    let guard = ConsoleGuard::new(loaded, console, registry)?;
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
    description = "Alerts, snoozes, rules and reports. If tokens are configured, each request must carry \
         `Authorization: Bearer <token>`."
))]
struct ConsoleOpenApi;

fn router(api: AlertsApi, cost: fleetledger_cost::http::CostApi, guard: ConsoleGuard) -> Router {
    let (routes, document) = utoipa_axum::router::OpenApiRouter::with_openapi(ConsoleOpenApi::openapi())
        .merge(http::router(api.clone()))
        .merge(fleetledger_cost::http::router(cost))
        .split_for_parts();
    let document = Arc::new(document);
    routes
        .merge(fleetledger_console::router(api))
        .route_layer(from_fn_with_state(Arc::new(guard), guard::admit))
        .route(
            "/api/openapi.json",
            get(move || async move { Json((*document).clone()) }),
        )
        .fallback(|| async { HttpFailure::not_found("path not found; see /api/openapi.json") })
}
