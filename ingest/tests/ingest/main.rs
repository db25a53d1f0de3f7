//! The ingester against a real PostgreSQL and librdkafka's in-process broker.
//!
//! Each test has a database and a broker of its own; an emitter by hand writes records, and the claims are checked in
//! SQL. Nothing sleeps: conditions are awaited with a deadline.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "helpers of tests may fail them"
)]

mod emitter;
mod evolution;
mod fencing;
mod harness;
mod healing;
mod history;
mod load;
mod order;
mod poison;
mod schemas;
mod sources;
mod sweeps;
mod upgrade;
mod usage;
