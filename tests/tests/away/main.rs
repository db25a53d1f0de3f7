//! One half of the way is gone while the other goes on: memory stays within its bounds, and when the half is back
//! everything is made good.
//!
//! `make soak SOAK_TEST=away` asks for more by the environment: `FLEETLEDGER_AWAY_SECONDS` (without Kafka),
//! `FLEETLEDGER_AWAY_CHANGES` (changes a second), `FLEETLEDGER_AWAY_RECORDS` (in the topic while the database is
//! stopped), and `FLEETLEDGER_REPORT_DIR` (where the report is kept).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

mod database;
mod kafka;
mod resident;
