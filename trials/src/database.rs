//! The throw-away database of rule tests.

use std::collections::BTreeMap;
use std::sync::Arc;

use fleetledger_local::{ArtifactCache, postgres::LocalPostgres};
use fleetledger_schema::postgres::{PostgresConnector, literal, migrate};
use jiff::Timestamp;
use tokio_postgres::{Client, SimpleQueryMessage, error::SqlState};

use super::TestError;
use super::file::TestCase;
use super::ledger_catalogue::LedgerCatalogue;
use super::row::CaseLedger;

/// A row of a rule's result: columns by name, as text; `None` is NULL.
pub type ResultRow = BTreeMap<String, Option<String>>;

/// A server of its own with a database at this version; both go with it.
pub struct TestDatabase {
    server: LocalPostgres,
    catalogue: Arc<LedgerCatalogue>,
}

const DATABASE: &str = "rule_test";

impl TestDatabase {
    /// Starts it: about two seconds.
    ///
    /// # Errors
    /// No PostgreSQL can be found, started or migrated.
    pub async fn start() -> Result<Self, TestError> {
        let failed = |action| {
            move |error: fleetledger_local::LocalError| TestError::Database {
                action,
                reason: error.to_string(),
            }
        };
        let builder = LocalPostgres::builder()
            .temporary()
            .fast()
            .config("autovacuum", "off");
        let server = builder
            .start(&ArtifactCache::new(ArtifactCache::default_root()))
            .await;
        let server = server.map_err(failed("start a throw-away PostgreSQL"))?;
        server
            .create_database(DATABASE)
            .await
            .map_err(database_error("create a database"))?;
        let mut database = Self {
            server,
            catalogue: Arc::default(),
        };
        let migrated = migrate(&database.connector()?, |_| {}).await;
        migrated.map_err(|error| TestError::Database {
            action: "migrate the throw-away database",
            reason: error.to_string(),
        })?;
        let client = database.connector()?.connect("rules test").await;
        let client = client.map_err(self::database_error("connect to the throw-away database"))?;
        database.catalogue = Arc::new(LedgerCatalogue::read(&client).await?);
        Ok(database)
    }

    /// The superuser's URL of the database.
    #[must_use]
    pub fn url(&self) -> String {
        self.server.url_of(DATABASE)
    }

    fn connector(&self) -> Result<PostgresConnector, TestError> {
        let config = self
            .url()
            .parse()
            .map_err(database_error("read the database's URL"))?;
        Ok(PostgresConnector::new(config, None))
    }

    /// A connection; tests of one session run one after the other.
    ///
    /// # Errors
    /// The server is gone.
    pub async fn session(&self) -> Result<TestSession, TestError> {
        let client = self.connector()?.connect("rules test").await;
        let client = client.map_err(database_error("connect to the throw-away database"))?;
        // Small tables, planned once and without statistics: what is put in later is a few rows.
        let set = "set search_path = fleet_asof; set jit = off; set default_statistics_target = 1;";
        client
            .batch_execute(set)
            .await
            .map_err(database_error("set up a session"))?;
        Ok(TestSession {
            client,
            prepared: 0,
            catalogue: Arc::clone(&self.catalogue),
        })
    }
}

/// A connection to the throw-away database.
pub struct TestSession {
    client: Client,
    prepared: usize,
    catalogue: Arc<LedgerCatalogue>,
}

/// A query that was planned once.
#[derive(Debug, Clone)]
pub struct PlannedQuery {
    name: String,
    /// True if every view it asks has an as-of form.
    as_of: bool,
}

impl TestSession {
    /// Plans a query on `fleet_asof`, or on `fleet` if it asks a view that has no as-of form.
    ///
    /// # Errors
    /// What PostgreSQL says of the SQL.
    pub async fn prepare(&mut self, sql: &str) -> Result<PlannedQuery, String> {
        self.prepared += 1;
        let name = format!("rule_{}", self.prepared);
        let prepare = format!("prepare {name} as {sql}");
        match self.client.batch_execute(&prepare).await {
            Ok(()) => return Ok(PlannedQuery { name, as_of: true }),
            Err(error) if error.code() != Some(&SqlState::UNDEFINED_TABLE) => {
                return Err(error_message(&error));
            }
            Err(_) => {}
        }
        let live = format!("set search_path = fleet; {prepare}; set search_path = fleet_asof;");
        let planned = self.client.batch_execute(&live).await;
        let reset = self.client.batch_execute("set search_path = fleet_asof").await;
        planned.and(reset).map_err(|error| error_message(&error))?;
        Ok(PlannedQuery { name, as_of: false })
    }

