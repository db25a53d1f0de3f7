//! Connections of the evaluator's own role.

use std::time::Duration;

use deadpool_postgres::{BuildError, Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use fleetledger_schema::postgres::PostgresConnector;
use tokio_postgres::NoTls;

/// How long a free connection, or a new one, is waited for.
const WAIT: Duration = Duration::from_secs(10);

/// A pool of at most `size` connections; opens none yet.
///
/// # Errors
/// A pool that cannot be made.
pub fn new(connector: &PostgresConnector, size: usize, application_name: &str) -> Result<Pool, BuildError> {
    let mut config = connector.config().clone();
    config.application_name(application_name);
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = match connector.tls() {
        Some(tls) => Manager::from_config(config, tls.clone(), recycling),
        None => Manager::from_config(config, NoTls, recycling),
    };
    Pool::builder(manager)
        .max_size(size.max(2))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(WAIT))
        .recycle_timeout(Some(WAIT))
        .build()
}
