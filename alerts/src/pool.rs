//! Connections of the evaluator's own role.

use std::time::Duration;

use deadpool_postgres::{BuildError, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use fleetledger_queries::renewed_manager;
use fleetledger_schema::postgres::PostgresConnector;

use crate::errors::AlertsError;

/// How long a free connection, or a new one, is waited for.
const WAIT: Duration = Duration::from_secs(10);

/// A pool of at most `size` connections; opens none yet.
///
/// # Errors
/// A pool that cannot be made.
pub fn new(connector: &PostgresConnector, size: usize, application_name: &str) -> Result<Pool, BuildError> {
    let recycling = ManagerConfig {
        recycling_method: RecyclingMethod::Fast,
    };
    let manager = renewed_manager(connector, application_name, recycling);
    Pool::builder(manager)
        .max_size(size.max(2))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(WAIT))
        .recycle_timeout(Some(WAIT))
        .build()
}

/// Gives a connection back, unless its session was lost: statements that it has prepared may be anybody's.
pub(crate) fn give_back<T>(client: Object, done: Result<T, AlertsError>) -> Result<T, AlertsError> {
    if done.as_ref().is_err_and(AlertsError::is_database_away) {
        drop(Object::take(client));
    }
    done
}
