//! What must hold against a curious team, a hostile neighbour and a noisy reader. Each test is named for what holds, and
//! prints how often it was tried.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod admission;
mod epoch;
mod locks;
mod login;
mod neighbour;
mod shadows;
mod site;
