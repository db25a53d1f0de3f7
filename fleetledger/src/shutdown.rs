//! Ending in good order: SIGINT or SIGTERM, then a deadline.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The two signals that end a role.
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

/// What a role's work came to.
#[derive(Debug)]
pub enum ShutdownOutcome<T> {
    /// It ended by itself, or in time after a signal.
    Finished(T),
    /// It did not end in time, or a second signal came.
    GivenUp,
}

impl StopSignals {
    /// Listens from now on; without this a signal kills the process at once.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn listen() -> anyhow::Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
        let terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
        Ok(Self { interrupt, terminate })
    }

    /// Waits for either.
    pub async fn arrived(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }

    /// Runs `work` until it ends. The first signal cancels `stop`; from then on it has `deadline`, and a
    /// second signal gives it up at once.
    pub async fn run<T>(
        &mut self,
        work: impl Future<Output = T>,
        stop: &CancellationToken,
        deadline: Duration,
    ) -> ShutdownOutcome<T> {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            done = &mut work => return ShutdownOutcome::Finished(done),
            signal = self.arrived() => {
                tracing::info!(signal, deadline_seconds = deadline.as_secs(), "stopping");
                stop.cancel();
            }
        }
        tokio::select! {
            done = &mut work => ShutdownOutcome::Finished(done),
            () = tokio::time::sleep(deadline) => {
                tracing::error!(deadline_seconds = deadline.as_secs(), "did not stop in time; ending anyway, nothing is lost by it");
                ShutdownOutcome::GivenUp
            }
            signal = self.arrived() => {
                tracing::warn!(signal, "second signal; ending at once");
                ShutdownOutcome::GivenUp
            }
        }
    }
}
