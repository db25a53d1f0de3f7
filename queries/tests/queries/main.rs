//! Stored queries on a real PostgreSQL.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

mod ask;
mod evaluate;
mod follow;
mod harness;
mod record;
mod resolved;
mod rollup;
mod server;
mod walls;
