//! Reads for pages: as the reader, in a transaction that changes nothing and ends after some seconds.

use deadpool_postgres::{Object, Transaction};
use fleetledger_queries::{ReaderError, ReaderPool};

/// A page is not worth more: whoever waits longer has gone away.
const LIMIT: &str = "set local statement_timeout = '10s'; set local search_path = fleet, pg_catalog";

/// Why a page, or a part of it, could not be read.
#[derive(Debug)]
pub(crate) enum ReadError {
    /// There is no connection.
    Connect(ReaderError),
    /// The server refused or cancelled a query.
    Query(tokio_postgres::Error),
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Connect(error) => write!(out, "{error}"),
            Self::Query(error) => match error.as_db_error() {
                Some(said) => write!(out, "{}", said.message()),
                None => write!(out, "{error}"),
            },
        }
    }
}

impl From<tokio_postgres::Error> for ReadError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Query(error)
    }
}

/// A connection.
pub(crate) async fn connect(reader: &ReaderPool) -> Result<Object, ReadError> {
    reader.get().await.map_err(ReadError::Connect)
}

/// A transaction for the reads of one part of a page: they see one moment.
pub(crate) async fn begin(client: &mut Object) -> Result<Transaction<'_>, ReadError> {
    let transaction = client
        .build_transaction()
        .read_only(true)
        .isolation_level(tokio_postgres::IsolationLevel::RepeatableRead)
        .start()
        .await?;
    transaction.batch_execute(LIMIT).await?;
    Ok(transaction)
}
