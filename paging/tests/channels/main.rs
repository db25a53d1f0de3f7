//! What receivers are sent, and what becomes of their answers: against a recording endpoint, and against a real
//! Alertmanager.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "helpers of tests may fail them"
)]

mod alertmanager;
mod endpoint;
mod faults;
mod payloads;
mod sample;
