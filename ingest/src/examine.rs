//! What a record is and what must become of it. Nothing changes here: whoever asks may still seal the batch first.

use fleetledger_schema::{
    READER_VERSION,
    codec::WriterSchema,
    content_hash::ContentHash,
    framing::{self, SchemaRef},
    instant::Instant,
    key::Subject,
    record::Mark,
};
use std::sync::Arc;

use crate::{
    batch::Draft,
    dead_reason::{DeadReason, Fault},
    decode::{self, Content},
    identify::{Identity, Stamp, identify, learn, open_mark},
    load::ShardKey,
    memory::Memory,
    origin::Origin,
    raw::RawRecord,
    reader::{Stopped, retried},
    row_of,
    safeguard::Safeguard,
    sources::Standing,
    topics::Topic,
    usage::{self, Window},
};

/// A record with a place in its shard's log.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) key: ShardKey,
    pub(crate) source: Arc<Origin>,
    pub(crate) subject: Subject,
    pub(crate) headers: Stamp,
}

/// What a record is.
#[derive(Debug)]
pub(crate) enum Examined {
    /// It cannot land.
    Dead {
        fault: Fault,
        source: Option<Arc<Origin>>,
        uid: Option<String>,
        schema_ref: Option<String>,
        /// Where it stands in its shard's log, if that is known; and the content hash of its body.
        placed: Option<Box<(Placed, ContentHash)>>,
    },
    /// It is older than what stands, or of a deposed emitter (whose reign is below the current one).
    Superseded {
        key: Option<ShardKey>,
        deposed: bool,
    },
    /// It is under a name the cluster no longer has: nothing ends, because the uid lives on.
    FormerTombstone,
    Mark(Placed, Box<Mark>),
    Schema(Placed, Arc<WriterSchema>),
    Tombstone(Placed),
    /// The last record of an object that has already ended.
    EndedBefore(Placed),
    Unchanged(Placed, ContentHash),
    Version(Placed, Box<Content>),
    /// A window of usage.
    Usage(Placed, Box<Window>),
}

/// What a dead letter turns out to be when it is opened again.
#[derive(Debug)]
pub(crate) enum Opened {
    /// An object's record; a tombstone has no content.
    Object(Box<Placed>, Option<Box<Content>>),
    Usage(Box<Placed>, Box<Window>),
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
        let Identity {
            origin,
            subject,
            stamp,
            shard,
        } = match identify(&mut self.origins, topic, record) {
            Ok(identity) => identity,
            Err(unidentified) => return Ok(Opened::Dead(unidentified.fault)),
        };
        let (standing, quarantined) = self
            .sources
            .resolve(&mut self.reader, &origin, &topic.name)
            .await?;
        let cluster_id = match standing {
            Standing::Accepted(cluster_id) if !quarantined => cluster_id,
            Standing::Former => return Ok(Opened::Obsolete),
            Standing::Accepted(_) | Standing::Duplicate => {
                let detail = "its source is still in quarantine; release that first";
                return Ok(Opened::Dead(Fault::new(DeadReason::Quarantined, detail)));
            }
        };
        let Subject::Object(uid) = subject.clone() else {
            return Ok(Opened::Obsolete);
        };
        let placed = Placed {
            key: ShardKey {
                cluster_id,
                kind: topic.kind,
                shard,
            },
            source: origin,
            subject,
            headers: stamp,
        };
        let Some(value) = record.value() else {
            return Ok(Opened::Object(Box::new(placed), None));
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
        if !topic.kind.is_object() {
            let kafka_at = record.kafka_at.unwrap_or(placed.headers.time);
            return Ok(match usage::open(&uid, &schema, body, kafka_at) {
                Ok(window) => Opened::Usage(Box::new(placed), Box::new(window)),
                Err(fault) => Opened::Dead(fault),
            });
        }
        Ok(
            match decode::decode(topic.kind, &uid, &schema, body, ContentHash::of(body)) {
                Ok(content) => Opened::Object(Box::new(placed), Some(Box::new(content))),
                Err(fault) => Opened::Dead(fault),
            },
        )
    }

