//! Whether a pooler stands between this end and PostgreSQL, and how it lends its sessions.

use std::time::Duration;

use thiserror::Error;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{ConnectError, PostgresConnector};

/// How long one question may take: a pooler without a free server lets its clients wait.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How often two clients take turns. One that lends servers in turn shows it with the second.
const TURNS: usize = 3;
/// How often a session is looked for that is older than its connection; a pooler needs a moment to clean one.
const LOOKS: usize = 4;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Who stands before the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolerMode {
    /// Nobody that could be seen: a session begins and ends with its connection.
    Absent,
    /// A pooler that gives each connection a session for as long as it lasts.
    Session,
    /// A pooler that gives each transaction, or each statement, any of its sessions: settings, temporary tables, prepared
    /// statements and locks of a session are left behind or found by others.
    Transaction,
}

/// The question could not be answered.
#[derive(Debug, Error)]
pub enum PoolerError {
    /// No connection could be made.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The server did not answer as it should.
    #[error("ask postgres which session this is: {0}")]
    Answer(String),
}

/// Looks for a pooler of any mode, with two or three connections.
///
/// # Errors
/// [`PoolerError`].
pub async fn pooler_mode(connector: &PostgresConnector) -> Result<PoolerMode, PoolerError> {
    let (is_shared, after) = compare_sessions(connector).await?;
    if is_shared {
        return Ok(PoolerMode::Transaction);
    }
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK_INTERVAL).await;
        let client = connector.connect("fleetledger-pooler").await?;
        let question = format!(
            "select backend_start < timestamptz '{after}' from pg_stat_activity where pid = pg_backend_pid()"
        );
        if ask(&client, &question).await? == "t" {
            return Ok(PoolerMode::Session);
        }
    }
    Ok(PoolerMode::Absent)
}

/// True if sessions change hands between transactions: what needs a session of its own must not go this way.
///
/// # Errors
/// [`PoolerError`].
pub async fn are_sessions_shared(connector: &PostgresConnector) -> Result<bool, PoolerError> {
    Ok(compare_sessions(connector).await?.0)
}

const READ_SESSION: &str = "select pg_backend_pid()";

/// Whether two clients met in one session or one was moved; and the server's clock when both were connected.
async fn compare_sessions(connector: &PostgresConnector) -> Result<(bool, String), PoolerError> {
    let first = connector.connect("fleetledger-pooler").await?;
    let session = ask(&first, READ_SESSION).await?;
    // While the first one rests, a transaction of the second takes its session if sessions are lent.
    let second = connector.connect("fleetledger-pooler").await?;
    run(&second, "begin").await?;
    let other = ask(&second, READ_SESSION).await?;
    let mut is_shared = other == session;
    if !is_shared {
        is_shared = ask(&first, READ_SESSION).await? != session;
    }
    run(&second, "rollback").await?;
    for _ in 0..TURNS {
        if is_shared {
            break;
        }
        is_shared = ask(&second, READ_SESSION).await? != other || ask(&first, READ_SESSION).await? != session;
    }
    let after = ask(&second, "select clock_timestamp()").await?;
    Ok((is_shared, after))
}

/// The one value of a query, without a prepared statement: those are what gets lost.
async fn ask(client: &Client, query: &str) -> Result<String, PoolerError> {
    let messages = within(client.simple_query(query)).await?;
    let value = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    value.ok_or_else(|| PoolerError::Answer("it gave no row".to_owned()))
}

async fn run(client: &Client, statement: &str) -> Result<(), PoolerError> {
    within(client.batch_execute(statement)).await
}

async fn within<T>(asked: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, PoolerError> {
    match tokio::time::timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(PoolerError::Answer(match error.as_db_error() {
            Some(refusal) => refusal.message().to_owned(),
            None => error.to_string(),
        })),
        Err(_) => Err(PoolerError::Answer(format!(
            "no answer within {} s",
            ANSWER_WITHIN.as_secs()
        ))),
    }
}
