//! Dead letters: the current state there, and replaying what a fix has made valid.

use fleetledger_schema::{instant::Instant, kind::RecordKind, postgres::PostgresConnector};
use serde::Serialize;
use serde_json::Value as Json;
use tokio_postgres::{Client, Row};

use crate::IngestError;

pub use crate::replay::{ReplayReport, ReplayedDeadLetter, replay};

/// Which dead letters; every part that is set must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeadLetterSelection {
    /// Class of the fault; see [`crate::DeadReason`].
    pub reason: Option<String>,
    /// Datacenter in the key.
    pub datacenter: Option<String>,
    /// Cluster in the key.
    pub cluster: Option<String>,
    /// Kind of the topic.
    pub kind: Option<RecordKind>,
    /// Topic.
    pub topic: Option<String>,
    /// Partition.
    pub partition: Option<i32>,
    /// First offset.
    pub from_offset: Option<i64>,
    /// Offset after the last.
    pub to_offset: Option<i64>,
    /// Its number.
    pub dead_letter_id: Option<i64>,
    /// Those that were settled too.
    pub settled: bool,
}

/// A dead letter without its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetterSummary {
    /// Its number.
    pub dead_letter_id: i64,
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub record_offset: i64,
    /// Datacenter in its key.
    pub datacenter: Option<String>,
    /// Cluster in its key.
    pub cluster: Option<String>,
    /// Uid of its object.
    pub uid: Option<String>,
    /// Class of the fault.
    pub reason: String,
    /// What exactly is wrong.
    pub detail: String,
    /// open, replayed, superseded or discarded.
    pub state: String,
    /// When it was put here, RFC 3339.
    pub died_at: String,
}

/// A dead letter, whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeadLetterDetail {
    /// What `list` shows.
    #[serde(flatten)]
    pub summary: DeadLetterSummary,
    /// Schema its frame names.
    pub schema_ref: Option<String>,
    /// Kafka timestamp, RFC 3339.
    pub kafka_at: Option<String>,
    /// Key, as delivered.
    #[serde(skip)]
    pub record_key: Option<Vec<u8>>,
    /// Value, as delivered.
    #[serde(skip)]
    pub record_value: Option<Vec<u8>>,
    /// Headers, as pairs of name and text.
    pub record_headers: Json,
}

/// Which rows a selection names; `$1` … `$10` are its parts.
pub(crate) const SELECTION_PREDICATE: &str = "
    ($1::text is null or reason = $1) and ($2::text is null or datacenter = $2) and ($3::text is null or cluster = $3)
    and ($4::smallint is null or kind = $4) and ($5::text is null or topic = $5) and ($6::integer is null or partition = $6)
    and ($7::bigint is null or record_offset >= $7) and ($8::bigint is null or record_offset < $8)
    and ($9::bigint is null or dead_letter_id = $9) and ($10::boolean or state = 'open')";

/// Newest dead letters first, at most `limit`.
///
/// # Errors
/// [`IngestError`] if PostgreSQL cannot be asked.
pub async fn list(
    connector: &PostgresConnector,
    selection: &DeadLetterSelection,
    limit: i64,
) -> Result<Vec<DeadLetterSummary>, IngestError> {
    let client = connector.connect("fleetledger-dead-letters").await?;
    let statement = format!(
        "select * from ledger.dead_letter where {SELECTION_PREDICATE} order by dead_letter_id desc limit {}",
        limit.max(0)
    );
    let rows = select(&client, &statement, selection).await.map_err(read_error)?;
    rows.iter()
        .map(summary_from_row)
        .collect::<Result<_, _>>()
        .map_err(read_error)
}

/// One dead letter, whole.
///
/// # Errors
/// [`IngestError::NotFound`] if there is none of that number.
pub async fn show(
    connector: &PostgresConnector,
    dead_letter_id: i64,
) -> Result<DeadLetterDetail, IngestError> {
    let client = connector.connect("fleetledger-dead-letters").await?;
    let row = client
        .query_opt(READ_DEAD_LETTER, &[&dead_letter_id])
        .await
        .map_err(read_error)?;
    let row = row.ok_or_else(|| IngestError::NotFound(format!("dead letter {dead_letter_id} not found")))?;
    detail_from_row(&row).map_err(read_error)
}

/// Runs a statement over [`SELECTION_PREDICATE`].
pub(crate) async fn select(
    client: &Client,
    statement: &str,
    selection: &DeadLetterSelection,
) -> Result<Vec<Row>, tokio_postgres::Error> {
    client
        .query(
            statement,
            &[
                &selection.reason,
                &selection.datacenter,
                &selection.cluster,
                &selection.kind.map(RecordKind::number),
                &selection.topic,
                &selection.partition,
                &selection.from_offset,
                &selection.to_offset,
                &selection.dead_letter_id,
                &selection.settled,
            ],
        )
        .await
}

fn summary_from_row(row: &Row) -> Result<DeadLetterSummary, tokio_postgres::Error> {
    Ok(DeadLetterSummary {
        dead_letter_id: row.try_get("dead_letter_id")?,
        topic: row.try_get("topic")?,
        partition: row.try_get("partition")?,
        record_offset: row.try_get("record_offset")?,
        datacenter: row.try_get("datacenter")?,
        cluster: row.try_get("cluster")?,
        uid: row.try_get("uid")?,
        reason: row.try_get("reason")?,
        detail: row.try_get("detail")?,
        state: row.try_get("state")?,
        died_at: row.try_get::<_, Instant>("died_at")?.to_string(),
    })
}

fn detail_from_row(row: &Row) -> Result<DeadLetterDetail, tokio_postgres::Error> {
    Ok(DeadLetterDetail {
        summary: summary_from_row(row)?,
        schema_ref: row.try_get("schema_ref")?,
        kafka_at: row
            .try_get::<_, Option<Instant>>("kafka_at")?
            .map(|at| at.to_string()),
        record_key: row.try_get("record_key")?,
        record_value: row.try_get("record_value")?,
        record_headers: row.try_get("record_headers")?,
    })
}

fn read_error(source: tokio_postgres::Error) -> IngestError {
    IngestError::Postgres {
        action: "read dead letters",
        source,
    }
}

const READ_DEAD_LETTER: &str = "select * from ledger.dead_letter where dead_letter_id = $1";
