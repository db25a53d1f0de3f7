//! Replaying dead letters through the same decoding and the same merge, in one transaction.
//!
//! The transaction locks the partitions' fence rows, so no batch runs beside it. Of each object only the newest open
//! letter lands, and only if nothing newer has: its dead key still names it, or nothing was ever known of the object.
//! So nothing newer is overwritten, and nothing that was deleted later comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fleetledger_schema::{
    READER_VERSION, instant::Instant, kind::RecordKind, object_uid::ObjectUid, postgres::PostgresConnector,
    row,
};
use serde::Serialize;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use crate::{
    IngestError, IngestSettings,
    batch::DraftBatch,
    bookkeeping::APPLY_OWNERS,
    chain::{CLOCK_TOLERANCE_MICROS, EndReason, ObjectEnd, ObjectVersion},
    clusters::NO_BATCH_BESIDE,
    dead_letters::{DeadLetterSelection, SELECTION_PREDICATE, select},
    errors::DatabaseFailure,
    examine::{PlacedRecord, ReopenedDeadLetter},
    health::IngestHealth,
    identity_keys::IdentityKeys,
    memory::LaneMemory,
    merge::{copy, merge, prepare},
    metrics::IngestMetrics,
    raw::{PartitionId, RawRecord, headers_from_json},
    reader::LaneReader,
    row_of,
    session::WriterSession,
    topics::{IngestTopic, IngestTopics},
    usage::{UsageWindow, WindowOverlap},
};

/// Most letters in one transaction; run it again for more.
const DEAD_LETTERS_AT_ONCE: i64 = 50_000;

/// What became of one letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReplayedDeadLetter {
    /// Its number.
    pub dead_letter_id: i64,
    /// Topic, partition and offset.
    pub place: String,
    /// landed, superseded, or why it is still dead.
    pub result: String,
}

/// What a replay did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReplayReport {
    /// Letters that landed.
    pub landed: u64,
    /// Letters of objects of which something newer is known.
    pub superseded: u64,
    /// Letters that are still no valid records.
    pub still_dead: u64,
    /// True if nothing was changed.
    pub dry_run: bool,
    /// One line a letter.
    pub letters: Vec<ReplayedDeadLetter>,
}

struct OpenDeadLetter {
    id: i64,
    record: RawRecord,
    topic: String,
}

enum ReplayOutcome {
    Landed,
    Superseded,
    Dead(String),
}

/// Replays the open letters of `selection`. `settings` are the ingester's: topics, suffixes, shards.
///
/// # Errors
/// [`IngestError`] if PostgreSQL refuses; nothing has changed then.
pub async fn replay(
    connector: &PostgresConnector,
    settings: &IngestSettings,
    selection: &DeadLetterSelection,
    dry_run: bool,
) -> Result<ReplayReport, IngestError> {
    let mut session = WriterSession::open(connector, "fleetledger dead-letters replay", settings)
        .await
        .map_err(|failure| IngestError::session("", &failure))?;
    let run = DeadLetterReplay::new(connector, settings).await?;
    let result = run.run(&mut session, connector, selection, dry_run).await;
    if result.is_err() {
        let _ = session.command("rollback").await;
    }
    result.map_err(|failure| IngestError::session("replay: ", &failure))
}

struct DeadLetterReplay {
    memory: LaneMemory,
    draft: DraftBatch,
    report: ReplayReport,
    raised: BTreeSet<(i32, RecordKind)>,
    settled: BTreeMap<&'static str, Vec<i64>>,
    keys: Vec<(i32, i16, ObjectUid)>,
}

