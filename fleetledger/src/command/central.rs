//! `fleetledger central`: ingester, evaluator and console in one process.

use anyhow::Context as _;
use prometheus::Registry;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::role;
use crate::{
    config::LoadedConfig,
    connect,
    exit::ExitReason,
    setup::{
        console,
        evaluator::{self, EvaluatorParts, connectors},
        renewed_client_config, require_current, require_sessions,
    },
    telemetry::RoleProbe,
};

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    let config = &loaded.config;
    config
        .ingest
        .check()
        .map_err(|error| super::ingest::refused(loaded, &error))?;
    let kafka = renewed_client_config(loaded)?;
    let ways = connectors(loaded)?;
    let client = connect::postgres::connect(&config.postgres, &ways.own, "fleetledger-central").await?;
    require_current(&ways.own, &client).await?;
    drop(client);
    require_sessions(&ways.own, "central").await?;
    let (registry, following) = (Registry::new(), CancellationToken::new());
    let parts = EvaluatorParts::new(loaded, &ways, "central", &registry, following.clone()).await?;
    let server = console::bind(loaded, &config.console, &parts, &registry).await?;
    tracing::info!(listen = %server.address()?, "console");
    let ingest = fleetledger_ingest::IngestHealth::new();
    let probe = {
        let (live, ready) = (evaluator::probe(&parts.health), ingest.clone());
        let (evaluate_live, evaluate_ready, ingest_live) = (live.live, live.ready, ingest.clone());
        RoleProbe::new(
            "central",
            move || ingest_live.live().and_then(|()| evaluate_live()),
            move || ready.ready().and_then(|()| evaluate_ready()),
        )
    };
    let (settings, own, metrics) = (config.ingest.clone(), ways.own.clone(), registry.clone());
    let done = role::run(loaded, registry, probe, |stop| async move {
        let mut roles: JoinSet<anyhow::Result<()>> = JoinSet::new();
        let (of_ingest, of_evaluate) = (stop.clone(), stop.clone());
        let registry = metrics.clone();
        roles.spawn(async move {
            let ended = fleetledger_ingest::run(settings, kafka, own, &registry, ingest, of_ingest).await;
            ended.context("ingest")
        });
        roles.spawn(evaluator::evaluate(parts, metrics, of_evaluate));
        roles.spawn(server.run(stop.clone()));
        let mut result = Ok(());
        while let Some(ended) = roles.join_next().await {
            // One that ends takes the others with it: the supervisor starts all anew.
            stop.cancel();
            let ended = ended
                .context("a role of this process was lost")
                .and_then(|ended| ended);
            result = result.and(ended);
        }
        result
    })
    .await;
    following.cancel();
    done
}
