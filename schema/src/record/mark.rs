// Generated from schema/avro/mark.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! A point in the log of one (cluster, topic, shard): a mark, or the begin or end of a sweep.

use serde::{Deserialize, Serialize};

/// A point in the log of one (cluster, topic, shard): a mark, or the begin or end of a sweep.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mark {
    /// Kind of the topic: node, pod, namespace, workload or watchdog.
    pub kind: String,
    /// mark, sweep_begin or sweep_end.
    pub point: String,
    /// Shard the point belongs to.
    pub shard: i32,
    /// Number of shards the emitter uses for this topic.
    pub shards: i32,
    /// Number of living objects of this shard as the log stands before this record.
    pub count: i64,
    /// High half of the XOR of their content hashes, as a signed 64-bit number.
    pub digest_hi: i64,
    /// Low half of the XOR of their content hashes, as a signed 64-bit number.
    pub digest_lo: i64,
    /// Identity of the sweep; set on sweep_begin and sweep_end.
    pub sweep_id: Option<String>,
    /// ce_logsequence of the sweep's begin; set on sweep_end.
    pub begin_sequence: Option<i64>,
    /// Differences that the sweep found between the API server and the emitter's memory; set on sweep_end.
    pub missed_changes: Option<i64>,
    /// Version of the emitter.
    pub emitter_version: String,
    /// Where the emitter has its objects from: watch, dump or simulate. A dump is sent once and grows old.
    pub source: Option<String>,
}
