//! The database of the demo: a PostgreSQL of its own, or the user's.

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_local::{ArtifactCache, postgres::LocalPostgres};
use fleetledger_schema::{
    instant::Instant,
    postgres::{PostgresConnector, migrate},
};
use tokio_postgres::Client;

use super::{broker::DemoBroker, folder::DemoFolder};
use crate::{
    config::{self, FleetledgerConfig},
    connect, setup,
};

const DATABASE: &str = "fleetledger";
const PORT_FILE: &str = "postgres.port";

/// A database that is reached, in three roles.
pub(super) struct DemoDatabase {
    server: Option<LocalPostgres>,
    owner: PostgresConnector,
    /// As the ingester's role.
    pub(super) ingest: PostgresConnector,
    /// Where people ask, without a password.
    pub(super) reader_url: String,
    /// As the owner, without a password.
    pub(super) owner_url: String,
    /// Keys of section [postgres] beside the url: TLS, and where the password stands.
    pub(super) access_keys: Vec<(&'static str, String)>,
}

/// One row if the demo's database is there.
const FIND_DATABASE: &str = "select from pg_database where datname = $1";

/// The roles of a server of the demo's own log in without a password.
const ALLOW_LOGINS: &str = "
                alter role fleetledger_reader login;
                alter role fleetledger_rules login;
                alter role fleetledger_ingest login;
                alter role fleetledger_evaluate login;";

/// Takes back what is known of a broker that is gone.
const FORGET_OFFSETS: &str = "
            update ledger.ingest_partition set next_offset = 0, high_watermark = null, checkpoint_offset = null,
                checkpoint_kafka_at = null, checkpoint_crc = null, state = 'running', halted_reason = null, halted_at = null;
            update ledger.sweep set state = 'void', void_reason = 'the demo''s broker began anew'
            where state = 'running';
            delete from ledger.dead_letter;";

/// The database's clock.
const READ_CLOCK: &str = "select clock_timestamp()";

/// Clusters that were ever heard of.
const COUNT_CLUSTERS: &str = "select count(*) from ledger.cluster";

/// How far each partition has landed.
const READ_NEXT_OFFSETS: &str =
    "select topic, partition, next_offset from ledger.ingest_partition order by 1, 2";

impl DemoDatabase {
    pub(super) async fn start(
        folder: &DemoFolder,
        config: &FleetledgerConfig,
        url: Option<&str>,
    ) -> anyhow::Result<Self> {
        match url {
            Some(url) => Self::yours(config, url).await,
            None => Self::embedded(folder, config).await,
        }
    }

    async fn embedded(folder: &DemoFolder, config: &FleetledgerConfig) -> anyhow::Result<Self> {
        // A port somebody else has taken since is not worth failing for, unless it was asked for.
        let port = match config.demo.postgres_port {
            Some(port) => port,
            None => folder.free_port(PORT_FILE)?,
        };
        println!("starting PostgreSQL on 127.0.0.1:{port}");
        let builder = LocalPostgres::builder()
            .data_dir(folder.join("postgres"))
            .port(port);
        let server = builder
            .start(&ArtifactCache::new(ArtifactCache::default_root()))
            .await
            .context("start PostgreSQL")?;
        folder.keep_port(PORT_FILE, port)?;
        let first = PostgresConnector::new(server.url().parse().context("read the server's url")?, None);
        let client = first.connect("fleetledger-demo").await?;
        let there = client.query_opt(FIND_DATABASE, &[&DATABASE]).await;
        if there.context("look for the database")?.is_none() {
            server
                .create_database(DATABASE)
                .await
                .context("create the database")?;
        }
        let as_role = |role: &str| -> anyhow::Result<PostgresConnector> {
            let url = format!("postgres://{role}@127.0.0.1:{port}/{DATABASE}");
            Ok(PostgresConnector::new(
                url.parse().context("read the database's url")?,
                None,
            ))
        };
        Ok(Self {
            owner: as_role(fleetledger_local::postgres::SUPERUSER)?,
            ingest: as_role("fleetledger_ingest")?,
            reader_url: format!("postgres://fleetledger_reader@127.0.0.1:{port}/{DATABASE}"),
            owner_url: format!(
                "postgres://{}@127.0.0.1:{port}/{DATABASE}",
                fleetledger_local::postgres::SUPERUSER
            ),
            access_keys: vec![("tls", "off".to_owned())],
            server: Some(server),
        })
    }

