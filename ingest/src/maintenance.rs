//! What is done by the clock: partitions a week ahead, retention, table sums, gaps that have healed.

use std::{sync::Arc, time::Duration};

use fleetledger_schema::{codec::KnownSchemas, postgres::PostgresConnector};
use tokio::time::MissedTickBehavior;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::{
    IngestError, IngestSettings, announced_schemas::subject_name, errors::DatabaseFailure, gap,
    metrics::IngestMetrics, table_sum, topics::IngestTopics,
};

/// Between two looks at partitions and retention.
const PARTITIONS_EVERY: Duration = Duration::from_secs(3600);
/// Between two looks whether gaps have healed.
const GAPS_EVERY: Duration = Duration::from_secs(60);

/// The task.
pub(crate) struct MaintenanceTask {
    settings: Arc<IngestSettings>,
    topics: Arc<IngestTopics>,
    connector: PostgresConnector,
    metrics: IngestMetrics,
    shutdown: CancellationToken,
}

impl MaintenanceTask {
    pub(crate) fn new(
        settings: Arc<IngestSettings>,
        topics: Arc<IngestTopics>,
        connector: PostgresConnector,
        metrics: IngestMetrics,
        shutdown: CancellationToken,
    ) -> Self {
        Self {
            settings,
            topics,
            connector,
            metrics,
            shutdown,
        }
    }

    pub(crate) async fn run(self) {
        let sum_every = Duration::from_secs(self.settings.table_sum_interval_seconds.max(1));
        let [mut partitions, mut sums, mut gaps] = [PARTITIONS_EVERY, sum_every, GAPS_EVERY].map(|every| {
            let mut interval = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        loop {
            let (what, result) = tokio::select! {
                () = self.shutdown.cancelled() => return,
                _ = partitions.tick() => ("maintain partitions", self.maintain_partitions().await),
                _ = sums.tick() => ("compare table sums", self.compare_sums().await),
                _ = gaps.tick() => ("look for healed gaps", self.heal_gaps().await),
            };
            if let Err(error) = result {
                self.metrics.retries.with_label_values(&["maintenance"]).inc();
                // Of a database that is away the lanes tell.
                if error.is_transient() {
                    tracing::debug!(error = error.explain(), "{what}");
                } else {
                    tracing::warn!(error = error.explain(), "{what}");
                }
            }
        }
    }

    async fn maintain_partitions(&self) -> Result<(), IngestError> {
        let client = self.connector.connect("fleetledger-ingest-maintenance").await?;
        keep_partitions(&client)
            .await
            .map_err(postgres("maintain partitions"))?;
        delete_settled_dead_letters(&client, &self.settings)
            .await
            .map_err(postgres("forget settled dead letters"))
    }

    async fn compare_sums(&self) -> Result<(), IngestError> {
        let mut client = self.connector.connect("fleetledger-ingest-table-sum").await?;
        let disagreements = table_sum::compare(&mut client)
            .await
            .map_err(postgres("compare table sums"))?;
        self.metrics
            .table_sum_disagreements
            .set(i64::try_from(disagreements).unwrap_or(i64::MAX));
        Ok(())
    }

    async fn heal_gaps(&self) -> Result<(), IngestError> {
        let client = self.connector.connect("fleetledger-ingest-gaps").await?;
        gap::heal(&client, &self.topics)
            .await
            .map_err(postgres("look for healed gaps"))
    }
}

/// What must stand before the first record lands.
pub(crate) async fn prepare(
    settings: &IngestSettings,
    topics: &IngestTopics,
    connector: &PostgresConnector,
) -> Result<(), IngestError> {
    topics.record(connector).await?;
    let client = connector.connect("fleetledger-ingest-start").await?;
    let retention = &settings.retention;
    for (like, days) in [
        ("%\\_history", retention.history_days),
        ("usage\\_%", retention.usage_days),
        ("batch", retention.batch_days),
        ("freshness_history", retention.freshness_days),
    ] {
        let days = i32::try_from(days).unwrap_or(i32::MAX);
        client
            .execute(SET_RETENTION, &[&like, &days])
            .await
            .map_err(postgres("set retention"))?;
    }
    keep_partitions(&client)
        .await
        .map_err(postgres("create partitions"))?;
    for (fingerprint, schema) in KnownSchemas::own().by_fingerprint() {
        let subject = subject_name(schema.subject());
        client
            .execute(
                INSERT_AVRO_SCHEMA,
                &[&fingerprint.cast_signed(), &subject, &schema.json()],
            )
            .await
            .map_err(postgres("store schemas"))?;
    }
    Ok(())
}

async fn keep_partitions(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.execute(ENSURE_PARTITIONS, &[]).await?;
    for row in client.query(MAINTAIN_PARTITIONS, &[]).await? {
        let done: String = row.try_get(0)?;
        tracing::info!(%done, "partitions maintained");
    }
    Ok(())
}

async fn delete_settled_dead_letters(
    client: &Client,
    settings: &IngestSettings,
) -> Result<(), tokio_postgres::Error> {
    let days = f64::from(settings.retention.dead_letter_days);
    let forgotten = client.execute(DELETE_SETTLED_DEAD_LETTERS, &[&days]).await?;
    if forgotten > 0 {
        tracing::info!(forgotten, "settled dead letters are past their retention");
    }
    client.execute(DELETE_DEAD_LETTER_DAYS, &[&days]).await?;
    client.execute(DELETE_DEAD_LETTER_OVERFLOW, &[&days]).await?;
    Ok(())
}

fn postgres(action: &'static str) -> impl FnOnce(tokio_postgres::Error) -> IngestError {
    move |source| {
        tracing::debug!(failure = %DatabaseFailure::of(&source), action, "statement failed");
        IngestError::Postgres { action, source }
    }
}

const SET_RETENTION: &str = "
    update ledger.partitioned_table
    set retention_days = $2
    where table_name like $1 and retention_days <> $2";

const INSERT_AVRO_SCHEMA: &str = "
    insert into ledger.avro_schema (fingerprint, subject, schema_json, learned_from) values ($1, $2, $3, 'release')
    on conflict do nothing";

const ENSURE_PARTITIONS: &str = "select ledger.ensure_partitions()";

const MAINTAIN_PARTITIONS: &str = "select ledger.maintain_partitions()";

const DELETE_DEAD_LETTER_DAYS: &str = "
    delete from ledger.dead_letter_day where day_on < (now() - $1 * interval '1 day')::date";

const DELETE_DEAD_LETTER_OVERFLOW: &str = "
    delete from ledger.dead_letter_overflow where day_on < (now() - $1 * interval '1 day')::date";

const DELETE_SETTLED_DEAD_LETTERS: &str = "
    delete
    from ledger.dead_letter
    where state <> 'open' and settled_at < now() - $1 * interval '1 day'";
