//! A real Apache Kafka on loopback, in KRaft mode: one broker, or several.

mod builder;
mod jars;
mod password;
mod properties;

pub use builder::KafkaBuilder;

use std::future::ready;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::error::KafkaError;

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::process::{ServerLaunch, SupervisedServer};
use crate::scratch::ScratchFolder;
use crate::tls::TlsFiles;
use properties::KafkaNode;

/// Fetches it, unless it is in the cache.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<()> {
    jars::fetch(cache).await.map(|_| ())
}

const READY_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);

/// A cluster. Dropping it kills its brokers; temporary data goes with it.
#[derive(Debug)]
pub struct LocalKafka {
    // Declared before the scratch folder: the brokers end before their data is removed.
    brokers: Vec<LocalBroker>,
    client: Option<TlsFiles>,
    _scratch: Option<ScratchFolder>,
}

#[derive(Debug)]
struct LocalBroker {
    node: KafkaNode,
    launch: ServerLaunch,
    server: Option<SupervisedServer>,
}

impl LocalKafka {
    /// How to start one.
    #[must_use]
    pub fn builder<'a>() -> KafkaBuilder<'a> {
        KafkaBuilder::new()
    }

    /// `host:port` of every broker, running or not, for clients.
    #[must_use]
    pub fn bootstrap_servers(&self) -> String {
        self.addresses(|node| node.port)
    }

    /// The same for clients that log in ([`KafkaBuilder::login`]).
    #[must_use]
    pub fn login_servers(&self) -> String {
        self.addresses(|node| node.login_port)
    }

    fn addresses(&self, port: impl Fn(&KafkaNode) -> u16) -> String {
        let ports = self.brokers.iter().map(|broker| port(&broker.node));
        ports
            .map(|port| format!("127.0.0.1:{port}"))
            .collect::<Vec<_>>()
            .join(",")
    }

    /// The processes of the brokers that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let servers = self.brokers.iter().filter_map(|broker| broker.server.as_ref());
        servers.map(SupervisedServer::pid).collect()
    }

    /// librdkafka's settings to reach this cluster as its administrator, TLS included.
    #[must_use]
    pub fn client_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.bootstrap_servers());
        if let Some(files) = &self.client {
            config.set("security.protocol", "ssl");
            config.set("ssl.ca.location", files.ca.display().to_string());
            config.set(
                "ssl.certificate.location",
                files.certificate.display().to_string(),
            );
            config.set("ssl.key.location", files.key.display().to_string());
        }
        config
    }

    /// Makes a topic with the cluster's replication factor, and topic settings such as
    /// `cleanup.policy`.
    pub async fn create_topic(
        &self,
        topic: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> LocalResult<()> {
        let refused = |source| LocalError::Kafka {
            action: format!("create topic {topic}"),
            source,
        };
        let admin: AdminClient<DefaultClientContext> = self.client_config().create().map_err(refused)?;
        // -1 asks for the broker's default.
        let mut wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        for (key, value) in settings {
            wanted = wanted.set(key, value);
        }
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        let results = admin.create_topics([&wanted], &options).await.map_err(refused)?;
        for result in results {
            result.map_err(|(_, code)| refused(KafkaError::AdminOp(code)))?;
        }
        Ok(())
    }

    /// Gives a user another password for SCRAM-SHA-512.
    pub fn set_password(&self, username: &str, password: &str) -> LocalResult<()> {
        let servers = self.bootstrap_servers();
        let first = servers.split(',').next().unwrap_or_default();
        password::set(first, self.client.as_ref(), username, password)
    }

    /// Kills a broker (SIGKILL) by its id, from 1 on.
    pub async fn kill_broker(&mut self, id: i32) -> LocalResult<()> {
        let broker = self.broker(id)?;
        if let Some(mut server) = broker.server.take() {
            server.stop("KILL", STOP_TIMEOUT).await?;
        }
        Ok(())
    }

    /// Starts a killed or stopped broker again with its data and ports, and waits until it serves.
    pub async fn start_broker(&mut self, id: i32) -> LocalResult<()> {
        let broker = self.broker(id)?;
        broker.start()?;
        broker.wait_ready().await
    }

    /// Stops all brokers in good order.
    pub async fn stop(&mut self) -> LocalResult<()> {
        // All are told before the first is waited for: the last one alone has no quorum to ask.
        let mut servers: Vec<SupervisedServer> = self
            .brokers
            .iter_mut()
            .filter_map(|broker| broker.server.take())
            .collect();
        for server in &mut servers {
            server.signal("TERM");
        }
        for server in &mut servers {
            server.stop("TERM", STOP_TIMEOUT).await?;
        }
        Ok(())
    }

    /// Starts all brokers that do not run, and waits until each serves.
    pub async fn start_all(&mut self) -> LocalResult<()> {
        for broker in &mut self.brokers {
            broker.start()?;
        }
        for broker in &mut self.brokers {
            broker.wait_ready().await?;
        }
        Ok(())
    }

    fn broker(&mut self, id: i32) -> LocalResult<&mut LocalBroker> {
        let found = self.brokers.iter_mut().find(|broker| broker.node.id == id);
        found.ok_or_else(|| LocalError::Setup(format!("broker {id} not found")))
    }
}

impl LocalBroker {
    fn start(&mut self) -> LocalResult<()> {
        if self.server.is_none() {
            self.server = Some(SupervisedServer::start(&self.launch)?);
        }
        Ok(())
    }

    async fn wait_ready(&mut self) -> LocalResult<()> {
        let Some(server) = &mut self.server else {
            return Ok(());
        };
        server
            .wait_ready(READY_TIMEOUT, |server| {
                ready(server.has_logged("Kafka Server started"))
            })
            .await
    }
}
