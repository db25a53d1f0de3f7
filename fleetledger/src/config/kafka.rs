//! How Kafka is reached.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ConfigFault, SecretRef, TlsConfig};

/// Connection to Kafka.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KafkaConfig {
    /// Brokers to connect to first: `host:port`, several separated by commas.
    pub bootstrap_servers: String,
    /// TLS to the brokers, if this section is present (an empty one trusts the system's CAs); the broker's host name is
    /// always verified.
    pub tls: Option<TlsConfig>,
    /// Secret of `kafka.tls.key`, if it is encrypted: `file:/path` or `env:NAME`.
    pub tls_key_password: Option<SecretRef>,
    /// Login to the brokers, if they require SASL.
    pub sasl: Option<SaslConfig>,
    /// Further librdkafka properties. Those that have keys of their own here, and those that would weaken delivery, are
    /// refused.
    pub properties: BTreeMap<String, String>,
}

/// A SASL login.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SaslConfig {
    /// Mechanism.
    pub mechanism: SaslMechanism,
    /// User name.
    pub username: String,
    /// Password: `file:/path` or `env:NAME`.
    pub password: Option<SecretRef>,
}

/// A SASL mechanism.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SaslMechanism {
    /// The password is sent as it is, so only with TLS.
    #[serde(rename = "PLAIN")]
    Plain,
    /// Salted challenge, SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Salted challenge, SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
}

impl SaslMechanism {
    /// Its name in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            tls: None,
            tls_key_password: None,
            sasl: None,
            properties: BTreeMap::new(),
        }
    }
}

impl Default for SaslConfig {
    fn default() -> Self {
        Self {
            mechanism: SaslMechanism::ScramSha512,
            username: String::new(),
            password: None,
        }
    }
}

/// Properties that other keys stand for, or that the exactly-once design fixes.
const REFUSED: &[(&str, &str)] = &[
    ("bootstrap.servers", "use kafka.bootstrap_servers"),
    ("metadata.broker.list", "use kafka.bootstrap_servers"),
    ("security.protocol", "it is derived from kafka.tls and kafka.sasl"),
    ("sasl.password", "use kafka.sasl.password, a reference"),
    ("sasl.username", "use kafka.sasl.username"),
    ("sasl.mechanism", "use kafka.sasl.mechanism"),
    ("sasl.mechanisms", "use kafka.sasl.mechanism"),
    ("ssl.key.password", "use kafka.tls_key_password, a reference"),
    ("ssl.key.pem", "use kafka.tls.key, a file"),
    ("ssl.ca.location", "use kafka.tls.ca"),
    ("ssl.certificate.location", "use kafka.tls.certificate"),
    ("ssl.key.location", "use kafka.tls.key"),
    (
        "enable.ssl.certificate.verification",
        "the broker's certificate is always verified",
    ),
    (
        "ssl.endpoint.identification.algorithm",
        "the broker's host name is always verified",
    ),
    (
        "acks",
        "a record counts as written only when all in-sync replicas have it",
    ),
    (
        "request.required.acks",
        "a record counts as written only when all in-sync replicas have it",
    ),
    ("enable.idempotence", "the producer is always idempotent"),
    ("enable.auto.commit", "offsets are stored in PostgreSQL"),
    ("auto.offset.reset", "lost data is never skipped silently"),
    ("isolation.level", "it is always read_committed"),
    (
        "group.protocol",
        "it is always classic: with the consumer protocol, brokers decide how long a dead ingester keeps its \
         partitions (45 s by default), and session settings are not allowed",
    ),
    ("group.remote.assignor", "it belongs to group.protocol=consumer"),
    (
        "partition.assignment.strategy",
        "it is always cooperative-sticky, because all members of a group must agree on it",
    ),
    ("group.id", "use ingest.group_id"),
    ("group.instance.id", "use ingest.static_membership"),
    ("enable.auto.offset.store", "offsets are stored in PostgreSQL"),
    (
        "transactional.id",
        "records are made exactly-once by their sequence in the log",
    ),
    (
        "message.timeout.ms",
        "records wait for Kafka as long as necessary",
    ),
    (
        "delivery.timeout.ms",
        "records wait for Kafka as long as necessary",
    ),
    (
        "message.send.max.retries",
        "records are retried as long as necessary",
    ),
    ("retries", "records are retried as long as necessary"),
    ("queuing.strategy", "records must stay in order"),
];

