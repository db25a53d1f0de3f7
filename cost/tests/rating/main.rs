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
mod hostile;
mod life;
mod month;
mod node;
mod property;
mod schedule;
mod usage;
