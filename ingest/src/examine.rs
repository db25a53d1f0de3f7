//! What a record is and what must become of it. Nothing changes here: whoever asks may still seal the batch first.

use fleetledger_schema::{
    READER_VERSION,
    codec::WriterSchema,
    content_hash::ContentHash,
    framing::{self, SchemaRef},
    instant::Instant,
    key::RecordSubject,
    object_uid::ObjectUid,
    record::Mark,
};
use std::sync::Arc;

use crate::{
    batch::DraftBatch,
    dead_reason::{DeadReason, RecordFault},
    decode::{self, ObjectContent},
    identify::{RecordIdentity, RecordStamp, identify, learn, open_mark},
    load::ShardKey,
    memory::LaneMemory,
    origin::InternedSource,
    raw::RawRecord,
    reader::{StopRequested, retried},
    row_of,
    safeguard::Safeguard,
    sources::SourceRegistration,
    topics::IngestTopic,
    usage::{self, UsageWindow},
};

/// A record with a place in its shard's log.
#[derive(Debug)]
pub(crate) struct PlacedRecord {
    pub(crate) key: ShardKey,
    pub(crate) source: Arc<InternedSource>,
    pub(crate) subject: RecordSubject,
    pub(crate) headers: RecordStamp,
}

/// What a record is.
#[derive(Debug)]
pub(crate) enum ExaminedRecord {
    /// It cannot land.
    Dead {
        fault: RecordFault,
        source: Option<Arc<InternedSource>>,
        uid: Option<String>,
        schema_ref: Option<String>,
        /// Where it stands in its shard's log, if that is known; and the content hash of its body.
        placed: Option<Box<(PlacedRecord, ContentHash)>>,
    },
    /// It is older than the current state, or of a deposed emitter (whose leadership term is below the current one).
    Superseded {
        key: Option<ShardKey>,
        deposed: bool,
    },
    /// It is under a name the cluster no longer has: nothing ends, because the uid lives on.
    FormerTombstone,
    Mark(PlacedRecord, Box<Mark>),
    Schema(PlacedRecord, Arc<WriterSchema>),
    Tombstone(PlacedRecord),
    /// The last record of an object that has already ended.
    EndedBefore(PlacedRecord),
    Unchanged(PlacedRecord, ContentHash),
    Version(PlacedRecord, Box<ObjectContent>),
    /// A window of usage.
    Usage(PlacedRecord, Box<UsageWindow>),
}

/// What a dead letter turns out to be when it is opened again.
#[derive(Debug)]
pub(crate) enum ReopenedDeadLetter {
    /// An object's record; a tombstone has no content.
    Object(Box<PlacedRecord>, Option<Box<ObjectContent>>),
    Usage(Box<PlacedRecord>, Box<UsageWindow>),
    /// A mark, a sweep point, or under a name the cluster no longer has.
    Obsolete,
    Dead(RecordFault),
}

