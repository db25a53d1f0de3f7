//! What an evaluator is told.

use std::time::Duration;

use fleetledger_paging::{Inhibition, Route, channel::alertmanager::RESEND, retry::RetryBackoff};

use crate::{links::LinkTargets, receivers::ReceiverSet};

/// How rules are evaluated and where alerts go.
#[derive(Debug, Clone)]
pub struct EvaluatorSettings {
    /// Name of this evaluator; no other one has it.
    pub evaluator: String,
    /// How long a group stays ours without a sign of life.
    pub lease: Duration,
    /// Maximum number of queries at a time.
    pub concurrency: usize,
    /// Where alerts go by their labels, unless their rule names receivers.
    pub routes: Route,
    /// Inhibitions beside those that rules name.
    pub inhibitions: Vec<Inhibition>,
    /// Where links lead to.
    pub link_targets: LinkTargets,
    /// Who is told.
    pub receivers: ReceiverSet,
    /// Receivers of the heartbeat; nobody else gets it.
    pub heartbeat_receivers: Vec<String>,
    /// When a notification that failed is tried again, and when it is given up.
    pub backoff: RetryBackoff,
    /// Maximum number of notifications being sent at a time.
    pub deliveries: usize,
    /// How often the current state in an Alertmanager is sent to it again.
    pub resend: Duration,
}

impl Default for EvaluatorSettings {
    fn default() -> Self {
        Self {
            evaluator: "evaluator".to_owned(),
            lease: Duration::from_secs(15),
            concurrency: 4,
            routes: Route::default(),
            inhibitions: Vec::new(),
            link_targets: LinkTargets::default(),
            receivers: ReceiverSet::default(),
            heartbeat_receivers: Vec::new(),
            backoff: RetryBackoff::default(),
            deliveries: 16,
            resend: RESEND,
        }
    }
}
