//! The versions of one object within one batch.
//!
//! Versions follow each other in log order; one that equals the version before it takes that one's place. After
//! an end nothing may follow: the batch is sealed first.

use std::{collections::BTreeMap, sync::Arc};

use fleetledger_schema::{
    READER_VERSION,
    codec::WriterSchema,
    content_hash::ContentHash,
    instant::Instant,
    record::{Container, Pod, Record},
    row::{self, LedgerTable},
};

use crate::decode::ObjectContent;

/// Clocks may run ahead of ours by this much before an instant is cut, in microseconds.
pub(crate) const CLOCK_TOLERANCE_MICROS: i64 = 5_000_000;

/// One version of an object.
#[derive(Debug, Clone)]
pub(crate) struct ObjectVersion {
    pub(crate) content: ObjectContent,
    pub(crate) from_at: Instant,
    pub(crate) observed_at: Instant,
    /// Index of its record within the batch.
    pub(crate) record: usize,
    /// True if neither it nor a version before it in the batch knows the owner: the row's is kept.
    pub(crate) keeps_owner: bool,
}

/// One version of a container: of which pod record, and where in it.
#[derive(Debug, Clone)]
pub(crate) struct ContainerVersion {
    pub(crate) pod: Arc<Record>,
    pub(crate) position: usize,
    pub(crate) hash: ContentHash,
    pub(crate) from_at: Instant,
    pub(crate) observed_at: Instant,
    pub(crate) record: usize,
}

/// The end of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ObjectEnd {
    pub(crate) at: Instant,
    pub(crate) reason: EndReason,
}

/// Why an object ended, as `closed_reason` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    Deleted,
    DeletedInferred,
    AbsentFromSweep,
}

impl EndReason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            EndReason::Deleted => "deleted",
            EndReason::DeletedInferred => "deleted_inferred",
            EndReason::AbsentFromSweep => "absent_from_sweep",
        }
    }
}

/// What the cache knew of an object before the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PriorState {
    /// It did not stand.
    Nothing,
    /// It stood, with so many containers if it is a pod.
    Row { containers: u16 },
}

