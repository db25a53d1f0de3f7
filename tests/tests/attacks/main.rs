//! What must hold against a curious team, a hostile neighbour and a noisy reader. Each test is named for what holds, and
//! prints how often it was tried.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod batch;
mod http;
mod locks;
mod login;
mod shadows;

use std::time::Duration;

/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);
