//! Values → contents: everything that PostgreSQL would refuse is found here, so that one bad record never
//! spoils a batch.

use std::{collections::HashSet, sync::Arc};

use fleetledger_schema::{
    codec::{BodyError, SchemaSubject, WriterSchema},
    content_hash::ContentHash,
    instant::Instant,
    kind::RecordKind,
    record::{Condition, Container, Namespace, Node, Pod, Record, StringMap, Watchdog, Workload},
    row::{self, RowCell},
};

use crate::{
    batch::ChainKey,
    chain::{ContainerVersion, ObjectVersion, VersionChain},
    dead_reason::{DeadReason, RecordFault},
};

/// Largest body that lands, in bytes: above it a row would not fit Kafka's default message either.
pub(crate) const MAX_BODY_BYTES: usize = 4 << 20;
/// Longest label key: a DNS subdomain, a slash, a name (Kubernetes' rules).
const MAX_LABEL_KEY_BYTES: usize = 253 + 1 + 63;
/// Longest label value by Kubernetes' rules.
const MAX_LABEL_VALUE_BYTES: usize = 63;
/// Longest text in a column that an index may hold; Kubernetes' names end at 253, a B-tree's rows at 2704.
const MAX_NAME_BYTES: usize = 512;
/// Columns whose text is prose and stands in no index.
const PROSE: &[&str] = &[
    "message",
    "unschedulable_message",
    "last_message",
    "runbook",
    "snooze_reason",
    "image",
    "image_id",
    "completed_indexes",
    "failed_indexes",
];

/// What an object takes in a batch beside itself: its chain with one version, and its key.
const CHAINED_BYTES: usize = size_of::<ChainKey>() + size_of::<VersionChain>() + size_of::<ObjectVersion>();
/// The same of a container: its name, and a list of one version.
const CHAINED_CONTAINER_BYTES: usize =
    size_of::<String>() + size_of::<Vec<ContainerVersion>>() + size_of::<ContainerVersion>();

/// A decoded object, ready to stand.
#[derive(Debug, Clone)]
pub(crate) struct ObjectContent {
    pub(crate) record: Arc<Record>,
    /// JSON text of fields this reader does not know.
    pub(crate) unknown: Option<Vec<u8>>,
    pub(crate) hash: ContentHash,
    pub(crate) row_hash: ContentHash,
    pub(crate) schema: Arc<WriterSchema>,
}

impl ObjectContent {
    /// Number of containers, if it is a pod. No pod has as many as this can hold.
    pub(crate) fn containers(&self) -> u16 {
        match self.record.as_ref() {
            Record::Pod(pod) => u16::try_from(pod.containers.len()).unwrap_or(u16::MAX),
            Record::Node(_) | Record::Namespace(_) | Record::Workload(_) | Record::Watchdog(_) => 0,
        }
    }

    /// Bytes it takes in a batch, decoded and with its place in chains, beside those of its texts.
    pub(crate) fn bytes(&self) -> usize {
        let (object, containers) = match self.record.as_ref() {
            Record::Pod(pod) => (size_of::<Pod>(), pod.containers.len()),
            Record::Node(_) => (size_of::<Node>(), 0),
            Record::Namespace(_) => (size_of::<Namespace>(), 0),
            Record::Workload(_) => (size_of::<Workload>(), 0),
            Record::Watchdog(_) => (size_of::<Watchdog>(), 0),
        };
        object + CHAINED_BYTES + containers * (size_of::<Container>() + CHAINED_CONTAINER_BYTES)
    }

    /// True if `writer` would have sent the very body that has `hash`: what differs is then only what `writer` had no
    /// words for, wherever in the body that stands.
    pub(crate) fn is_equal_to(&self, hash: ContentHash, writer: &WriterSchema) -> bool {
        let unknown = self.unknown.as_deref().map(serde_json::from_slice).transpose();
        let Ok(unknown) = unknown else {
            return false;
        };
        let body = writer.encode(&self.record, &unknown.unwrap_or_default());
        body.is_ok_and(|body| ContentHash::of(&body) == hash)
    }
}

/// Decodes and checks the body of an object of `kind` whose key names `uid`.
pub(crate) fn decode(
    kind: RecordKind,
    uid: &str,
    schema: &Arc<WriterSchema>,
    body: &[u8],
    hash: ContentHash,
) -> Result<ObjectContent, RecordFault> {
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("body of {} bytes is larger than {MAX_BODY_BYTES}", body.len());
        return Err(RecordFault::new(DeadReason::Oversized, detail));
    }
    if schema.subject() != SchemaSubject::Kind(kind) {
        let detail = format!("schema {:016x} does not describe a {kind}", schema.fingerprint());
        return Err(RecordFault::new(DeadReason::UnknownSchema, detail));
    }
    let decoded = schema.decode(body).map_err(body_fault)?;
    let record = decoded.record;
    if record.uid() != uid {
        let found: String = record.uid().chars().take(80).collect();
        return Err(RecordFault::new(
            DeadReason::WrongKey,
            format!("body has uid {found:?}, key has {uid:?}"),
        ));
    }
    let unknown = (!decoded.unknown.is_null())
        .then(|| serde_json::to_vec(&decoded.unknown))
        .transpose()
        .map_err(|error| RecordFault::new(DeadReason::BadBody, error.to_string()))?;
    if let Some(unknown) = &unknown {
        RowCell::Json(unknown.clone()).check()?;
    }
    let row_hash = {
        let cells = row::cells(&record);
        check(kind, &record, &cells)?;
        row::row_hash(row::table(kind), &cells)
    };
    Ok(ObjectContent {
        record: Arc::new(record),
        unknown,
        hash,
        row_hash,
        schema: schema.clone(),
    })
}