    /// Forgets a planned query.
    pub async fn forget(&self, prepared: &PlannedQuery) {
        // Only memory of a session that ends soon.
        let _ = self
            .client
            .batch_execute(&format!("deallocate {}", prepared.name))
            .await;
    }

    /// What a test puts into the ledger.
    ///
    /// # Errors
    /// A row that cannot stand in the view it names.
    pub(crate) fn ledger_of(&self, case: &TestCase) -> Result<CaseLedger, TestError> {
        CaseLedger::of(case, &self.catalogue)
    }

    /// Opens a transaction that holds the current state before the first slot of a test.
    pub(crate) async fn open(&self, ledger: &CaseLedger, as_of: bool) -> Result<(), TestError> {
        let sql = format!("begin;\n{}", ledger.set_up(as_of));
        self.client
            .batch_execute(&sql)
            .await
            .map_err(database_error("insert the input rows"))
    }

    /// Ends the transaction; nothing stays.
    pub(crate) async fn close(&self) -> Result<(), TestError> {
        self.client
            .batch_execute("rollback")
            .await
            .map_err(database_error("roll a test back"))
    }

    /// The rows of a query at each slot, as the reader sees them, in one round trip. `as_of` is the instant each
    /// slot asks about.
    ///
    /// # Errors
    /// What PostgreSQL says when the query fails.
    pub(crate) async fn rows(
        &self,
        prepared: &PlannedQuery,
        ledger: &CaseLedger,
        slots: &[Timestamp],
    ) -> Result<Vec<Vec<ResultRow>>, String> {
        let mut script = String::from("savepoint slots;\n");
        let mut previous = None;
        for slot in slots {
            if !prepared.as_of {
                script += "reset role; set local search_path = fleet;\n";
                script += &ledger.changes(previous, *slot);
                previous = Some(*slot);
            }
            script += &format!(
                "set local role fleetledger_reader; set local fleet.as_of = {}; execute {};\n",
                literal(&slot.to_string()),
                prepared.name
            );
        }
        script += "rollback to savepoint slots";
        let messages = self.client.simple_query(&script).await;
        match messages {
            Ok(messages) => Ok(results(messages)),
            Err(error) => {
                let message = error_message(&error);
                let undone = self.client.batch_execute("rollback to savepoint slots").await;
                undone.map_err(|error| error.to_string())?;
                Err(message)
            }
        }
    }

    /// How many rows a query gives a reader of schema `fleet` at an instant, over what stood then.
    pub(crate) async fn live(
        &self,
        ledger: &CaseLedger,
        slot: Timestamp,
        sql: &str,
    ) -> Result<usize, String> {
        let script = format!(
            "begin;\n{}{}set local search_path = fleet; set local fleet.as_of = {};
             set local role fleetledger_reader;\n{sql}",
            ledger.set_up(true),
            ledger.changes(Some(slot), slot),
            literal(&slot.to_string())
        );
        let answer = self.client.simple_query(&script).await;
        let undone = self.client.batch_execute("rollback").await;
        undone.map_err(|error| error_message(&error))?;
        let rows = answer.map(results).map_err(|error| error_message(&error))?;
        Ok(rows.last().map_or(0, Vec::len))
    }
}

impl PlannedQuery {
    /// True if it runs on `fleet_asof`.
    #[must_use]
    pub fn is_as_of(&self) -> bool {
        self.as_of
    }
}

/// One list of rows for each statement that gives any columns.
pub(crate) fn results(messages: Vec<SimpleQueryMessage>) -> Vec<Vec<ResultRow>> {
    let mut all = Vec::new();
    let mut open: Option<Vec<ResultRow>> = None;
    for message in messages {
        match message {
            SimpleQueryMessage::RowDescription(_) => open = Some(Vec::new()),
            SimpleQueryMessage::Row(row) => {
                let columns = row.columns().iter().enumerate();
                let read = columns
                    .map(|(index, column)| (column.name().to_owned(), row.get(index).map(str::to_owned)));
                let read = read.collect();
                open.get_or_insert_default().push(read);
            }
            SimpleQueryMessage::CommandComplete(_) => all.extend(open.take()),
            _ => {}
        }
    }
    all
}

pub(crate) fn database_error<E: std::error::Error>(action: &'static str) -> impl Fn(E) -> TestError {
    move |error| {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(inner) = cause {
            reason = format!("{reason}: {inner}");
            cause = inner.source();
        }
        TestError::Database { action, reason }
    }
}

pub(crate) fn error_message(error: &tokio_postgres::Error) -> String {
    error
        .as_db_error()
        .map_or_else(|| error.to_string(), |db| db.message().to_owned())
}
