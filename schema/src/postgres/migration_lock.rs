//! One migration at a time. The lock is a table that only the owner can lock, held by a session of its own: any login could
//! take an advisory lock and keep it.

use std::time::Duration;

use tokio::time::Instant;
use tokio_postgres::{Client, error::SqlState};

use super::{MigrateError, PostgresConnector};

/// How long a migration waits for another one.
const WAIT_LIMIT: Duration = Duration::from_secs(600);
/// How often it looks whether the other one has ended.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// How often the lock's own table is tried to be made: others may be making it at the same time.
const MAKE_ATTEMPTS: usize = 20;

/// The session that holds the lock; dropping it gives the lock back.
#[derive(Debug)]
pub(super) struct MigrationLock {
    holder: Client,
}

impl MigrationLock {
    /// Waits until no other migration runs.
    ///
    /// # Errors
    /// [`MigrateError::Locked`] after ten minutes, naming the session that holds the lock; [`MigrateError::Statement`].
    pub(super) async fn take(
        connector: &PostgresConnector,
        progress: &mut impl FnMut(&str),
    ) -> Result<Self, MigrateError> {
        let holder = connector.connect("fleetledger-migrate-lock").await?;
        make_lock_table(&holder).await?;
        let lock = Self { holder };
        let begin = Instant::now();
        let mut last_holders = None;
        while !lock.try_take().await? {
            let holders = lock.read_holders().await?;
            if begin.elapsed() >= WAIT_LIMIT {
                return Err(MigrateError::Locked { holders });
            }
            if last_holders.as_ref() != Some(&holders) {
                progress(&format!("waiting for another migration: {holders}"));
                last_holders = Some(holders);
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        Ok(lock)
    }

    /// Gives the lock back sooner than the end of the session would.
    pub(super) async fn release(self) {
        // Of no consequence if it fails: the lock goes with the session in any case.
        let _ = self.holder.batch_execute("rollback").await;
    }

    async fn try_take(&self) -> Result<bool, MigrateError> {
        match self.holder.batch_execute(TRY_MIGRATION_LOCK).await {
            Ok(()) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) => {
                let ended = self.holder.batch_execute("rollback").await;
                ended.map_err(MigrateError::statement("take the migration lock"))?;
                Ok(false)
            }
            Err(error) => Err(MigrateError::statement("take the migration lock")(error)),
        }
    }

    async fn read_holders(&self) -> Result<String, MigrateError> {
        let row = self.holder.query_one(READ_MIGRATION_LOCK_HOLDERS, &[]).await;
        let row = row.map_err(MigrateError::statement(
            "look for the holder of the migration lock",
        ))?;
        Ok(row.get(0))
    }
}

/// `if not exists` looks first and makes then: of two sessions that make the same thing on an empty database one fails, and
/// finds it there when it tries again.
async fn make_lock_table(client: &Client) -> Result<(), MigrateError> {
    let mut attempts = 1;
    loop {
        match client
            .batch_execute(include_str!("../../postgres/lock.sql"))
            .await
        {
            Ok(()) => return Ok(()),
            Err(error) if attempts < MAKE_ATTEMPTS && is_lost_race(&error) => attempts += 1,
            Err(error) => return Err(MigrateError::statement("create the migration lock")(error)),
        }
    }
}

fn is_lost_race(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| {
        [
            SqlState::UNIQUE_VIOLATION,
            SqlState::DUPLICATE_SCHEMA,
            SqlState::DUPLICATE_TABLE,
            SqlState::DUPLICATE_OBJECT,
            SqlState::INTERNAL_ERROR,
        ]
        .contains(code)
    })
}

/// The settings keep a server that ends idle transactions from ending the lock.
const TRY_MIGRATION_LOCK: &str = "
    begin;
    set local idle_in_transaction_session_timeout = 0;
    lock table ledger.lock_migration in exclusive mode nowait";

const READ_MIGRATION_LOCK_HOLDERS: &str = "
    select coalesce(string_agg(
        format('pid %s (role %s, %s)', l.pid, a.usename, coalesce(nullif(a.application_name, ''), 'unnamed')),
        ', ' order by l.pid
    ), 'a session that has just ended')
    from pg_locks as l
    left join pg_stat_activity as a on a.pid = l.pid
    where l.locktype = 'relation' and l.granted and l.mode = 'ExclusiveLock'
      and l.relation = 'ledger.lock_migration'::regclass
      and l.database = (select d.oid from pg_database as d where d.datname = current_database())";
