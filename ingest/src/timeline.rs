//! Which history of the database a connection sees.
//!
//! A standby that takes over begins a new timeline, perhaps without the newest commits of the old one. What was
//! remembered of the old one says nothing of the new one, and a connection to a server that has lost its role still
//! answers questions.

use tokio_postgres::Client;

/// Number of a timeline; 0 on a server that is a standby now, which takes no writes.
pub(crate) type DatabaseTimeline = i64;

/// The first eight digits of a WAL file's name.
const READ_TIMELINE: &str = "select case when pg_is_in_recovery() then 0
    else ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint end";

/// The timeline that `client` is connected to.
pub(crate) async fn of(client: &Client) -> Result<DatabaseTimeline, tokio_postgres::Error> {
    client.query_one(READ_TIMELINE, &[]).await?.try_get(0)
}
