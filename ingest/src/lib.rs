//! Kafka → PostgreSQL, exactly once.
//!
//! Guarantee: every record that Kafka delivers lands exactly once, across kill -9, rebalances, zombies, loss of
//! brokers, restarts and fail-over of the database, and ends in exactly one column of the batch ledger:
//! `delivered = landed + unchanged + superseded + deleted + control + dead`.
//!
//! Invariants:
//! - Offsets live in PostgreSQL and move in the transaction that lands the data ([`fence`](crate) rows); Kafka's
//!   group offsets are written for lag tools and never read.
//! - A record of a deposed emitter, or older than what its log has shown, changes nothing.
//! - Look-ups see the committed cache and every batch not yet resolved; only a committed batch enters the cache.
//! - One source that is broken or hostile never stops another; an infrastructure fault never makes a dead letter.
//!
//! Entry point: [`run`]; the way of a record reads from `pipeline.rs`.

mod admit;
mod announced_schemas;
pub mod audit;
mod batch;
mod bookkeeping;
mod buffer;
mod cache;
mod chain;
mod claim;
pub mod clusters;
mod consumer;
mod control;
mod copy;
mod database_watch;
mod dead_letter_bound;
pub mod dead_letters;
mod dead_reason;
mod decode;
mod encode;
mod errors;
mod examine;
pub mod fail_point;
mod fence;
mod fold;
mod gap;
mod hasher;
mod health;
mod identify;
mod identity_keys;
mod intake;
mod lane;
mod load;
mod maintenance;
mod memory;
mod merge;
mod metrics;
mod origin;
mod pipeline;
pub mod quarantine;
mod raw;
mod reader;
mod rebalance;
mod replay;
mod resolution;
mod resume;
pub mod safeguard;
mod session;
mod settings;
mod shard;
mod sources;
mod stage;
mod table_sum;
mod timeline;
mod topics;
mod usage;
mod writer;

pub use batch::RecordCounts;
pub use dead_reason::DeadReason;
pub use errors::IngestError;
pub use health::{IngestHealth, IngestStats};
pub use pipeline::run;
pub use resume::{ResumeFrom, resume, resume_all};
pub use settings::{
    AdmissionPolicy, GapPolicy, IdentitySettings, IngestSettings, RetentionSettings, UnsignedRecords,
};

use fleetledger_schema::{kind::RecordKind, row::LedgerTable};

/// Table of a kind.
pub(crate) fn row_of(kind: RecordKind) -> &'static LedgerTable {
    fleetledger_schema::row::table(kind)
}
