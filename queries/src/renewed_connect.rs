//! Pools whose connections log in with what the connector holds when each of them is made.

use deadpool_postgres::{Connect, Manager, ManagerConfig};
use fleetledger_schema::postgres::{PostgresAccess, PostgresConnector};
use futures::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, Error, NoTls};

/// Opens the connections of a pool.
struct RenewedConnect(PostgresConnector);

/// What makes the connections of a pool: by `connector`, under that name.
#[must_use]
pub fn renewed_manager(
    connector: &PostgresConnector,
    application_name: &str,
    manager: ManagerConfig,
) -> Manager {
    let mut config = connector.config().clone();
    config.application_name(application_name);
    Manager::from_connect(config, RenewedConnect(connector.clone()), manager)
}

impl Connect for RenewedConnect {
    fn connect(&self, config: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let PostgresAccess {
            config: mut newest,
            tls,
        } = self.0.access();
        if let Some(name) = config.get_application_name() {
            newest.application_name(name);
        }
        Box::pin(async move {
            Ok(match tls {
                Some(tls) => {
                    let (client, connection) = newest.connect(tls).await?;
                    (client, drive(connection))
                }
                None => {
                    let (client, connection) = newest.connect(NoTls).await?;
                    (client, drive(connection))
                }
            })
        })
    }
}

/// Its end is no failure of ours: whoever holds the client sees it at the next statement.
#[expect(
    clippy::disallowed_methods,
    reason = "ends with its client, so there is nothing to wait for"
)]
fn drive(connection: impl Future<Output = Result<(), Error>> + Send + 'static) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "postgres connection ended");
        }
    })
}
