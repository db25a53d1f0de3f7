//! Per data centre: Kubernetes API → records → Kafka.
//!
//! [`run`] emits one cluster. Its sources are a live API server, a dump, or a simulated fleet ([`ObjectSource`]); all of
//! them go through one pipeline (`pipeline.rs`), which is the place to begin reading.
//!
//! Invariants: a body is a pure function of the object ([`object`]), so two emitters on one API server send equal
//! bytes; only what is allow-listed leaves the cluster; a record's number in its log is given when the producer has
//! taken it, so numbers have no holes; memory grows with the cluster, never with the time that Kafka is away.

mod coalesce;
mod emitter;
mod encode;
mod error;
mod fleet;
mod health;
mod heartbeat;
mod leadership;
mod log;
mod log_watch;
mod memory;
mod metrics;
pub mod object;
mod outbox;
mod owner;
mod pipeline;
mod probe;
mod producer;
mod read_back;
mod refusal;
mod resource;
mod settings;
mod signer;
pub mod simulate;
mod source;
mod sweep;
mod topic_limit;
mod usage;
pub mod watchdog_resource;

pub use emitter::run;
pub use error::EmitError;
pub use health::{EmitterHealth, EmitterSummary, KindSummary, PassedOver};
pub use leadership::EPOCH_ANNOTATION;
pub use resource::{KubeObject, WatchedResource};
pub use settings::{EmitIdentitySettings, EmitSettings, LeadershipSettings};
pub use simulate::SimulateSettings;
pub use source::{DumpPlace, ObjectSource};
pub use usage::{GpuSettings, UsageSettings, UsageSource};
