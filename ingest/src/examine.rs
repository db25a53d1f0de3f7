//! What a record is and what must become of it. Nothing changes here: whoever asks may still seal the batch first.

use fleetledger_schema::{
    READER_VERSION,
    codec::{SchemaSubject, WriterSchema},
    content_hash::ContentHash,
    framing::{self, SchemaRef},
    headers::{Headers, MARK_EVENT_TYPE, SCHEMA_EVENT_TYPE},
    instant::Instant,
    key::{RecordKey, Source, Subject},
    partition::{partition_of, shard_of},
    record::Mark,
};
use std::sync::Arc;

use crate::{
    batch::Draft,
    dead_reason::{DeadReason, Fault},
    decode::{self, Content},
    load::ShardKey,
    memory::Memory,
    raw::RawRecord,
    reader::{Stopped, retried},
    row_of,
    sources::Standing,
    topics::Topic,
};

/// A record with a place in its shard's log.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) key: ShardKey,
    pub(crate) source: Source,
    pub(crate) subject: Subject,
    pub(crate) headers: Headers,
}

/// What a record is.
#[derive(Debug)]
pub(crate) enum Examined {
    /// It cannot land.
    Dead {
        fault: Fault,
        source: Option<Source>,
        uid: Option<String>,
        schema_ref: Option<String>,
        /// Where it stands in its shard's log, if that is known; and the content hash of its body.
        placed: Option<(Placed, ContentHash)>,
    },
    /// It is older than what stands, or of a deposed emitter (whose reign is below the current one).
    Superseded { key: Option<ShardKey>, deposed: bool },
    /// It is under a name the cluster no longer has: nothing ends, because the uid lives on.
    FormerTombstone,
    Mark(Placed, Mark),
    Schema(Placed, Arc<WriterSchema>),
    Tombstone(Placed),
    /// The last record of an object that has already ended.
    EndedBefore(Placed),
    Unchanged(Placed, ContentHash),
    Version(Placed, Box<Content>),
}

/// What a dead letter turns out to be when it is opened again.
#[derive(Debug)]
pub(crate) enum Opened {
    /// An object's record; a tombstone has no content.
    Object(Placed, Option<Box<Content>>),
    /// A mark, a sweep point, or under a name the cluster no longer has.
    Obsolete,
    Dead(Fault),
}

impl Memory {
    /// Opens a dead letter as [`Memory::examine`] would, but without the order of the log: whoever asks must know
    /// that nothing newer has landed.
    pub(crate) async fn open_letter(&mut self, record: &RawRecord) -> Result<Opened, Stopped> {
        let topics = self.topics.clone();
        let Some(topic) = topics.get(record.partition.topic) else {
            let detail = "its topic is not among those that are read";
            return Ok(Opened::Dead(Fault::new(DeadReason::SourceNotAllowed, detail)));
        };
        let (key, headers, shard) = match identify(topic, record) {
            Ok(identified) => identified,
            Err((fault, _)) => return Ok(Opened::Dead(fault)),
        };
        let (standing, quarantined) = self.sources.resolve(&mut self.reader, &key.source, &topic.name).await?;
        let cluster_id = match standing {
            Standing::Accepted(cluster_id) if !quarantined => cluster_id,
            Standing::Former => return Ok(Opened::Obsolete),
            Standing::Accepted(_) | Standing::Duplicate => {
                let detail = "its source is still in quarantine; release that first";
                return Ok(Opened::Dead(Fault::new(DeadReason::Quarantined, detail)));
            }
        };
        let Subject::Object(uid) = key.subject.clone() else {
            return Ok(Opened::Obsolete);
        };
        let placed = Placed {
            key: ShardKey { cluster_id, kind: topic.kind, shard },
            source: key.source,
            subject: key.subject,
            headers,
        };
        let Some(value) = record.value.as_deref() else {
            return Ok(Opened::Object(placed, None));
        };
        let (fingerprint, body) = match framing::split(value) {
            Ok((SchemaRef::Fingerprint(fingerprint), body)) => (fingerprint, body),
            Ok((SchemaRef::RegistryId(_), _)) => {
                let detail = "registry framing, but no registry is configured";
                return Ok(Opened::Dead(Fault::new(DeadReason::UnknownSchema, detail)));
            }
            Err(error) => return Ok(Opened::Dead(error.into())),
        };
        let Some(schema) = self.schema(fingerprint).await? else {
            let detail = format!("schema {fingerprint:016x} was never announced");
            return Ok(Opened::Dead(Fault::new(DeadReason::UnknownSchema, detail)));
        };
        Ok(match decode::decode(topic.kind, &uid, &schema, body, ContentHash::of(body)) {
            Ok(content) => Opened::Object(placed, Some(Box::new(content))),
            Err(fault) => Opened::Dead(fault),
        })
    }

