//! Connections that run stored SQL: logged in as a role that reads and nothing else.

use std::time::Duration;

use deadpool_postgres::{ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use fleetledger_schema::postgres::PostgresConnector;
use thiserror::Error;
use tokio_postgres::{CancelToken, NoTls};

use crate::renewed_connect::renewed_manager;

/// How long a free connection, or a new one, is waited for.
const WAIT: Duration = Duration::from_secs(10);

/// A pool of connections of the reader's role. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReaderPool {
    pool: Pool,
    connector: PostgresConnector,
}

/// A connection could not be had, or is not the reader's.
#[derive(Debug, Error)]
pub enum ReaderError {
    /// The server is away, refuses the user, or all connections are busy.
    #[error("no connection to postgres at {target}: {why}")]
    Unavailable {
        /// Host, port and database.
        target: String,
        /// What is wrong.
        why: String,
    },
    /// The user could do more than read: a query could undo its `set role`.
    #[error(
        "stored SQL must not run as user {user}, who {why}; let it log in as fleetledger_rules or another member of fleetledger_select"
    )]
    TooMighty {
        /// The user.
        user: String,
        /// What the user may do.
        why: String,
    },
}

impl ReaderPool {
    /// A pool of at most `size` connections; opens none yet.
    ///
    /// # Errors
    /// [`ReaderError::Unavailable`] if a pool cannot be made.
    pub fn new(connector: &PostgresConnector, size: usize) -> Result<Self, ReaderError> {
        // Whatever a query left behind goes before the next one; its statements are not cached.
        let recycling = ManagerConfig {
            recycling_method: RecyclingMethod::Clean,
        };
        let manager = renewed_manager(connector, "fleetledger-queries", recycling);
        let pool = Pool::builder(manager)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(WAIT))
            .recycle_timeout(Some(WAIT))
            .build();
        Ok(Self {
            pool: pool.map_err(|error| ReaderError::Unavailable {
                target: connector.target(),
                why: error.to_string(),
            })?,
            connector: connector.clone(),
        })
    }

    /// Connections of their own to the same place, at most `size`: whoever uses them keeps nobody else waiting.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn beside(&self, size: usize) -> Result<Self, ReaderError> {
        Self::new(&self.connector, size)
    }

    /// Sees that the user of these connections can read and nothing more.
    ///
    /// # Errors
    /// [`ReaderError`].
    pub async fn check_role(&self) -> Result<(), ReaderError> {
        const READ_SESSION_RIGHTS: &str = "
            select session_user::text, r.rolsuper,
                coalesce(has_schema_privilege(to_regnamespace('ledger'), 'usage'), false),
                exists (
                    select from pg_roles as other
                    where other.rolname <> session_user
                      and other.rolname not in ('fleetledger_select', 'fleetledger_reader', 'fleetledger_rules')
                      and pg_has_role(session_user, other.oid, 'member')
                )
            from pg_roles as r where r.rolname = session_user";
        let client = self.get().await?;
        // Without a prepared statement, whose name somebody else may have taken behind a pooler.
        let row = client
            .query_typed_one(READ_SESSION_RIGHTS, &[])
            .await
            .map_err(|error| self.unavailable(&error))?;
        let user: String = row.get(0);
        let why = match (
            row.get::<_, bool>(1),
            row.get::<_, bool>(2),
            row.get::<_, bool>(3),
        ) {
            (true, _, _) => "is a superuser",
            (_, true, _) => "may use schema ledger",
            (_, _, true) => "is a member of other roles",
            _ => return Ok(()),
        };
        Err(ReaderError::TooMighty {
            user,
            why: why.to_owned(),
        })
    }

    /// Logs in anew: what a server that has changed its mind about the user no longer grants, connections that are open
    /// do not show.
    ///
    /// # Errors
    /// [`ReaderError::Unavailable`].
    pub async fn log_in(&self) -> Result<(), ReaderError> {
        let login = self.connector.connect("fleetledger-login-watch");
        let unavailable = |why: String| ReaderError::Unavailable {
            target: self.target(),
            why,
        };
        match tokio::time::timeout(WAIT, login).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(unavailable(crate::run::chain(&error.source))),
            Err(_) => Err(unavailable(format!("no answer within {} s", WAIT.as_secs()))),
        }
    }

    /// Host, port and database, for messages.
    #[must_use]
    pub fn target(&self) -> String {
        self.connector.target()
    }

    /// A connection.
    ///
    /// # Errors
    /// [`ReaderError`] if the server is away or all connections are busy.
    pub async fn get(&self) -> Result<Object, ReaderError> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => self.unavailable(&error),
            PoolError::Timeout(TimeoutType::Wait) => ReaderError::Unavailable {
                target: self.target(),
                why: format!("all {} are busy", self.pool.status().max_size),
            },
            other => ReaderError::Unavailable {
                target: self.target(),
                why: other.to_string(),
            },
        })
    }

    /// Asks the server to end what a connection runs.
    pub(crate) async fn cancel(&self, token: &CancelToken) -> Result<(), tokio_postgres::Error> {
        match self.connector.access().tls {
            Some(tls) => token.cancel_query(tls).await,
            None => token.cancel_query(NoTls).await,
        }
    }

    fn unavailable(&self, error: &tokio_postgres::Error) -> ReaderError {
        ReaderError::Unavailable {
            target: self.target(),
            why: crate::run::chain(error),
        }
    }
}
