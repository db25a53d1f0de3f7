//! Secrets: written as references, read late, never printed.

use std::{fmt, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::ConfigFault;

/// Where a secret stands: `file:/path` or `env:NAME`. A secret written out in its place is refused,
/// and shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SecretRef(String);

/// A secret. It has no `Display` and its `Debug` says `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(String);

enum SecretLocation<'r> {
    File(&'r Path),
    Environment(&'r str),
}

impl SecretRef {
    /// A reference from its text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The reference itself; what is none is not shown.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{self:?}")
    }

    /// Whether it is a reference at all.
    ///
    /// # Errors
    /// Names `key`, not the value: that may be the secret itself.
    pub fn check(&self, key: &str) -> Result<(), ConfigFault> {
        self.location(key).map(drop)
    }

    /// Reads the secret; the newline at a file's end does not belong to it.
    ///
    /// # Errors
    /// Names `key` and the file or variable that cannot be read.
    pub fn read(&self, key: &str) -> Result<SecretValue, ConfigFault> {
        let text = match self.location(key)? {
            SecretLocation::File(path) => std::fs::read_to_string(path)
                .map_err(|error| ConfigFault::new(key, format!("cannot read {}: {error}", path.display())))?,
            SecretLocation::Environment(name) => read_variable(name).ok_or_else(|| {
                ConfigFault::new(
                    key,
                    format!("environment variable {name} is not set or not utf-8"),
                )
            })?,
        };
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(ConfigFault::new(key, format!("{self:?} is empty")));
        }
        Ok(SecretValue(secret.to_owned()))
    }

    /// The file that it stands in, if it stands in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self.location("") {
            Ok(SecretLocation::File(path)) => Some(path),
            _ => None,
        }
    }

    fn location(&self, key: &str) -> Result<SecretLocation<'_>, ConfigFault> {
        if let Some(path) = self.0.strip_prefix("file:").filter(|path| !path.is_empty()) {
            Ok(SecretLocation::File(Path::new(path)))
        } else if let Some(name) = self.0.strip_prefix("env:").filter(|name| is_variable(name)) {
            Ok(SecretLocation::Environment(name))
        } else {
            Err(ConfigFault::new(
                key,
                "must be a reference to a secret: file:/path or env:NAME",
            ))
        }
    }
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[expect(
    clippy::disallowed_methods,
    reason = "a reference names the variable a secret stands in"
)]
fn read_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl fmt::Debug for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.location("").is_ok() {
            &self.0
        } else {
            "[redacted]"
        })
    }
}

impl Serialize for SecretRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

impl SecretValue {
    /// The secret, for the one place that hands it to a driver.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_written_out_is_refused_and_never_shown() {
        let plain = SecretRef::new("hunter2");
        let fault = plain.read("postgres.password").unwrap_err();
        assert_eq!(fault.key, "postgres.password");
        for shown in [
            format!("{fault:?}"),
            format!("{plain:?}"),
            serde_json::to_string(&plain).unwrap(),
        ] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn secret_of_a_file_loses_its_newline_and_is_redacted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "hunter2\n").unwrap();
        let secret = SecretRef::new(format!("file:{}", file.display()))
            .read("k")
            .unwrap();
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?}"), "[redacted]");
        std::fs::write(&file, "\n").unwrap();
        assert!(
            SecretRef::new(format!("file:{}", file.display()))
                .read("k")
                .is_err()
        );
    }

    #[test]
    fn missing_file_and_variable_are_named() {
        let file = SecretRef::new("file:/nonexistent/password")
            .read("kafka.sasl.password")
            .unwrap_err();
        assert!(file.why.contains("/nonexistent/password"), "{}", file.why);
        let variable = SecretRef::new("env:FLEETLEDGER_TEST_NOT_SET")
            .read("k")
            .unwrap_err();
        assert!(
            variable.why.contains("FLEETLEDGER_TEST_NOT_SET"),
            "{}",
            variable.why
        );
    }
}
