//! The way to Kafka: librdkafka's settings, and what its complaints mean.

use std::{
    net::{TcpStream, ToSocketAddrs as _},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use openssl::ssl::{HandshakeError, SslConnector, SslMethod, SslVerifyMode};
use openssl::{pkey::PKey, x509::X509};
use rdkafka::{
    ClientConfig, ClientContext,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer, ConsumerContext},
    error::KafkaError,
};

use super::{HopError, HopErrorKind, hop::authorities};
use crate::config::{ConfigFault, KafkaConfig, SecretValue};

/// How long the brokers may take to answer a first question.
const ANSWER: Duration = Duration::from_secs(8);
/// How long the reasons of a failed question are waited for.
const REASONS: Duration = Duration::from_millis(300);

/// librdkafka's settings.
///
/// # Errors
/// A secret that cannot be read.
pub fn client_config(kafka: &KafkaConfig) -> Result<ClientConfig, ConfigFault> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.bootstrap_servers);
    config.set("client.id", "fleetledger");
    // Topics are made by `fleetledger topics create` alone: one that springs up by itself is not compacted.
    config.set("allow.auto.create.topics", "false");
    for (name, value) in &kafka.properties {
        config.set(name, value);
    }
    let protocol = match (kafka.tls.is_some(), kafka.sasl.is_some()) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if let Some(tls) = &kafka.tls {
        config.set("ssl.endpoint.identification.algorithm", "https");
        let files = [
            ("ssl.ca.location", &tls.ca),
            ("ssl.certificate.location", &tls.certificate),
            ("ssl.key.location", &tls.key),
        ];
        for (name, file) in files {
            if let Some(file) = file {
                config.set(name, file.display().to_string());
            }
        }
        if let Some(password) = &kafka.tls_key_password {
            config.set(
                "ssl.key.password",
                password.read("kafka.tls_key_password")?.expose(),
            );
        }
    }
    if let Some(sasl) = &kafka.sasl {
        config.set("sasl.mechanisms", sasl.mechanism.as_str());
        config.set("sasl.username", &sasl.username);
        if let Some(password) = &sasl.password {
            config.set("sasl.password", password.read("kafka.sasl.password")?.expose());
        }
    }
    Ok(config)
}

/// Whether the key is that of the certificate: of two files that are replaced one after the other, the client would take
/// up one alone.
///
/// # Errors
/// They cannot be read, or do not belong together.
pub fn check_key_pair(kafka: &KafkaConfig) -> anyhow::Result<()> {
    let Some(tls) = &kafka.tls else {
        return Ok(());
    };
    let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) else {
        return Ok(());
    };
    let certificate = X509::from_pem(&std::fs::read(certificate).context("read kafka.tls.certificate")?)
        .context("read kafka.tls.certificate")?;
    let pem = std::fs::read(key).context("read kafka.tls.key")?;
    let password = match &kafka.tls_key_password {
        Some(password) => password.read("kafka.tls_key_password").ok(),
        None => None,
    };
    let password = password.as_ref().map_or("", SecretValue::expose);
    let key =
        PKey::private_key_from_pem_passphrase(&pem, password.as_bytes()).context("read kafka.tls.key")?;
    anyhow::ensure!(
        certificate.public_key()?.public_eq(&key),
        "kafka.tls.key is not the key of kafka.tls.certificate"
    );
    Ok(())
}

/// One topic as the brokers describe it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicMetadata {
    /// Its name.
    pub topic: String,
    /// Number of its partitions.
    pub partitions: usize,
    /// Partitions without a leader.
    pub leaderless: usize,
    /// Copies of the partition that has the fewest.
    pub replicas: usize,
}

/// What the brokers told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerMetadata {
    /// Id of the broker that answered.
    pub broker: i32,
    /// Every topic this user may see.
    pub topics: Vec<TopicMetadata>,
}

/// Asks the brokers for their topics, once.
///
/// # Errors
/// What is wrong with the way to them, naming the broker.
pub async fn brokers(kafka: &KafkaConfig, config: &ClientConfig) -> Result<BrokerMetadata, HopError> {
    let (kafka, config) = (kafka.clone(), config.clone());
    let asked = tokio::task::spawn_blocking(move || ask(&kafka, &config)).await;
    asked.unwrap_or_else(|_| Err(HopError::away("kafka", "the question was cancelled", "try again")))
}

