//! An ingester in this process.

use fleetledger_ingest::{IngestError, IngestHealth, IngestSettings};
use fleetledger_schema::postgres::PostgresConnector;
use rdkafka::ClientConfig;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{database::LedgerDatabase, parts::unique};

/// A running ingester.
pub struct TestIngester {
    /// What it says of itself.
    pub health: IngestHealth,
    /// Its metrics.
    pub registry: prometheus::Registry,
    shutdown: CancellationToken,
    task: JoinSet<Result<(), IngestError>>,
}

/// Settings of an ingester of the topics under `prefix`, alone in its group.
#[must_use]
pub fn settings(prefix: &str) -> IngestSettings {
    IngestSettings {
        topic_prefix: prefix.to_owned(),
        group_id: unique(&format!("{prefix}-ingest")),
        table_sum_interval_seconds: 1,
        ..IngestSettings::default()
    }
}

impl TestIngester {
    /// Starts one with [`settings`], as the ingester's own role.
    #[must_use]
    pub fn start(prefix: &str, kafka: &ClientConfig, database: &LedgerDatabase) -> Self {
        Self::start_with(settings(prefix), kafka, database.ingester.clone())
    }

    /// Starts one.
    #[must_use]
    pub fn start_with(settings: IngestSettings, kafka: &ClientConfig, connector: PostgresConnector) -> Self {
        let (health, registry, shutdown) = (
            IngestHealth::new(),
            prometheus::Registry::new(),
            CancellationToken::new(),
        );
        let mut task = JoinSet::new();
        let (kafka, reported_health, metrics, stop) =
            (kafka.clone(), health.clone(), registry.clone(), shutdown.clone());
        task.spawn(async move {
            let outcome =
                fleetledger_ingest::run(settings, kafka, connector, &metrics, reported_health, stop).await;
            outcome.inspect_err(|error| tracing::error!(?error, "ingester ended"))
        });
        Self {
            health,
            registry,
            shutdown,
            task,
        }
    }

    /// Ends it in good order.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        self.task.join_next().await.unwrap().unwrap().unwrap();
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn await_end(&mut self) -> Result<(), IngestError> {
        self.task.join_next().await.unwrap().unwrap()
    }
}
