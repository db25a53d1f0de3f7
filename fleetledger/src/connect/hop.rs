//! An error of one hop.

use std::fmt;

use thiserror::Error;

/// A hop that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{hop}: {why}; {fix}")]
pub struct HopError {
    /// Which, such as `kafka broker 127.0.0.1:9093`.
    pub hop: String,
    /// What is wrong.
    pub why: String,
    /// What to do.
    pub fix: String,
    /// Whether waiting may help.
    pub kind: HopErrorKind,
}

/// Whether waiting may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HopErrorKind {
    /// It is away: it may come back by itself.
    Away,
    /// It is set up wrongly, here or there: somebody must change something.
    Setup,
}

impl HopError {
    /// The hop is away.
    pub fn away(hop: impl fmt::Display, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            hop: hop.to_string(),
            why: why.into(),
            fix: fix.into(),
            kind: HopErrorKind::Away,
        }
    }

    /// The hop is set up wrongly.
    pub fn setup(hop: impl fmt::Display, why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            hop: hop.to_string(),
            why: why.into(),
            fix: fix.into(),
            kind: HopErrorKind::Setup,
        }
    }
}

/// An error and all its causes on one line, each once.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

/// The file of trusted authorities, for messages.
pub(crate) fn authorities(ca: Option<&std::path::Path>) -> String {
    ca.map_or_else(
        || "the system's CAs".to_owned(),
        |file| format!("ca file {}", file.display()),
    )
}