    async fn yours(config: &FleetledgerConfig, url: &str) -> anyhow::Result<Self> {
        let section = config::of_url(url, &config.postgres)?;
        let owner = connect::postgres::connector(&section)?;
        connect::postgres::connect(&section, &owner, "fleetledger-demo").await?;
        Ok(Self {
            server: None,
            ingest: owner.clone(),
            owner,
            reader_url: url.to_owned(),
            owner_url: section.url.clone().unwrap_or_default(),
            access_keys: section.access_keys(),
        })
    }

    /// The ways of the evaluator and of its rules; `None` on a database of the user's own.
    pub(super) fn evaluator(&self) -> Option<(PostgresConnector, PostgresConnector)> {
        self.server.as_ref()?;
        let as_role = |role: &str| {
            let mut config = self.owner.config().clone();
            config.user(role);
            PostgresConnector::new(config, None)
        };
        Some((as_role("fleetledger_evaluate"), as_role("fleetledger_rules")))
    }

    /// Migrates, lets the roles in, and forgets the offsets of a broker that is gone.
    pub(super) async fn prepare(&self, config: &FleetledgerConfig, new_broker: bool) -> anyhow::Result<()> {
        let report = migrate(&self.owner, |_| {})
            .await
            .context("migrate the database")?;
        if !report.applied.is_empty() {
            println!("applied {} migrations", report.applied.len());
        }
        let client = self.connect().await?;
        setup::store_settings(&client, config).await?;
        if self.server.is_some() {
            client
                .batch_execute(ALLOW_LOGINS)
                .await
                .context("let the roles in")?;
        }
        if new_broker {
            self.forget_offsets(&client).await?;
        }
        Ok(())
    }

    /// An in-memory broker begins anew at every start, with other topics of the same names: ingestion begins
    /// at offset 0, a sweep that was under way cannot end, and dead letters name places that are no more.
    async fn forget_offsets(&self, client: &Client) -> anyhow::Result<()> {
        client
            .batch_execute(FORGET_OFFSETS)
            .await
            .context("delete the offsets of the last run's broker")
    }

    /// The database's clock.
    pub(super) async fn now(&self) -> anyhow::Result<Instant> {
        let client = self.connect().await?;
        Ok(client
            .query_one(READ_CLOCK, &[])
            .await
            .context("read the clock")?
            .get(0))
    }

    /// A connection for the screen.
    pub(super) async fn watch(&self) -> anyhow::Result<Client> {
        self.connect().await
    }

    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        Ok(self.owner.connect("fleetledger-demo").await?)
    }

    /// Waits until everything that the broker has stands here; false if it does not by the deadline.
    pub(super) async fn await_drained(
        &self,
        broker: &DemoBroker,
        deadline: Duration,
    ) -> anyhow::Result<bool> {
        let client = self.connect().await?;
        let kafka = broker.client_config()?;
        let begun = tokio::time::Instant::now();
        let mut poll = tokio::time::interval(Duration::from_millis(250));
        while begun.elapsed() < deadline {
            poll.tick().await;
            let rows = client
                .query(READ_NEXT_OFFSETS, &[])
                .await
                .context("read the ingester's offsets")?;
            let offsets: Vec<(String, i32, i64)> = rows
                .iter()
                .map(|row| (row.get(0), row.get(1), row.get(2)))
                .collect();
            let kafka = kafka.clone();
            let behind =
                tokio::task::spawn_blocking(move || super::poison::behind(&kafka, &offsets)).await??;
            if behind == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The same once every one of `partitions` is read.
    pub(super) async fn await_landed(
        &self,
        broker: &DemoBroker,
        partitions: usize,
        deadline: Duration,
    ) -> anyhow::Result<bool> {
        let client = self.connect().await?;
        let mut poll = tokio::time::interval(Duration::from_millis(100));
        let all_are_read = async {
            loop {
                poll.tick().await;
                let rows = client.query(READ_NEXT_OFFSETS, &[]).await;
                if rows.context("read the ingester's offsets")?.len() >= partitions {
                    return anyhow::Ok(());
                }
            }
        };
        match tokio::time::timeout(deadline, all_are_read).await {
            Ok(read) => read?,
            Err(_) => return Ok(false),
        }
        self.await_drained(broker, deadline).await
    }

    /// Whether it has never heard of any cluster.
    pub(super) async fn is_empty(&self) -> anyhow::Result<bool> {
        let row = self.connect().await?.query_one(COUNT_CLUSTERS, &[]).await;
        Ok(row.context("count clusters")?.get::<_, i64>(0) == 0)
    }

    /// Whether it was started here.
    pub(super) fn is_ours(&self) -> bool {
        self.server.is_some()
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        match &mut self.server {
            Some(server) => Ok(server.stop_fast().await?),
            None => Ok(()),
        }
    }
}
