//! Why a configuration is refused.

use std::path::PathBuf;

use thiserror::Error;

/// A configuration that cannot be used; its text names the key and the place it stands in.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {}: {source}; name another with --config or FLEETLEDGER_CONFIG", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("configuration file {}: line {line}: {message}", file.display())]
    Syntax {
        /// The file.
        file: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// A key that does not exist.
    #[error(
        "unknown key {key} in {place}; the nearest known key is {nearest} (all: fleetledger config reference)"
    )]
    UnknownKey {
        /// Dotted name.
        key: String,
        /// File, or environment variable.
        place: String,
        /// The known key most like it.
        nearest: String,
    },
    /// A value of the wrong type.
    #[error("{0}")]
    Type(String),
    /// A value that cannot work.
    #[error("{key} in {place}: {why}")]
    Value {
        /// Dotted name.
        key: String,
        /// File, environment variable, or default.
        place: String,
        /// What is wrong and what to write instead.
        why: String,
    },
}
