//! `fleetledger evaluate`: stored SQL to alerts, and alerts to their receivers.

use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use super::role;
use crate::{
    config::LoadedConfig,
    connect,
    exit::ExitReason,
    setup::{
        evaluator::{EvaluatorParts, connectors, evaluate, probe},
        require_current, require_sessions,
    },
};

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    #[cfg(feature = "fail-points")]
    super::ingest::prepare_fault()?;
    let ways = connectors(loaded)?;
    let client =
        connect::postgres::connect(&loaded.config.postgres, &ways.own, "fleetledger-evaluate").await?;
    require_current(&ways.own, &client).await?;
    drop(client);
    require_sessions(&ways.own, "evaluate").await?;
    let (registry, stop_following) = (Registry::new(), CancellationToken::new());
    let parts = EvaluatorParts::new(loaded, &ways, "evaluate", &registry, stop_following.clone()).await?;
    let probe = probe(&parts.health);
    let done = role::run(loaded, registry.clone(), probe, |stop| {
        Box::pin(evaluate(parts, registry, stop))
    })
    .await;
    stop_following.cancel();
    done
}
