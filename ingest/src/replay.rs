//! Replaying dead letters through the same decoding and the same merge, in one transaction.
//!
//! The transaction locks the partitions' fence rows, so no batch runs beside it. Of each object only the newest open
//! letter lands, and only if nothing newer has: its dead key still names it, or nothing was ever known of the object.
//! So nothing newer is overwritten, and nothing that was deleted later comes back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use fleetledger_schema::{instant::Instant, kind::Kind, postgres::Connector};
use serde::Serialize;
use tokio_postgres::Row;
use tokio_util::sync::CancellationToken;

use crate::{
    IngestError, Settings,
    batch::Draft,
    chain::{CLOCK_TOLERANCE_MICROS, End, EndReason, Version},
    clusters::NO_BATCH_BESIDE,
    dead_letters::{SELECTED, Selection, select},
    errors::Failure,
    examine::{Opened, Placed},
    health::Health,
    memory::Memory,
    merge::{copy, merge, prepare},
    metrics::Metrics,
    raw::{PartitionId, RawRecord, headers_from_json},
    reader::Reader,
    row_of,
    session::Session,
    topics::{Topic, Topics},
    usage::{Overlap, Window},
};

/// Most letters in one transaction; run it again for more.
const LETTERS_AT_ONCE: i64 = 50_000;

/// What became of one letter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replayed {
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
    pub letters: Vec<Replayed>,
}

struct OpenLetter {
    id: i64,
    record: RawRecord,
    topic: String,
}

enum Fate {
    Landed,
    Superseded,
    Dead(String),
}

/// Replays the open letters of `selection`. `settings` are the ingester's: topics, suffixes, shards.
///
/// # Errors
/// [`IngestError`] if PostgreSQL refuses; nothing has changed then.
pub async fn replay(
    connector: &Connector,
    settings: &Settings,
    selection: &Selection,
    dry_run: bool,
) -> Result<ReplayReport, IngestError> {
    let mut session = Session::open(connector, "fleetledger dead-letters replay", settings)
        .await
        .map_err(|failure| IngestError::NotFound(failure.to_string()))?;
    let run = Replay::new(connector, settings).await?;
    let result = run.run(&mut session, connector, selection, dry_run).await;
    if result.is_err() {
        let _ = session.command("rollback").await;
    }
    result.map_err(|failure| IngestError::NotFound(format!("replay: {failure}")))
}

struct Replay {
    memory: Memory,
    draft: Draft,
    report: ReplayReport,
    raised: BTreeSet<(i32, Kind)>,
    settled: BTreeMap<&'static str, Vec<i64>>,
    keys: Vec<(i32, i16, String)>,
}

impl Replay {
    async fn new(connector: &Connector, settings: &Settings) -> Result<Self, IngestError> {
        let topics = recorded_topics(connector, settings).await?;
        let metrics = Metrics::new(&prometheus::Registry::new())
            .map_err(|error| IngestError::NotFound(format!("metrics: {error}")))?;
        let reader = Reader::new(
            connector.clone(),
            "fleetledger dead-letters reader".to_owned(),
            Health::new(),
            metrics,
            CancellationToken::new(),
        );
        Ok(Self {
            memory: Memory::new(Arc::new(settings.clone()), Arc::new(topics), reader),
            draft: Draft::new(1),
            report: ReplayReport::default(),
            raised: BTreeSet::new(),
            settled: BTreeMap::new(),
            keys: Vec::new(),
        })
    }

