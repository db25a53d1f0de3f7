//! Running one query: in a READ ONLY, REPEATABLE READ transaction, as of an instant, within its time and its rows.

use std::{fmt::Write as _, time::Duration};

use deadpool_postgres::{Object, Transaction};
use fleetledger_schema::{instant::Instant, postgres::is_session_fault};
use thiserror::Error;
use tokio_postgres::{
    CancelToken, IsolationLevel, Portal, Row,
    error::{ErrorPosition, SqlState},
    types::{Format, IsNull, ToSql, Type},
};

use crate::{
    cell::ResultCell,
    connection::{ReaderError, ReaderPool},
    period::Period,
    query::StoredQuery,
    refusal::{FilePosition, QueryRefusal},
};

/// How much longer than `statement_timeout` a query may take before it is cancelled from outside.
const GRACE: Duration = Duration::from_secs(1);
/// How long a cancelled query may take to end before its connection is given up.
const CANCELLED: Duration = Duration::from_secs(5);

/// Rows that are read before their bytes are looked at: at first, and at most.
const FIRST_ROWS: usize = 16;
const ROWS_AT_ONCE: usize = 1_000;
/// Most bytes of a result, as PostgreSQL sends them.
const MAX_RESULT_BYTES: usize = 32 * 1024 * 1024;

/// Why a query gave no rows. Never the same as "there are none".
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RunError {
    /// The database cannot be asked.
    #[error("{0}")]
    Unavailable(String),
    /// The session was lost, or is not the one it was: nothing is wrong with the query, and a new session may answer it.
    #[error("the session was lost: {0}")]
    SessionLost(String),
    /// It ran longer than it may.
    #[error("{file}: cancelled after its timeout of {timeout}")]
    Timeout {
        /// The file.
        file: String,
        /// How long it may run.
        timeout: Period,
    },
    /// PostgreSQL refused it, or its rows are not what the front matter says.
    #[error("{0}")]
    Refused(QueryRefusal),
}

impl RunError {
    /// True if the database is away or does not let the reader in: nothing is said of the query.
    #[must_use]
    pub fn is_database_away(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::SessionLost(_))
    }
}

impl From<ReaderError> for RunError {
    fn from(error: ReaderError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// A result.
#[derive(Debug, Clone)]
pub struct ResultTable {
    /// Its columns, in order.
    pub columns: Vec<ResultColumn>,
    /// Its rows; each has a cell for each column.
    pub rows: Vec<Vec<ResultCell>>,
    /// True if there were more rows than were asked for.
    pub exceeded: bool,
    /// How long the database took.
    pub took: Duration,
}

impl ResultTable {
    /// This result with the rows of another of the same columns after its own.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.rows.extend(other.rows);
        self.took += other.took;
        self
    }

    /// A result without rows.
    pub(crate) fn empty(columns: Vec<ResultColumn>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
            exceeded: false,
            took: Duration::ZERO,
        }
    }
}

/// What a server says of a query without running it.
pub(crate) struct QueryDescription {
    pub(crate) columns: Vec<ResultColumn>,
    /// The planner's cost.
    pub(crate) cost: f64,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultColumn {
    /// Name.
    pub name: String,
    /// PostgreSQL's type.
    pub column_type: Type,
}

/// Which instant a query is about, and what its text is to be.
#[derive(Debug, Clone, Default)]
pub(crate) struct QueryInvocation {
    /// What `as_of()` says.
    pub(crate) as_of: Instant,
    /// True for schema `fleet_asof`, false for `fleet`.
    pub(crate) is_past: bool,
    /// What `window_from()` and `window_to()` say.
    pub(crate) window: Option<(Instant, Instant)>,
    /// Values of `$1`, `$2`, …
    pub(crate) parameters: Vec<QueryArgument>,
    /// Text in place of the query's own.
    pub(crate) sql: Option<String>,
    /// Rows in place of the query's own limit.
    pub(crate) limit: Option<u32>,
}

/// The value of a parameter.
#[derive(Debug, Clone)]
pub(crate) enum QueryArgument {
    /// A literal, of whatever type PostgreSQL expects in its place, as psql's variables are.
    Literal(Option<String>),
    /// An array of texts.
    Texts(Vec<String>),
}

/// A transaction in which queries are asked one after the other, all of one snapshot.
pub(crate) struct SnapshotSession<'c> {
    reader: &'c ReaderPool,
    transaction: Transaction<'c>,
    token: CancelToken,
    is_lost: bool,
}

