//! When a source is put aside: too many of its newest records died.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fleetledger_schema::{key::RecordSource, postgres::PostgresConnector};
use serde::Serialize;

use crate::{IngestError, IngestSettings, batch::SealedBatch, raw::PartitionId};

/// Below this many sources a partition is never halted because of them.
const MINIMUM_SOURCES: usize = 3;

/// Two halves of a sliding window of records.
#[derive(Debug, Clone, Copy, Default)]
struct OutcomeWindow {
    older: (u32, u32),
    newer: (u32, u32),
}

impl OutcomeWindow {
    fn add(&mut self, delivered: u32, dead: u32, size: u32) {
        if self.newer.0 >= size / 2 {
            self.older = std::mem::take(&mut self.newer);
        }
        self.newer.0 = self.newer.0.saturating_add(delivered);
        self.newer.1 = self.newer.1.saturating_add(dead);
    }

    fn dead(&self) -> u32 {
        self.older.1.saturating_add(self.newer.1)
    }
}

/// The newest records of each (source, topic).
#[derive(Debug)]
pub(crate) struct QuarantineWindows {
    share: f64,
    size: u32,
    minimum: u32,
    windows: HashMap<(RecordSource, usize), OutcomeWindow>,
    /// Sources of each partition that are hardly invented: names are cheap, and six of them outvote a cluster.
    sources: BTreeMap<PartitionId, BTreeSet<RecordSource>>,
    quarantined: BTreeSet<(RecordSource, usize)>,
}

type PoisonedSources = Vec<(RecordSource, usize, String)>;
type HaltedPartitions = Vec<(PartitionId, String)>;

impl QuarantineWindows {
    pub(crate) fn new(settings: &IngestSettings) -> Self {
        Self {
            share: settings.quarantine_share,
            size: settings.quarantine_window,
            minimum: settings.quarantine_minimum,
            windows: HashMap::new(),
            sources: BTreeMap::new(),
            quarantined: BTreeSet::new(),
        }
    }

    /// Counts a landed batch; returns sources to put aside, and partitions all of whose sources are.
    pub(crate) fn evaluate(&mut self, sealed: &SealedBatch) -> (PoisonedSources, HaltedPartitions) {
        let mut poisoned = Vec::new();
        for ((_, topic), outcomes) in &sealed.outcomes {
            let source: &RecordSource = &outcomes.source;
            let (delivered, dead) = (&outcomes.delivered, &outcomes.dead);
            let ids = sealed
                .spans
                .iter()
                .map(|span| span.id)
                .filter(|id| id.topic == *topic);
            for id in ids.filter(|_| outcomes.is_established) {
                self.sources.entry(id).or_default().insert(source.clone());
            }
            let key = (source.clone(), *topic);
            let window = self.windows.entry(key.clone()).or_default();
            window.add(*delivered, *dead, self.size);
            let allowed = (f64::from(self.size) * self.share).max(f64::from(self.minimum));
            if f64::from(window.dead()) > allowed {
                let detail = format!(
                    "{} of its last {} records are dead letters; see fleet.dead_letter, fix the emitter, \
                     release the quarantine, then replay",
                    window.dead(),
                    self.size
                );
                self.windows.remove(&key);
                self.quarantined.insert(key);
                poisoned.push((source.clone(), *topic, detail));
            } else if *dead == 0 {
                self.quarantined.remove(&key);
            }
        }
        let halting = if poisoned.is_empty() {
            Vec::new()
        } else {
            self.wholly_quarantined()
        };
        (poisoned, halting)
    }

    /// Partitions of which no source is left whose records land. One that lands shows that the fault is not ours.
    fn wholly_quarantined(&self) -> HaltedPartitions {
        let mut halting = Vec::new();
        for (id, sources) in &self.sources {
            let aside = sources
                .iter()
                .filter(|source| self.quarantined.contains(&((*source).clone(), id.topic)))
                .count();
            if sources.len() >= MINIMUM_SOURCES && aside == sources.len() {
                let why = format!(
                    "all of its {aside} known sources are quarantined, so the cause is probably not a \
                         source"
                );
                halting.push((*id, why));
            }
        }
        halting
    }
}

/// A source in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantinedSource {
    /// Its number.
    pub quarantine_id: i64,
    /// Datacenter the source names.
    pub datacenter: String,
    /// Cluster the source names.
    pub cluster: String,
    /// Cluster uid the source names.
    pub cluster_uid: String,
    /// Topic; none stands for all.
    pub topic: Option<String>,
    /// poisoned or duplicate_cluster_uid.
    pub reason: String,
    /// What was seen and what to do.
    pub detail: String,
    /// Records put aside because of it.
    pub records: i64,
}

/// Sources in quarantine.
///
/// # Errors
/// [`IngestError`] if PostgreSQL cannot be asked.
pub async fn list(connector: &PostgresConnector) -> Result<Vec<QuarantinedSource>, IngestError> {
    let failed = |source| IngestError::Postgres {
        action: "list quarantines",
        source,
    };
    let client = connector.connect("fleetledger-quarantine").await?;
    let rows = client
        .query(READ_QUARANTINED_SOURCES, &[])
        .await
        .map_err(failed)?;
    rows.iter()
        .map(|row| {
            Ok(QuarantinedSource {
                quarantine_id: row.try_get("quarantine_id")?,
                datacenter: row.try_get("datacenter")?,
                cluster: row.try_get("cluster")?,
                cluster_uid: row.try_get("cluster_uid")?,
                topic: row.try_get("topic")?,
                reason: row.try_get("reason")?,
                detail: row.try_get("detail")?,
                records: row.try_get("records")?,
            })
        })
        .collect::<Result<_, _>>()
        .map_err(failed)
}

/// Ends a quarantine; lanes notice within seconds. What was put aside is replayed by
/// `dead-letters replay --reason quarantined`.
///
/// # Errors
/// [`IngestError::NotFound`] if there is none of that number.
pub async fn release(connector: &PostgresConnector, quarantine_id: i64) -> Result<(), IngestError> {
    let client = connector.connect("fleetledger-quarantine").await?;
    let released = client
        .execute(RELEASE_QUARANTINE, &[&quarantine_id])
        .await
        .map_err(|source| IngestError::Postgres {
            action: "release a quarantine",
            source,
        })?;
    if released == 0 {
        return Err(IngestError::NotFound(format!(
            "quarantine {quarantine_id} does not exist or is released"
        )));
    }
    Ok(())
}

const READ_QUARANTINED_SOURCES: &str =
    "select * from ledger.quarantine where released_at is null order by quarantine_id";

const RELEASE_QUARANTINE: &str = "
    update ledger.quarantine
    set released_at = now()
    where quarantine_id = $1 and released_at is null";
