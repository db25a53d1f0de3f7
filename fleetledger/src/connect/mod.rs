//! The three hops of a record: how each is reached, and what is wrong when it is not.
//!
//! Every error of a hop names it, says why, and what to do ([`HopError`]); none holds a secret.

pub(crate) mod console;
pub mod hop;
pub mod kafka;
pub mod kafka_clock;
mod kafka_login;
pub mod kubernetes;
mod kubernetes_files;
pub mod postgres;

pub use hop::{HopError, HopErrorKind};
