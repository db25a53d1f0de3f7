//! Settings of one ingester. Nothing here is a secret: how Kafka and PostgreSQL are reached is the binary's.

use fleetledger_schema::kind::RecordKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::IngestError;

/// Settings of one ingester. Several with the same `group_id` share the partitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IngestSettings {
    /// First part of every topic's name: `<prefix>.<kind>`.
    pub topic_prefix: String,
    /// Datacenters with topics of their own, `<prefix>.<kind>.<suffix>`; a record there from another datacenter becomes
    /// a dead letter. If empty, all datacenters share `<prefix>.<kind>`.
    pub topic_suffixes: Vec<String>,
    /// Kinds that are read: node, pod, namespace, workload, watchdog, usage.
    pub kinds: Vec<String>,
    /// Kafka consumer group; pods are read by a second one, with this name followed by `-pod`. Their offsets are
    /// written for lag tools and never read.
    pub group_id: String,
    /// Name of this ingester in its bookkeeping, unique within a group; random if empty.
    pub instance_id: String,
    /// Join the group as a static member named by `instance_id`, so that a quick restart moves no partition.
    pub static_membership: bool,
    /// Read exactly these partitions, as `topic:partition`, without joining a group. If empty, the group assigns
    /// partitions.
    pub partitions: Vec<String>,
    /// Shards per cluster and kind, as the emitters use. Fixed for the life of the topics.
    pub shards: u16,
    /// Lanes: partitions are spread over them, and each has a PostgreSQL connection of its own and one
    /// transaction in flight.
    pub lanes: usize,
    /// Maximum size of one batch in memory, decoded, in bytes.
    pub batch_bytes: usize,
    /// Maximum number of records in one batch.
    pub batch_rows: usize,
    /// How long a batch waits for more records while a partition lags, in milliseconds.
    pub linger_ms: u64,
    /// How long a batch waits for more records once everything has been read, in milliseconds.
    pub linger_caught_up_ms: u64,
    /// Maximum bytes of records in memory; beyond that, reading pauses until half of it is free.
    pub buffer_bytes: usize,
    /// What happens if records were deleted from Kafka before they were read: `continue` records the gap and continues,
    /// `halt` stops the partition until `ingest resume`.
    pub gap_policy: GapPolicy,
    /// Time between two comparisons of the current state with what was delivered, in seconds.
    pub table_sum_interval_seconds: u64,
    /// A source is quarantined when more than this share of its last `quarantine_window` records of one topic are dead
    /// letters.
    pub quarantine_share: f64,
    /// Number of latest records of one (cluster, topic) that quarantine considers.
    pub quarantine_window: u32,
    /// A source with no more dead letters than this within the window is never quarantined.
    pub quarantine_minimum: u32,
    /// Bytes of dead letters that are kept whole, of each source and UTC day; beyond them dead letters are counted by reason,
    /// with one example.
    pub dead_letter_day_bytes: u64,
    /// Which clusters unknown to the ledger may send.
    pub admission: AdmissionPolicy,
    /// Maximum number of new clusters admitted per datacenter and hour while admission is open; datacenters younger
    /// than an hour share one count. Clusters that an operator admitted, or whose records are signed, are not counted.
    pub admission_per_hour: u32,
    /// A sweep that would close more than this share of the objects of its cluster and kind closes nothing until a second
    /// one agrees. 1 holds none.
    pub sweep_hold_share: f64,
    /// A sweep that would close no more objects than this is never held.
    pub sweep_hold_minimum: u32,
    /// The second one must end this long after the first, in seconds.
    pub sweep_hold_seconds: u64,
    /// How records prove which cluster they come from.
    pub identity: IdentitySettings,
    /// Time a transaction's statement may take, in milliseconds.
    pub statement_timeout_ms: u64,
    /// Time a transaction waits for a lock, in milliseconds.
    pub lock_timeout_ms: u64,
    /// If a partition is behind and lands nothing for this long, the consumer is restarted, then the process exits, in
    /// seconds.
    pub stall_seconds: u64,
    /// How long a starting ingester waits for its topics to exist, in seconds.
    pub topic_wait_seconds: u64,
    /// How long closed versions and bookkeeping are kept.
    pub retention: RetentionSettings,
}

/// Which clusters unknown to the ledger may send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AdmissionPolicy {
    /// Any, up to `admission_per_hour`.
    Open,
    /// Those that `fleetledger clusters admit` has listed, and those that sign.
    Listed,
}

/// How records prove which cluster they come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IdentitySettings {
    /// File of the keys of clusters, each line `<datacenter>/<cluster> <key>`; the key has at least 64 hexadecimal
    /// digits. Two lines of one cluster are two keys that are both valid. Every record of a cluster in this file must
    /// carry the MAC of its key. Read again when it changes; no keys if empty.
    pub key_file: String,
    /// What happens to records of clusters that have no key.
    pub unsigned: UnsignedRecords,
}

/// What happens to records of clusters that have no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnsignedRecords {
    /// They are accepted: whoever may write to the topic may send records for such a cluster.
    Accepted,
    /// They become dead letters.
    Refused,
}

impl Default for IdentitySettings {
    fn default() -> Self {
        Self {
            key_file: String::new(),
            unsigned: UnsignedRecords::Accepted,
        }
    }
}