impl KafkaConfig {
    pub(super) fn check(&self) -> Result<(), ConfigFault> {
        check_brokers(&self.bootstrap_servers)?;
        if let Some(tls) = &self.tls {
            tls.check("kafka.tls")?;
        }
        if let Some(password) = &self.tls_key_password {
            password.check("kafka.tls_key_password")?;
        }
        if let Some(sasl) = &self.sasl {
            sasl.check(self.tls.is_some())?;
        }
        for name in self.properties.keys() {
            if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| refused == name) {
                return Err(ConfigFault::new(
                    format!("kafka.properties.{name}"),
                    format!("cannot be set here: {why}"),
                ));
            }
        }
        Ok(())
    }
}

impl SaslConfig {
    fn check(&self, tls: bool) -> Result<(), ConfigFault> {
        if self.username.is_empty() {
            return Err(ConfigFault::new("kafka.sasl.username", "is missing"));
        }
        if self.mechanism == SaslMechanism::Plain && !tls {
            let why =
                "PLAIN without TLS sends the password unencrypted; add [kafka.tls] or use SCRAM-SHA-512";
            return Err(ConfigFault::new("kafka.sasl.mechanism", why));
        }
        match &self.password {
            Some(password) => password.check("kafka.sasl.password"),
            None => Err(ConfigFault::new(
                "kafka.sasl.password",
                "is missing: write file:/path or env:NAME",
            )),
        }
    }
}

fn check_brokers(servers: &str) -> Result<(), ConfigFault> {
    let well_formed = |server: &str| {
        server
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    if servers.split(',').all(|server| well_formed(server.trim())) {
        return Ok(());
    }
    Err(ConfigFault::new(
        "kafka.bootstrap_servers",
        "must be host:port, or several separated by commas",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn property_that_would_weaken_delivery_is_refused_by_name() {
        let mut kafka = KafkaConfig::default();
        kafka.check().unwrap();
        kafka.properties.insert("acks".to_owned(), "1".to_owned());
        let fault = kafka.check().unwrap_err();
        assert_eq!(fault.key, "kafka.properties.acks");
    }

    #[test]
    fn the_consumer_protocol_is_refused_by_name() {
        let mut kafka = KafkaConfig::default();
        kafka
            .properties
            .insert("group.protocol".to_owned(), "consumer".to_owned());
        let fault = kafka.check().unwrap_err();
        assert_eq!(fault.key, "kafka.properties.group.protocol");
        assert!(fault.why.contains("classic"), "{}", fault.why);
    }

    #[test]
    fn plain_password_over_plain_tcp_is_refused() {
        let sasl = SaslConfig {
            mechanism: SaslMechanism::Plain,
            username: "u".to_owned(),
            password: Some(SecretRef::new("env:P")),
        };
        let mut kafka = KafkaConfig {
            sasl: Some(sasl),
            ..KafkaConfig::default()
        };
        assert_eq!(kafka.check().unwrap_err().key, "kafka.sasl.mechanism");
        kafka.tls = Some(TlsConfig::default());
        kafka.check().unwrap();
    }

    #[test]
    fn brokers_need_a_port() {
        for (servers, works) in [
            ("a:1", true),
            ("a:1, b:2", true),
            ("a", false),
            ("", false),
            ("a:1,", false),
        ] {
            assert_eq!(check_brokers(servers).is_ok(), works, "{servers:?}");
        }
    }
}
