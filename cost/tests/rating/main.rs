//! Hours are rated in a real PostgreSQL: every rule of cost, each conserving the total.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod allocation;
mod definitions;
mod example;
mod fleet;
mod focus;
mod hostile;
mod idle;
mod life;
mod lived;
mod month;
mod node;
mod opencost;
mod property;
mod schedule;
mod unmatched;
mod usage;