fn ask(kafka: &KafkaConfig, config: &ClientConfig) -> Result<BrokerMetadata, HopError> {
    let complaints = LibrdkafkaErrors::default();
    let mut config = config.clone();
    // A broker that hangs up is told of at level 6.
    config.set("log_level", "6");
    let consumer: BaseConsumer<LibrdkafkaErrors> = config
        .create_with_context(complaints.clone())
        .map_err(|error| unusable(kafka, &error))?;
    match consumer.fetch_metadata(None, ANSWER) {
        Ok(metadata) => Ok(BrokerMetadata {
            broker: metadata.orig_broker_id(),
            topics: metadata.topics().iter().map(describe).collect(),
        }),
        Err(error) => {
            // Global errors are handed over by a poll only.
            let _ = consumer.poll(REASONS);
            let explained = explain(kafka, &complaints.take_all(), &error);
            let unclear = explained.kind == HopErrorKind::Away && kafka.tls.is_none();
            // A broker that is spoken to in plain text on its TLS port just hangs up.
            Err(if unclear && speaks_tls(&kafka.bootstrap_servers) {
                wants_tls(kafka)
            } else {
                explained
            })
        }
    }
}

fn describe(topic: &rdkafka::metadata::MetadataTopic) -> TopicMetadata {
    TopicMetadata {
        topic: topic.name().to_owned(),
        partitions: topic.partitions().len(),
        leaderless: topic
            .partitions()
            .iter()
            .filter(|partition| partition.leader() < 0)
            .count(),
        replicas: topic
            .partitions()
            .iter()
            .map(|partition| partition.replicas().len())
            .min()
            .unwrap_or(0),
    }
}

fn wants_tls(kafka: &KafkaConfig) -> HopError {
    let fix = "add [kafka.tls], or name a plaintext port in kafka.bootstrap_servers";
    HopError::setup(
        broker_of(kafka, ""),
        "it uses TLS on this port, but [kafka.tls] is not set",
        fix,
    )
}

/// Whether the first broker shows a certificate; nothing is trusted by it.
fn speaks_tls(servers: &str) -> bool {
    let shows = || {
        let address = servers.split(',').next()?.trim().to_socket_addrs().ok()?.next()?;
        let stream = TcpStream::connect_timeout(&address, REASONS * 10).ok()?;
        stream.set_read_timeout(Some(REASONS * 10)).ok()?;
        let mut builder = SslConnector::builder(SslMethod::tls_client()).ok()?;
        builder.set_verify(SslVerifyMode::NONE);
        let client = builder.build().configure().ok()?.verify_hostname(false);
        match client.connect("broker", stream) {
            Ok(stream) => stream.ssl().peer_certificate(),
            Err(HandshakeError::Failure(stream) | HandshakeError::WouldBlock(stream)) => {
                stream.ssl().peer_certificate()
            }
            Err(HandshakeError::SetupFailure(_)) => None,
        }
    };
    shows().is_some()
}

/// librdkafka refused its settings: files it cannot use, or properties it does not know.
fn unusable(kafka: &KafkaConfig, error: &KafkaError) -> HopError {
    let hop = format!("kafka {}", kafka.bootstrap_servers);
    HopError::setup(
        hop,
        error.to_string(),
        "correct the section [kafka] of the configuration",
    )
}

/// What librdkafka complained about.
#[derive(Debug, Clone, Default)]
struct LibrdkafkaErrors(Arc<Mutex<Vec<String>>>);

impl LibrdkafkaErrors {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_all(&self) -> Vec<String> {
        std::mem::take(&mut *self.lock())
    }
}

impl ClientContext for LibrdkafkaErrors {
    fn log(&self, _: RDKafkaLogLevel, _: &str, message: &str) {
        self.lock().push(message.to_owned());
    }

    fn error(&self, _: KafkaError, reason: &str) {
        self.lock().push(reason.to_owned());
    }
}

impl ConsumerContext for LibrdkafkaErrors {}

/// What complaints mean, in the order in which a connection is made.
type ErrorExplanation = (&'static [&'static str], fn(&KafkaConfig) -> (String, String));

