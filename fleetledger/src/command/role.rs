//! What every long-running role does alike: health, signals, the deadline.

use std::time::Duration;

use anyhow::Context as _;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;

use crate::{
    config::LoadedConfig,
    exit::ExitReason,
    shutdown::{ShutdownOutcome, StopSignals},
    telemetry::{self, RoleProbe},
};

/// Runs `work` beside its health server until it ends or a signal comes. `work` gets the token that
/// tells it to stop.
pub(super) async fn run<W>(
    loaded: &LoadedConfig,
    registry: Registry,
    probe: RoleProbe,
    work: impl FnOnce(CancellationToken) -> W,
) -> anyhow::Result<ExitReason>
where
    W: Future<Output = anyhow::Result<()>>,
{
    let mut signals = StopSignals::listen()?;
    let role = probe.role;
    let server = telemetry::http::BoundServer::bind(&loaded.config.http, registry, vec![probe]).await?;
    tracing::info!(role, version = env!("CARGO_PKG_VERSION"), listen = %server.address()?, "started");
    let stop = CancellationToken::new();
    // Health is answered until the work has ended, so that a slow end can be watched.
    let served = CancellationToken::new();
    let deadline = Duration::from_secs(loaded.config.shutdown.deadline_seconds);
    let both = async {
        let mut server = std::pin::pin!(server.run(served.clone()));
        let mut work = std::pin::pin!(work(stop.clone()));
        let done = tokio::select! {
            done = &mut work => done,
            broken = &mut server => {
                stop.cancel();
                let ended = work.await;
                return broken.context("health server ended").and(ended);
            }
        };
        served.cancel();
        // A client that holds its connection open must not hold up the end.
        let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
        done
    };
    match signals.run(both, &stop, deadline).await {
        ShutdownOutcome::Finished(Ok(())) => {
            tracing::info!(role, "stopped");
            Ok(ExitReason::Done)
        }
        ShutdownOutcome::Finished(Err(error)) => Err(error),
        ShutdownOutcome::GivenUp => Ok(ExitReason::Deadline),
    }
}
