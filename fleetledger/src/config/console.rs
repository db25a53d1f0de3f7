//! The console's listener and who may call it.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use fleetledger_alerts::http::CallerRole;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigFault, HttpConfig, SecretRef, section};

/// The console: HTTP API and pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ConsoleConfig {
    /// Address and port. Without a token it must be a loopback address.
    pub listen: SocketAddr,
    /// PEM file of this server's certificate, with its chain; plain HTTP if not set.
    pub certificate: Option<PathBuf>,
    /// PEM file of its private key.
    pub key: Option<PathBuf>,
    /// PEM file of the CAs that sign client certificates; if set, clients without such a certificate are refused.
    pub client_ca: Option<PathBuf>,
    /// Folder of the runbooks that notifications link to.
    pub runbooks: PathBuf,
    /// Who may call, by name.
    pub tokens: BTreeMap<String, TokenConfig>,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// What the owner of the token may do.
    pub role: CallerRole,
    /// The token: `file:/path` or `env:NAME`.
    pub token: SecretRef,
}

impl Default for ConsoleConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 9660)),
            certificate: None,
            key: None,
            client_ca: None,
            runbooks: "/etc/fleetledger/runbooks".into(),
            tokens: BTreeMap::new(),
        }
    }
}

impl ConsoleConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        for (name, token) in &self.tokens {
            token.token.check(&format!("console.tokens.{name}.token"))?;
        }
        if self.tokens.is_empty() && !self.listen.ip().is_loopback() {
            let why = "is open to other machines, but no token is configured; add [console.tokens.NAME], or \
                 listen on 127.0.0.1";
            return Err(ConfigFault::new("console.listen", why));
        }
        section::check_pair("console", self.certificate.as_ref(), self.key.as_ref())?;
        if self.client_ca.is_some() && self.certificate.is_none() {
            return Err(ConfigFault::new(
                "console.certificate",
                "is missing: console.client_ca needs TLS",
            ));
        }
        section::check_file("console.client_ca", self.client_ca.as_ref())
    }

    /// Address at which this machine reaches it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = match self.certificate {
            Some(_) => "https",
            None => "http",
        };
        // One that listens everywhere is reached through the loopback.
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("{scheme}://{address}")
    }

    /// Its listener.
    #[must_use]
    pub fn http(&self) -> HttpConfig {
        HttpConfig {
            listen: self.listen,
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            client_ca: self.client_ca.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_reached_where_it_listens() {
        let url = |listen: &str, certificate: Option<&str>| {
            let console = ConsoleConfig {
                listen: listen.parse().unwrap(),
                certificate: certificate.map(PathBuf::from),
                ..ConsoleConfig::default()
            };
            console.url()
        };
        assert_eq!(url("127.0.0.1:9660", None), "http://127.0.0.1:9660");
        assert_eq!(url("0.0.0.0:80", Some("/etc/tls.pem")), "https://127.0.0.1:80");
        assert_eq!(url("[::]:80", None), "http://[::1]:80");
        assert_eq!(url("10.1.2.3:80", None), "http://10.1.2.3:80");
    }

    #[test]
    fn console_without_tokens_listens_on_loopback_alone() {
        let open = ConsoleConfig {
            listen: ([0, 0, 0, 0], 9660).into(),
            ..ConsoleConfig::default()
        };
        assert_eq!(open.check().unwrap_err().key, "console.listen");
        let token = TokenConfig {
            role: CallerRole::Viewer,
            token: SecretRef::new("env:TOKEN"),
        };
        let guarded = ConsoleConfig {
            tokens: [("alice".to_owned(), token)].into(),
            ..open
        };
        guarded.check().unwrap();
        ConsoleConfig::default().check().unwrap();
    }
}
