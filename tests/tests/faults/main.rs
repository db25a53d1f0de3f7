//! Faults done on purpose to real parts, each judged by the oracle that reads Kafka itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

mod broker;
mod database;
mod fixture;
mod log;
mod mutation;
mod outage;
mod owner;
mod pooler;
