//! The broker of the demo: in memory, a real Apache Kafka, or the user's own.

use anyhow::Context as _;
use fleetledger_local::{ArtifactCache, kafka::LocalKafka, mock_kafka::MockKafka};
use rdkafka::ClientConfig;

use super::folder::DemoFolder;
use crate::{
    config::{self, FleetledgerConfig},
    connect, topics,
};

/// A running broker.
pub(super) struct DemoBroker {
    kind: BrokerKind,
    section: config::KafkaConfig,
}

enum BrokerKind {
    InMemory(MockKafka),
    Apache(Box<LocalKafka>),
    Yours,
}

impl DemoBroker {
    pub(super) async fn start(
        folder: &DemoFolder,
        config: &FleetledgerConfig,
        wanted: Option<&str>,
    ) -> anyhow::Result<Self> {
        let plain = |servers: &str| config::KafkaConfig {
            bootstrap_servers: servers.to_owned(),
            ..config::KafkaConfig::default()
        };
        match wanted {
            None => {
                let broker = MockKafka::start().context("start the in-memory broker")?;
                let section = plain(broker.bootstrap_servers());
                Ok(Self {
                    kind: BrokerKind::InMemory(broker),
                    section,
                })
            }
            Some("apache") => {
                println!("starting Apache Kafka (the first time its jars are fetched)");
                let builder = LocalKafka::builder().data_dir(folder.join("kafka"));
                let kafka = builder
                    .start(&ArtifactCache::new(ArtifactCache::default_root()))
                    .await
                    .context("start Apache Kafka")?;
                let section = plain(&kafka.bootstrap_servers());
                Ok(Self {
                    kind: BrokerKind::Apache(Box::new(kafka)),
                    section,
                })
            }
            Some(servers) => {
                // TLS and login come from the user's file.
                let section = config::KafkaConfig {
                    bootstrap_servers: servers.to_owned(),
                    ..config.kafka.clone()
                };
                let client = connect::kafka::client_config(&section)
                    .map_err(|fault| anyhow::anyhow!("{}: {}", fault.key, fault.why))?;
                connect::kafka::brokers(&section, &client).await?;
                Ok(Self {
                    kind: BrokerKind::Yours,
                    section,
                })
            }
        }
    }

    /// The section [kafka] that reaches it; properties of the user's file stay.
    pub(super) fn section(&self, base: &config::KafkaConfig) -> config::KafkaConfig {
        config::KafkaConfig {
            properties: base.properties.clone(),
            ..self.section.clone()
        }
    }

    /// `host:port`, with commas between several.
    pub(super) fn bootstrap_servers(&self) -> &str {
        &self.section.bootstrap_servers
    }

    /// librdkafka's settings to reach it.
    pub(super) fn client_config(&self) -> anyhow::Result<ClientConfig> {
        connect::kafka::client_config(&self.section)
            .map_err(|fault| anyhow::anyhow!("{}: {}", fault.key, fault.why))
    }

    /// Whether it forgets everything when the demo ends.
    pub(super) fn is_new_each_time(&self) -> bool {
        matches!(self.kind, BrokerKind::InMemory(_))
    }

    /// Whether it was started here.
    pub(super) fn is_ours(&self) -> bool {
        !matches!(self.kind, BrokerKind::Yours)
    }

    /// What it is, for the screen.
    pub(super) fn describe(&self) -> String {
        let servers = &self.section.bootstrap_servers;
        match &self.kind {
            BrokerKind::InMemory(_) => format!(
                "{servers}, in this process's memory: for the demo only, because it loses its data when it \
                 stops (--kafka apache starts a real Kafka)"
            ),
            BrokerKind::Apache(_) => format!("{servers}, an Apache Kafka of this demo"),
            BrokerKind::Yours => format!("{servers}, an existing Kafka"),
        }
    }

    pub(super) async fn create_topics(&self, config: &FleetledgerConfig) -> anyhow::Result<()> {
        if let BrokerKind::InMemory(broker) = &self.kind {
            for (_, name) in topics::names(config) {
                broker
                    .create_topic(&name, config.topics.partitions)
                    .with_context(|| format!("create topic {name}"))?;
            }
            return Ok(());
        }
        topics::create(config, &self.client_config()?).await.map(drop)
    }

    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        match &mut self.kind {
            BrokerKind::Apache(kafka) => kafka.stop().await.context("stop Apache Kafka"),
            BrokerKind::InMemory(_) | BrokerKind::Yours => Ok(()),
        }
    }
}