impl<'c> SnapshotSession<'c> {
    /// Begins it. `is_again` after a session that was lost: whatever names somebody else has left in this one are forgotten.
    pub(crate) async fn begin(
        reader: &'c ReaderPool,
        client: &'c mut Object,
        is_again: bool,
    ) -> Result<Self, RunError> {
        let token = client.cancel_token();
        if is_again {
            let forgotten = client.batch_execute(FORGET_STATEMENTS).await;
            forgotten.map_err(|error| unavailable(reader, &error))?;
        }
        let transaction = client
            .build_transaction()
            .isolation_level(IsolationLevel::RepeatableRead)
            .read_only(true)
            .start()
            .await
            .map_err(|error| unavailable(reader, &error))?;
        Ok(Self {
            reader,
            transaction,
            token,
            is_lost: false,
        })
    }

    /// Ends it; false if its connection is lost and must serve nobody else.
    pub(crate) async fn end(self) -> bool {
        if self.is_lost {
            return false;
        }
        // Nothing was written, so a rollback that fails loses nothing.
        self.transaction.rollback().await.is_ok()
    }

    /// Asks one query. What fails leaves the snapshot as it was, for the next one.
    pub(crate) async fn ask(
        &mut self,
        query: &StoredQuery,
        question: &QueryInvocation,
    ) -> Result<ResultTable, RunError> {
        let savepoint = savepoint(self.reader, &mut self.transaction, &mut self.is_lost).await?;
        let asking = ask(&savepoint, query, question);
        let outcome = in_time(self.reader, &self.token, query, asking, &mut self.is_lost).await;
        self.is_lost |= matches!(outcome, Err(RunError::SessionLost(_)));
        roll_back(savepoint, &mut self.is_lost).await;
        outcome
    }

    /// Prepares and explains one query.
    pub(crate) async fn describe(
        &mut self,
        query: &StoredQuery,
        question: &QueryInvocation,
    ) -> Result<QueryDescription, RunError> {
        let savepoint = savepoint(self.reader, &mut self.transaction, &mut self.is_lost).await?;
        let asking = describe(&savepoint, query, question);
        let outcome = in_time(self.reader, &self.token, query, asking, &mut self.is_lost).await;
        self.is_lost |= matches!(outcome, Err(RunError::SessionLost(_)));
        roll_back(savepoint, &mut self.is_lost).await;
        outcome
    }
}

async fn savepoint<'t>(
    reader: &ReaderPool,
    transaction: &'t mut Transaction<'_>,
    is_lost: &mut bool,
) -> Result<Transaction<'t>, RunError> {
    if *is_lost {
        let what = format!("the connection to postgres at {} was given up", reader.target());
        return Err(RunError::Unavailable(what));
    }
    transaction.savepoint("query").await.map_err(|error| {
        *is_lost = true;
        unavailable(reader, &error)
    })
}

async fn roll_back(savepoint: Transaction<'_>, is_lost: &mut bool) {
    if !*is_lost && savepoint.rollback().await.is_err() {
        *is_lost = true;
    }
}

/// Waits for an answer; a query that outlives its timeout, which it could have set itself, is cancelled from outside.
async fn in_time<T>(
    reader: &ReaderPool,
    token: &CancelToken,
    query: &StoredQuery,
    asking: impl Future<Output = Result<T, RunError>>,
    is_lost: &mut bool,
) -> Result<T, RunError> {
    let mut asking = std::pin::pin!(asking);
    let timeout = query.timeout.duration() + GRACE;
    if let Ok(outcome) = tokio::time::timeout(timeout, &mut asking).await {
        return outcome;
    }
    tracing::warn!(query = %query.id, "a query exceeded its timeout; cancelling it");
    let cancelled = tokio::time::timeout(CANCELLED, reader.cancel(token)).await;
    let ended = tokio::time::timeout(CANCELLED, asking).await;
    *is_lost = ended.is_err() || !matches!(cancelled, Ok(Ok(())));
    Err(timed_out(query))
}