impl LaneMemory {
    /// Opens a dead letter as [`LaneMemory::examine`] would, but without the order of the log: whoever asks must know
    /// that nothing newer has landed.
    pub(crate) async fn reopen_dead_letter(
        &mut self,
        record: &RawRecord,
    ) -> Result<ReopenedDeadLetter, StopRequested> {
        let topics = self.topics.clone();
        let Some(topic) = topics.get(record.partition.topic) else {
            let detail = "its topic is not one that this ingester reads";
            return Ok(ReopenedDeadLetter::Dead(RecordFault::new(
                DeadReason::SourceNotAllowed,
                detail,
            )));
        };
        let RecordIdentity {
            origin,
            subject,
            stamp,
            shard,
        } = match identify(&mut self.origins, topic, record) {
            Ok(identity) => identity,
            Err(unidentified) => return Ok(ReopenedDeadLetter::Dead(unidentified.fault)),
        };
        let (registration, quarantined) = self
            .sources
            .resolve(&mut self.reader, &origin, &topic.name)
            .await?;
        let cluster_id = match registration {
            SourceRegistration::Accepted(cluster_id) if !quarantined => cluster_id,
            SourceRegistration::Former => return Ok(ReopenedDeadLetter::Obsolete),
            SourceRegistration::NotAdmitted => {
                let detail = "its cluster is not admitted; run fleetledger clusters admit first";
                return Ok(ReopenedDeadLetter::Dead(RecordFault::new(
                    DeadReason::NotAdmitted,
                    detail,
                )));
            }
            SourceRegistration::Accepted(_) | SourceRegistration::Duplicate => {
                let detail = "its source is still quarantined; run fleetledger ingest release first";
                return Ok(ReopenedDeadLetter::Dead(RecordFault::new(
                    DeadReason::Quarantined,
                    detail,
                )));
            }
        };
        let RecordSubject::Object(uid) = subject.clone() else {
            return Ok(ReopenedDeadLetter::Obsolete);
        };
        let placed = PlacedRecord {
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
            return Ok(ReopenedDeadLetter::Object(Box::new(placed), None));
        };
        let (fingerprint, body) = match framing::split(value) {
            Ok((SchemaRef::Fingerprint(fingerprint), body)) => (fingerprint, body),
            Ok((SchemaRef::RegistryId(_), _)) => {
                let detail = "registry framing, but no registry is configured";
                return Ok(ReopenedDeadLetter::Dead(RecordFault::new(
                    DeadReason::UnknownSchema,
                    detail,
                )));
            }
            Err(error) => return Ok(ReopenedDeadLetter::Dead(error.into())),
        };
        let Some(schema) = self.schema(placed.key.cluster_id, fingerprint).await? else {
            let detail = format!("schema {fingerprint:016x} was never announced");
            return Ok(ReopenedDeadLetter::Dead(RecordFault::new(
                DeadReason::UnknownSchema,
                detail,
            )));
        };
        if !topic.kind.is_object() {
            let kafka_at = record.kafka_at.unwrap_or(placed.headers.time);
            return Ok(match usage::open(&uid, &schema, body, kafka_at) {
                Ok(window) => ReopenedDeadLetter::Usage(Box::new(placed), Box::new(window)),
                Err(fault) => ReopenedDeadLetter::Dead(fault),
            });
        }
        Ok(
            match decode::decode(topic.kind, &uid, &schema, body, ContentHash::of(body)) {
                Ok(content) => ReopenedDeadLetter::Object(Box::new(placed), Some(Box::new(content))),
                Err(fault) => ReopenedDeadLetter::Dead(fault),
            },
        )
    }

