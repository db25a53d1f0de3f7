//! The sections that belong to no hop.

use std::{net::SocketAddr, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ConfigFault;

/// Certificates of one end of a connection.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// PEM file of the trusted CAs; the system's if not set.
    pub ca: Option<PathBuf>,
    /// PEM file of this end's certificate, with its chain, for mutual TLS.
    pub certificate: Option<PathBuf>,
    /// PEM file of this end's private key.
    pub key: Option<PathBuf>,
}

impl TlsConfig {
    /// Certificate and key come together, and every file can be read.
    pub(super) fn check(&self, section: &str) -> Result<(), ConfigFault> {
        check_pair(section, self.certificate.as_ref(), self.key.as_ref())?;
        check_file(&format!("{section}.ca"), self.ca.as_ref())
    }
}

/// A certificate without its key, or the other way round, and files that cannot be read.
pub(super) fn check_pair(
    section: &str,
    certificate: Option<&PathBuf>,
    key: Option<&PathBuf>,
) -> Result<(), ConfigFault> {
    match (certificate, key) {
        (Some(_), None) => {
            return Err(ConfigFault::new(
                format!("{section}.key"),
                "is missing: certificate is set and needs its key",
            ));
        }
        (None, Some(_)) => {
            let why = "is missing: key is set and needs its certificate";
            return Err(ConfigFault::new(format!("{section}.certificate"), why));
        }
        _ => {}
    }
    check_file(&format!("{section}.certificate"), certificate)?;
    check_file(&format!("{section}.key"), key)
}

/// A file that cannot be opened is refused before anything else is.
pub(super) fn check_file(key: &str, file: Option<&PathBuf>) -> Result<(), ConfigFault> {
    let Some(file) = file else { return Ok(()) };
    match std::fs::File::open(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(ConfigFault::new(
            key,
            format!("cannot read {}: {error}", file.display()),
        )),
    }
}

/// What topics are made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TopicsConfig {
    /// Partitions of each topic. Fixed for the life of the topics: a change means new topics and a sweep.
    pub partitions: i32,
    /// Replicas of each partition; -1 = the broker's default.
    pub replication_factor: i32,
    /// Replicas that must have a record before it counts as written. At most the replication factor.
    pub min_insync_replicas: i32,
    /// How long a record stays before compaction may remove it, in hours: at least 168 (7 days), so that an ingester
    /// that was down for a week misses no state.
    pub min_compaction_lag_hours: i64,
    /// How long the topic of usage, which is not compacted, keeps its records, in hours: at least 24. An ingester that
    /// was down for longer misses usage.
    pub usage_retention_hours: i64,
    /// Largest record of a topic, in bytes. A pod with a hundred containers is about 100 kB.
    pub max_message_bytes: i64,
}

impl Default for TopicsConfig {
    fn default() -> Self {
        Self {
            partitions: 12,
            replication_factor: -1,
            min_insync_replicas: 1,
            min_compaction_lag_hours: 168,
            usage_retention_hours: 168,
            max_message_bytes: 1_048_588,
        }
    }
}

impl TopicsConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        if self.partitions < 1 {
            return Err(ConfigFault::new("topics.partitions", "must be at least 1"));
        }
        if self.replication_factor != -1 && self.replication_factor < 1 {
            return Err(ConfigFault::new(
                "topics.replication_factor",
                "must be at least 1, or -1 for the broker's default",
            ));
        }
        if self.min_insync_replicas < 1 {
            return Err(ConfigFault::new(
                "topics.min_insync_replicas",
                "must be at least 1",
            ));
        }
        if self.replication_factor > 0 && self.min_insync_replicas > self.replication_factor {
            let why = format!(
                "must be at most topics.replication_factor, which is {}",
                self.replication_factor
            );
            return Err(ConfigFault::new("topics.min_insync_replicas", why));
        }
        if self.min_compaction_lag_hours < 168 {
            return Err(ConfigFault::new(
                "topics.min_compaction_lag_hours",
                "must be at least 168 (7 days)",
            ));
        }
        if self.usage_retention_hours < 24 {
            return Err(ConfigFault::new(
                "topics.usage_retention_hours",
                "must be at least 24",
            ));
        }
        if self.max_message_bytes < 65_536 {
            return Err(ConfigFault::new(
                "topics.max_message_bytes",
                "must be at least 65536",
            ));
        }
        Ok(())
    }
}

impl TopicsConfig {
    /// How long the topic of usage keeps its records, in milliseconds.
    #[must_use]
    pub fn usage_retention_ms(&self) -> i64 {
        self.usage_retention_hours.saturating_mul(3_600_000)
    }
}

/// Owners of namespaces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OwnersConfig {
    /// Label, else annotation, of a namespace that names its team; `migrate` stores it.
    pub namespace_label: String,
}

impl Default for OwnersConfig {
    fn default() -> Self {
        Self {
            namespace_label: "team".to_owned(),
        }
    }
}

impl OwnersConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        if self.namespace_label.trim().is_empty() {
            return Err(ConfigFault::new(
                "owners.namespace_label",
                "must name a label, such as team",
            ));
        }
        Ok(())
    }
}

/// Metrics and health of a running role: `/metrics`, `/livez`, `/readyz`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Address and port. Two roles on one machine need different ports.
    pub listen: SocketAddr,
    /// PEM file of this server's certificate, with its chain; plain HTTP if not set.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// PEM file of the CAs that sign client certificates; if set, clients without such a certificate are refused.
    pub client_ca: Option<PathBuf>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9650)),
            certificate: None,
            key: None,
            client_ca: None,
        }
    }
}

impl HttpConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        check_pair("http", self.certificate.as_ref(), self.key.as_ref())?;
        if self.client_ca.is_some() && self.certificate.is_none() {
            return Err(ConfigFault::new(
                "http.certificate",
                "is missing: http.client_ca needs TLS",
            ));
        }
        check_file("http.client_ca", self.client_ca.as_ref())
    }
}

/// Logging, to standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// Format of a log line; `--log-format` takes precedence.
    pub format: LogFormat,
    /// What is logged, as tracing's directives: `info`, or `info,fleetledger_ingest=debug`.
    pub filter: String,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            format: LogFormat::Text,
            filter: "info".to_owned(),
        }
    }
}

impl LogConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        match tracing_subscriber::EnvFilter::try_new(&self.filter) {
            Ok(_) => Ok(()),
            Err(error) => Err(ConfigFault::new(
                "log.filter",
                format!("{error}; write it as in info,fleetledger_ingest=debug"),
            )),
        }
    }
}

/// How a role stops.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ShutdownConfig {
    /// How long a role may take to finish after SIGTERM or SIGINT, in seconds; then it exits with code 9. No data is
    /// lost.
    pub deadline_seconds: u64,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self { deadline_seconds: 30 }
    }
}

impl ShutdownConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        match self.deadline_seconds {
            1..=3600 => Ok(()),
            _ => Err(ConfigFault::new("shutdown.deadline_seconds", "must be 1 to 3600")),
        }
    }
}

/// `fleetledger demo`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DemoConfig {
    /// Folder of the demo's data: `/var/lib/fleetledger/demo` for root, else
    /// `${XDG_STATE_HOME:-~/.local/state}/fleetledger/demo`.
    pub directory: Option<PathBuf>,
    /// Port of its PostgreSQL on 127.0.0.1; one that is free at its first start, kept from then on.
    pub postgres_port: Option<u16>,
}
