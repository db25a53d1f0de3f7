//! What can stop a migration.

use thiserror::Error;

use super::ConnectError;

/// Why the database is not, or could not be brought, at this version.
#[derive(Debug, Error)]
pub enum MigrateError {
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server is too old.
    #[error("postgres is version {0}; fleetledger needs 15 or later")]
    TooOld(i32),
    /// Another migration did not end.
    #[error(
        "another migration has been running for ten minutes, held by {holders}; wait for it, or end that \
         session with pg_terminate_backend; then migrate again"
    )]
    Locked {
        /// Its sessions: process id, role, application.
        holders: String,
    },
    /// A migration that has been applied has another text now.
    #[error(
        "migration {name} was edited after it had been applied; restore its text and put the change into a new migration"
    )]
    Edited {
        /// File name of the migration.
        name: String,
    },
    /// The database has a migration this binary does not know.
    #[error(
        "the database has migration {name}, which this version does not know; run a newer fleetledger, or restore a backup"
    )]
    Ahead {
        /// File name of the migration.
        name: String,
    },
    /// Somebody's own object hangs on a view or function of ours.
    #[error(
        "{dependents} depend on fleetledger's views or functions, which are replaced; drop them, migrate, \
         and create them again"
    )]
    Dependents {
        /// Names of the dependent objects.
        dependents: String,
    },
    /// A view file cannot be read.
    #[error("view file {file}: {message}")]
    ViewFile {
        /// File name.
        file: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// A migration needs a function that has no file.
    #[error("migration {migration} needs function {function}, which has no file in postgres/functions")]
    NoFunction {
        /// Name of the migration.
        migration: &'static str,
        /// Name of the function.
        function: String,
    },
    /// A statement failed.
    #[error("{step}")]
    Statement {
        /// What was being done.
        step: String,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl MigrateError {
    pub(super) fn statement(step: impl Into<String>) -> impl FnOnce(tokio_postgres::Error) -> Self {
        let step = step.into();
        move |source| Self::Statement { step, source }
    }
}