    async fn run(
        mut self,
        session: &mut Session,
        connector: &Connector,
        selection: &Selection,
        dry_run: bool,
    ) -> Result<ReplayReport, Failure> {
        session.command("begin").await?;
        session.command(NO_BATCH_BESIDE).await?;
        for letter in self.open_letters(connector, selection).await? {
            let fate = self.one(session, &letter).await?;
            self.note(&letter, fate);
        }
        let draft = std::mem::replace(&mut self.draft, Draft::new(2));
        let sealed = draft.seal(Vec::new(), BTreeSet::new());
        prepare(session, &sealed).await?;
        copy(session, &sealed).await?;
        merge(session, &sealed).await?;
        for (state, ids) in &self.settled {
            let statement = match *state {
                "replayed" => {
                    "update ledger.dead_letter set state = 'replayed', settled_at = now() where dead_letter_id = any ($1::bigint[])"
                }
                _ => {
                    "update ledger.dead_letter set state = 'superseded', settled_at = now() where dead_letter_id = any ($1::bigint[])"
                }
            };
            session.execute(statement, &[ids]).await?;
        }
        for (cluster_id, kind, uid) in &self.keys {
            session
                .execute(
                    "delete from ledger.dead_key where cluster_id = $1 and kind = $2 and uid = $3",
                    &[cluster_id, kind, uid],
                )
                .await?;
        }
        for (cluster_id, kind) in &self.raised {
            // Caches do not know the object: they are read anew.
            session
                .execute(
                    "insert into ledger.kind_state as k (cluster_id, kind, generation, raised_at, raised_reason)
                     values ($1, $2, 1, now(), 'replay') on conflict (cluster_id, kind) do update
                     set generation = k.generation + 1, raised_at = now(), raised_reason = 'replay'",
                    &[cluster_id, &kind.number()],
                )
                .await?;
        }
        if !sealed.namespaces.is_empty() {
            session
                .execute(
                    "select ledger.apply_owners($1::integer[], now())",
                    &[&sealed.namespaces],
                )
                .await?;
        }
        session
            .command(if dry_run { "rollback" } else { "commit" })
            .await?;
        self.report.dry_run = dry_run;
        Ok(self.report)
    }

    /// Open letters, newest of each key first.
    async fn open_letters(
        &self,
        connector: &Connector,
        selection: &Selection,
    ) -> Result<Vec<OpenLetter>, Failure> {
        let client = connector
            .connect("fleetledger dead-letters")
            .await
            .map_err(|error| Failure::of(&error.source))?;
        let open = Selection {
            settled: false,
            ..selection.clone()
        };
        let statement = format!(
            "select * from ledger.dead_letter where {SELECTED} order by topic, partition, record_offset desc limit {LETTERS_AT_ONCE}"
        );
        let rows = select(&client, &statement, &open).await?;
        Ok(rows
            .iter()
            .map(|row| self.open_letter(row))
            .collect::<Result<_, tokio_postgres::Error>>()?)
    }

    fn open_letter(&self, row: &Row) -> Result<OpenLetter, tokio_postgres::Error> {
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
        Ok(OpenLetter {
            id: row.try_get("dead_letter_id")?,
            record,
            topic,
        })
    }

    fn note(&mut self, letter: &OpenLetter, fate: Fate) {
        let result = match fate {
            Fate::Landed => {
                self.report.landed += 1;
                self.settled.entry("replayed").or_default().push(letter.id);
                "landed".to_owned()
            }
            Fate::Superseded => {
                self.report.superseded += 1;
                self.settled.entry("superseded").or_default().push(letter.id);
                "superseded".to_owned()
            }
            Fate::Dead(why) => {
                self.report.still_dead += 1;
                why
            }
        };
        let place = format!(
            "{}:{}@{}",
            letter.topic, letter.record.partition.partition, letter.record.offset
        );
        self.report.letters.push(Replayed {
            dead_letter_id: letter.id,
            place,
            result,
        });
    }

