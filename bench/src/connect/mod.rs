//! Kafka Connect with the Debezium JDBC sink, at the best settings we found: upserts by `unnest`, reduced within
//! batches of 5,000, two tasks, the schema in the converter instead of in every record.

mod jars;

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_local::{
    kafka::LocalKafka,
    ports::free_port,
    postgres::{LocalPostgres, SUPERUSER},
    process::{ServerLaunch, SupervisedServer},
};
use fleetledger_schema::{key::RecordSource, partition::partition_of, record::Pod};
use tempfile::TempDir;
use tokio_postgres::Client;

use crate::{
    flat,
    fleet::PARTITIONS,
    loader::RecordSender,
    parts::{cache, until},
    usage,
};

const READY: Duration = Duration::from_secs(300);

/// A worker with one connector, its topic and its database.
pub(crate) struct KafkaConnect {
    worker: SupervisedServer,
    sender: RecordSender,
    topic: String,
    /// The database it writes to.
    pub(crate) client: Client,
    _folder: TempDir,
}

impl KafkaConnect {
    /// Starts the worker on `topic` and table `pod` of `database`, both of which exist.
    pub(crate) async fn start(
        kafka: &LocalKafka,
        postgres: &LocalPostgres,
        database: &str,
        client: Client,
        topic: &str,
    ) -> anyhow::Result<Self> {
        let jars = jars::fetch(&cache()).await?;
        client
            .batch_execute(&flat::table("pod", "cluster_uid, uid"))
            .await?;
        let folder = tempfile::tempdir()?;
        let worker_file = folder.path().join("worker.properties");
        let connector_file = folder.path().join("connector.properties");
        let servers = kafka.bootstrap_servers();
        std::fs::write(&worker_file, worker_properties(&servers, &jars, folder.path())?)?;
        std::fs::write(&connector_file, connector_properties(postgres, database, topic))?;
        let mut command = jars.java(2048);
        command.extend([worker_file, connector_file].map(|file| file.display().to_string()));
        let mut worker = SupervisedServer::start(&ServerLaunch {
            part: "Kafka Connect".to_owned(),
            command,
            environment: Vec::new(),
            log: folder.path().join("log"),
            last_signal: "KILL",
        })?;
        let started = |worker: &SupervisedServer| {
            std::future::ready(worker.has_logged("Adding newly assigned partitions"))
        };
        worker.wait_ready(READY, started).await?;
        Ok(Self {
            worker,
            sender: RecordSender::new(&kafka.client_config())?,
            topic: topic.to_owned(),
            client,
            _folder: folder,
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.worker.pid()
    }

    /// Stops it where it is.
    pub(crate) fn freeze(&mut self) -> anyhow::Result<()> {
        self.worker.signal("STOP");
        usage::await_state(self.pid(), 'T')
    }

    /// Lets it go on.
    pub(crate) fn thaw(&mut self) {
        self.worker.signal("CONT");
    }

    /// Sends one pod.
    pub(crate) fn write(&self, source: &RecordSource, pod: &Pod) -> anyhow::Result<()> {
        let value = flat::to_json(&flat::row(source, pod)).to_string();
        let key = format!("{source}/{}", pod.uid);
        let partition = partition_of(&source.cluster_uid, 0, PARTITIONS);
        self.sender
            .send(&self.topic, partition, &key, value.as_bytes(), &[])
    }

    /// Waits until the broker has everything.
    pub(crate) fn flush(&self) -> anyhow::Result<()> {
        self.sender.flush()
    }

    /// Waits until these pods, the last of their partitions, stand as they were sent. Each partition is written in
    /// order, so everything before them stands too.
    pub(crate) async fn await_landed(
        &self,
        last: &[(&RecordSource, &Pod)],
        limit: Duration,
    ) -> anyhow::Result<()> {
        let statement = "select 1::bigint from pod where cluster_uid = $1 and uid = $2 and reason = $3";
        let statement = self.client.prepare(statement).await?;
        for (source, pod) in last {
            until("kafka connect lands a sweep", limit, async || {
                let parameters: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                    [&source.cluster_uid, &pod.uid, &pod.reason];
                let row = self.client.query_opt(&statement, &parameters).await;
                Ok(row.context("look how far kafka connect is")?.is_some())
            })
            .await
            .with_context(|| tail(&self.worker.logged()))?;
        }
        Ok(())
    }
}

fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines
        .get(lines.len().saturating_sub(30)..)
        .unwrap_or_default()
        .join("\n")
}

fn worker_properties(
    servers: &str,
    jars: &jars::ConnectJars,
    folder: &std::path::Path,
) -> anyhow::Result<String> {
    let schema = flat::connect_schema().to_string();
    let offsets = folder.join("offsets").display().to_string();
    let listener = format!("http://127.0.0.1:{}", free_port()?);
    let plugins = jars.plugins().display().to_string();
    let properties = [
        ("bootstrap.servers", servers),
        ("listeners", &listener),
        ("offset.storage.file.filename", &offsets),
        ("plugin.path", &plugins),
        ("plugin.discovery", "service_load"),
        (
            "key.converter",
            "org.apache.kafka.connect.storage.StringConverter",
        ),
        ("value.converter", "org.apache.kafka.connect.json.JsonConverter"),
        ("value.converter.schemas.enable", "true"),
        ("value.converter.schema.content", &schema),
        ("consumer.auto.offset.reset", "earliest"),
        // Like ours it is stopped between laps for longer than a group waits.
        ("consumer.session.timeout.ms", "120000"),
        ("consumer.max.poll.interval.ms", "600000"),
        ("connector.client.config.override.policy", "All"),
    ];
    Ok(text(&properties))
}

fn connector_properties(postgres: &LocalPostgres, database: &str, topic: &str) -> String {
    let url = format!("jdbc:postgresql://127.0.0.1:{}/{database}", postgres.port());
    text(&[
        ("name", "pods"),
        ("connector.class", "io.debezium.connector.jdbc.JdbcSinkConnector"),
        ("tasks.max", "2"),
        ("topics", topic),
        ("connection.url", &url),
        ("connection.username", SUPERUSER),
        ("connection.password", "unused"),
        ("collection.name.format", "pod"),
        ("insert.mode", "upsert"),
        ("primary.key.mode", "record_value"),
        ("primary.key.fields", "cluster_uid,uid"),
        ("schema.evolution", "none"),
        ("use.reduction.buffer", "true"),
        ("batch.size", "5000"),
        ("dialect.postgres.unnest.insert.enabled", "true"),
        ("consumer.override.max.poll.records", "5000"),
    ])
}

fn text(properties: &[(&str, &str)]) -> String {
    let lines = properties.iter().map(|(key, value)| format!("{key}={value}\n"));
    lines.collect()
}
