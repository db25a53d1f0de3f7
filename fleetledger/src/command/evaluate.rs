//! `fleetledger evaluate`: stored SQL to alerts, and alerts to their receivers.

use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use super::role;
use crate::{
    config::LoadedConfig,
    exit::ExitReason,
    setup::{
        database,
        evaluator::{PreparedEvaluator, connectors, evaluate, probe},
        require_sessions,
    },
};

pub(super) async fn run(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    #[cfg(feature = "fail-points")]
    super::ingest::prepare_fault()?;
    let ways = connectors(loaded)?;
    let prepared = PreparedEvaluator::new(loaded, &ways)?;
    let (registry, following) = (Registry::new(), CancellationToken::new());
    let _stop_following = following.clone().drop_guard();
    let probe = probe(&prepared.health);
    role::run(loaded, registry.clone(), probe, |stop| {
        Box::pin(async move {
            // Whoever only waits for a login is healthy, unready, and can page.
            if !prepared.await_logins(loaded, &ways, &stop).await {
                return Ok(());
            }
            require_sessions(&ways.own, "evaluate").await?;
            // Refused where the database is not at this version.
            drop(database(loaded, "fleetledger-evaluate").await?);
            let parts = prepared
                .connect(loaded, &ways, "evaluate", &registry, following)
                .await?;
            evaluate(parts, registry, stop).await
        })
    })
    .await
}
