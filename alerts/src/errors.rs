//! What can go wrong, by what is to be done about it.

use deadpool_postgres::{PoolError, TimeoutType};
use fleetledger_schema::postgres::is_session_fault;
use thiserror::Error;

/// A failure of the evaluator or of its API.
#[derive(Debug, Error)]
pub enum AlertsError {
    /// The database did not do it; nothing was changed, and the next round tries again.
    #[error("{step}")]
    Database {
        /// What was to be done.
        step: &'static str,
        /// What the driver said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// No connection to the database could be had.
    #[error("connect to the database to {step}")]
    Pool {
        /// What was to be done.
        step: &'static str,
        /// What the pool said.
        #[source]
        source: PoolError,
    },
    /// Rules got no answer, because each session for it was lost; nothing is wrong with them.
    #[error("{0}")]
    SessionLost(String),
    /// The current state in the database cannot be read: it was written by another version, or by hand.
    #[error("read {what}: {why}")]
    Unreadable {
        /// Which row.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// Somebody asks for what is not there.
    #[error("{0}")]
    NotFound(String),
    /// Somebody asks for what is refused.
    #[error("{0}")]
    Refused(String),
    /// Rules that cannot be used.
    #[error("{0}")]
    Rules(String),
    /// A setting that cannot work.
    #[error("{key}: {why}")]
    Settings {
        /// Dotted name of the key.
        key: String,
        /// What is wrong with it and what to write instead.
        why: String,
    },
}

/// Names the step in which the driver failed.
pub(crate) fn while_(step: &'static str) -> impl Fn(tokio_postgres::Error) -> AlertsError {
    move |source| AlertsError::Database { step, source }
}

impl AlertsError {
    /// True if the database is away or a session with it was lost: it passes by itself, and another session helps.
    #[must_use]
    pub fn is_database_away(&self) -> bool {
        match self {
            AlertsError::Database { source, .. } => is_session_fault(source),
            AlertsError::Pool { .. } | AlertsError::SessionLost(_) => true,
            AlertsError::Unreadable { .. }
            | AlertsError::NotFound(_)
            | AlertsError::Refused(_)
            | AlertsError::Rules(_)
            | AlertsError::Settings { .. } => false,
        }
    }

    /// Has it logged, with all its causes, unless the database is away: who needs it most tells of that, once.
    pub fn log_unless_away(&self, log: impl FnOnce(&str)) {
        if self.is_database_away() {
            tracing::debug!(error = self.chain(), "the database is unavailable");
        } else {
            log(&self.chain());
        }
    }

    /// The error with all its causes, on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
        if let AlertsError::Pool { source, .. } = self {
            // The pool's own words say nothing of the database.
            next = match source {
                PoolError::Backend(error) => Some(error),
                PoolError::Timeout(TimeoutType::Wait) => {
                    text.push_str(": all connections are busy");
                    None
                }
                PoolError::Timeout(_) => {
                    text.push_str(": no answer in time");
                    None
                }
                other => Some(other),
            };
        }
        while let Some(error) = next {
            let cause = error.to_string();
            if !text.contains(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            next = error.source();
        }
        text
    }
}
