//! Fetches, caches, starts and stops real parts on this machine: PostgreSQL, Apache Kafka, the
//! in-process broker of the demo, kube-apiserver, kubectl, PgBouncer and Alertmanager.
//!
//! Invariants:
//! - A part listens on 127.0.0.1 only, on a port that was free.
//! - A part never outlives the process that started it, even when that one is killed with SIGKILL
//!   ([`process`] explains how).
//! - What is fetched or built is kept once in the [`ArtifactCache`], under a file lock, and appears there by
//!   rename: two clones may run at once.
//! - A missing tool is [`LocalError::Unavailable`] with the command that installs it, never a silent skip.
//!
//! Entry points: [`postgres::LocalPostgres::builder`], [`kafka::LocalKafka::builder`],
//! [`mock_kafka::MockKafka::start`], [`kube_apiserver::KubeApiserver::builder`],
//! [`alertmanager::Alertmanager::builder`], [`pgbouncer::Pgbouncer::start`], [`tls::Authority`].

pub mod account;
pub mod alertmanager;
pub mod avro_reader;
pub mod cache;
pub mod cargo_tool;
mod debian_package;
mod error;
pub mod focus_validator;
pub mod go;
pub mod grafana_types;
mod http;
pub mod kafka;
pub mod kube_apiserver;
pub mod kubectl;
pub mod maven;
pub mod mock_kafka;
pub mod opencost_client;
pub mod pgbouncer;
mod pip;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod promtool;
pub mod scratch;
pub mod skip;
pub mod sql_driver;
pub mod tls;

pub use cache::ArtifactCache;
pub use error::{LocalError, LocalResult};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn starting_a_part_may_be_a_task_of_a_threaded_runtime() {
        fn is_send<T: Send>(_: T) {}
        fn is_sync<T: Send + Sync>() {}
        let cache = ArtifactCache::new(ArtifactCache::default_root());
        is_send(postgres::LocalPostgres::builder().start(&cache));
        is_send(kafka::LocalKafka::builder().start(&cache));
        is_send(kube_apiserver::KubeApiserver::builder().start(&cache));
        is_send(alertmanager::Alertmanager::builder("").start(&cache));
        is_sync::<postgres::LocalPostgres>();
        is_sync::<kafka::LocalKafka>();
        is_sync::<mock_kafka::MockKafka>();
        is_sync::<kube_apiserver::KubeApiserver>();
    }
}
