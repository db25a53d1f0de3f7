//! Rollups, claimed as groups of rules are, so that one evaluator fills each: its slots are when windows are looked for.

use std::{
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use deadpool_postgres::Pool;
use fleetledger_queries::{EvaluationReport, FillError, ReaderPool, RollupFiller, StoredQuery};
use fleetledger_schema::instant::Instant;
use prometheus::Registry;
use tokio::sync::Semaphore;

use crate::errors::AlertsError;

/// Rollups that are filled at a time; each takes one connection to read and one to write.
pub const AT_ONCE: usize = 2;

/// Fills rollups, a few at a time.
pub(crate) struct RollupRunner {
    filler: RollupFiller,
    turns: Semaphore,
}

impl RollupRunner {
    /// They read with connections of their own, so that no rule waits for a window.
    ///
    /// # Errors
    /// [`AlertsError::Rules`] if the connections or the counter cannot be made.
    pub(crate) fn new(reader: &ReaderPool, pool: &Pool) -> Result<Self, AlertsError> {
        let reader = reader
            .beside(AT_ONCE)
            .map_err(|error| AlertsError::Rules(error.to_string()))?;
        let filler =
            RollupFiller::new(reader, pool.clone()).map_err(|error| AlertsError::Rules(error.to_string()))?;
        Ok(Self {
            filler,
            turns: Semaphore::new(AT_ONCE),
        })
    }

    /// Registers what it counts.
    ///
    /// # Errors
    /// [`AlertsError::Rules`] for a name that is registered already.
    pub(crate) fn register(&self, registry: &Registry) -> Result<(), AlertsError> {
        let counter = Box::new(self.filler.counter());
        registry
            .register(counter)
            .map_err(|error| AlertsError::Rules(error.to_string()))
    }

    /// Fills what is due of a rollup at a slot, for as long as half of its interval; the rest is the next slot's. What
    /// fails is told of and looked for again at the next slot. `None` if it is too late for anything.
    pub(crate) async fn fill(
        &self,
        query: &Arc<StoredQuery>,
        slot: Instant,
        interval: Duration,
    ) -> Option<EvaluationReport> {
        let _turn = self.turns.acquire().await.ok()?;
        let begun = Moment::now();
        let mut filled = 0;
        let mut failure = None;
        while begun.elapsed() < interval / 2 || filled == 0 {
            match self.filler.fill_due(query, slot).await {
                Ok(0) => break,
                Ok(windows) => filled += windows,
                Err(error) => {
                    let is_away = error.is_database_away();
                    let error = chain(&error);
                    // Who evaluates tells of a database that is away, once.
                    if is_away {
                        tracing::debug!(query = %query.id, %slot, error, "the rollup was not filled");
                    } else {
                        tracing::warn!(query = %query.id, %slot, error, "the rollup was not filled");
                    }
                    failure = Some(error);
                    break;
                }
            }
        }
        if filled > 0 {
            tracing::debug!(query = %query.id, %slot, filled, "windows of a rollup were filled");
        }
        Some(EvaluationReport {
            query: Arc::clone(query),
            slot,
            as_of: slot,
            seconds: begun.elapsed().as_secs_f64(),
            outcome: failure.map_or(Ok(filled), Err),
        })
    }
}

fn chain(error: &FillError) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
