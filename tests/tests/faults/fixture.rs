//! A place for one fault: a database, topics, one cluster's scribe, and the ingesters a test starts there.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use fleetledger_ingest::safeguard::Safeguard;
use fleetledger_tests::{
    database::LedgerDatabase,
    deadline::{ensure, eventually},
    delivered::{self, LogFold},
    manual_emitter::ManualEmitter,
    parts::{self, SharedServers},
    program::{LedgerProcess, every_partition, ingest_configuration},
};
use tokio_postgres::Client;

pub(crate) const LIMIT: Duration = Duration::from_secs(90);

pub(crate) struct FaultFixture {
    pub(crate) parts: Arc<SharedServers>,
    pub(crate) database: LedgerDatabase,
    pub(crate) prefix: String,
    pub(crate) emitter: ManualEmitter,
    /// What its victims lack.
    pub(crate) without: Option<Safeguard>,
    /// More lines of `[ingest]`.
    pub(crate) more: String,
}

impl FaultFixture {
    /// `None` where a part is not available on this machine.
    pub(crate) async fn new(test: &str, without: Option<Safeguard>) -> Option<Self> {
        let parts = parts::shared(test).await?;
        let (database, prefix) = (parts.database().await, parts.topics().await);
        let scribe = ManualEmitter::new(&parts.kafka.client_config(), &prefix, "prod", "cluster-uid");
        Some(Self {
            parts,
            database,
            prefix,
            emitter: scribe,
            without,
            more: String::new(),
        })
    }

    /// Another cluster whose records share the partition of the first.
    pub(crate) fn neighbour(&self) -> ManualEmitter {
        let kafka = self.parts.kafka.client_config();
        let mut neighbours = (0..)
            .map(|number| ManualEmitter::new(&kafka, &self.prefix, "near", &format!("near-uid-{number}")));
        neighbours
            .find(|near| near.partition() == self.emitter.partition())
            .unwrap()
    }

    /// An ingester process of every partition, without the safeguard that this scene lacks.
    pub(crate) fn victim(&self) -> LedgerProcess {
        let lacks = self
            .without
            .map(|safeguard| ("FLEETLEDGER_WITHOUT", safeguard.as_str()));
        self.start("victim", lacks.as_slice())
    }

    /// A sound ingester process of every partition, that claims them.
    pub(crate) fn rival(&self) -> LedgerProcess {
        self.start("rival", &[])
    }

    fn start(&self, name: &str, environment: &[(&str, &str)]) -> LedgerProcess {
        LedgerProcess::start(&["ingest"], &self.configuration(name), environment)
    }

    /// Configuration of the ingester of that name.
    pub(crate) fn configuration(&self, name: &str) -> String {
        let more = format!(
            "instance_id = \"{name}\"\nlinger_ms = 20\nlinger_caught_up_ms = 5\n{}\n{}",
            every_partition(&self.prefix),
            self.more
        );
        let servers = self.parts.kafka.bootstrap_servers();
        ingest_configuration(&servers, &self.prefix, &self.database.ingester_url, &more)
    }

    /// The fold of everything in Kafka now.
    pub(crate) fn fold(&self) -> LogFold {
        let records = delivered::read_all(&self.parts.kafka.client_config(), &self.prefix);
        delivered::fold(&records, &BTreeSet::new())
    }

    /// Waits until the offsets say that everything in Kafka was ingested.
    pub(crate) async fn await_ingested(&self, ingester: &LedgerProcess) -> LogFold {
        let fold = self.fold();
        eventually("everything is ingested", LIMIT, || async {
            let behind = fold.is_ingested(&self.database).await;
            behind.map_err(|why| format!("{why}\n{}", ingester.log_text()))
        })
        .await;
        fold
    }

    /// Waits until a query answers true.
    pub(crate) async fn until(&self, query: &str, ingester: &LedgerProcess) {
        eventually(query, LIMIT, || async {
            let holds: bool = self.database.client.query_one(query, &[]).await.unwrap().get(0);
            ensure(holds, || ingester.log_text())
        })
        .await;
    }

    /// A session that holds back every batch within its transaction, until it rolls back.
    pub(crate) async fn hold_batches(&self) -> Client {
        let client = self.database.owner.connect("hold").await.unwrap();
        let hold = "begin; lock table ledger.freshness in exclusive mode";
        client.batch_execute(hold).await.unwrap();
        client
    }

    /// Waits until a batch hangs on [`FaultFixture::hold_batches`].
    pub(crate) async fn until_held(&self, ingester: &LedgerProcess) {
        let waits = "select exists (select from pg_locks as l join pg_database as d on d.oid = l.database
            where not l.granted and d.datname = current_database() and l.relation = 'ledger.freshness'::regclass)";
        self.until(waits, ingester).await;
    }
}
