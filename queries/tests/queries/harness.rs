//! A migrated database with a small fleet in it, and a reader's way to it.

use std::{path::Path, sync::Arc};

use deadpool_postgres::{Manager, Pool};
use fleetledger_local::postgres::PostgresTemplate;
use fleetledger_queries::{ReaderPool, StoredQuery, parse};
use fleetledger_schema::{
    instant::Instant,
    postgres::{PostgresConnector, migrate},
};
use tokio_postgres::{Client, NoTls};

/// A migrated database of its own, on the server that all tests of this binary share.
async fn database() -> String {
    let template = PostgresTemplate::of_process(|url| async move {
        let connector = PostgresConnector::new(url.parse().unwrap(), None);
        let migrated = migrate(&connector, |_| {}).await;
        migrated.map(drop).map_err(|error| error.to_string())
    });
    template.await.unwrap().database().await.unwrap()
}

/// A database of one test.
pub(crate) struct QueriesHarness {
    /// The owner's connection.
    pub(crate) sql: Client,
    /// The owner's way to it.
    pub(crate) owner: PostgresConnector,
    /// Connections of the reader's role.
    pub(crate) reader: ReaderPool,
}

impl QueriesHarness {
    /// An empty ledger.
    pub(crate) async fn new() -> Self {
        let url = database().await;
        let connector = |user: &str| {
            let mut config: tokio_postgres::Config = url.parse().unwrap();
            if !user.is_empty() {
                config.user(user);
            }
            PostgresConnector::new(config, None)
        };
        let owner = connector("");
        let sql = owner.connect("test").await.unwrap();
        Self {
            sql,
            reader: ReaderPool::new(&connector("fleetledger_rules"), 4).unwrap(),
            owner,
        }
    }

    /// A way to it as another user.
    pub(crate) fn connector(&self, user: &str) -> PostgresConnector {
        let mut config = self.owner.config().clone();
        config.user(user);
        PostgresConnector::new(config, None)
    }

    /// Connections of another user, as an evaluator has them.
    pub(crate) fn pool(&self, user: &str) -> Pool {
        let manager = Manager::new(self.connector(user).config().clone(), NoTls);
        Pool::builder(manager).max_size(4).build().unwrap()
    }

    /// Clusters dfw/a and dfw/b with so many namespaces each, all known up to `now`.
    pub(crate) async fn fleet(&self, namespaces: u32, now: Instant) {
        let fleet = format!(
            "insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at)
             values ('dfw', 'a', 'ua', '2026-01-01'), ('dfw', 'b', 'ub', '2026-01-01');
             insert into ledger.namespace
             select c.cluster_id, ('00000000-0000-0000-0000-' || to_char(c.cluster_id * 10000 + n, 'FM000000000000'))::uuid, null, 'ns' || n, '2026-01-01', null, '{{}}', '{{}}', '{{}}', 'Active', '[]',
                 1, 1, 1, 1, 1, 1, null, '2026-01-01', '2026-01-01', '2026-01-01'
             from ledger.cluster as c cross join generate_series(1, {namespaces}) as n;
             insert into ledger.freshness (cluster_id, kind, observed_at, landed_at)
             select c.cluster_id, k, '{now}', '{now}' from ledger.cluster as c cross join generate_series(1, 5) as k"
        );
        self.sql.batch_execute(&fleet).await.unwrap();
    }
}

/// An alert of that SQL, with more front matter.
pub(crate) fn alert(front: &str, sql: &str) -> Arc<StoredQuery> {
    let text = format!(
        "/*---\nalert: A\nlabels: {{severity: info}}\nannotations: {{summary: s, runbook: r}}\n{front}\n---*/\n{sql}\n"
    );
    read("a.sql", &text)
}

/// A file.
pub(crate) fn read(name: &str, text: &str) -> Arc<StoredQuery> {
    Arc::new(
        parse(Path::new(name), "alerts", text).unwrap_or_else(|refusals| panic!("{text}: {refusals:#?}")),
    )
}

/// An instant of these tests.
pub(crate) fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}