/// All that happens to one object within one batch.
#[derive(Debug, Default)]
pub(crate) struct VersionChain {
    pub(crate) versions: Vec<ObjectVersion>,
    pub(crate) containers: BTreeMap<String, Vec<ContainerVersion>>,
    pub(crate) end: Option<ObjectEnd>,
    /// Written even where it equals the current state.
    pub(crate) forced: bool,
    /// What stood before the batch, where that is known.
    pub(crate) prior_state: Option<PriorState>,
    /// Columns by which the first version is compared with a row of another writer or reader; none of them if it says
    /// the same.
    pub(crate) compare: Option<Arc<[&'static str]>>,
    /// The same for containers.
    pub(crate) compare_containers: Option<Arc<[&'static str]>>,
    /// The reader that wrote what stood before the batch, where it is older than this one.
    pub(crate) older_reader: Option<i16>,
    last_from: Option<Instant>,
}

impl VersionChain {
    /// True if `record` cannot follow within the same batch: the object has ended, or a container is gone.
    pub(crate) fn refuses(&self, record: &Record) -> bool {
        if self.end.is_some() {
            return true;
        }
        let Record::Pod(pod) = record else {
            return false;
        };
        let has = |name: &String| {
            pod.containers
                .iter()
                .any(|container| container.container == *name)
        };
        !self.containers.keys().all(has)
    }

    /// Adds the next version. `began_at` is when it began by its own clocks.
    pub(crate) fn push(&mut self, mut version: ObjectVersion, began_at: Instant, latest: Instant) {
        let created_at = version.content.record.created_at();
        let clamped = Instant(began_at.max(created_at).0.min(latest.0));
        let from_at = self
            .last_from
            .map_or(clamped, |last| clamped.max(last.plus_micros(1)));
        self.last_from = Some(from_at);
        version.from_at = from_at;
        let unresolved = matches!(version.content.record.as_ref(), Record::Pod(pod) if !pod.owner_resolved);
        version.keeps_owner = unresolved && self.versions.last().is_none_or(|last| last.keeps_owner);
        if let Record::Pod(pod) = version.content.record.as_ref() {
            for (position, container) in pod.containers.iter().enumerate() {
                self.push_container(&version, pod, position, container);
            }
        }
        match self.versions.last_mut() {
            Some(last) if is_same(&last.content, &version.content) => {
                version.from_at = last.from_at;
                keep_owner(&last.content, &mut version.content);
                *last = version;
            }
            last => {
                if let Some(last) = last {
                    keep_owner(&last.content, &mut version.content);
                }
                self.versions.push(version);
            }
        }
    }

    fn push_container(&mut self, version: &ObjectVersion, pod: &Pod, position: usize, container: &Container) {
        let hash = row::row_hash(row::container_table(), &row::container_cells(pod, container));
        let mut next = ContainerVersion {
            pod: version.content.record.clone(),
            position,
            hash,
            from_at: version.from_at,
            observed_at: version.observed_at,
            record: version.record,
        };
        let versions = self.containers.entry(container.container.clone()).or_default();
        match versions.last_mut() {
            Some(last) if last.hash == hash => {
                next.from_at = last.from_at;
                *last = next;
            }
            _ => versions.push(next),
        }
    }
}

/// The columns that both a row and a record know; unhashed ones are compared by themselves.
pub(crate) fn known_to_both(
    table: &LedgerTable,
    row_writer: Option<&WriterSchema>,
    row_reader: i16,
    writer: &WriterSchema,
) -> Arc<[&'static str]> {
    table
        .columns
        .iter()
        .filter(|column| column.hashed && column.since <= row_reader && column.since <= READER_VERSION)
        .filter(|column| writer.knows(column.field) && row_writer.is_none_or(|old| old.knows(column.field)))
        .map(|column| column.name)
        .collect()
}

/// Are two contents of one batch the same version?
fn is_same(last: &ObjectContent, next: &ObjectContent) -> bool {
    if !owner_agrees(&last.record, &next.record) {
        return false;
    }
    if last.row_hash == next.row_hash {
        return true;
    }
    if last.schema.number() == next.schema.number() {
        return false;
    }
    if next.is_equal_to(last.hash, &last.schema) {
        return true;
    }
    let table = row::table(next.record.kind());
    let (old, new) = (row::cells(&last.record), row::cells(&next.record));
    table
        .columns
        .iter()
        .zip(old.iter().zip(&new))
        .all(|(column, (old, new))| {
            let both = last.schema.knows(column.field) && next.schema.knows(column.field);
            !column.hashed || !both || old == new
        })
}

fn owner_agrees(last: &Record, next: &Record) -> bool {
    let (Record::Pod(last), Record::Pod(next)) = (last, next) else {
        return true;
    };
    let owner = |pod: &Pod| {
        (
            pod.workload_kind.clone(),
            pod.workload.clone(),
            pod.workload_uid.clone(),
        )
    };
    !next.owner_resolved || !is_owner_certain(last) || owner(last) == owner(next)
}

/// False where the workload is no more than the pod's own owner by reference: who owns that is not known, and a record
/// that does know says what was so all along.
fn is_owner_certain(pod: &Pod) -> bool {
    pod.workload_uid.is_some() && (pod.owner_resolved || pod.workload_uid != pod.owner_uid)
}

/// A known owner stays when a later record cannot resolve it.
fn keep_owner(last: &ObjectContent, next: &mut ObjectContent) {
    let (Record::Pod(last), Record::Pod(pod)) = (last.record.as_ref(), next.record.as_ref()) else {
        return;
    };
    if pod.owner_resolved || !is_owner_certain(last) {
        return;
    }
    let mut kept = pod.clone();
    kept.workload_kind.clone_from(&last.workload_kind);
    kept.workload.clone_from(&last.workload);
    kept.workload_uid.clone_from(&last.workload_uid);
    next.record = Arc::new(Record::Pod(kept));
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::{
        codec::{SchemaSubject, own_schema},
        kind::RecordKind,
        record::ObjectRecord,
    };

    use super::*;

    fn content(phase: &str, owner: Option<&str>) -> ObjectContent {
        let pod = Pod {
            uid: "u".into(),
            phase: phase.into(),
            workload_uid: owner.map(str::to_owned),
            owner_resolved: owner.is_some(),
            ..Pod::default()
        };
        let record = pod.into_record();
        ObjectContent {
            row_hash: row::row_hash(row::table(RecordKind::Pod), &row::cells(&record)),
            record: Arc::new(record),
            unknown: None,
            hash: ContentHash::of(phase.as_bytes()),
            schema: own_schema(SchemaSubject::Kind(RecordKind::Pod)),
        }
    }

    fn push(chain: &mut VersionChain, content: ObjectContent, at: i64) {
        let version = ObjectVersion {
            content,
            from_at: Instant(0),
            observed_at: Instant(at),
            record: 0,
            keeps_owner: false,
        };
        chain.push(version, Instant(at), Instant(1_000));
    }

    #[test]
    fn versions_are_contiguous_whatever_the_clocks_say() {
        let mut chain = VersionChain::default();
        for (phase, at) in [("a", 100), ("b", 50), ("c", 2_000), ("d", 3_000)] {
            push(&mut chain, content(phase, None), at);
        }
        let begins: Vec<i64> = chain.versions.iter().map(|version| version.from_at.0).collect();
        assert_eq!(begins, [100, 101, 1_000, 1_001]);
    }

    #[test]
    fn an_equal_version_takes_the_place_of_the_one_before() {
        let mut chain = VersionChain::default();
        push(&mut chain, content("a", None), 1);
        push(&mut chain, content("a", None), 2);
        assert_eq!(chain.versions.len(), 1);
        assert_eq!(chain.versions[0].from_at, Instant(1));
    }

    #[test]
    fn a_known_owner_is_kept_and_an_owner_that_becomes_known_makes_no_version() {
        let mut chain = VersionChain::default();
        push(&mut chain, content("a", None), 1);
        push(&mut chain, content("a", Some("w")), 2);
        push(&mut chain, content("a", None), 3);
        assert_eq!(chain.versions.len(), 1);
        let Record::Pod(pod) = chain.versions[0].content.record.as_ref() else {
            panic!()
        };
        assert_eq!(
            (pod.workload_uid.as_deref(), pod.owner_resolved),
            (Some("w"), false)
        );
        push(&mut chain, content("a", Some("x")), 4);
        assert_eq!(chain.versions.len(), 2);
    }
}
