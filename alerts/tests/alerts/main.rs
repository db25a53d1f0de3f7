//! The evaluator on a real PostgreSQL, and its notifications at endpoints that write down what they get.

#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    unreachable_pub,
    reason = "a test may fail by panicking"
)]

mod alertmanager;
mod api;
mod delivery;
mod ending;
mod endpoint;
mod harness;
#[cfg(feature = "fail-points")]
mod kill;
mod memory;
mod pages;
mod runs;
mod several;
mod unknown;
