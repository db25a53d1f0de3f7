//! What can go wrong with a part, said so that its reader knows what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A result of this room.
pub type LocalResult<T, E = LocalError> = std::result::Result<T, E>;

/// Why a part could not be fetched, started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A tool this part needs is not installed. Tests skip on it, loudly (see [`crate::skip`]).
    #[error("{part} cannot run on this machine: {reason}; install it with: {remedy}")]
    Unavailable {
        /// The part that was asked for.
        part: &'static str,
        /// What is missing.
        reason: String,
        /// The exact command that installs it.
        remedy: String,
    },
    /// A file could not be read, written, moved or removed.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A program could not be started at all.
    #[error("cannot run `{command}`")]
    Spawn {
        /// The command line.
        command: String,
        /// The system's answer.
        source: io::Error,
    },
    /// A program that should have succeeded did not.
    #[error("`{command}` failed ({status}):\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// Its exit status.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// A server was started and ended by itself.
    #[error("{part} stopped while starting ({status}); its log {} ends with:\n{tail}", log.display())]
    Stopped {
        /// The part.
        part: String,
        /// Its exit status.
        status: String,
        /// Its log file.
        log: PathBuf,
        /// The end of that log.
        tail: String,
    },
    /// A server was started, lives, and does not answer.
    #[error("{part} was not ready after {seconds} s ({reason}); its log {} ends with:\n{tail}", log.display())]
    NotReady {
        /// The part.
        part: String,
        /// How long it was given, in seconds.
        seconds: u64,
        /// What the last look saw.
        reason: String,
        /// Its log file.
        log: PathBuf,
        /// The end of that log.
        tail: String,
    },
    /// A server did not end when asked to.
    #[error("{part} (process {pid}) did not stop within {seconds} s")]
    NotStopped {
        /// The part.
        part: String,
        /// Its process.
        pid: u32,
        /// How long it was given, in seconds.
        seconds: u64,
    },
    /// No free port was found.
    #[error("no port from 20000 to 32000 on 127.0.0.1 is free; stop servers that were left running there")]
    NoPort,
    /// The caller asked for something that cannot be.
    #[error("{0}")]
    Setup(String),
    /// A certificate could not be made.
    #[error("cannot create a certificate")]
    Certificate(#[from] rcgen::Error),
    /// TLS could not be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] openssl::error::ErrorStack),
    /// PostgreSQL refused a statement.
    #[error("PostgreSQL refused to {action}")]
    Postgres {
        /// What was tried, as a verb.
        action: &'static str,
        /// The server's answer.
        source: tokio_postgres::Error,
    },
    /// A broker refused a request.
    #[error("the broker refused to {action}")]
    Kafka {
        /// What was tried, as a verb.
        action: String,
        /// The client's answer.
        source: rdkafka::error::KafkaError,
    },
    /// An HTTP server did not answer as expected.
    #[error("{url} answered {status}: {body}")]
    Http {
        /// The address asked.
        url: String,
        /// The status code, 0 when there was none.
        status: u16,
        /// The beginning of the answer.
        body: String,
    },
}

impl LocalError {
    /// Whether a tool is missing on this machine, rather than something broken.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

/// Names the file and the verb of an input or output error.
pub(crate) trait FileContext<T> {
    fn while_(self, action: &'static str, path: &Path) -> LocalResult<T>;
}

impl<T> FileContext<T> for io::Result<T> {
    fn while_(self, action: &'static str, path: &Path) -> LocalResult<T> {
        self.map_err(|source| LocalError::File {
            action,
            path: path.to_owned(),
            source,
        })
    }
}
