//! Letting a halted partition go on.

use fleetledger_schema::postgres::PostgresConnector;

use crate::IngestError;

/// From where a halted partition goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumeFrom {
    /// From the stored offset.
    Stored,
    /// From the begin of the topic, which was recreated or truncated: emitter order keeps old records out.
    Start,
}

/// Lets a halted partition go on; its ingester notices within seconds.
///
/// # Errors
/// [`IngestError::NotFound`] if no such partition is halted.
pub async fn resume(
    connector: &PostgresConnector,
    topic: &str,
    partition: i32,
    from: ResumeFrom,
) -> Result<(), IngestError> {
    let client = connector.connect("fleetledger-resume").await?;
    let from_start = from == ResumeFrom::Start;
    let resumed = client
        .execute(RESUME_PARTITION, &[&topic, &partition, &from_start])
        .await
        .map_err(|source| IngestError::Postgres {
            action: "resume a partition",
            source,
        })?;
    if resumed == 0 {
        return Err(IngestError::NotFound(format!(
            "partition {topic}:{partition} is not halted"
        )));
    }
    Ok(())
}

/// Lets every halted partition go on from its stored offset; returns their topics and numbers.
///
/// # Errors
/// The database cannot be asked.
pub async fn resume_all(connector: &PostgresConnector) -> Result<Vec<(String, i32)>, IngestError> {
    let client = connector.connect("fleetledger-resume").await?;
    let resumed = client.query(RESUME_ALL_PARTITIONS, &[]).await;
    let resumed = resumed.map_err(|source| IngestError::Postgres {
        action: "resume all partitions",
        source,
    })?;
    Ok(resumed.iter().map(|row| (row.get(0), row.get(1))).collect())
}

const RESUME_ALL_PARTITIONS: &str = "
    update ledger.ingest_partition
    set state = 'running', halted_reason = null, halted_at = null, owner_epoch = owner_epoch + 1
    where state = 'halted' returning topic, partition";

const RESUME_PARTITION: &str = "
    update ledger.ingest_partition
    set state = 'running', halted_reason = null, halted_at = null, owner_epoch = owner_epoch + 1,
        next_offset = case when $3 then 0 else next_offset end,
        checkpoint_offset = case when $3 then null else checkpoint_offset end,
        checkpoint_kafka_at = case when $3 then null else checkpoint_kafka_at end,
        checkpoint_crc = case when $3 then null else checkpoint_crc end
    where topic = $1 and partition = $2 and state = 'halted'";
