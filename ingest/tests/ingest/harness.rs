//! A place: a database, a broker, perhaps an ingester.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant as Moment},
};

use fleetledger_ingest::{IngestHealth, IngestSettings, run};
use fleetledger_local::{mock_kafka::MockKafka, postgres::PostgresTemplate};
use fleetledger_schema::{
    kind::RecordKind,
    postgres::{PostgresConnector, migrate},
};
use rdkafka::ClientConfig;
use tokio::task::JoinHandle;
use tokio_postgres::{
    Client,
    types::{FromSqlOwned, ToSql},
};
use tokio_util::sync::CancellationToken;

pub const PARTITIONS: i32 = 4;
const DEADLINE: Duration = Duration::from_secs(60);

/// A migrated database of its own, on the server that all tests of this binary share.
async fn database() -> String {
    let template = PostgresTemplate::of_process(|url| async move {
        if std::env::var("FLEETLEDGER_TEST_LOG").is_ok() {
            tracing_subscriber::fmt()
                .with_max_level(tracing::Level::DEBUG)
                .with_test_writer()
                .init();
        }
        let connector = PostgresConnector::new(url.parse().unwrap(), None);
        migrate(&connector, |_| {})
            .await
            .map_err(|error| error.to_string())?;
        let client = connector.connect("test").await.unwrap();
        let login = client.batch_execute("alter role fleetledger_ingest login").await;
        login.map_err(|error| error.to_string())
    });
    template.await.unwrap().database().await.unwrap()
}

pub struct IngestHarness {
    pub kafka: MockKafka,
    /// The owner's.
    pub connector: PostgresConnector,
    /// The ingester's, with no right but its own.
    pub ingester: PostgresConnector,
    pub sql: Client,
    /// End of each partition, as far as this test has written.
    pub ends: Arc<Mutex<BTreeMap<(String, i32), i64>>>,
}

impl IngestHarness {
    pub async fn new() -> Self {
        Self::with_suffixes(&[]).await
    }

    pub async fn with_suffixes(suffixes: &[&str]) -> Self {
        let url = database().await;
        let connector = PostgresConnector::new(url.parse().unwrap(), None);
        let mut as_ingester: tokio_postgres::Config = url.parse().unwrap();
        as_ingester.user("fleetledger_ingest");
        let sql = connector.connect("test").await.unwrap();
        let kafka = MockKafka::start().unwrap();
        for kind in RecordKind::TOPICS {
            if suffixes.is_empty() {
                kafka
                    .create_topic(&kind.topic("fleetledger", None), PARTITIONS)
                    .unwrap();
            }
            for suffix in suffixes {
                kafka
                    .create_topic(&kind.topic("fleetledger", Some(suffix)), PARTITIONS)
                    .unwrap();
            }
        }
        Self {
            kafka,
            connector,
            ingester: PostgresConnector::new(as_ingester, None),
            sql,
            ends: Arc::default(),
        }
    }

    pub fn settings(&self) -> IngestSettings {
        IngestSettings {
            linger_ms: 20,
            linger_caught_up_ms: 5,
            table_sum_interval_seconds: 3600,
            ..IngestSettings::default()
        }
    }