    async fn one(&mut self, session: &mut Session, letter: &OpenLetter) -> Result<Fate, Failure> {
        let stopped = |_| Failure::Connection("stopped".to_owned());
        let (placed, content) = match self.memory.open_letter(&letter.record).await.map_err(stopped)? {
            Opened::Object(placed, content) => (placed, content),
            Opened::Usage(placed, window) => return self.window(session, &placed, *window).await,
            Opened::Obsolete => return Ok(Fate::Superseded),
            Opened::Dead(fault) => return Ok(Fate::Dead(format!("{}: {}", fault.reason, fault.detail))),
        };
        let key = placed.key;
        let uid = match &placed.subject {
            fleetledger_schema::key::Subject::Object(uid) => uid.clone(),
            _ => return Ok(Fate::Superseded),
        };
        let chain_key = (key.kind.number(), key.cluster_id, uid.clone());
        if self.draft.chains.contains_key(&chain_key) {
            return Ok(Fate::Superseded);
        }
        let standing = standing(session, key.kind, key.cluster_id, &uid).await?;
        match standing.dead_letter_id {
            Some(newest) if newest == letter.id => {
                self.keys.push((key.cluster_id, key.kind.number(), uid.clone()))
            }
            Some(_) => return Ok(Fate::Superseded),
            None if standing.row.is_some() || standing.has_history => return Ok(Fate::Superseded),
            None => {
                self.raised.insert((key.cluster_id, key.kind));
            }
        }
        let chain = self.draft.chains.entry(chain_key).or_default();
        let latest = Instant::now().plus_micros(CLOCK_TOLERANCE_MICROS);
        let Some(content) = content else {
            chain.end = Some(End {
                at: placed.headers.time.min(latest),
                reason: EndReason::Deleted,
            });
            return Ok(Fate::Landed);
        };
        chain.forced = true;
        if let Some((writer, reader)) = standing.row {
            let table = row_of(key.kind);
            chain.compare = self
                .memory
                .compare(table, writer, reader, &content.schema)
                .await
                .map_err(stopped)?;
        }
        let began_at = placed.headers.since.unwrap_or(placed.headers.time);
        let deleted_at = content.record.deleted_at();
        let version = Version {
            content: *content,
            from_at: began_at,
            observed_at: placed.headers.time,
            record: self.draft.records.len(),
            keeps_owner: false,
        };
        chain.push(version, began_at, latest);
        if let Some(at) = deleted_at {
            chain.end = Some(End {
                at: at.min(latest),
                reason: EndReason::Deleted,
            });
        }
        Ok(Fate::Landed)
    }
}

impl Replay {
    /// A window lands unless one of its minutes was folded, here or before.
    async fn window(
        &mut self,
        session: &mut Session,
        placed: &Placed,
        window: Window,
    ) -> Result<Fate, Failure> {
        let cluster_id = placed.key.cluster_id;
        let (hour_at, uid) = (window.usage.hour_at(), window.usage.uid.clone());
        let known = "select 1 from ledger.usage_window
            where cluster_id = $1 and hour_at = $2 and node_uid = $3 and minutes & $4 <> 0";
        let folded = session
            .query(known, &[&cluster_id, &hour_at, &uid, &window.minutes])
            .await?;
        if !folded.is_empty() || self.draft.usage.overlap(cluster_id, &window) != Overlap::Apart {
            return Ok(Fate::Superseded);
        }
        self.draft
            .usage
            .take(self.draft.usage.taken.len(), cluster_id, window);
        Ok(Fate::Landed)
    }
}

struct Standing {
    row: Option<(i64, i16)>,
    has_history: bool,
    dead_letter_id: Option<i64>,
}

async fn standing(
    session: &mut Session,
    kind: Kind,
    cluster_id: i32,
    uid: &str,
) -> Result<Standing, Failure> {
    let statement = crate::stage::of_kind(kind).standing.as_str();
    let rows = session
        .query(statement, &[&cluster_id, &uid, &kind.number()])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(Standing {
            row: None,
            has_history: false,
            dead_letter_id: None,
        });
    };
    let writer: Option<i64> = row.try_get(0)?;
    let reader: Option<i16> = row.try_get(1)?;
    Ok(Standing {
        row: writer.zip(reader),
        has_history: row.try_get(2)?,
        dead_letter_id: row.try_get(3)?,
    })
}

/// Topics with the partition counts that were recorded; Kafka need not be reachable.
async fn recorded_topics(connector: &Connector, settings: &Settings) -> Result<Topics, IngestError> {
    let failed = |source| IngestError::Postgres {
        action: "read topics",
        source,
    };
    let client = connector.connect("fleetledger dead-letters").await?;
    let named = Topics::named_by(settings);
    let mut list: Vec<Topic> = Vec::new();
    for row in client
        .query("select topic, partitions, shards from ledger.topic", &[])
        .await
        .map_err(failed)?
    {
        let name: String = row.try_get(0).map_err(failed)?;
        let (partitions, shards): (i32, i32) =
            (row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
        if let Some(topic) = named.index_of(&name).and_then(|index| named.get(index)) {
            let shards = u16::try_from(shards).unwrap_or(1);
            list.push(Topic {
                partitions,
                shards,
                ..topic.clone()
            });
        }
    }
    Ok(Topics::new(list))
}