const ERROR_EXPLANATIONS: &[ErrorExplanation] = &[
    (&["Failed to resolve"], |kafka| {
        (
            format!("no host of {} was found", kafka.bootstrap_servers),
            "correct kafka.bootstrap_servers".to_owned(),
        )
    }),
    (&["PLAINTEXT broker listener", "wrong version number"], |_| {
        let fix = "remove [kafka.tls], or name the broker's TLS port in kafka.bootstrap_servers";
        ("it does not use TLS on this port".to_owned(), fix.to_owned())
    }),
    (
        &[
            "certificate verify failed",
            "broker certificate could not be verified",
        ],
        |kafka| {
            let ca = kafka.tls.as_ref().and_then(|tls| tls.ca.as_deref());
            (
            format!("its certificate is not signed by {}, or is not valid for this host", authorities(ca)),
            "set kafka.tls.ca to the file of the authority that signed the broker's certificate, and name the \
             broker in kafka.bootstrap_servers as its certificate does"
                .to_owned(),
        )
        },
    ),
    (
        &[
            "certificate required",
            "bad certificate",
            "unknown ca",
            "alert handshake failure",
        ],
        |kafka| {
            let own = kafka.tls.as_ref().and_then(|tls| tls.certificate.as_deref());
            let why = match own {
                Some(file) => format!("it does not accept the certificate {}", file.display()),
                None => "it requires a client certificate".to_owned(),
            };
            let fix = "set kafka.tls.certificate and kafka.tls.key to a pair signed by the authority the broker trusts";
            (why, fix.to_owned())
        },
    ),
    (&["SASL authentication error", "Authentication failed"], |kafka| {
        let user = kafka.sasl.as_ref().map_or("", |sasl| sasl.username.as_str());
        (
            format!("it refuses user {user:?}"),
            "correct kafka.sasl.username, kafka.sasl.mechanism or the password that kafka.sasl.password \
             points to"
                .to_owned(),
        )
    }),
    (
        &[
            "SSL handshake failed",
            "incorrect security.protocol",
            "connecting to a SSL listener",
        ],
        |kafka| {
            if kafka.tls.is_some() {
                return (
                    "the TLS handshake failed".to_owned(),
                    "compare [kafka.tls] with the broker's listener and its client authentication".to_owned(),
                );
            }
            (
                "it closed the connection: this port may require TLS or a login".to_owned(),
                "add [kafka.tls] or [kafka.sasl], or name a plaintext port in kafka.bootstrap_servers"
                    .to_owned(),
            )
        },
    ),
];

fn explain(kafka: &KafkaConfig, complaints: &[String], error: &KafkaError) -> HopError {
    for (words, meaning) in ERROR_EXPLANATIONS {
        let matching = complaints
            .iter()
            .find(|complaint| words.iter().any(|word| complaint.contains(word)));
        if let Some(complaint) = matching {
            let (why, fix) = meaning(kafka);
            return HopError::setup(broker_of(kafka, complaint), why, fix);
        }
    }
    let refused = complaints
        .iter()
        .find(|complaint| complaint.contains("Connection refused"));
    let why = match (refused, complaints.last()) {
        (Some(_), _) => "nothing listens there (connection refused)".to_owned(),
        (None, Some(complaint)) => format!("no answer within {} s ({complaint})", ANSWER.as_secs()),
        (None, None) => format!("no answer within {} s ({error})", ANSWER.as_secs()),
    };
    let hop = broker_of(kafka, refused.map_or("", String::as_str));
    HopError::away(
        hop,
        why,
        "start the broker, allow network access to it, or correct kafka.bootstrap_servers",
    )
}

/// librdkafka's lines name the broker as `ssl://host:port/bootstrap: …`.
fn broker_of(kafka: &KafkaConfig, complaint: &str) -> String {
    let servers = kafka.bootstrap_servers.split(',').map(str::trim);
    let named = servers.clone().find(|server| complaint.contains(server));
    let after = || {
        let (_, rest) = complaint.split_once("://")?;
        rest.split(['/', ' ', ']'])
            .next()
            .map(|address| address.trim_end_matches(':'))
    };
    let broker = named
        .or_else(after)
        .or_else(|| servers.clone().next())
        .unwrap_or_default();
    format!("kafka broker {broker}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TlsConfig;

    fn explained(kafka: &KafkaConfig, complaint: &str) -> HopError {
        explain(kafka, &[complaint.to_owned()], &KafkaError::Canceled)
    }

    #[test]
    fn wrong_ca_names_broker_file_and_key() {
        let kafka = KafkaConfig {
            bootstrap_servers: "127.0.0.1:9093".to_owned(),
            tls: Some(TlsConfig {
                ca: Some("/etc/ca.pem".into()),
                ..TlsConfig::default()
            }),
            ..KafkaConfig::default()
        };
        let complaint = "[thrd:ssl://127.0.0.1:9093/bootstrap]: ssl://127.0.0.1:9093/bootstrap: SSL handshake \
            failed: error:0A000086:SSL routines::certificate verify failed: broker certificate could not be verified";
        let error = explained(&kafka, complaint);
        assert_eq!(error.hop, "kafka broker 127.0.0.1:9093");
        assert!(error.why.contains("ca file /etc/ca.pem"), "{error}");
        assert!(error.fix.contains("kafka.tls.ca"), "{error}");
    }

    #[test]
    fn broker_that_is_away_is_distinguished_from_one_set_up_wrongly() {
        let kafka = KafkaConfig::default();
        let away = explained(
            &kafka,
            "127.0.0.1:9092/bootstrap: Connect to ipv4#127.0.0.1:9092 failed: Connection refused",
        );
        assert_eq!(away.kind, HopErrorKind::Away);
        let login = explained(&kafka, "b:1/1: SASL authentication error: Authentication failed");
        assert_eq!(login.kind, HopErrorKind::Setup);
    }
}