impl DeadLetterReplay {
    async fn new(connector: &PostgresConnector, settings: &IngestSettings) -> Result<Self, IngestError> {
        let topics = recorded_topics(connector, settings).await?;
        let keys = Arc::new(IdentityKeys::read(settings)?);
        let metrics = IngestMetrics::new(&prometheus::Registry::new())
            .map_err(|error| IngestError::NotFound(format!("metrics: {error}")))?;
        let reader = LaneReader::new(
            connector.clone(),
            "fleetledger dead-letters reader".to_owned(),
            IngestHealth::new(),
            metrics,
            CancellationToken::new(),
        );
        Ok(Self {
            memory: LaneMemory::new(Arc::new(settings.clone()), Arc::new(topics), keys, reader),
            draft: DraftBatch::new(1),
            report: ReplayReport::default(),
            raised: BTreeSet::new(),
            settled: BTreeMap::new(),
            keys: Vec::new(),
        })
    }

    async fn run(
        mut self,
        session: &mut WriterSession,
        connector: &PostgresConnector,
        selection: &DeadLetterSelection,
        dry_run: bool,
    ) -> Result<ReplayReport, DatabaseFailure> {
        session.begin().await?;
        session.command(NO_BATCH_BESIDE).await?;
        for letter in self.read_open_dead_letters(connector, selection).await? {
            let fate = self.replay_one(session, &letter).await?;
            self.note(&letter, fate);
        }
        let draft = std::mem::replace(&mut self.draft, DraftBatch::new(2));
        let sealed = draft.seal(Vec::new(), BTreeSet::new());
        prepare(session, &sealed).await?;
        copy(session, &sealed).await?;
        merge(session, &sealed).await?;
        for (state, ids) in &self.settled {
            let statement = match *state {
                "replayed" => SETTLE_REPLAYED,
                _ => SETTLE_SUPERSEDED,
            };
            session.execute(statement, &[ids]).await?;
        }
        for (cluster_id, kind, uid) in &self.keys {
            session.execute(DELETE_DEAD_KEY, &[cluster_id, kind, uid]).await?;
        }
        for (cluster_id, kind) in &self.raised {
            // Caches do not know the object: they are read anew.
            session
                .execute(RAISE_GENERATION, &[cluster_id, &kind.number()])
                .await?;
        }
        if !sealed.namespaces.is_empty() {
            session.execute(APPLY_OWNERS, &[&sealed.namespaces]).await?;
        }
        session
            .command(if dry_run { "rollback" } else { "commit" })
            .await?;
        self.report.dry_run = dry_run;
        Ok(self.report)
    }

    /// Open letters, newest of each key first.
    async fn read_open_dead_letters(
        &self,
        connector: &PostgresConnector,
        selection: &DeadLetterSelection,
    ) -> Result<Vec<OpenDeadLetter>, DatabaseFailure> {
        let client = connector
            .connect("fleetledger-dead-letters")
            .await
            .map_err(|error| DatabaseFailure::of(&error.source))?;
        let open = DeadLetterSelection {
            settled: false,
            ..selection.clone()
        };
        let statement = format!(
            "select * from ledger.dead_letter where {SELECTION_PREDICATE} order by topic, partition, record_offset desc limit {DEAD_LETTERS_AT_ONCE}"
        );
        let rows = select(&client, &statement, &open).await?;
        Ok(rows
            .iter()
            .map(|row| self.open_dead_letter(row))
            .collect::<Result<_, tokio_postgres::Error>>()?)
    }

    fn open_dead_letter(&self, row: &Row) -> Result<OpenDeadLetter, tokio_postgres::Error> {
        let topic: String = row.try_get("topic")?;
        let headers: serde_json::Value = row.try_get("record_headers")?;
        let headers = headers_from_json(&headers);
        let (key, value): (Option<Vec<u8>>, Option<Vec<u8>>) =
            (row.try_get("record_key")?, row.try_get("record_value")?);
        let partition = PartitionId {
            topic: self.memory.topics.index_of(&topic).unwrap_or(usize::MAX),
            partition: row.try_get("partition")?,
        };
        let record = RawRecord::new(
            partition,
            row.try_get("record_offset")?,
            row.try_get("kafka_at")?,
            (key.as_deref(), value.as_deref()),
            headers.iter().map(|(name, value)| (*name, value.as_deref())),
        );
        Ok(OpenDeadLetter {
            id: row.try_get("dead_letter_id")?,
            record,
            topic,
        })
    }

