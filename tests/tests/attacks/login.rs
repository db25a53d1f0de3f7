//! Sessions of people who may log in.

use fleetledger_schema::postgres::PostgresConnector;
use fleetledger_tests::database::LedgerDatabase;
use tokio_postgres::{Client, error::SqlState};

/// A session of a role, with nothing but its password.
pub(crate) async fn login(database: &LedgerDatabase, role: &str) -> Client {
    let mut config = database.owner.config().clone();
    config.user(role);
    PostgresConnector::new(config, None)
        .connect("attack")
        .await
        .unwrap()
}

/// A session of a team that was granted its rows.
pub(crate) async fn team(database: &LedgerDatabase, team: &str) -> Client {
    let sql = "select ledger.team_grant($1)";
    let granted = database.client.query_one(sql, &[&team]).await;
    let role: String = granted.unwrap().get(0);
    login(database, &role).await
}

/// Panics unless the server refuses a statement for want of a right.
pub(crate) async fn refused(client: &Client, sql: &str) {
    match client.batch_execute(sql).await {
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {}
        Err(error) => panic!("{sql}: refused, but for another reason: {error:?}"),
        Ok(()) => panic!("{sql}: was done"),
    }
}
