//! What can end an emitter.

use thiserror::Error;

/// What can end an emitter. Everything that passes by itself (a broker or API server that is away, a lost
/// Lease) is retried instead and shows in [`crate::Health`].
#[derive(Debug, Error)]
pub enum EmitError {
    /// A setting is not allowed.
    #[error("setting emit.{key}: {why}")]
    Settings {
        /// Name of the key.
        key: String,
        /// Why it is refused and what is allowed.
        why: String,
    },
    /// Two emitters in one process, or a name that is taken in the metrics registry.
    #[error("register metrics of the emitter")]
    Metrics(#[source] prometheus::Error),
    /// The Kafka client cannot be made of its configuration.
    #[error("create the kafka client; check the kafka section of the configuration")]
    KafkaClient(#[source] rdkafka::error::KafkaError),
    /// A folder or file of a dump cannot be used.
    #[error("read {path}: {why}")]
    Dump {
        /// The file or folder.
        path: String,
        /// Why, and what to do.
        why: String,
    },
    /// The brokers refuse what is sent, and what is sent once does not wait for them.
    #[error("{0}")]
    Refused(String),
    /// The emitter itself failed; a defect.
    #[error("emitter stopped: {0}")]
    Internal(String),
}

impl EmitError {
    pub(crate) fn settings(key: &str, why: impl Into<String>) -> Self {
        Self::Settings {
            key: key.to_owned(),
            why: why.into(),
        }
    }
}
