//! Configuration: one TOML file and `FLEETLEDGER__SECTION__KEY` of the environment.
//!
//! Unknown keys are refused by name before any port or connection opens. Secrets are references
//! ([`SecretRef`]) and never printed. The environment is read in this module and nowhere else.
//!
//! A room's settings are its own type and stand here as the section itself (`emit`, `ingest`, `simulate`, `cost`): a key is
//! added in the room alone, and docs/configuration.md is written from it.

mod console;
pub(crate) mod environment;
mod error;
mod evaluate;
mod exposure;
mod file_watch;
mod kafka;
mod key;
mod kubernetes;
mod load;
pub mod places;
mod postgres;
mod postgres_url;
pub mod reference;
pub mod rotation;
mod secret;
mod section;
mod shown;

pub use console::{ConsoleConfig, TokenConfig};
pub use error::ConfigError;
pub use evaluate::{EvaluateConfig, ReceiverConfig, ReceiverKind, RouteConfig, RoutingConfig};
pub use exposure::{ExposedWay, exposed};
pub use file_watch::FileWatch;
pub use kafka::{KafkaConfig, SaslConfig, SaslMechanism};
pub use kubernetes::KubernetesConfig;
pub use load::{LoadedConfig, load, load_with};
pub use postgres::{PostgresConfig, PostgresTls};
pub use postgres_url::of_url;
pub use secret::{SecretRef, SecretValue};
pub use section::{
    DemoConfig, HttpConfig, LogConfig, LogFormat, OwnersConfig, ShutdownConfig, TlsConfig, TopicsConfig,
};
pub use shown::shown;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that can be set, by section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FleetledgerConfig {
    /// Connection to Kafka.
    pub kafka: KafkaConfig,
    /// Settings with which topics are created, and which doctor checks.
    pub topics: TopicsConfig,
    /// Connection to the central PostgreSQL.
    pub postgres: PostgresConfig,
    /// Connection of the emitter to the cluster's API server. Without any of these keys the emitter uses its pod's
    /// service account.
    pub kubernetes: KubernetesConfig,
    /// The emitter: one Kubernetes cluster.
    pub emit: fleetledger_emit::EmitSettings,
    /// The simulated fleet of `fleetledger emit --source simulate`.
    pub simulate: fleetledger_emit::SimulateSettings,
    /// The ingester.
    pub ingest: fleetledger_ingest::IngestSettings,
    /// The evaluator: stored SQL to alerts and metrics.
    pub evaluate: EvaluateConfig,
    /// Who is told of alerts, by name.
    pub receivers: BTreeMap<String, ReceiverConfig>,
    /// Receivers of alerts whose rule names none.
    pub routes: RoutingConfig,
    /// The console: HTTP API and pages.
    pub console: ConsoleConfig,
    /// Cost: `evaluate` rates hours once a price sheet has been applied.
    pub cost: fleetledger_cost::RatingSettings,
    /// Owners of namespaces.
    pub owners: OwnersConfig,
    /// Metrics and health of a running role.
    pub http: HttpConfig,
    /// Logging.
    pub log: LogConfig,
    /// How a role stops.
    pub shutdown: ShutdownConfig,
    /// `fleetledger demo`.
    pub demo: DemoConfig,
}

impl FleetledgerConfig {
    /// Checks what no type expresses, before anything is opened. The emitter's names are checked by
    /// its own role alone: the central site has none.
    ///
    /// # Errors
    /// The first key that cannot work, and what would.
    pub fn check(&self) -> Result<(), ConfigFault> {
        self.kafka.check()?;
        self.topics.check()?;
        self.postgres.check()?;
        self.kubernetes.check()?;
        for (name, receiver) in &self.receivers {
            receiver.check(name)?;
        }
        self.evaluate.check(&self.receivers)?;
        self.routes.check(&self.receivers)?;
        self.console.check()?;
        self.cost
            .check()
            .map_err(|fault| ConfigFault::new(format!("cost.{}", fault.key), fault.why))?;
        self.http.check()?;
        self.log.check()?;
        self.owners.check()?;
        self.shutdown.check()
    }
}

/// A key whose value cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// Dotted name, such as `kafka.tls.ca`.
    pub key: String,
    /// What is wrong with it and what to write instead; never the value of a secret.
    pub why: String,
}

impl ConfigFault {
    /// A fault of `key`.
    pub fn new(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            why: why.into(),
        }
    }
}