    /// Finds out what `record` is. Looks up what it needs: sources, schemas, caches.
    pub(crate) async fn examine(&mut self, draft: &Draft, record: &RawRecord) -> Result<Examined, Stopped> {
        let topics = self.topics.clone();
        let Some(topic) = topics.get(record.partition.topic) else {
            return Ok(Examined::Superseded { key: None, deposed: false });
        };
        let (key, headers, shard) = match identify(topic, record) {
            Ok(identified) => identified,
            Err((fault, key)) => return Ok(dead(fault, key.as_ref(), None)),
        };
        let identity = Some(&key);
        let (standing, quarantined) = self.sources.resolve(&mut self.reader, &key.source, &topic.name).await?;
        let cluster_id = match standing {
            Standing::Accepted(cluster_id) => cluster_id,
            Standing::Former if record.value.is_none() => return Ok(Examined::FormerTombstone),
            Standing::Former => return Ok(Examined::Superseded { key: None, deposed: false }),
            Standing::Duplicate => {
                let detail = "its cluster uid belongs to a cluster of another name; see fleet.quarantine";
                return Ok(dead(Fault::new(DeadReason::Quarantined, detail), identity, None));
            }
        };
        let place = ShardKey { cluster_id, kind: topic.kind, shard };
        self.load(place, record.partition).await?;
        if let Some(deposed) = self.is_superseded(place, &headers, &key.subject) {
            return Ok(Examined::Superseded { key: Some(place), deposed });
        }
        let placed = Placed {
            key: place,
            source: key.source,
            subject: key.subject,
            headers,
        };
        let refused = self.doomed.get(&(record.partition, record.offset));
        let fault = if quarantined {
            Fault::new(DeadReason::Quarantined, "its source is in quarantine; see fleet.quarantine")
        } else if let Some(detail) = refused {
            Fault::new(DeadReason::RefusedByDatabase, detail.as_str())
        } else {
            match self.open(draft, record, topic, placed).await? {
                Ok(examined) => return Ok(examined),
                Err((fault, placed)) => return Ok(dead_at(fault, record, placed)),
            }
        };
        Ok(dead_at(fault, record, placed))
    }

    /// Emitter order, before anything else: `Some` if the record is not newer than what its shard has seen, true
    /// within if its emitter was deposed. Announcements of schemas are welcome at any time.
    fn is_superseded(&self, key: ShardKey, headers: &Headers, subject: &Subject) -> Option<bool> {
        if matches!(subject, Subject::Schema(_)) {
            return None;
        }
        let head = &self.shards.get(&key)?.head;
        let deposed = headers.epoch < head.epoch;
        ((headers.epoch, headers.sequence) <= (head.epoch, head.sequence)).then_some(deposed)
    }