    /// Finds out what `record` is. Looks up what it needs: sources, schemas, caches.
    pub(crate) async fn examine(
        &mut self,
        draft: &DraftBatch,
        record: &RawRecord,
    ) -> Result<ExaminedRecord, StopRequested> {
        self.take_new_keys();
        let topics = self.topics.clone();
        let Some(topic) = topics.get(record.partition.topic) else {
            return Ok(ExaminedRecord::Superseded {
                key: None,
                deposed: false,
            });
        };
        let RecordIdentity {
            origin,
            subject,
            stamp,
            shard,
        } = match identify(&mut self.origins, topic, record) {
            Ok(identity) => identity,
            Err(unidentified) => return Ok(dead_record(unidentified.fault, unidentified.key)),
        };
        let (registration, quarantined) = self
            .sources
            .resolve(&mut self.reader, &origin, &topic.name)
            .await?;
        let cluster_id = match registration {
            SourceRegistration::Accepted(cluster_id) => cluster_id,
            SourceRegistration::Former if record.value().is_none() => {
                return Ok(ExaminedRecord::FormerTombstone);
            }
            SourceRegistration::Former => {
                return Ok(ExaminedRecord::Superseded {
                    key: None,
                    deposed: false,
                });
            }
            SourceRegistration::Duplicate => {
                let detail = "its cluster uid belongs to a cluster of another name; see fleet.quarantine";
                let key = Some((origin, subject));
                return Ok(dead_record(
                    RecordFault::new(DeadReason::Quarantined, detail),
                    key,
                ));
            }
            SourceRegistration::NotAdmitted => {
                let detail =
                    "its cluster is not admitted; see fleet.quarantine, then run fleetledger clusters admit";
                let key = Some((origin, subject));
                return Ok(dead_record(
                    RecordFault::new(DeadReason::NotAdmitted, detail),
                    key,
                ));
            }
        };
        let place = ShardKey {
            cluster_id,
            kind: topic.kind,
            shard,
        };
        self.load(place, record.partition).await?;
        if let Some(deposed) = self.is_superseded(place, &stamp, &subject) {
            return Ok(ExaminedRecord::Superseded {
                key: Some(place),
                deposed,
            });
        }
        let placed = PlacedRecord {
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
            RecordFault::new(
                DeadReason::Quarantined,
                "its source is quarantined; see fleet.quarantine",
            )
        } else if let Some(detail) = refused {
            RecordFault::new(DeadReason::RefusedByDatabase, detail.as_str())
        } else {
            match self.open(draft, record, topic, placed).await? {
                Ok(examined) => return Ok(examined),
                Err((fault, placed)) => return Ok(dead_placed_record(fault, record, placed)),
            }
        };
        Ok(dead_placed_record(fault, record, placed))
    }

    /// Emitter order, before anything else: `Some` if the record is not newer than what its shard has seen, true
    /// within if its emitter was deposed. Announcements of schemas are welcome at any time.
    fn is_superseded(&self, key: ShardKey, headers: &RecordStamp, subject: &RecordSubject) -> Option<bool> {
        if matches!(subject, RecordSubject::Schema(_)) {
            return None;
        }
        let head = &self.shards.get(&key)?.head;
        let deposed = headers.epoch < head.epoch;
        let older = (headers.epoch, headers.sequence) <= (head.epoch, head.sequence);
        (older && Safeguard::OrderGuard.is_enabled()).then_some(deposed)
    }

    /// Opens the value of a record that is next in its log.
    async fn open(
        &mut self,
        draft: &DraftBatch,
        record: &RawRecord,
        topic: &IngestTopic,
        placed: PlacedRecord,
    ) -> Result<Result<ExaminedRecord, (RecordFault, PlacedRecord)>, StopRequested> {
        let Some(value) = record.value() else {
            return Ok(Ok(ExaminedRecord::Tombstone(placed)));
        };
        if let RecordSubject::Schema(announced) = placed.subject {
            let schema = match learn(announced, value) {
                Ok(schema) => schema,
                Err(fault) => return Ok(Err((fault, placed))),
            };
            let checked = self
                .check_announcement(draft, placed.key.cluster_id, &schema)
                .await?;
            return Ok(match checked {
                Ok(()) => Ok(ExaminedRecord::Schema(placed, schema)),
                Err(fault) => Err((fault, placed)),
            });
        }
        let (reference, body) = match framing::split(value) {
            Ok(split) => split,
            Err(error) => return Ok(Err((error.into(), placed))),
        };
        let SchemaRef::Fingerprint(fingerprint) = reference else {
            let detail = "registry framing, but no registry is configured";
            return Ok(Err((RecordFault::new(DeadReason::UnknownSchema, detail), placed)));
        };
        let Some(schema) = self.schema(placed.key.cluster_id, fingerprint).await? else {
            let detail = format!("schema {fingerprint:016x} was never announced");
            return Ok(Err((RecordFault::new(DeadReason::UnknownSchema, detail), placed)));
        };
        let RecordSubject::Object(uid) = &placed.subject else {
            return Ok(match open_mark(topic, &placed, &schema, body) {
                Ok(mark) => Ok(ExaminedRecord::Mark(placed, Box::new(mark))),
                Err(fault) => Err((fault, placed)),
            });
        };
        if !topic.kind.is_object() {
            let kafka_at = record.kafka_at.unwrap_or(placed.headers.time);
            return Ok(match usage::open(uid, &schema, body, kafka_at) {
                Ok(window) => Ok(ExaminedRecord::Usage(placed, Box::new(window))),
                Err(fault) => Err((fault, placed)),
            });
        }
        let hash = ContentHash::of(body);
        let Some(shard) = self.shards.get(&placed.key) else {
            return Ok(Ok(ExaminedRecord::Unchanged(placed, hash)));
        };
        let entry = shard.get(ObjectUid::of(uid));
        let is_unchanged = entry.dead.is_none()
            && entry.row.is_some_and(|row| {
                row.hash == Some(hash) && row.writer == schema.number() && row.reader == READER_VERSION
            });
        if is_unchanged {
            return Ok(Ok(ExaminedRecord::Unchanged(placed, hash)));
        }
        let content = match decode::decode(topic.kind, uid, &schema, body, hash) {
            Ok(content) => content,
            Err(fault) => return Ok(Err((fault, placed))),
        };
        let last = content.record.deleted_at().is_some();
        if last && entry.row.is_none() && self.has_ended(draft, &placed, &content).await? {
            return Ok(Ok(ExaminedRecord::EndedBefore(placed)));
        }
        Ok(Ok(ExaminedRecord::Version(placed, Box::new(content))))
    }

