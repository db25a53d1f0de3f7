//! A server of a test's own, with a migrated database.

use fleetledger_local::{ArtifactCache, postgres::LocalPostgres};
use fleetledger_schema::postgres::{PostgresConnector, migrate};

/// Starts it; the server ends with what is returned.
pub(crate) async fn migrated() -> (LocalPostgres, PostgresConnector) {
    let (server, connector) = empty().await;
    migrate(&connector, |_| {}).await.unwrap();
    (server, connector)
}

/// The same before any migration.
pub(crate) async fn empty() -> (LocalPostgres, PostgresConnector) {
    let server = LocalPostgres::builder()
        .temporary()
        .fast()
        .start(&ArtifactCache::new(ArtifactCache::default_root()))
        .await
        .unwrap();
    let connector = PostgresConnector::new(server.url().parse().unwrap(), None);
    (server, connector)
}
