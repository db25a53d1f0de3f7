//! Records ⇄ framed values.

use fleetledger_schema::{
    codec::{self, EncodeError, KnownSchemas, SchemaSubject, own_schema},
    framing::{self, SINGLE_OBJECT_HEADER_BYTES, SchemaRef},
    instant::Instant,
    kind::RecordKind,
    record::{Mark, Record, Usage},
};

use crate::object::shorten;

/// The framed value of a record, by this version's schema.
pub(crate) fn encode(record: &Record) -> Result<Vec<u8>, EncodeError> {
    let schema = own_schema(SchemaSubject::Kind(record.kind()));
    Ok(framing::join(
        SchemaRef::Fingerprint(schema.fingerprint()),
        &codec::encode(record)?,
    ))
}

/// What became of a record that had to fit into the topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RecordFit {
    /// It is whole.
    Whole,
    /// It lacks annotations, perhaps labels, perhaps messages.
    Shortened,
    /// It does not fit at all.
    TooLarge,
}

/// The framed value of a record, shortened until its body has at most `largest` bytes, so that it fits into the topic.
pub(crate) fn encode_to_fit(
    record: &mut Record,
    largest: usize,
) -> Result<(Vec<u8>, RecordFit), EncodeError> {
    let mut value = encode(record)?;
    let mut step = 0;
    while value.len() > largest + SINGLE_OBJECT_HEADER_BYTES {
        if !shorten(record, step) {
            return Ok((value, RecordFit::TooLarge));
        }
        step += 1;
        value = encode(record)?;
    }
    Ok((
        value,
        if step == 0 {
            RecordFit::Whole
        } else {
            RecordFit::Shortened
        },
    ))
}

/// The framed value of a mark.
pub(crate) fn encode_mark(mark: &Mark) -> Result<Vec<u8>, EncodeError> {
    let schema = own_schema(SchemaSubject::Mark);
    Ok(framing::join(
        SchemaRef::Fingerprint(schema.fingerprint()),
        &codec::encode_mark(mark)?,
    ))
}

/// The framed value of a window of usage.
pub(crate) fn encode_usage(usage: &Usage) -> Result<Vec<u8>, EncodeError> {
    let schema = own_schema(SchemaSubject::Kind(RecordKind::Usage));
    Ok(framing::join(
        SchemaRef::Fingerprint(schema.fingerprint()),
        &codec::encode_usage(usage)?,
    ))
}

/// The record in a framed value, if its schema is known.
pub(crate) fn decode(value: &[u8], schemas: &KnownSchemas) -> Option<Record> {
    let (SchemaRef::Fingerprint(fingerprint), body) = framing::split(value).ok()? else {
        return None;
    };
    schemas
        .get(fingerprint)?
        .decode(body)
        .ok()
        .map(|decoded| decoded.record)
}

/// `value` as the last record of its object. It keeps its writer's schema and every field of it.
pub(crate) fn encode_last(
    value: &[u8],
    schemas: &KnownSchemas,
    at: Instant,
    inferred: bool,
) -> Option<Vec<u8>> {
    let (SchemaRef::Fingerprint(fingerprint), body) = framing::split(value).ok()? else {
        return None;
    };
    let schema = schemas.get(fingerprint)?;
    let mut decoded = schema.decode(body).ok()?;
    decoded.record.set_deleted(at, inferred);
    let body = schema.encode(&decoded.record, &decoded.unknown).ok()?;
    Some(framing::join(SchemaRef::Fingerprint(fingerprint), &body))
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::record::{Namespace, ObjectRecord};

    use super::*;
    use crate::object::MAX_RECORD_BYTES;

    #[test]
    fn a_record_too_large_for_the_topic_goes_without_its_annotations() {
        let mut namespace = Namespace {
            uid: "u".into(),
            ..Namespace::default()
        };
        namespace.annotations.insert("big".into(), "x".repeat(2_000_000));
        namespace.labels.insert("team".into(), "kept".into());
        let mut record = namespace.into_record();
        let (value, fit) = encode_to_fit(&mut record, MAX_RECORD_BYTES).unwrap();
        assert_eq!(fit, RecordFit::Shortened);
        let Some(Record::Namespace(read)) = decode(&value, &KnownSchemas::own()) else {
            panic!()
        };
        assert!(read.annotations.is_empty());
        assert_eq!(read.labels.len(), 1);
    }

    #[test]
    fn the_last_record_is_the_newest_with_its_end() {
        let record = Namespace {
            uid: "u".into(),
            phase: "Active".into(),
            ..Namespace::default()
        }
        .into_record();
        let last = encode_last(&encode(&record).unwrap(), &KnownSchemas::own(), Instant(9), true).unwrap();
        let Some(Record::Namespace(read)) = decode(&last, &KnownSchemas::own()) else {
            panic!()
        };
        assert_eq!(
            (read.deleted_at, read.deletion_inferred, read.phase.as_str()),
            (Some(Instant(9)), true, "Active")
        );
    }
}
