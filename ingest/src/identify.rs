//! Whose record is it? Key, headers, topic and partition must say the same.

use std::sync::Arc;

use fleetledger_schema::{
    codec::{SchemaSubject, WriterSchema},
    headers::{MARK_EVENT_TYPE, RecordHeadersRef, SCHEMA_EVENT_TYPE, is_possible_epoch},
    instant::Instant,
    key::RecordSubject,
    mac::{MAC_HEADER, SignedContent},
    partition::shard_of,
    record::Mark,
};

use crate::{
    dead_reason::{DeadReason, RecordFault},
    examine::PlacedRecord,
    identity_keys::RequiredProof,
    origin::{InternedSource, SourceInterner},
    raw::RawRecord,
    topics::IngestTopic,
};

/// Whose record it is, and of which shard.
#[derive(Debug)]
pub(crate) struct RecordIdentity {
    pub(crate) origin: Arc<InternedSource>,
    pub(crate) subject: RecordSubject,
    pub(crate) stamp: RecordStamp,
    pub(crate) shard: u16,
}

/// More records than any term has: a million a second for eight years.
const MOST_RECORDS: i64 = 1 << 48;

/// What the headers say of a record's place and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordStamp {
    pub(crate) time: Instant,
    pub(crate) epoch: i64,
    pub(crate) sequence: i64,
    pub(crate) since: Option<Instant>,
}

impl RecordStamp {
    pub(crate) fn of(headers: &RecordHeadersRef<'_>) -> Self {
        Self {
            time: headers.time,
            epoch: headers.epoch,
            sequence: headers.sequence,
            since: headers.since,
        }
    }
}

/// Why that cannot be said, and the key where at least that could be read.
#[derive(Debug)]
pub(crate) struct UnidentifiedRecord {
    pub(crate) fault: RecordFault,
    pub(crate) key: Option<(Arc<InternedSource>, RecordSubject)>,
}

/// Identifies a record.
pub(crate) fn identify(
    origins: &mut SourceInterner,
    topic: &IngestTopic,
    record: &RawRecord,
) -> Result<RecordIdentity, Box<UnidentifiedRecord>> {
    let key = origins.read(topic, record.key().unwrap_or_default());
    let (origin, subject) = key.map_err(|error| {
        Box::new(UnidentifiedRecord {
            fault: error.into(),
            key: None,
        })
    })?;
    match check(topic, record, &origin, &subject) {
        Ok((stamp, shard)) => Ok(RecordIdentity {
            origin,
            subject,
            stamp,
            shard,
        }),
        Err(fault) => Err(Box::new(UnidentifiedRecord {
            fault,
            key: Some((origin, subject)),
        })),
    }
}

fn check(
    topic: &IngestTopic,
    record: &RawRecord,
    origin: &InternedSource,
    subject: &RecordSubject,
) -> Result<(RecordStamp, u16), RecordFault> {
    let headers = verify(topic, record, origin)?;
    if topic
        .datacenter
        .as_ref()
        .is_some_and(|only| *only != origin.datacenter)
    {
        let detail = format!("topic {} is not for datacenter {}", topic.name, origin.datacenter);
        return Err(RecordFault::new(DeadReason::SourceNotAllowed, detail));
    }
    if !is_possible_epoch(headers.epoch, Instant::now()) || headers.sequence > MOST_RECORDS {
        let detail = format!(
            "epoch {} is more than a day ahead of this ingester's clock, or sequence {} is more than {MOST_RECORDS}",
            headers.epoch, headers.sequence
        );
        return Err(RecordFault::new(DeadReason::EpochOutOfRange, detail));
    }
    let shard = check_agreement(topic, record, origin, subject, &headers)?;
    Ok((RecordStamp::of(&headers), shard))
}

/// The headers of a record that proves whose it is, if its source must.
pub(crate) fn verify<'r>(
    topic: &IngestTopic,
    record: &'r RawRecord,
    origin: &InternedSource,
) -> Result<RecordHeadersRef<'r>, RecordFault> {
    let headers = RecordHeadersRef::parse(record.header_pairs());
    let refused = |detail: String| Err(RecordFault::new(DeadReason::BadMac, detail));
    let keys = match &origin.proof {
        RequiredProof::None => return Ok(headers?),
        RequiredProof::Unknown => {
            return refused("its cluster has no key, and ingest.identity.unsigned is \"refused\"".to_owned());
        }
        RequiredProof::Mac(keys) => keys,
    };
    // Whoever has no key may have written anything: that too is no fault of the source.
    let headers = match headers {
        Ok(headers) => headers,
        Err(error) => return refused(error.to_string()),
    };
    let key = record.key().unwrap_or_default();
    let content = SignedContent::of(&topic.name, key, record.value(), &headers);
    match headers.mac {
        Some(mac) if keys.iter().any(|key| key.verify(&content, mac)) => Ok(headers),
        Some(_) => refused(format!("header {MAC_HEADER} matches no key of {origin}")),
        None => refused(format!("header {MAC_HEADER} is missing, and {origin} has a key")),
    }
}

