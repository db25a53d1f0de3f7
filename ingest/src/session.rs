//! A writer's connection: its temp tables, its prepared statements, its timeouts.

use std::{
    collections::{HashMap, HashSet},
    time::Instant as Moment,
};

use bytes::Bytes;
use fleetledger_schema::postgres::PostgresConnector;
use futures::SinkExt;
use tokio_postgres::{Client, SimpleQueryMessage, Statement, types::ToSql};

use crate::{
    IngestSettings,
    errors::DatabaseFailure,
    timeline::{self, DatabaseTimeline},
};

/// A prepared connection.
pub(crate) struct WriterSession {
    client: Client,
    /// The server's process: another one knows nothing of what this session has set, made and prepared.
    backend: String,
    timeline: DatabaseTimeline,
    statements: HashMap<&'static str, Statement>,
    tables: HashSet<&'static str>,
    batches: u64,
    /// Rows changed: so far, and when plans were last forgotten.
    changed: u64,
    changed_at_replan: u64,
    dead_letter_day_bytes: i64,
}

/// Why a session is given up that has changed below its connection.
const POOLED: &str = "the session changed between two transactions: a pooler in transaction mode is between \
     ingest and PostgreSQL; connect ingest to PostgreSQL directly, or to a pool with pool_mode = session";

/// Runs statements, and says which process of the server did, in one round trip.
async fn backend_of(client: &Client, sql: &str) -> Result<String, DatabaseFailure> {
    let sql = sql.trim().trim_end_matches(';');
    let messages = client
        .simple_query(&format!("{sql}; select pg_backend_pid()"))
        .await?;
    let backend = messages.iter().rev().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    });
    backend.ok_or_else(|| DatabaseFailure::Connection("PostgreSQL did not return its process id".to_owned()))
}

/// Plans are made anew at least after this many batches.
const REPLAN_EVERY: u64 = 1024;
/// Fewer changed rows than these are no growth.
const REPLAN_ROWS: u64 = 100;

impl WriterSession {
    /// Connects.
    pub(crate) async fn open(
        connector: &PostgresConnector,
        name: &str,
        settings: &IngestSettings,
    ) -> Result<Self, DatabaseFailure> {
        let client = connector
            .connect(name)
            .await
            .map_err(|error| DatabaseFailure::of_login(&error.source))?;
        // A batch's stage stays in memory. Stages carry no statistics, so joins are by index whatever the planner believes;
        // see also `replan`. A stage has no index: without `enable_material` it is never the inner side, read once for
        // each row of a table that looks small.
        // Where somebody had the session before, its tables and names go first.
        let set = format!(
            "discard temp; deallocate all; set timezone = 'UTC'; set jit = off; set temp_buffers = '64MB'; set statement_timeout = {}; set lock_timeout = {};
             set enable_seqscan = off; set enable_hashjoin = off; set enable_mergejoin = off; set enable_bitmapscan = off;
             set enable_material = off;
             set plan_cache_mode = force_custom_plan",
            settings.statement_timeout_ms, settings.lock_timeout_ms
        );
        let backend = backend_of(&client, &set).await?;
        let timeline = timeline::of(&client).await?;
        Ok(Self {
            client,
            backend,
            timeline,
            statements: HashMap::new(),
            tables: HashSet::new(),
            batches: 0,
            changed: 0,
            changed_at_replan: 0,
            dead_letter_day_bytes: i64::try_from(settings.dead_letter_day_bytes).unwrap_or(i64::MAX),
        })
    }

    /// Called after each batch: forgets plans at the first, second, fourth, eighth … one, and whenever the rows changed
    /// so far have doubled. A plan made while a table was small scans it, which must not outlive its growth; sizes are
    /// read whenever a plan is made.
    pub(crate) async fn replan(&mut self) -> Result<(), DatabaseFailure> {
        self.batches += 1;
        let grown = self.changed >= REPLAN_ROWS.max(2 * self.changed_at_replan);
        if grown || self.batches.is_power_of_two() || self.batches.is_multiple_of(REPLAN_EVERY) {
            self.changed_at_replan = self.changed;
            self.command("discard plans").await?;
        }
        Ok(())
    }

    /// The history of the database that it writes.
    pub(crate) fn timeline(&self) -> DatabaseTimeline {
        self.timeline
    }

    /// Bytes of dead letters that are kept whole, of each source and day.
    pub(crate) fn dead_letter_day_bytes(&self) -> i64 {
        self.dead_letter_day_bytes
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Makes a temp table, if this session has not made it yet. Each costs every commit the truncation of its files,
    /// so a session makes those that it needs.
    pub(crate) async fn make(&mut self, table: &'static str) -> Result<(), DatabaseFailure> {
        if !self.tables.contains(table) {
            self.command_here(table).await?;
            self.tables.insert(table);
        }
        Ok(())
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&self) -> Result<(), DatabaseFailure> {
        self.command_here("begin").await
    }

    /// Statements without parameters or result, which must be done in this very session. A pooler may have given the
    /// connection another one since the last transaction; within a transaction it cannot.
    async fn command_here(&self, sql: &str) -> Result<(), DatabaseFailure> {
        let backend = backend_of(&self.client, sql).await?;
        if backend == self.backend {
            return Ok(());
        }
        Err(DatabaseFailure::Connection(POOLED.to_owned()))
    }

    /// A statement without parameters or result.
    pub(crate) async fn command(&self, sql: &str) -> Result<(), DatabaseFailure> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// A statement; returns the number of rows it changed.
    pub(crate) async fn execute(
        &mut self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<u64, DatabaseFailure> {
        let statement = self.statement(sql).await?;
        let begin = Moment::now();
        let changed = self.client.execute(&statement, parameters).await?;
        self.changed += changed;
        tracing::debug!(
            elapsed_ms = begin.elapsed().as_millis(),
            changed,
            sql = sql.get(..60).unwrap_or(sql),
            "statement"
        );
        Ok(changed)
    }

    /// A query of one row with two counts.
    pub(crate) async fn counts(&mut self, sql: &'static str) -> Result<(i64, i64), DatabaseFailure> {
        let begin = Moment::now();
        let rows = self.query(sql, &[]).await?;
        tracing::debug!(
            elapsed_ms = begin.elapsed().as_millis(),
            sql = sql.get(..60).unwrap_or(sql),
            "statement"
        );
        match rows.first() {
            Some(row) => Ok((row.try_get(0)?, row.try_get(1)?)),
            None => Ok((0, 0)),
        }
    }

    /// A query.
    pub(crate) async fn query(
        &mut self,
        sql: &'static str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<tokio_postgres::Row>, DatabaseFailure> {
        let statement = self.statement(sql).await?;
        Ok(self.client.query(&statement, parameters).await?)
    }

    /// A COPY into a stage.
    pub(crate) async fn copy(&mut self, sql: &'static str, chunks: &[Bytes]) -> Result<u64, DatabaseFailure> {
        let statement = self.statement(sql).await?;
        let sink = self.client.copy_in(&statement).await?;
        let mut sink = std::pin::pin!(sink);
        for chunk in chunks {
            sink.send(chunk.clone()).await?;
        }
        Ok(sink.finish().await?)
    }

    async fn statement(&mut self, sql: &'static str) -> Result<Statement, DatabaseFailure> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql, statement.clone());
        Ok(statement)
    }
}
