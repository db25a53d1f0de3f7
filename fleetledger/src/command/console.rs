//! `fleetledger console`: the HTTP API and the pages that notifications link to, with tokens.

use fleetledger_alerts::DatabaseWatch;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use super::role;
use crate::{
    config::LoadedConfig,
    connect,
    exit::ExitReason,
    setup::{
        console::bind,
        evaluator::{EvaluatorParts, connectors},
        require_current, require_sessions,
    },
    telemetry::RoleProbe,
};

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    let ways = connectors(loaded)?;
    let client =
        connect::postgres::connect(&loaded.config.postgres, &ways.own, "fleetledger-console").await?;
    require_current(&ways.own, &client).await?;
    drop(client);
    require_sessions(&ways.own, "console").await?;
    let (registry, following) = (Registry::new(), CancellationToken::new());
    let parts = EvaluatorParts::new(loaded, &ways, "console", &registry, following.clone()).await?;
    let server = bind(loaded, &loaded.config.console, &parts, &registry).await?;
    tracing::info!(listen = %server.address()?, "console");
    let (watch, pool) = (DatabaseWatch::new(), parts.pool.clone());
    let asked = watch.clone();
    let probe = RoleProbe::new("console", || Ok(()), move || asked.ready());
    let done = role::run(loaded, registry, probe, |stop| async move {
        let watching = stop.child_token();
        let (served, ()) = tokio::join!(
            async {
                let served = server.run(stop).await;
                watching.cancel();
                served
            },
            watch.run(pool, watching.clone())
        );
        served
    })
    .await;
    following.cancel();
    done
}