    /// Finds out what `record` is. Looks up what it needs: sources, schemas, caches.
    pub(crate) async fn examine(&mut self, draft: &Draft, record: &RawRecord) -> Result<Examined, Stopped> {
        let topics = self.topics.clone();
        let Some(topic) = topics.get(record.partition.topic) else {
            return Ok(Examined::Superseded {
                key: None,
                deposed: false,
            });
        };
        let Identity {
            origin,
            subject,
            stamp,
            shard,
        } = match identify(&mut self.origins, topic, record) {
            Ok(identity) => identity,
            Err(unidentified) => return Ok(dead(unidentified.fault, unidentified.key)),
        };
        let (standing, quarantined) = self
            .sources
            .resolve(&mut self.reader, &origin, &topic.name)
            .await?;
        let cluster_id = match standing {
            Standing::Accepted(cluster_id) => cluster_id,
            Standing::Former if record.value().is_none() => return Ok(Examined::FormerTombstone),
            Standing::Former => {
                return Ok(Examined::Superseded {
                    key: None,
                    deposed: false,
                });
            }
            Standing::Duplicate => {
                let detail = "its cluster uid belongs to a cluster of another name; see fleet.quarantine";
                let key = Some((origin, subject));
                return Ok(dead(Fault::new(DeadReason::Quarantined, detail), key));
            }
        };
        let place = ShardKey {
            cluster_id,
            kind: topic.kind,
            shard,
        };
        self.load(place, record.partition).await?;
        if let Some(deposed) = self.is_superseded(place, &stamp, &subject) {
            return Ok(Examined::Superseded {
                key: Some(place),
                deposed,
            });
        }
        let placed = Placed {
            key: place,
            source: origin,
            subject,
            headers: stamp,
        };
        let refused = if self.doomed.is_empty() {
            None
        } else {
            self.doomed.get(&(record.partition, record.offset))
        };
        let fault = if quarantined {
            Fault::new(
                DeadReason::Quarantined,
                "its source is in quarantine; see fleet.quarantine",
            )
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
    fn is_superseded(&self, key: ShardKey, headers: &Stamp, subject: &Subject) -> Option<bool> {
        if matches!(subject, Subject::Schema(_)) {
            return None;
        }
        let head = &self.shards.get(&key)?.head;
        let deposed = headers.epoch < head.epoch;
        let older = (headers.epoch, headers.sequence) <= (head.epoch, head.sequence);
        (older && Safeguard::OrderGuard.stands()).then_some(deposed)
    }

    /// Opens the value of a record that is next in its log.
    async fn open(
        &mut self,
        draft: &Draft,
        record: &RawRecord,
        topic: &Topic,
        placed: Placed,
    ) -> Result<Result<Examined, (Fault, Placed)>, Stopped> {
        let Some(value) = record.value() else {
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
                Ok(mark) => Ok(Examined::Mark(placed, Box::new(mark))),
                Err(fault) => Err((fault, placed)),
            });
        };
        if !topic.kind.is_object() {
            let kafka_at = record.kafka_at.unwrap_or(placed.headers.time);
            return Ok(match usage::open(uid, &schema, body, kafka_at) {
                Ok(window) => Ok(Examined::Usage(placed, Box::new(window))),
                Err(fault) => Err((fault, placed)),
            });
        }
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
    async fn has_ended(
        &mut self,
        draft: &Draft,
        placed: &Placed,
        content: &Content,
    ) -> Result<bool, Stopped> {
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
        Ok(
            retried!(self.reader, "look for an ended object", client => async {
            client
                .query_one(&statement, &[&placed.key.cluster_id, &uid, &created_at])
                .await?
                .try_get(0)
        }.await),
        )
    }
}

fn dead(fault: Fault, key: Option<(Arc<Origin>, Subject)>) -> Examined {
    let (source, subject) = key.unzip();
    let uid = match subject {
        Some(Subject::Object(uid)) => Some(uid),
        Some(Subject::Mark(_) | Subject::SweepBegin(_) | Subject::SweepEnd(_) | Subject::Schema(_))
        | None => None,
    };
    Examined::Dead {
        fault,
        source,
        uid,
        schema_ref: None,
        placed: None,
    }
}

fn dead_at(fault: Fault, record: &RawRecord, placed: Placed) -> Examined {
    let value = record.value().unwrap_or_default();
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
        placed: Some(Box::new((placed, ContentHash::of(body)))),
    }
}
