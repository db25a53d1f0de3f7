//! Configuration: one TOML file and `FLEETLEDGER__SECTION__KEY` of the environment.
//!
//! Unknown keys are refused by name before any port or connection opens. Secrets are references
//! ([`SecretRef`]) and never printed. The environment is read in this module and nowhere else.

mod console;
mod cost;
mod environment;
mod error;
mod evaluate;
mod kafka;
mod key;
mod kubernetes;
mod load;
pub mod places;
mod postgres;
pub mod reference;
mod secret;
mod section;

pub use console::{Console, Token, TokenRole};
pub use cost::Cost;
pub use error::ConfigError;
pub use evaluate::{Branch, Evaluate, Receiver, ReceiverKind, Routes};
pub use kafka::{Kafka, Sasl, SaslMechanism};
pub use kubernetes::Kubernetes;
pub use load::{Loaded, load, load_with};
pub use postgres::{Postgres, PostgresTls};
pub use secret::{Secret, SecretRef};
pub use section::{Demo, Http, Log, LogFormat, Owners, Shutdown, Tls, Topics};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that can be set, by section.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How Kafka is reached.
    pub kafka: Kafka,
    /// What topics are made with, and held against by doctor.
    pub topics: Topics,
    /// How the central PostgreSQL is reached.
    pub postgres: Postgres,
    /// How the cluster's API server is reached by the emitter. With none of these keys the emitter uses its pod's service account.
    pub kubernetes: Kubernetes,
    /// The emitter: one Kubernetes cluster.
    pub emit: fleetledger_emit::Settings,
    /// The simulated fleet of `fleetledger emit --simulate`.
    pub simulate: fleetledger_emit::SimulateSettings,
    /// The ingester.
    pub ingest: fleetledger_ingest::Settings,
    /// The evaluator: stored SQL to alerts and metrics.
    pub evaluate: Evaluate,
    /// Who is told of alerts, by name.
    pub receivers: BTreeMap<String, Receiver>,
    /// Where alerts go whose rule names no receivers.
    pub routes: Routes,
    /// The console: HTTP API and pages.
    pub console: Console,
    /// Cost: hours are rated by `evaluate` once a price sheet was applied.
    pub cost: Cost,
    /// Who owns a namespace.
    pub owners: Owners,
    /// Metrics and health of a running role.
    pub http: Http,
    /// Logging.
    pub log: Log,
    /// How a role ends.
    pub shutdown: Shutdown,
    /// `fleetledger demo`.
    pub demo: Demo,
}

impl Config {
    /// Checks what no type expresses, before anything is opened. The emitter's names are checked by
    /// its own role alone: the centre has none.
    ///
    /// # Errors
    /// The first key that cannot work, and what would.
    pub fn check(&self) -> Result<(), Fault> {
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
        self.cost.check()?;
        self.http.check()?;
        self.log.check()?;
        self.owners.check()?;
        self.shutdown.check()
    }
}

/// A key whose value cannot work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Dotted name, such as `kafka.tls.ca`.
    pub key: String,
    /// What is wrong with it and what to write instead; never the value of a secret.
    pub why: String,
}

impl Fault {
    /// A fault of `key`.
    pub fn new(key: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            why: why.into(),
        }
    }
}
