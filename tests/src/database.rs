//! One test's database.

use fleetledger_local::postgres::LocalPostgres;
use fleetledger_schema::postgres::{PostgresConnector, migrate};
use serde_json::Value;
use tokio_postgres::{Client, types::ToSql};

/// A migrated database on a real server.
#[derive(Debug)]
pub struct LedgerDatabase {
    /// As the owner of everything.
    pub owner: PostgresConnector,
    /// As the ingester.
    pub ingester: PostgresConnector,
    /// The owner's session.
    pub client: Client,
    /// The ingester's URL.
    pub ingester_url: String,
    /// The owner's URL.
    pub owner_url: String,
}

impl LedgerDatabase {
    /// Creates and migrates database `name`.
    pub async fn create(postgres: &LocalPostgres, name: &str) -> Self {
        postgres.create_database(name).await.unwrap();
        let owner_url = postgres.url_of(name);
        let owner = PostgresConnector::new(owner_url.parse().unwrap(), None);
        migrate(&owner, |_| {}).await.unwrap();
        let database = Self::open(&owner_url).await;
        // What `fleetledger migrate` stores of its configuration.
        let owners = "insert into ledger.setting (name, value) values ('owners.namespace_label', $1)
            on conflict (name) do update set value = excluded.value";
        let team = crate::expected::TEAM;
        database.client.execute(owners, &[&team]).await.unwrap();
        database
    }

    /// Opens a migrated database by its owner's URL, which may name several servers.
    pub async fn open(owner_url: &str) -> Self {
        let owner = PostgresConnector::new(owner_url.parse().unwrap(), None);
        let client = owner.connect("test").await.unwrap();
        let ingester_url = owner_url.replacen("fleetledger@", "fleetledger_ingest@", 1);
        Self {
            ingester: PostgresConnector::new(ingester_url.parse().unwrap(), None),
            owner,
            client,
            ingester_url,
            owner_url: owner_url.to_owned(),
        }
    }

    /// The one bigint of a query, by a connection of its own.
    ///
    /// # Errors
    /// Why the server did not answer: it may be away.
    pub async fn ask(owner_url: &str, query: &str) -> Result<i64, String> {
        let owner = PostgresConnector::new(owner_url.parse().unwrap(), None);
        let client = owner
            .connect("test")
            .await
            .map_err(|error| error.source.to_string())?;
        let row = client.query_one(query, &[]).await;
        row.map(|row| row.get(0)).map_err(|error| error.to_string())
    }

    /// The rows of a query as JSON objects.
    pub async fn rows(&self, query: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<Value> {
        let query = format!("select to_jsonb(q) from ({query}) as q");
        let rows = self.client.query(&query, parameters).await;
        let rows = rows.unwrap_or_else(|error| panic!("{query}: {error:?}"));
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The one row of a query as a JSON object.
    pub async fn row(&self, query: &str) -> Value {
        let mut rows = self.rows(query, &[]).await;
        assert_eq!(rows.len(), 1, "{query}");
        rows.remove(0)
    }

    /// The one bigint of a query.
    pub async fn number(&self, query: &str) -> i64 {
        let row = self.client.query_one(query, &[]).await;
        row.unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
    }

    /// Runs statements as the owner.
    pub async fn execute(&self, sql: &str) {
        let done = self.client.batch_execute(sql).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}