    /// Has an object that does not stand been closed before, or was it never seen?
    async fn has_ended(
        &mut self,
        draft: &DraftBatch,
        placed: &PlacedRecord,
        content: &ObjectContent,
    ) -> Result<bool, StopRequested> {
        let uid = ObjectUid::of(content.record.uid());
        let key = (placed.key.kind.number(), placed.key.cluster_id, uid);
        let in_draft = draft.chains.get(&key).is_some_and(|chain| chain.end.is_some());
        let shard = self.shards.get(&placed.key);
        if in_draft || shard.is_some_and(|shard| shard.has_just_ended(uid)) {
            return Ok(true);
        }
        let statement = HAS_ENDED_AFTER_TEMPLATE.replace("{table}", row_of(placed.key.kind).name);
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

fn dead_record(fault: RecordFault, key: Option<(Arc<InternedSource>, RecordSubject)>) -> ExaminedRecord {
    let (source, subject) = key.unzip();
    let uid = match subject {
        Some(RecordSubject::Object(uid)) => Some(uid),
        Some(
            RecordSubject::Mark(_)
            | RecordSubject::SweepBegin(_)
            | RecordSubject::SweepEnd(_)
            | RecordSubject::Schema(_),
        )
        | None => None,
    };
    ExaminedRecord::Dead {
        fault,
        source,
        uid,
        schema_ref: None,
        placed: None,
    }
}

fn dead_placed_record(fault: RecordFault, record: &RawRecord, placed: PlacedRecord) -> ExaminedRecord {
    let value = record.value().unwrap_or_default();
    let (schema_ref, body) = match framing::split(value) {
        Ok((SchemaRef::Fingerprint(fingerprint), body)) => (Some(format!("{fingerprint:016x}")), body),
        Ok((SchemaRef::RegistryId(id), body)) => (Some(format!("registry id {id}")), body),
        Err(_) => (None, value),
    };
    let uid = match &placed.subject {
        RecordSubject::Object(uid) => Some(uid.clone()),
        RecordSubject::Mark(_)
        | RecordSubject::SweepBegin(_)
        | RecordSubject::SweepEnd(_)
        | RecordSubject::Schema(_) => None,
    };
    ExaminedRecord::Dead {
        fault,
        source: Some(placed.source.clone()),
        uid,
        schema_ref,
        placed: Some(Box::new((placed, ContentHash::of(body)))),
    }
}

const HAS_ENDED_AFTER_TEMPLATE: &str = "
    select exists (select from ledger.{table}_history where cluster_id = $1 and uid = $2 and valid_to > $3)";
