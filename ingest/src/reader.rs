//! A lane's second connection: warming caches and looking things up while the writer's transaction runs.

use std::time::Duration;

use fleetledger_schema::{backoff::DoublingBackoff, postgres::PostgresConnector};
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::{
    errors::DatabaseFailure,
    health::IngestHealth,
    metrics::IngestMetrics,
    timeline::{self, DatabaseTimeline},
};

/// First pause after a failure.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);
/// Longest pause between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(15);

/// The process is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StopRequested;

/// Pauses between two attempts at PostgreSQL.
#[derive(Debug)]
pub(crate) struct ReconnectBackoff(DoublingBackoff);

impl Default for ReconnectBackoff {
    fn default() -> Self {
        Self(DoublingBackoff::new(FIRST_BACKOFF, LONGEST_BACKOFF))
    }
}

impl ReconnectBackoff {
    pub(crate) fn reset(&mut self) {
        self.0.reset();
    }

    /// Waits; ends early when the process is asked to end.
    pub(crate) async fn wait(&mut self, shutdown: &CancellationToken) -> Result<(), StopRequested> {
        let pause = self.0.failed(rand::random());
        tokio::select! {
            () = shutdown.cancelled() => Err(StopRequested),
            () = tokio::time::sleep(pause) => Ok(()),
        }
    }
}

/// A connection that is made again when it breaks.
pub(crate) struct LaneReader {
    connector: PostgresConnector,
    name: String,
    client: Option<Client>,
    timeline: DatabaseTimeline,
    backoff: ReconnectBackoff,
    pub(crate) health: IngestHealth,
    pub(crate) metrics: IngestMetrics,
    pub(crate) shutdown: CancellationToken,
}

impl LaneReader {
    pub(crate) fn new(
        connector: PostgresConnector,
        name: String,
        health: IngestHealth,
        metrics: IngestMetrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            connector,
            name,
            client: None,
            timeline: 0,
            backoff: ReconnectBackoff::default(),
            health,
            metrics,
            shutdown,
        }
    }

    /// The connection, made if there is none. Tries until the process is asked to end.
    pub(crate) async fn connected(&mut self) -> Result<&Client, StopRequested> {
        while self.client.as_ref().is_none_or(Client::is_closed) {
            match self.connect().await {
                Ok((client, timeline)) => {
                    self.client = Some(client);
                    self.timeline = timeline;
                }
                Err(failure) => self.failed("connect", &failure).await?,
            }
        }
        self.client.as_ref().ok_or(StopRequested)
    }

    async fn connect(&self) -> Result<(Client, DatabaseTimeline), DatabaseFailure> {
        let connected = self.connector.connect(&self.name).await;
        let client = connected.map_err(|error| DatabaseFailure::of_login(&error.source))?;
        let timeline = timeline::of(&client).await?;
        Ok((client, timeline))
    }

    /// The history of the database that the newest answer came from.
    pub(crate) fn timeline(&self) -> DatabaseTimeline {
        self.timeline
    }

    /// Gives the connection up: it is to a server that has lost its role.
    pub(crate) fn disconnect(&mut self) {
        self.client = None;
    }

    /// Notes a failure and waits before the next attempt.
    pub(crate) async fn failed(
        &mut self,
        action: &str,
        failure: &DatabaseFailure,
    ) -> Result<(), StopRequested> {
        self.metrics.retries.with_label_values(&[failure.code()]).inc();
        self.health
            .postgres
            .failed(&self.name, &format!("{action}: {}", failure.explain()));
        self.client = None;
        self.backoff.wait(&self.shutdown).await
    }

    /// Notes that a statement succeeded.
    pub(crate) fn succeeded(&mut self) {
        self.backoff.reset();
        self.health.postgres.answered(&self.name);
    }
}

/// Runs `$body` with `$client` bound to the connection until it succeeds or the process is asked to end.
macro_rules! retried {
    ($reader:expr, $action:literal, $client:ident => $body:expr) => {{
        let reader: &mut $crate::reader::LaneReader = &mut $reader;
        loop {
            let $client = reader.connected().await?;
            let result: Result<_, tokio_postgres::Error> = $body;
            match result {
                Ok(value) => {
                    reader.succeeded();
                    break value;
                }
                Err(error) => {
                    let failure = $crate::errors::DatabaseFailure::of(&error);
                    reader.failed($action, &failure).await?;
                }
            }
        }
    }};
}
pub(crate) use retried;