async fn describe(
    transaction: &Transaction<'_>,
    query: &StoredQuery,
    question: &QueryInvocation,
) -> Result<QueryDescription, RunError> {
    let refused = |error: tokio_postgres::Error| explain(query, &query.sql, &error);
    transaction
        .batch_execute(&settings(query, question))
        .await
        .map_err(refused)?;
    let statement = transaction.prepare(&query.sql).await.map_err(refused)?;
    let columns = columns(&statement);
    let explain_sql = format!("explain (format json) {}", query.sql);
    let plan = transaction
        .query_one(&explain_sql, &arguments(question))
        .await
        .map_err(refused)?;
    let plan: serde_json::Value = plan.try_get(0).map_err(refused)?;
    let cost = plan
        .pointer("/0/Plan/Total Cost")
        .and_then(serde_json::Value::as_f64);
    Ok(QueryDescription {
        columns,
        cost: cost.unwrap_or_default(),
    })
}

fn columns(statement: &tokio_postgres::Statement) -> Vec<ResultColumn> {
    let column = |column: &tokio_postgres::Column| ResultColumn {
        name: column.name().to_owned(),
        column_type: column.type_().clone(),
    };
    statement.columns().iter().map(column).collect()
}

fn arguments(question: &QueryInvocation) -> Vec<&(dyn ToSql + Sync)> {
    let argument = |argument| argument as &(dyn ToSql + Sync);
    question.parameters.iter().map(argument).collect()
}

async fn ask(
    transaction: &Transaction<'_>,
    query: &StoredQuery,
    question: &QueryInvocation,
) -> Result<ResultTable, RunError> {
    let sql = question.sql.as_deref().unwrap_or(&query.sql);
    let limit = question.limit.unwrap_or(query.limit);
    let refused = |error: tokio_postgres::Error| explain(query, sql, &error);
    transaction
        .batch_execute(&settings(query, question))
        .await
        .map_err(refused)?;
    let begun = std::time::Instant::now();
    let statement = transaction.prepare(sql).await.map_err(refused)?;
    let portal = transaction
        .bind(&statement, &arguments(question))
        .await
        .map_err(refused)?;
    let kept = usize::try_from(limit).unwrap_or(usize::MAX);
    let rows = fetch(transaction, &portal, (query, sql), kept.saturating_add(1)).await?;
    let took = begun.elapsed();
    let mut table = ResultTable {
        columns: columns(&statement),
        rows: Vec::with_capacity(rows.len().min(kept)),
        exceeded: rows.len() > kept,
        took,
    };
    for row in rows.iter().take(kept) {
        let cells = (0..row.len()).map(|column| ResultCell::read(row, column));
        let cells = cells.collect::<Result<Vec<ResultCell>, _>>();
        table
            .rows
            .push(cells.map_err(|error| RunError::Refused(query.refusal("columns", error.to_string())))?);
    }
    Ok(table)
}

/// How often the same is asked, each time on a new session, where sessions are lost; and how long after the first time no
/// more: what takes longer may be what its session was ended for.
const SESSIONS: usize = 3;
const SESSIONS_WITHIN: Duration = Duration::from_secs(5);

/// Sessions of one question.
pub(crate) struct SessionAttempts {
    begun: std::time::Instant,
    lost: usize,
}

impl SessionAttempts {
    pub(crate) fn new() -> Self {
        Self {
            begun: std::time::Instant::now(),
            lost: 0,
        }
    }

    /// A session was lost; true if the next one may be tried.
    pub(crate) fn may_try_again(&mut self) -> bool {
        self.lost += 1;
        self.lost < SESSIONS && self.begun.elapsed() < SESSIONS_WITHIN
    }

    /// Whether one was lost already.
    pub(crate) fn is_again(&self) -> bool {
        self.lost > 0
    }
}

const FORGET_STATEMENTS: &str = "deallocate all";

/// What answers depend on, whatever role, database and server are set to: what is compared and printed, and what is waited for.
const SESSION_SETTINGS: &str = "
    set local timezone = 'UTC'; set local datestyle = 'ISO, MDY'; set local intervalstyle = 'postgres';
    set local extra_float_digits = 1; set local bytea_output = 'hex'; set local standard_conforming_strings = on;
    set local transform_null_equals = off; set local row_security = on; set local lock_timeout = 0;
    set local jit = off; set local max_parallel_workers_per_gather = 0; set local work_mem = '16MB'";
