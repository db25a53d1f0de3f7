//! Secrets of receivers: the caller resolves their references, and nothing here prints them.

use std::fmt;

/// A secret. It has no `Display`, is never serialised, and its `Debug` says `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiverSecret(String);

impl ReceiverSecret {
    /// Takes the secret itself, not its reference.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret, for the one place that sends it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ReceiverSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