    fn note(&mut self, letter: &OpenDeadLetter, fate: ReplayOutcome) {
        let result = match fate {
            ReplayOutcome::Landed => {
                self.report.landed += 1;
                self.settled.entry("replayed").or_default().push(letter.id);
                "landed".to_owned()
            }
            ReplayOutcome::Superseded => {
                self.report.superseded += 1;
                self.settled.entry("superseded").or_default().push(letter.id);
                "superseded".to_owned()
            }
            ReplayOutcome::Dead(why) => {
                self.report.still_dead += 1;
                why
            }
        };
        let place = format!(
            "{}:{}@{}",
            letter.topic, letter.record.partition.partition, letter.record.offset
        );
        self.report.letters.push(ReplayedDeadLetter {
            dead_letter_id: letter.id,
            place,
            result,
        });
    }

    async fn replay_one(
        &mut self,
        session: &mut WriterSession,
        letter: &OpenDeadLetter,
    ) -> Result<ReplayOutcome, DatabaseFailure> {
        let stopped = |_| DatabaseFailure::Connection("stopped".to_owned());
        let (placed, content) = match self
            .memory
            .reopen_dead_letter(&letter.record)
            .await
            .map_err(stopped)?
        {
            ReopenedDeadLetter::Object(placed, content) => (placed, content),
            ReopenedDeadLetter::Usage(placed, window) => return self.window(session, &placed, *window).await,
            ReopenedDeadLetter::Obsolete => return Ok(ReplayOutcome::Superseded),
            ReopenedDeadLetter::Dead(fault) => {
                return Ok(ReplayOutcome::Dead(format!("{}: {}", fault.reason, fault.detail)));
            }
        };
        let key = placed.key;
        let uid = match &placed.subject {
            fleetledger_schema::key::RecordSubject::Object(uid) => ObjectUid::of(uid),
            _ => return Ok(ReplayOutcome::Superseded),
        };
        let chain_key = (key.kind.number(), key.cluster_id, uid);
        if self.draft.chains.contains_key(&chain_key) {
            return Ok(ReplayOutcome::Superseded);
        }
        let current = read_current_object(session, key.kind, key.cluster_id, uid).await?;
        match current.dead_letter_id {
            Some(newest) if newest == letter.id => self.keys.push((key.cluster_id, key.kind.number(), uid)),
            Some(_) => return Ok(ReplayOutcome::Superseded),
            None if current.row.is_some() || current.has_history => return Ok(ReplayOutcome::Superseded),
            None => {
                self.raised.insert((key.cluster_id, key.kind));
            }
        }
        let chain = self.draft.chains.entry(chain_key).or_default();
        let latest = Instant::now().plus_micros(CLOCK_TOLERANCE_MICROS);
        let Some(content) = content else {
            chain.end = Some(ObjectEnd {
                at: placed.headers.time.min(latest),
                reason: EndReason::Deleted,
            });
            return Ok(ReplayOutcome::Landed);
        };
        chain.forced = true;
        if let Some(by) = current.row {
            let memory = &mut self.memory;
            let schema = &content.schema;
            let compare = memory.compare(key.cluster_id, row_of(key.kind), by, schema).await;
            chain.compare = compare.map_err(stopped)?;
            if key.kind == RecordKind::Pod {
                let compare = memory
                    .compare(key.cluster_id, row::container_table(), by, schema)
                    .await;
                chain.compare_containers = compare.map_err(stopped)?;
            }
            chain.older_reader = Some(by.1).filter(|reader| *reader < READER_VERSION);
        }
        let began_at = placed.headers.since.unwrap_or(placed.headers.time);
        let deleted_at = content.record.deleted_at();
        let version = ObjectVersion {
            content: *content,
            from_at: began_at,
            observed_at: placed.headers.time,
            record: self.draft.records.len(),
            keeps_owner: false,
        };
        chain.push(version, began_at, latest);
        if let Some(at) = deleted_at {
            chain.end = Some(ObjectEnd {
                at: at.min(latest),
                reason: EndReason::Deleted,
            });
        }
        Ok(ReplayOutcome::Landed)
    }
}