/// The reader of our own schema says in prose what the reader of a foreign one says in variants.
pub(crate) fn body_fault(error: BodyError) -> RecordFault {
    if let BodyError::Shape(text) = &error {
        let lower = text.to_lowercase();
        if lower.contains("fill whole buffer") || lower.contains("unexpected end") || lower.contains("eof") {
            return RecordFault::new(DeadReason::Truncated, text.as_str());
        }
        if lower.contains("allocate") || lower.contains("memory") {
            return RecordFault::new(
                DeadReason::Truncated,
                format!("body declares more than it contains: {text}"),
            );
        }
    }
    error.into()
}

fn check(kind: RecordKind, record: &Record, cells: &[RowCell<'_>]) -> Result<(), RecordFault> {
    check_cells(row::table(kind), cells)?;
    for at in [Some(record.created_at()), record.deleted_at()]
        .into_iter()
        .flatten()
    {
        check_instant(at)?;
    }
    let (labels, conditions): (&StringMap, &[Condition]) = match record {
        Record::Node(node) => (&node.labels, &node.conditions),
        Record::Pod(pod) => (&pod.labels, &pod.conditions),
        Record::Namespace(namespace) => (&namespace.labels, &namespace.conditions),
        Record::Workload(workload) => (&workload.labels, &workload.conditions),
        Record::Watchdog(watchdog) => (&watchdog.labels, &watchdog.conditions),
    };
    check_labels(labels)?;
    for condition in conditions {
        let instants = [condition.last_transition_at, condition.heartbeat_stale_since];
        instants.into_iter().flatten().try_for_each(check_instant)?;
    }
    if let Record::Pod(pod) = record {
        let mut names = HashSet::new();
        for container in &pod.containers {
            if !names.insert(container.container.as_str()) {
                let detail = format!("two containers have the name {:?}", container.container);
                return Err(RecordFault::new(DeadReason::BadBody, detail));
            }
            check_cells(row::container_table(), &row::container_cells(pod, container))?;
        }
    }
    Ok(())
}

fn check_cells(table: &row::LedgerTable, cells: &[RowCell<'_>]) -> Result<(), RecordFault> {
    for (column, cell) in table.columns.iter().zip(cells) {
        let named =
            |fault: RecordFault| RecordFault::new(fault.reason, format!("{}: {}", column.name, fault.detail));
        cell.check().map_err(|error| named(error.into()))?;
        if let RowCell::Text(text) = cell
            && text.len() > MAX_NAME_BYTES
            && !PROSE.contains(&column.name)
        {
            let detail = format!("text of {} bytes is longer than {MAX_NAME_BYTES}", text.len());
            return Err(named(RecordFault::new(DeadReason::Oversized, detail)));
        }
    }
    Ok(())
}

fn check_labels(labels: &StringMap) -> Result<(), RecordFault> {
    for (key, value) in labels {
        if key.len() > MAX_LABEL_KEY_BYTES || value.len() > MAX_LABEL_VALUE_BYTES {
            let name: String = key.chars().take(80).collect();
            let detail = format!(
                "label {name:?} has a key of {} and a value of {} bytes; kubernetes allows {MAX_LABEL_KEY_BYTES} and {MAX_LABEL_VALUE_BYTES}",
                key.len(),
                value.len()
            );
            return Err(RecordFault::new(DeadReason::Oversized, detail));
        }
    }
    Ok(())
}

fn check_instant(at: Instant) -> Result<(), RecordFault> {
    if at.is_storable() {
        return Ok(());
    }
    Err(RecordFault::new(
        DeadReason::InstantOutOfRange,
        format!("instant {at} is outside the years 1 to 9999"),
    ))
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::{
        codec::{encode, own_schema},
        record::{Namespace, ObjectRecord},
    };

    use super::*;

    fn reason(namespace: Namespace, uid: &str) -> Option<DeadReason> {
        let body = encode(&namespace.into_record()).unwrap();
        reason_of(&body, uid)
    }

    fn reason_of(body: &[u8], uid: &str) -> Option<DeadReason> {
        let schema = own_schema(SchemaSubject::Kind(RecordKind::Namespace));
        let hash = ContentHash::of(body);
        decode(RecordKind::Namespace, uid, &schema, body, hash)
            .err()
            .map(|fault| fault.reason)
    }

    fn namespace() -> Namespace {
        Namespace {
            uid: "u".into(),
            namespace: "default".into(),
            ..Namespace::default()
        }
    }

    #[test]
    fn each_poison_has_its_reason() {
        assert_eq!(reason(namespace(), "u"), None);
        assert_eq!(reason(namespace(), "v"), Some(DeadReason::WrongKey));
        let mut nul = namespace();
        nul.phase = "a\0".into();
        assert_eq!(reason(nul, "u"), Some(DeadReason::NulInText));
        let mut far = namespace();
        far.created_at = Instant(9_223_372_036_854_775_000);
        assert_eq!(reason(far, "u"), Some(DeadReason::InstantOutOfRange));
        let mut label = namespace();
        label.labels.insert("a".into(), "x".repeat(64));
        assert_eq!(reason(label, "u"), Some(DeadReason::Oversized));
        let body = encode(&namespace().into_record()).unwrap();
        let mut trailing = body.clone();
        trailing.push(0);
        assert_eq!(reason_of(&trailing, "u"), Some(DeadReason::TrailingBytes));
        for length in 0..body.len() {
            assert_eq!(
                reason_of(&body[..length], "u"),
                Some(DeadReason::Truncated),
                "{length}"
            );
        }
    }
}