    /// Opens the value of a record that is next in its log.
    async fn open(
        &mut self,
        draft: &Draft,
        record: &RawRecord,
        topic: &Topic,
        placed: Placed,
    ) -> Result<Result<Examined, (Fault, Placed)>, Stopped> {
        let Some(value) = record.value.as_deref() else {
            return Ok(Ok(Examined::Tombstone(placed)));
        };
        if let Subject::Schema(announced) = placed.subject {
            return Ok(match learn(announced, value) {
                Ok(schema) => Ok(Examined::Schema(placed, schema)),
                Err(fault) => Err((fault, placed)),
            });
        }
        let (reference, body) = match framing::split(value) {
            Ok(split) => split,
            Err(error) => return Ok(Err((error.into(), placed))),
        };
        let SchemaRef::Fingerprint(fingerprint) = reference else {
            let detail = "registry framing, but no registry is configured";
            return Ok(Err((Fault::new(DeadReason::UnknownSchema, detail), placed)));
        };
        let Some(schema) = self.schema(fingerprint).await? else {
            let detail = format!("schema {fingerprint:016x} was never announced");
            return Ok(Err((Fault::new(DeadReason::UnknownSchema, detail), placed)));
        };
        let Subject::Object(uid) = &placed.subject else {
            return Ok(match open_mark(topic, &placed, &schema, body) {
                Ok(mark) => Ok(Examined::Mark(placed, mark)),
                Err(fault) => Err((fault, placed)),
            });
        };
        let hash = ContentHash::of(body);
        let Some(shard) = self.shards.get(&placed.key) else {
            return Ok(Ok(Examined::Unchanged(placed, hash)));
        };
        let entry = shard.get(uid);
        let is_unchanged = entry.dead.is_none()
            && entry.row.is_some_and(|row| {
                row.hash == Some(hash) && row.writer == schema.number() && row.reader == READER_VERSION
            });
        if is_unchanged {
            return Ok(Ok(Examined::Unchanged(placed, hash)));
        }
        let content = match decode::decode(topic.kind, uid, &schema, body, hash) {
            Ok(content) => content,
            Err(fault) => return Ok(Err((fault, placed))),
        };
        let last = content.record.deleted_at().is_some();
        if last && entry.row.is_none() && self.has_ended(draft, &placed, &content).await? {
            return Ok(Ok(Examined::EndedBefore(placed)));
        }
        Ok(Ok(Examined::Version(placed, Box::new(content))))
    }

    /// Has an object that does not stand been closed before, or was it never seen?
    async fn has_ended(&mut self, draft: &Draft, placed: &Placed, content: &Content) -> Result<bool, Stopped> {
        let uid = content.record.uid();
        let key = (placed.key.kind.number(), placed.key.cluster_id, uid.to_owned());
        let in_draft = draft.chains.get(&key).is_some_and(|chain| chain.end.is_some());
        let shard = self.shards.get(&placed.key);
        if in_draft || shard.is_some_and(|shard| shard.has_just_ended(uid)) {
            return Ok(true);
        }
        let statement = format!(
            "select exists (select from ledger.{}_history where cluster_id = $1 and uid = $2 and valid_to > $3)",
            row_of(placed.key.kind).name
        );
        let created_at: Instant = content.record.created_at();
        Ok(retried!(self.reader, "look for an ended object", client => async {
            client
                .query_one(&statement, &[&placed.key.cluster_id, &uid, &created_at])
                .await?
                .try_get(0)
        }.await))
    }
}

/// Whose record is it, and of which shard? The key comes with the fault where it could be read.
fn identify(topic: &Topic, record: &RawRecord) -> Result<(RecordKey, Headers, u16), (Fault, Option<RecordKey>)> {
    let key = RecordKey::parse(record.key.as_deref().unwrap_or_default()).map_err(|error| (error.into(), None))?;
    if topic.datacenter.as_ref().is_some_and(|only| *only != key.source.datacenter) {
        let detail = format!("topic {} is not for datacenter {}", topic.name, key.source.datacenter);
        return Err((Fault::new(DeadReason::SourceNotAllowed, detail), Some(key)));
    }
    let headers = match Headers::parse(record.header_pairs()) {
        Ok(headers) => headers,
        Err(error) => return Err((error.into(), Some(key))),
    };
    match check_agreement(topic, record, &key, &headers) {
        Ok(shard) => Ok((key, headers, shard)),
        Err(fault) => Err((fault, Some(key))),
    }
}

/// Do key, headers, topic and partition say the same? Returns the shard.
fn check_agreement(topic: &Topic, record: &RawRecord, key: &RecordKey, headers: &Headers) -> Result<u16, Fault> {
    if headers.source != key.source.event_source() {
        let detail = format!("ce_source {:?} is not the source of key {key}", headers.source);
        return Err(Fault::new(DeadReason::SourceMismatch, detail));
    }
    let expected = match key.subject {
        Subject::Object(_) => topic.kind.event_type(),
        Subject::Mark(_) | Subject::SweepBegin(_) | Subject::SweepEnd(_) => MARK_EVENT_TYPE,
        Subject::Schema(_) => SCHEMA_EVENT_TYPE,
    };
    if headers.event_type != expected {
        let detail = format!("ce_type is {:?}, expected {expected}", headers.event_type);
        return Err(Fault::new(DeadReason::TypeMismatch, detail));
    }
    let partition = |shard| partition_of(&key.source.cluster_uid, shard, topic.partitions);
    let shard = match &key.subject {
        Subject::Object(uid) => shard_of(uid, topic.shards),
        Subject::Mark(shard) | Subject::SweepBegin(shard) | Subject::SweepEnd(shard) => *shard,
        // An announcement names no shard: it stands in each log of its cluster.
        Subject::Schema(_) => (0..topic.shards)
            .find(|shard| partition(*shard) == record.partition.partition)
            .unwrap_or(topic.shards),
    };
    if shard >= topic.shards || partition(shard) != record.partition.partition {
        let detail = format!(
            "partition {} is not the log of shard {shard} of cluster {} ({} partitions, {} shards)",
            record.partition.partition, key.source.cluster_uid, topic.partitions, topic.shards
        );
        return Err(Fault::new(DeadReason::WrongPartition, detail));
    }
    Ok(shard)
}

