//! Fetches, caches, starts and stops real parts on this machine: PostgreSQL, Apache Kafka, the
//! in-process broker of the demo, and kube-apiserver.
//!
//! Invariants:
//! - A part listens on 127.0.0.1 only, on a port that was free.
//! - A part never outlives the process that started it, even when that one is killed with SIGKILL
//!   ([`process`] explains how).
//! - What is fetched or built is kept once in the [`Cache`], under a file lock, and appears there by
//!   rename: two clones may run at once.
//! - A missing tool is [`Error::Unavailable`] with the command that installs it, never a silent skip.
//!
//! Entry points: [`postgres::Postgres::builder`], [`kafka::Kafka::builder`],
//! [`mock_kafka::MockKafka::start`], [`kube_apiserver::KubeApiserver::builder`], [`tls::Authority`].

pub mod account;
pub mod cache;
mod error;
mod http;
pub mod kafka;
pub mod kube_apiserver;
pub mod mock_kafka;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod scratch;
pub mod skip;
pub mod tls;

pub use cache::Cache;
pub use error::{Error, Result};