/// What happens when records are gone before they could be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapPolicy {
    /// Record the gap and continue; the next sweep heals it.
    Continue,
    /// Stop the partition, visibly.
    Halt,
}

impl GapPolicy {
    /// As `ledger.ingest_gap.policy` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            GapPolicy::Continue => "continue",
            GapPolicy::Halt => "halt",
        }
    }
}

/// How long closed versions and books are kept, in days, at least 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSettings {
    /// Closed versions of nodes, pods, containers, workloads, namespaces and watchdogs, in days.
    pub history_days: u32,
    /// Usage of containers by hour, in days: hours can be rated again for as long.
    pub usage_days: u32,
    /// The batch ledger, in days.
    pub batch_days: u32,
    /// Freshness by the minute, in days.
    pub freshness_days: u32,
    /// Dead letters that are no longer open, in days.
    pub dead_letter_days: u32,
}

impl Default for RetentionSettings {
    fn default() -> Self {
        Self {
            history_days: 400,
            usage_days: 100,
            batch_days: 14,
            freshness_days: 35,
            dead_letter_days: 30,
        }
    }
}

impl Default for IngestSettings {
    fn default() -> Self {
        Self {
            topic_prefix: "fleetledger".to_owned(),
            topic_suffixes: Vec::new(),
            kinds: RecordKind::TOPICS.map(|kind| kind.as_str().to_owned()).to_vec(),
            group_id: "fleetledger-ingest".to_owned(),
            instance_id: String::new(),
            static_membership: false,
            partitions: Vec::new(),
            shards: 1,
            lanes: 2,
            batch_bytes: 32 << 20,
            batch_rows: 20_000,
            linger_ms: 150,
            linger_caught_up_ms: 30,
            buffer_bytes: 64 << 20,
            gap_policy: GapPolicy::Continue,
            table_sum_interval_seconds: 300,
            quarantine_share: 0.01,
            quarantine_window: 10_000,
            quarantine_minimum: 100,
            dead_letter_day_bytes: 256 << 20,
            admission: AdmissionPolicy::Open,
            admission_per_hour: 100,
            sweep_hold_share: 0.5,
            sweep_hold_minimum: 10,
            sweep_hold_seconds: 60,
            identity: IdentitySettings::default(),
            statement_timeout_ms: 60_000,
            lock_timeout_ms: 10_000,
            stall_seconds: 60,
            topic_wait_seconds: 120,
            retention: RetentionSettings::default(),
        }
    }
}

impl IngestSettings {
    /// True if a sweep that closes so many of the living objects of its kind must wait for a second one.
    pub(crate) fn holds_sweep(&self, closing: usize, living: usize) -> bool {
        let is_large = closing as f64 > living as f64 * self.sweep_hold_share;
        is_large && closing > self.sweep_hold_minimum as usize
    }

    /// Checks what no type can say, before anything opens.
    ///
    /// # Errors
    /// [`IngestError::IngestSettings`], naming the key.
    pub fn check(&self) -> Result<(), IngestError> {
        let wrong = |key: &'static str, why: &str| {
            Err(IngestError::Settings {
                key,
                why: why.to_owned(),
            })
        };
        if self.topic_prefix.is_empty() {
            return wrong("topic_prefix", "must not be empty");
        }
        if self.group_id.is_empty() {
            return wrong("group_id", "must not be empty");
        }
        if self.lanes == 0 {
            return wrong("lanes", "must be at least 1");
        }
        if self.shards == 0 {
            return wrong("shards", "must be at least 1");
        }
        if self.batch_rows == 0 || self.batch_bytes == 0 {
            return wrong("batch_rows", "and batch_bytes must be at least 1");
        }
        if self.buffer_bytes < self.batch_bytes {
            return wrong("buffer_bytes", "must be at least batch_bytes");
        }
        if !(self.quarantine_share > 0.0 && self.quarantine_share <= 1.0) {
            return wrong("quarantine_share", "must be above 0 and at most 1");
        }
        if !(self.sweep_hold_share > 0.0 && self.sweep_hold_share <= 1.0) {
            return wrong("sweep_hold_share", "must be above 0 and at most 1");
        }
        let is_keyless = self.identity.key_file.is_empty();
        if is_keyless && self.identity.unsigned == UnsignedRecords::Refused {
            return wrong(
                "identity.key_file",
                "must be set if identity.unsigned is \"refused\"; otherwise no record could land",
            );
        }
        if self.kinds.is_empty() {
            return wrong("kinds", "must name at least one kind");
        }
        for kind in &self.kinds {
            if RecordKind::parse(kind).is_none() {
                return wrong("kinds", &format!("contains {kind:?}, which is not a kind"));
            }
        }
        let retention = &self.retention;
        let days = [
            retention.history_days,
            retention.usage_days,
            retention.batch_days,
            retention.freshness_days,
            retention.dead_letter_days,
        ];
        if days.contains(&0) {
            return wrong("retention", "must keep everything at least 1 day");
        }
        if self.static_membership && self.instance_id.is_empty() {
            return wrong("instance_id", "must be set if static_membership is on");
        }
        Ok(())
    }
}
