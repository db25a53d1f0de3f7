//! What can go wrong, by what is to be done about it.

use fleetledger_schema::postgres::is_session_fault;
use thiserror::Error;

/// A failure of the room of cost.
#[derive(Debug, Error)]
pub enum CostError {
    /// The database did not do it; nothing was changed.
    #[error("{step}")]
    Database {
        /// What was to be done.
        step: &'static str,
        /// What the driver said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// No connection to the database could be had.
    #[error("connect to the database to {step}: {why}")]
    Connect {
        /// What was to be done.
        step: &'static str,
        /// What the pool said.
        why: String,
    },
    /// Somebody asks for what is refused, or what the files say cannot stand.
    #[error("{0}")]
    Refused(String),
    /// More than one answer may hold.
    #[error("{0}")]
    TooLarge(String),
}

/// Names the step in which the driver failed; what our own functions refuse keeps their words.
pub(crate) fn while_(step: &'static str) -> impl Fn(tokio_postgres::Error) -> CostError {
    move |source| match source.as_db_error() {
        Some(refusal) if refusal.code().code() == "22023" => {
            let hint = refusal.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
            CostError::Refused(format!("{}{hint}", refusal.message()))
        }
        _ => CostError::Database { step, source },
    }
}

impl CostError {
    /// True if the database is away or a session with it was lost: it passes by itself.
    pub(crate) fn is_database_away(&self) -> bool {
        match self {
            CostError::Database { source, .. } => is_session_fault(source),
            CostError::Connect { .. } => true,
            CostError::Refused(_) | CostError::TooLarge(_) => false,
        }
    }

    /// The error with all its causes, on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = std::error::Error::source(self);
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