impl DeadLetterReplay {
    /// A window lands unless one of its minutes was folded, here or before.
    async fn window(
        &mut self,
        session: &mut WriterSession,
        placed: &PlacedRecord,
        window: UsageWindow,
    ) -> Result<ReplayOutcome, DatabaseFailure> {
        let cluster_id = placed.key.cluster_id;
        let (hour_at, uid) = (window.usage.hour_at(), ObjectUid::of(&window.usage.uid));
        let folded = session
            .query(HAS_USAGE_WINDOW, &[&cluster_id, &hour_at, &uid, &window.minutes])
            .await?;
        if !folded.is_empty() || self.draft.usage.overlap(cluster_id, &window) != WindowOverlap::Apart {
            return Ok(ReplayOutcome::Superseded);
        }
        self.draft
            .usage
            .take(self.draft.usage.taken.len(), cluster_id, window);
        Ok(ReplayOutcome::Landed)
    }
}

struct CurrentObject {
    row: Option<(i64, i16)>,
    has_history: bool,
    dead_letter_id: Option<i64>,
}

async fn read_current_object(
    session: &mut WriterSession,
    kind: RecordKind,
    cluster_id: i32,
    uid: ObjectUid,
) -> Result<CurrentObject, DatabaseFailure> {
    let statement = crate::stage::of_kind(kind).object_state.as_str();
    let rows = session
        .query(statement, &[&cluster_id, &uid, &kind.number()])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(CurrentObject {
            row: None,
            has_history: false,
            dead_letter_id: None,
        });
    };
    let writer: Option<i64> = row.try_get(0)?;
    let reader: Option<i16> = row.try_get(1)?;
    Ok(CurrentObject {
        row: writer.zip(reader),
        has_history: row.try_get(2)?,
        dead_letter_id: row.try_get(3)?,
    })
}

/// Topics with the partition counts that were recorded; Kafka need not be reachable.
async fn recorded_topics(
    connector: &PostgresConnector,
    settings: &IngestSettings,
) -> Result<IngestTopics, IngestError> {
    let failed = |source| IngestError::Postgres {
        action: "read topics",
        source,
    };
    let client = connector.connect("fleetledger-dead-letters").await?;
    let named = IngestTopics::named_by(settings);
    let mut list: Vec<IngestTopic> = Vec::new();
    for row in client.query(READ_TOPICS, &[]).await.map_err(failed)? {
        let name: String = row.try_get(0).map_err(failed)?;
        let (partitions, shards): (i32, i32) =
            (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
        if let Some(topic) = named.index_of(&name).and_then(|index| named.get(index)) {
            let shards = u16::try_from(shards).unwrap_or(1);
            list.push(IngestTopic {
                partitions,
                shards,
                ..topic.clone()
            });
        }
    }
    Ok(IngestTopics::new(list))
}

const SETTLE_REPLAYED: &str = "
    update ledger.dead_letter
    set state = 'replayed', settled_at = now()
    where dead_letter_id = any ($1::bigint[])";

const SETTLE_SUPERSEDED: &str = "
    update ledger.dead_letter
    set state = 'superseded', settled_at = now()
    where dead_letter_id = any ($1::bigint[])";

const DELETE_DEAD_KEY: &str = "delete from ledger.dead_key where cluster_id = $1 and kind = $2 and uid = $3";

const RAISE_GENERATION: &str = "
    insert into ledger.kind_state as k (cluster_id, kind, generation, raised_at, raised_reason)
    values ($1, $2, 1, now(), 'replay') on conflict (cluster_id, kind) do update
    set generation = k.generation + 1, raised_at = now(), raised_reason = 'replay'";

const HAS_USAGE_WINDOW: &str = "
    select 1 from ledger.usage_window
    where cluster_id = $1 and hour_at = $2 and node_uid = $3 and minutes & $4 <> 0";

const READ_TOPICS: &str = "select topic, partitions, shards from ledger.topic";