/// So many rows at most, within [`MAX_RESULT_BYTES`].
async fn fetch(
    transaction: &Transaction<'_>,
    portal: &Portal,
    (query, sql): (&StoredQuery, &str),
    wanted: usize,
) -> Result<Vec<Row>, RunError> {
    let (mut rows, mut bytes) = (Vec::new(), 0_usize);
    let mut at_once = FIRST_ROWS;
    while rows.len() < wanted {
        let count = at_once.min(wanted - rows.len());
        let most = i32::try_from(count).unwrap_or(i32::MAX);
        let fetched = transaction.query_portal(portal, most).await;
        let fetched = fetched.map_err(|error| explain(query, sql, &error))?;
        let is_last = fetched.len() < count;
        bytes = fetched
            .iter()
            .fold(bytes, |sum, row| sum.saturating_add(row.raw_size_bytes()));
        rows.extend(fetched);
        let Some(left) = MAX_RESULT_BYTES.checked_sub(bytes) else {
            let what = format!("the query returns more than {} MiB", MAX_RESULT_BYTES >> 20);
            let refusal = query.refusal("columns", what).fix("select fewer columns or rows");
            return Err(RunError::Refused(refusal));
        };
        if is_last {
            break;
        }
        // As many rows of this size as there is room for.
        at_once = (left / (bytes / rows.len().max(1)).max(1)).clamp(1, ROWS_AT_ONCE);
    }
    Ok(rows)
}

/// What holds for one query, and ends with its savepoint.
fn settings(query: &StoredQuery, question: &QueryInvocation) -> String {
    let schema = if question.is_past { "fleet_asof" } else { "fleet" };
    let mut settings = format!(
        "{SESSION_SETTINGS}; set local search_path = {schema}; set local statement_timeout = {}; set local fleet.as_of = '{}'",
        query.timeout.as_ms(),
        question.as_of
    );
    if let Some((from, to)) = question.window {
        let _ = write!(
            settings,
            "; set local fleet.window_from = '{from}'; set local fleet.window_to = '{to}'"
        );
    }
    settings
}

fn timed_out(query: &StoredQuery) -> RunError {
    RunError::Timeout {
        file: query.path.display().to_string(),
        timeout: query.timeout,
    }
}

/// The session is at fault. Its transactions are read-only, so that 25006 is a query's that would write.
fn is_lost(error: &tokio_postgres::Error) -> bool {
    is_session_fault(error) && error.code() != Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

fn unavailable(reader: &ReaderPool, error: &tokio_postgres::Error) -> RunError {
    let what = format!("no answer from postgres at {}: {}", reader.target(), chain(error));
    if is_lost(error) {
        RunError::SessionLost(what)
    } else {
        RunError::Unavailable(what)
    }
}

/// What PostgreSQL said, with file, line and column where it said where.
pub(crate) fn explain(query: &StoredQuery, sql: &str, error: &tokio_postgres::Error) -> RunError {
    if is_lost(error) {
        return RunError::SessionLost(chain(error));
    }
    let Some(refused) = error.as_db_error() else {
        return RunError::Unavailable(chain(error));
    };
    if *refused.code() == SqlState::QUERY_CANCELED {
        return timed_out(query);
    }
    let place = match refused.position() {
        Some(ErrorPosition::Original(position)) if sql == query.sql => position_of(query, *position),
        _ => FilePosition::line(query.sql_line),
    };
    let mut refusal = QueryRefusal::new(&query.path, place, refused.message());
    if let Some(hint) = refused.hint() {
        refusal = refusal.fix(hint);
    }
    RunError::Refused(refusal)
}

/// Line and column of a character of the query, counted from 1.
fn position_of(query: &StoredQuery, position: u32) -> FilePosition {
    let before: Vec<char> = query
        .sql
        .chars()
        .take(usize::try_from(position.saturating_sub(1)).unwrap_or(usize::MAX))
        .collect();
    let lines = before.iter().filter(|letter| **letter == '\n').count();
    let column = before.iter().rev().take_while(|letter| **letter != '\n').count() + 1;
    FilePosition::at(
        query.sql_line + u32::try_from(lines).unwrap_or(0),
        u32::try_from(column).unwrap_or(1),
    )
}

/// An error with its sources.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

impl ToSql for QueryArgument {
    fn to_sql(
        &self,
        argument_type: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Literal(None) => Ok(IsNull::Yes),
            Self::Literal(Some(text)) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
            Self::Texts(texts) => texts.to_sql(argument_type, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    /// Literals travel as text: PostgreSQL reads them as it would read them in the query.
    fn encode_format(&self, _: &Type) -> Format {
        match self {
            Self::Literal(_) => Format::Text,
            Self::Texts(_) => Format::Binary,
        }
    }

    tokio_postgres::types::to_sql_checked!();
}
