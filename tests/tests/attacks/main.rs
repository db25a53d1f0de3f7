//! What must hold against a curious team, a hostile neighbour and a noisy reader. Each test is named for what holds, and
//! prints how often it was tried.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod admission;
mod batch;
mod epoch;
mod estimates;
mod fast_path;
mod http;
mod locks;
mod log_watch;
mod login;
mod messages;
mod neighbour;
mod own_role;
mod shadows;
mod site;
