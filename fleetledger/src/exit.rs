//! Exit codes: what a script or a unit's `RestartPreventExitStatus` can tell apart.

use std::process::ExitCode;

use fleetledger_queries::ReaderError;

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// 0: done.
    Done,
    /// 1: it ran, and something is red or differs (`status`, `doctor`, `audit`, `demo --for`).
    Red,
    /// 3: the configuration is refused; nothing was opened.
    Configuration,
    /// 4: Kafka, PostgreSQL or the API server cannot be used; the message names which.
    Hop,
    /// 5: anything else that failed.
    Failed,
    /// 9: the deadline of the shutdown passed.
    Deadline,
}

impl ExitReason {
    /// Its number. 2 is clap's, for arguments it cannot read.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Red => 1,
            Self::Configuration => 3,
            Self::Hop => 4,
            Self::Failed => 5,
            Self::Deadline => 9,
        }
    }

    /// The number an error stands for, by what it is made of.
    #[must_use]
    pub fn of(error: &anyhow::Error) -> Self {
        if error
            .chain()
            .any(|cause| cause.is::<crate::config::ConfigError>())
        {
            Self::Configuration
        } else if error.chain().any(is_of_hop) || crate::setup::is_denied(error.as_ref()) {
            Self::Hop
        } else {
            Self::Failed
        }
    }
}

fn is_of_hop(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<crate::connect::HopError>()
        || cause.is::<kube::config::InClusterError>()
        || cause.is::<kube::config::KubeconfigError>()
        || matches!(
            cause.downcast_ref::<ReaderError>(),
            Some(ReaderError::Unavailable { .. })
        )
}

impl From<ExitReason> for ExitCode {
    fn from(exit: ExitReason) -> Self {
        Self::from(exit.number())
    }
}