/// Do key, headers, topic and partition say the same? Returns the shard.
fn check_agreement(
    topic: &IngestTopic,
    record: &RawRecord,
    origin: &InternedSource,
    subject: &RecordSubject,
    headers: &RecordHeadersRef<'_>,
) -> Result<u16, RecordFault> {
    if headers.source != origin.event_source {
        let detail = format!(
            "ce_source {:?} is not the source of key {origin}/{subject}",
            headers.source
        );
        return Err(RecordFault::new(DeadReason::SourceMismatch, detail));
    }
    let expected = match subject {
        RecordSubject::Object(_) => topic.kind.event_type(),
        RecordSubject::Mark(_) | RecordSubject::SweepBegin(_) | RecordSubject::SweepEnd(_) => MARK_EVENT_TYPE,
        RecordSubject::Schema(_) => SCHEMA_EVENT_TYPE,
    };
    if headers.event_type != expected {
        let detail = format!("ce_type is {:?}, expected {expected}", headers.event_type);
        return Err(RecordFault::new(DeadReason::TypeMismatch, detail));
    }
    let shard = match subject {
        RecordSubject::Object(uid) => shard_of(uid, topic.shards),
        RecordSubject::Mark(shard) | RecordSubject::SweepBegin(shard) | RecordSubject::SweepEnd(shard) => {
            *shard
        }
        // An announcement names no shard: it stands in each log of its cluster.
        RecordSubject::Schema(_) => (0..topic.shards)
            .find(|shard| origin.log(topic, *shard) == record.partition.partition)
            .unwrap_or(topic.shards),
    };
    if shard >= topic.shards || origin.log(topic, shard) != record.partition.partition {
        let detail = format!(
            "partition {} is not the log of shard {shard} of cluster {} ({} partitions, {} shards)",
            record.partition.partition, origin.cluster_uid, topic.partitions, topic.shards
        );
        return Err(RecordFault::new(DeadReason::WrongPartition, detail));
    }
    Ok(shard)
}

/// Opens a mark; its body must say what its key says.
pub(crate) fn open_mark(
    topic: &IngestTopic,
    placed: &PlacedRecord,
    schema: &WriterSchema,
    body: &[u8],
) -> Result<Mark, RecordFault> {
    if schema.subject() != SchemaSubject::Mark {
        let detail = format!("schema {:016x} does not describe a mark", schema.fingerprint());
        return Err(RecordFault::new(DeadReason::UnknownSchema, detail));
    }
    let mark = schema.decode_mark(body)?;
    let point = match placed.subject {
        RecordSubject::SweepBegin(_) => "sweep_begin",
        RecordSubject::SweepEnd(_) => "sweep_end",
        RecordSubject::Mark(_) | RecordSubject::Object(_) | RecordSubject::Schema(_) => "mark",
    };
    if mark.point != point || mark.kind != topic.kind.as_str() || mark.shard != i32::from(placed.key.shard) {
        let detail = format!(
            "body is a {} of {} shard {}, key says {point}",
            mark.point, mark.kind, mark.shard
        );
        return Err(RecordFault::new(DeadReason::WrongKey, detail));
    }
    if mark.shards != i32::from(topic.shards) {
        let detail = format!(
            "emitter uses {} shards, ingester {}; see ingest.shards",
            mark.shards, topic.shards
        );
        return Err(RecordFault::new(DeadReason::WrongPartition, detail));
    }
    if point != "mark" && mark.sweep_id.is_none() {
        return Err(RecordFault::new(
            DeadReason::BadBody,
            "sweep point without sweep_id",
        ));
    }
    Ok(mark)
}

/// Reads an announced schema.
pub(crate) fn learn(announced: u64, value: &[u8]) -> Result<Arc<WriterSchema>, RecordFault> {
    let bad = |detail: String| RecordFault::new(DeadReason::BadSchema, detail);
    let text = std::str::from_utf8(value).map_err(|_| bad("schema is not utf-8".to_owned()))?;
    let schema = WriterSchema::parse(text).map_err(|error| bad(error.to_string()))?;
    if !schema.is_named(announced) {
        return Err(bad(format!(
            "schema has fingerprint {:016x}, key says {announced:016x}",
            schema.fingerprint()
        )));
    }
    if text.contains('\0') {
        return Err(bad("schema holds a NUL character".to_owned()));
    }
    Ok(Arc::new(schema))
}