    pub fn kafka_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", self.kafka.bootstrap_servers())
            .set("session.timeout.ms", "6000")
            .set("heartbeat.interval.ms", "500")
            .set("fetch.wait.max.ms", "20")
            .set("statistics.interval.ms", "200");
        config
    }

    /// An ingester of every partition, without a group: its first record lands at once.
    pub fn start(&self) -> IngesterTask {
        self.start_with(|settings| {
            for kind in RecordKind::TOPICS {
                for partition in 0..PARTITIONS {
                    settings
                        .partitions
                        .push(format!("{}:{partition}", kind.topic("fleetledger", None)));
                }
            }
        })
    }

    pub fn start_with(&self, change: impl FnOnce(&mut IngestSettings)) -> IngesterTask {
        let mut settings = self.settings();
        change(&mut settings);
        let shutdown = CancellationToken::new();
        let health = IngestHealth::new();
        let (kafka, connector) = (self.kafka_config(), self.ingester.clone());
        let (stop, seen) = (shutdown.clone(), health.clone());
        let task = tokio::spawn(async move {
            let registry = prometheus::Registry::new();
            run(settings, kafka, connector, &registry, seen, stop).await
        });
        IngesterTask {
            shutdown,
            health,
            task,
        }
    }

    pub async fn one<T: FromSqlOwned>(&self, sql: &str) -> T {
        self.one_of(sql, &[]).await
    }

    pub async fn one_of<T: FromSqlOwned>(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> T {
        match self.sql.query_one(sql, parameters).await {
            Ok(row) => row.get(0),
            Err(error) => panic!("{sql}: {error:?}"),
        }
    }

    pub async fn all(&self, sql: &str) -> Vec<String> {
        let rows = self
            .sql
            .query(sql, &[])
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub async fn execute(&self, sql: &str) -> u64 {
        self.sql
            .execute(sql, &[])
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// Waits until a query answers true.
    pub async fn until(&self, sql: &str) {
        let begin = Moment::now();
        while !self.one::<bool>(sql).await {
            assert!(begin.elapsed() < DEADLINE, "never true: {sql}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until everything written has landed, then checks what must always hold.
    pub async fn landed(&self) {
        let begin = Moment::now();
        loop {
            let ends = self.ends.lock().unwrap().clone();
            let mut behind = Vec::new();
            for ((topic, partition), end) in &ends {
                let next: Option<i64> = self
                    .one_of("select max(next_offset) from ledger.ingest_partition where topic = $1 and partition = $2", &[topic, partition])
                    .await;
                if next.unwrap_or(0) < *end {
                    behind.push(format!("{topic}:{partition} at {next:?} of {end}"));
                }
            }
            if behind.is_empty() {
                break;
            }
            assert!(begin.elapsed() < DEADLINE, "not landed: {behind:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.check().await;
    }

    /// Intervals are disjoint, every offset is counted once.
    pub async fn check(&self) {
        for table in ["node", "pod", "container", "namespace", "workload", "watchdog"] {
            let container = if table == "container" { ", container" } else { "" };
            let overlaps: i64 = self
                .one(&format!(
                    "select count(*) from (
                         select valid_from, lag(valid_to) over (partition by cluster_id, uid{container} order by valid_from) as before
                         from (select cluster_id, uid{container}, valid_from, valid_to from ledger.{table}_history
                             union all select cluster_id, uid{container}, valid_from, 'infinity' from ledger.{table}) as v
                     ) as w where valid_from < before"
                ))
                .await;
            assert_eq!(overlaps, 0, "{table} has intervals that overlap");
        }
        let counted: Vec<String> = self
            .all(
                "select topic || ':' || partition || ' ' || from_offset from (
                     select topic, partition, from_offset, lag(to_offset) over (partition by topic, partition order by from_offset) as before
                     from ledger.batch) as b where before > from_offset",
            )
            .await;
        assert!(counted.is_empty(), "offsets counted twice: {counted:?}");
    }

    /// delivered, landed, unchanged, superseded, deleted, control, dead – summed over the batch ledger.
    pub async fn counts(&self) -> [i64; 7] {
        let row = self
            .sql
            .query_one(
                "select coalesce(sum(delivered), 0)::bigint, coalesce(sum(landed), 0)::bigint, coalesce(sum(unchanged), 0)::bigint,
                     coalesce(sum(superseded), 0)::bigint, coalesce(sum(deleted), 0)::bigint, coalesce(sum(control), 0)::bigint,
                     coalesce(sum(dead), 0)::bigint from ledger.batch",
                &[],
            )
            .await
            .unwrap();
        std::array::from_fn(|column| row.get(column))
    }

    /// A connection that holds back every batch until it is dropped or released: it locks the freshness.
    pub async fn hold_commits(&self) -> Client {
        let client = self.connector.connect("hold").await.unwrap();
        client
            .batch_execute("begin; lock table ledger.freshness in exclusive mode")
            .await
            .unwrap();
        client
    }

    /// Waits until a batch hangs on [`IngestHarness::hold_commits`].
    pub async fn until_held(&self) {
        self.until("select exists (select from pg_locks where not granted and relation = 'ledger.freshness'::regclass)").await;
    }
}

pub struct IngesterTask {
    shutdown: CancellationToken,
    pub health: IngestHealth,
    task: JoinHandle<Result<(), fleetledger_ingest::IngestError>>,
}

impl IngesterTask {
    pub async fn stop(self) {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }

    /// Waits until so many records are in its memory.
    pub async fn until_buffered(&self, records: u64) {
        let begin = Moment::now();
        while self.health.stats().buffer_bytes < records * 400 {
            assert!(
                begin.elapsed() < DEADLINE,
                "never buffered: {:?}",
                self.health.stats()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub async fn ready(&self) {
        let begin = Moment::now();
        while let Err(why) = self.health.ready() {
            assert!(begin.elapsed() < DEADLINE, "never ready: {why}");
            assert!(!self.task.is_finished(), "the ingester has ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
