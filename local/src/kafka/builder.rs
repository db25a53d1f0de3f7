//! How a Kafka cluster is asked for.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use tokio::task::JoinSet;

use super::jars::{self, KafkaJars};
use super::properties::{self, KafkaLogin, KafkaNode};
use super::{LocalBroker, LocalKafka};
use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalError, LocalResult};
use crate::ports::free_port;
use crate::process::{self, ServerLaunch, write_file};
use crate::scratch::ScratchFolder;
use crate::tls::CertificateAuthority;

/// A cluster to be started; one temporary broker unless told otherwise.
#[derive(Debug, Clone)]
pub struct KafkaBuilder<'a> {
    brokers: u16,
    data_dir: Option<PathBuf>,
    properties: Vec<(String, String)>,
    authority: Option<&'a CertificateAuthority>,
    heap_mb: Option<u32>,
    is_sustained: bool,
    logins: Vec<KafkaLogin>,
}

impl<'a> KafkaBuilder<'a> {
    pub(super) fn new() -> Self {
        Self {
            brokers: 1,
            data_dir: None,
            properties: Vec::new(),
            authority: None,
            heap_mb: None,
            is_sustained: false,
            logins: Vec::new(),
        }
    }

    /// How many brokers, each also a controller: 1, or 3 to survive the death of one.
    #[must_use]
    pub fn brokers(mut self, brokers: u16) -> Self {
        self.brokers = brokers.max(1);
        self
    }

    /// Keeps its data in `path`, and finds it there again. Ports change from start to start.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Keeps its data in a folder of its own that goes with it (the default).
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.data_dir = None;
        self
    }

    /// One broker property; a later one wins, also over this room's own.
    #[must_use]
    pub fn property(mut self, key: &str, value: &str) -> Self {
        self.properties.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Clients speak TLS and must show a certificate that `authority` signed.
    #[must_use]
    pub fn mutual_tls(mut self, authority: &'a CertificateAuthority) -> Self {
        self.authority = Some(authority);
        self
    }

    /// A user who may log in by SASL (PLAIN and SCRAM) at [`LocalKafka::login_servers`], over TLS where that is spoken.
    #[must_use]
    pub fn login(mut self, username: &str, password: &str) -> Self {
        self.logins.push(KafkaLogin {
            username: username.to_owned(),
            password: password.to_owned(),
        });
        self
    }

    /// The heap of each broker in megabytes: 512 for one broker, 256 for several, unless given.
    #[must_use]
    pub fn heap_mb(mut self, megabytes: u32) -> Self {
        self.heap_mb = Some(megabytes);
        self
    }

    /// For load that lasts: the JVM optimizes what runs often. A broker of a test does not live long enough for that to
    /// pay; without it, a short test takes a third less of CPU.
    #[must_use]
    pub fn sustained(mut self) -> Self {
        self.is_sustained = true;
        self
    }

    /// Starts all brokers, and returns once each serves.
    pub async fn start(self, cache: &ArtifactCache) -> LocalResult<LocalKafka> {
        let jars = jars::fetch(cache).await?;
        let (folder, scratch) = match &self.data_dir {
            Some(path) => (std::path::absolute(path).while_("resolve", path)?, None),
            None => {
                let scratch = ScratchFolder::create(&cache.data_root().join("scratch"), "kafka").await?;
                (scratch.path().to_owned(), Some(scratch))
            }
        };
        let nodes = self.nodes()?;
        for node in &nodes {
            self.write(node, &nodes, &node_folder(&folder, node))?;
        }
        format(&jars, &folder, &nodes, &self.logins).await?;
        let mut kafka = LocalKafka {
            brokers: nodes
                .iter()
                .map(|node| self.broker(&jars, &folder, node))
                .collect(),
            client: match self.authority {
                Some(authority) => Some(authority.client("kafka-admin")?),
                None => None,
            },
            _scratch: scratch,
        };
        kafka.start_all().await?;
        Ok(kafka)
    }

    fn nodes(&self) -> LocalResult<Vec<KafkaNode>> {
        let node = |id: u16| {
            Ok(KafkaNode {
                id: i32::from(id),
                port: free_port()?,
                controller_port: free_port()?,
                login_port: free_port()?,
            })
        };
        (1..=self.brokers).map(node).collect()
    }

    fn write(&self, node: &KafkaNode, nodes: &[KafkaNode], folder: &Path) -> LocalResult<()> {
        fs::create_dir_all(folder).while_("create", folder)?;
        if let Some(authority) = self.authority {
            let files = authority.server(&format!("kafka-broker-{}", node.id))?;
            properties::install_tls(folder, &files)?;
        }
        let tls = self.authority.is_some();
        let properties = properties::of(node, nodes, folder, tls, &self.logins, &self.properties);
        write_file(&folder.join("server.properties"), properties::text(&properties))
    }

    fn broker(&self, jars: &KafkaJars, folder: &Path, node: &KafkaNode) -> LocalBroker {
        let folder = node_folder(folder, node);
        let heap_mb = self.heap_mb.unwrap_or(if self.brokers == 1 { 512 } else { 256 });
        let heap = format!("-Xmx{heap_mb}m");
        let mut options = vec![heap.as_str()];
        if !self.is_sustained {
            options.push("-XX:TieredStopAtLevel=1");
        }
        let mut command = jars.java(&options, "kafka.Kafka");
        command.push(folder.join("server.properties").display().to_string());
        LocalBroker {
            node: node.clone(),
            launch: ServerLaunch {
                part: format!("Kafka broker {}", node.id),
                command,
                environment: Vec::new(),
                log: folder.join("server.log"),
                last_signal: "KILL",
            },
            server: None,
        }
    }
}

fn node_folder(folder: &Path, node: &KafkaNode) -> PathBuf {
    folder.join(format!("broker-{}", node.id))
}

/// Gives each broker's empty data folder the cluster's id; folders that have it stay as they are.
async fn format(
    jars: &KafkaJars,
    folder: &Path,
    nodes: &[KafkaNode],
    logins: &[KafkaLogin],
) -> LocalResult<()> {
    let cluster_id = cluster_id(folder)?;
    let mut running = JoinSet::new();
    for node in nodes {
        let folder = node_folder(folder, node);
        if folder.join("data/meta.properties").exists() {
            continue;
        }
        let mut tool = Command::new("env");
        tool.args(jars.java(&["-XX:TieredStopAtLevel=1"], "kafka.tools.StorageTool"));
        tool.args(["format", "-t", &cluster_id, "-c"])
            .arg(folder.join("server.properties"));
        for login in logins {
            for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
                let KafkaLogin { username, password } = login;
                tool.arg("--add-scram");
                tool.arg(format!("{mechanism}=[name={username},password={password}]"));
            }
        }
        running.spawn(async move { process::run(&mut tool).await });
    }
    while let Some(done) = running.join_next().await {
        done.map_err(|_| LocalError::Setup("formatting a broker's folder was cancelled".to_owned()))??;
    }
    Ok(())
}

/// The id in `folder`, or a new one: 16 bytes in base64, whose last character carries no bits here.
fn cluster_id(folder: &Path) -> LocalResult<String> {
    let file = folder.join("cluster-id");
    if let Ok(id) = fs::read_to_string(&file) {
        return Ok(id);
    }
    let random = uuid::Uuid::new_v4().simple().to_string();
    let id: String = random.chars().take(21).chain(['A']).collect();
    write_file(&file, &id)?;
    Ok(id)
}
