//! What tests that cross rooms share: real servers, a fleet to fill an API server with, and oracles that are
//! written apart from the code they judge.
//!
//! Invariants:
//! - A test awaits a condition with a deadline ([`deadline`]); nothing sleeps a guessed time.
//! - Whatever is random has a printed seed.
//! - The oracles use none of the mapping, decoding or merging of `emit` and `ingest`: [`expected`] goes from
//!   the API server's JSON straight to the columns of `fleet.*`, [`delivered`] reads Kafka with its own consumer.
//!
//! Entry points: [`parts::shared`], [`cluster::Cluster::start`], [`fleet::Fleet::from_environment`],
//! [`comparison::compare`], [`emitter::Emitter`], [`ingester::Ingester`], [`manual_emitter::Scribe`], [`storm::Storm`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is tests alone: a helper of a test may fail it"
)]

pub mod census;
pub mod churn;
pub mod cluster;
pub mod cluster_pipeline;
pub mod comparison;
pub mod database;
pub mod deadline;
pub mod delivered;
pub mod emitter;
pub mod expected;
pub mod fleet;
pub mod ingester;
pub mod kubelet;
pub mod manual_emitter;
pub mod parts;
pub mod pod_shapes;
pub mod program;
pub mod proxy;
pub mod quantity;
pub mod recording_hook;
pub mod report;
pub mod storm;
pub mod trace;