fn open_mark(topic: &Topic, placed: &Placed, schema: &WriterSchema, body: &[u8]) -> Result<Mark, Fault> {
    if schema.subject() != SchemaSubject::Mark {
        let detail = format!("schema {:016x} does not describe a mark", schema.fingerprint());
        return Err(Fault::new(DeadReason::UnknownSchema, detail));
    }
    let mark = schema.decode_mark(body)?;
    let point = match placed.subject {
        Subject::SweepBegin(_) => "sweep_begin",
        Subject::SweepEnd(_) => "sweep_end",
        Subject::Mark(_) | Subject::Object(_) | Subject::Schema(_) => "mark",
    };
    if mark.point != point || mark.kind != topic.kind.as_str() || mark.shard != i32::from(placed.key.shard) {
        let detail = format!("body is a {} of {} shard {}, key says {point}", mark.point, mark.kind, mark.shard);
        return Err(Fault::new(DeadReason::WrongKey, detail));
    }
    if mark.shards != i32::from(topic.shards) {
        let detail = format!("emitter uses {} shards, ingester {}; see ingest.shards", mark.shards, topic.shards);
        return Err(Fault::new(DeadReason::WrongPartition, detail));
    }
    if point != "mark" && mark.sweep_id.is_none() {
        return Err(Fault::new(DeadReason::BadBody, "sweep point without sweep_id"));
    }
    Ok(mark)
}

fn learn(announced: u64, value: &[u8]) -> Result<Arc<WriterSchema>, Fault> {
    let bad = |detail: String| Fault::new(DeadReason::BadSchema, detail);
    let text = std::str::from_utf8(value).map_err(|_| bad("schema is not utf-8".to_owned()))?;
    let schema = WriterSchema::parse(text).map_err(|error| bad(error.to_string()))?;
    if schema.fingerprint() != announced {
        return Err(bad(format!("schema has fingerprint {:016x}, key says {announced:016x}", schema.fingerprint())));
    }
    if text.contains('\0') {
        return Err(bad("schema holds a NUL character".to_owned()));
    }
    Ok(Arc::new(schema))
}

fn dead(fault: Fault, key: Option<&RecordKey>, placed: Option<(Placed, ContentHash)>) -> Examined {
    let uid = key.and_then(|key| match &key.subject {
        Subject::Object(uid) => Some(uid.clone()),
        Subject::Mark(_) | Subject::SweepBegin(_) | Subject::SweepEnd(_) | Subject::Schema(_) => None,
    });
    Examined::Dead {
        fault,
        source: key.map(|key| key.source.clone()),
        uid,
        schema_ref: None,
        placed,
    }
}

fn dead_at(fault: Fault, record: &RawRecord, placed: Placed) -> Examined {
    let value = record.value.as_deref().unwrap_or_default();
    let (schema_ref, body) = match framing::split(value) {
        Ok((SchemaRef::Fingerprint(fingerprint), body)) => (Some(format!("{fingerprint:016x}")), body),
        Ok((SchemaRef::RegistryId(id), body)) => (Some(format!("registry id {id}")), body),
        Err(_) => (None, value),
    };
    let uid = match &placed.subject {
        Subject::Object(uid) => Some(uid.clone()),
        Subject::Mark(_) | Subject::SweepBegin(_) | Subject::SweepEnd(_) | Subject::Schema(_) => None,
    };
    Examined::Dead {
        fault,
        source: Some(placed.source.clone()),
        uid,
        schema_ref,
        placed: Some((placed, ContentHash::of(body))),
    }
}
