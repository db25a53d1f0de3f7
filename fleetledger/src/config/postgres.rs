//! How the central PostgreSQL is reached.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigFault, SecretRef, section};

/// Connection to the central PostgreSQL.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// `postgres://user@host:port/database` instead of the five keys below; it must not contain a password.
    pub url: Option<String>,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// Database.
    pub database: String,
    /// Password: `file:/path` or `env:NAME`.
    pub password: Option<SecretRef>,
    /// How the server's certificate is verified.
    pub tls: PostgresTls,
    /// PEM file of the CAs that sign the server's certificate; the system's if not set.
    pub ca: Option<PathBuf>,
    /// PEM file of this end's certificate, with its chain, for mutual TLS.
    pub certificate: Option<PathBuf>,
    /// PEM file of this end's private key.
    pub key: Option<PathBuf>,
    /// How long a connection attempt may take, in seconds.
    pub connect_timeout_seconds: u64,
}

/// How the server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PostgresTls {
    /// Signed by a trusted CA, and for this host.
    VerifyFull,
    /// Signed by a trusted CA, for any host.
    VerifyCa,
    /// No TLS: for loopback.
    Off,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: None,
            host: "127.0.0.1".to_owned(),
            port: 5432,
            user: "fleetledger".to_owned(),
            database: "fleetledger".to_owned(),
            password: None,
            tls: PostgresTls::VerifyFull,
            ca: None,
            certificate: None,
            key: None,
            connect_timeout_seconds: 10,
        }
    }
}

impl PostgresConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        self.check_url()?;
        if self.host.is_empty() || self.user.is_empty() || self.database.is_empty() {
            return Err(ConfigFault::new(
                "postgres.host, user, database",
                "must not be empty",
            ));
        }
        if let Some(password) = &self.password {
            password.check("postgres.password")?;
        }
        if self.connect_timeout_seconds == 0 {
            return Err(ConfigFault::new(
                "postgres.connect_timeout_seconds",
                "must be at least 1",
            ));
        }
        section::check_pair("postgres", self.certificate.as_ref(), self.key.as_ref())?;
        section::check_file("postgres.ca", self.ca.as_ref())
    }

    /// Keys and values beside the url with which the same database is reached in the same way.
    #[must_use]
    pub fn access_keys(&self) -> Vec<(&'static str, String)> {
        let tls = match self.tls {
            PostgresTls::VerifyFull => "verify-full",
            PostgresTls::VerifyCa => "verify-ca",
            PostgresTls::Off => "off",
        };
        let file = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let keys = [
            ("tls", Some(tls.to_owned())),
            ("ca", file(&self.ca)),
            ("certificate", file(&self.certificate)),
            ("key", file(&self.key)),
            ("password", self.password.as_ref().map(SecretRef::reference)),
        ];
        let keys = keys.into_iter();
        keys.filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Whether the url can be used, and holds no password.
    ///
    /// # Errors
    /// What is wrong with it; never its text.
    pub fn check_url(&self) -> Result<(), ConfigFault> {
        self.url.as_deref().map_or(Ok(()), check_url)
    }
}

fn check_url(url: &str) -> Result<(), ConfigFault> {
    let fault = |why: &str| Err(ConfigFault::new("postgres.url", why));
    if !(url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        return fault("must begin with postgres://");
    }
    match url.parse::<tokio_postgres::Config>() {
        // The parser's own words may quote the url, and with it a password.
        Err(_) => fault("is not valid; write it as postgres://user@host:port/database"),
        Ok(config) if config.get_password().is_some() => {
            fault("contains a password; remove it and set postgres.password = \"file:/path\" or \"env:NAME\"")
        }
        Ok(_) if url.contains("sslmode") => fault("contains sslmode; use postgres.tls"),
        Ok(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_in_the_url_is_refused_without_being_shown() {
        let url = Some("postgres://u:hunter2@db/fleet".to_owned());
        let fault = PostgresConfig {
            url,
            ..PostgresConfig::default()
        }
        .check()
        .unwrap_err();
        assert_eq!(fault.key, "postgres.url");
        assert!(
            !fault.why.contains("hunter2") && fault.why.contains("postgres.password"),
            "{}",
            fault.why
        );
    }

    #[test]
    fn certificate_without_key_is_refused() {
        let postgres = PostgresConfig {
            certificate: Some("/etc/hostname".into()),
            ..PostgresConfig::default()
        };
        assert_eq!(postgres.check().unwrap_err().key, "postgres.key");
    }
}
