//! A server of a test's own, with a migrated database.

use fleetledger_local::{Cache, postgres::Postgres};
use fleetledger_schema::postgres::{Connector, migrate};

/// Starts it; the server ends with what is returned.
pub(crate) async fn migrated() -> (Postgres, Connector) {
    let (server, connector) = empty().await;
    migrate(&connector, |_| {}).await.unwrap();
    (server, connector)
}

/// The same before any migration.
pub(crate) async fn empty() -> (Postgres, Connector) {
    let server = Postgres::builder()
        .temporary()
        .fast()
        .start(&Cache::new(Cache::default_root()))
        .await
        .unwrap();
    let connector = Connector::new(server.url().parse().unwrap(), None);
    (server, connector)
}
