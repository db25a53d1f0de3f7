//! `rollup:` queries: one window of time after the other fills a table.
//!
//! A window is filled once the watermark has passed its end: the instant up to which every source is known that is not
//! stale. Where a source was stale, the window is incomplete, and filled again as soon as more of it is known, as far
//! back as `lateness` says. Filling is idempotent: one transaction replaces the window's rows and says what was known.

mod bookkeeping;
mod write;

use deadpool_postgres::{Object, Pool, PoolError};
use fleetledger_schema::{instant::Instant, postgres::is_session_fault};
use prometheus::{IntCounterVec, Opts};
use thiserror::Error;
use tokio_postgres::Client;

use crate::{
    connection::ReaderPool,
    query::StoredQuery,
    rollup::RollupRule,
    run::{QueryInvocation, ResultTable, RunError, SnapshotSession},
    sources::{self, SourceSnapshot},
};
use bookkeeping::{SourceWatermarks, due_windows, read_bookkeeping};

/// Fills rollups: reads as the reader, writes as the evaluator.
#[derive(Debug, Clone)]
pub struct RollupFiller {
    reader: ReaderPool,
    writer: Pool,
    windows: IntCounterVec,
}

/// Why a window was not filled.
#[derive(Debug, Error)]
pub enum FillError {
    /// Its rows could not be had.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The evaluator's connection failed.
    #[error("connect to write rollup {rollup}")]
    Connect {
        /// The rollup.
        rollup: String,
        /// What the pool said.
        #[source]
        source: PoolError,
    },
    /// Its rows could not be written.
    #[error("write the window of rollup {rollup} that begins at {window}")]
    Write {
        /// The rollup.
        rollup: String,
        /// Begin of the window.
        window: Instant,
        /// What PostgreSQL said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// What was filled so far could not be read.
    #[error("read the windows of rollup {rollup}")]
    Bookkeeping {
        /// The rollup.
        rollup: String,
        /// What PostgreSQL said.
        #[source]
        source: tokio_postgres::Error,
    },
}

impl FillError {
    /// True if the database is away or a session with it was lost: nothing is said of the rollup.
    #[must_use]
    pub fn is_database_away(&self) -> bool {
        match self {
            Self::Run(error) => error.is_database_away(),
            Self::Connect { .. } => true,
            Self::Write { source, .. } | Self::Bookkeeping { source, .. } => is_session_fault(source),
        }
    }
}

impl RollupFiller {
    /// A filler; connections of `writer` are the evaluator's role's.
    ///
    /// # Errors
    /// Its counter cannot be made.
    pub fn new(reader: ReaderPool, writer: Pool) -> Result<Self, prometheus::Error> {
        let help = "Windows of rollups that were filled, by rollup and outcome (ok or error).";
        let opts = Opts::new("fleetledger_queries_rollup_windows_total", help);
        Ok(Self {
            reader,
            writer,
            windows: IntCounterVec::new(opts, &["rollup", "outcome"])?,
        })
    }

    /// Its counter, for a registry.
    #[must_use]
    pub fn counter(&self) -> IntCounterVec {
        self.windows.clone()
    }

    /// Fills the windows of a rollup that are due at an instant, the oldest first; how many.
    ///
    /// # Errors
    /// [`FillError`]; the windows before the one that failed stand.
    pub async fn fill_due(&self, query: &StoredQuery, now: Instant) -> Result<usize, FillError> {
        let Some(rule) = query.rollup() else { return Ok(0) };
        let mut writer = self.writer(rule).await?;
        let bookkeeping = read_bookkeeping(&writer, rule, now).await?;
        let (_, sources) = self.query_window(query, now, None).await?;
        let due = due_windows(
            rule,
            &bookkeeping,
            &SourceWatermarks::read(rule, &sources, now),
            now,
        );
        for window in &due {
            self.fill(&mut writer, query, rule, *window, now).await?;
        }
        Ok(due.len())
    }

    /// Fills every window that lies in `from..to` again, whatever stands; how many.
    ///
    /// # Errors
    /// [`FillError`]; the windows before the one that failed stand.
    pub async fn rebuild(
        &self,
        query: &StoredQuery,
        from: Instant,
        to: Instant,
        now: Instant,
    ) -> Result<usize, FillError> {
        let Some(rule) = query.rollup() else { return Ok(0) };
        let mut writer = self.writer(rule).await?;
        let last = rule.window_of(now);
        let mut window = rule.window_of(from);
        let mut count = 0;
        while window < to && window < last {
            self.fill(&mut writer, query, rule, window, now).await?;
            window = window.plus_micros(rule.window.micros());
            count += 1;
        }
        Ok(count)
    }

    async fn writer(&self, rule: &RollupRule) -> Result<Object, FillError> {
        self.writer.get().await.map_err(|source| FillError::Connect {
            rollup: rule.rollup.clone(),
            source,
        })
    }

    async fn fill(
        &self,
        writer: &mut Client,
        query: &StoredQuery,
        rule: &RollupRule,
        window: Instant,
        now: Instant,
    ) -> Result<(), FillError> {
        let filled = self.read_and_write(writer, query, rule, window, now).await;
        let outcome = if filled.is_ok() { "ok" } else { "error" };
        self.windows
            .with_label_values(&[rule.rollup.as_str(), outcome])
            .inc();
        filled
    }

    async fn read_and_write(
        &self,
        writer: &mut Client,
        query: &StoredQuery,
        rule: &RollupRule,
        window: Instant,
        now: Instant,
    ) -> Result<(), FillError> {
        let end = window.plus_micros(rule.window.micros());
        let (table, sources) = self.query_window(query, now, Some((window, end))).await?;
        let rows = write::read_rows(query, rule, &table)?;
        let known = SourceWatermarks::read(rule, &sources, now);
        let written = write::write(writer, query, rule, window, &known, &rows).await;
        written.map_err(|source| FillError::Write {
            rollup: rule.rollup.clone(),
            window,
            source,
        })
    }

    /// The rows of a window, where one is given, and the sources in the same snapshot.
    async fn query_window(
        &self,
        query: &StoredQuery,
        now: Instant,
        window: Option<(Instant, Instant)>,
    ) -> Result<(ResultTable, SourceSnapshot), RunError> {
        let question = QueryInvocation {
            as_of: now,
            window,
            ..QueryInvocation::default()
        };
        let of_sources = QueryInvocation {
            sql: Some(sources::READ_FRESHNESS.to_owned()),
            limit: Some(1_000_000),
            ..question.clone()
        };
        let mut client = self.reader.get().await?;
        let mut session = SnapshotSession::begin(&self.reader, &mut client, false).await?;
        let sources = session.ask(query, &of_sources).await;
        let rows = match (&sources, window) {
            (Ok(_), Some(_)) => session.ask(query, &question).await,
            _ => Ok(ResultTable::empty(Vec::new())),
        };
        if !session.end().await {
            drop(Object::take(client));
        }
        Ok((rows?, SourceSnapshot::read(now, &sources?)))
    }
}
