//! A rule that is asked while a ledger fills: as the evaluator asks it, at instants that are given.

use std::sync::Arc;

use fleetledger_queries::StoredQuery;
use fleetledger_schema::postgres::PostgresConnector;
use jiff::Timestamp;

use super::{
    BacktestError, BacktestReport, BacktestStrategy,
    play::play,
    session::{BacktestSession, SlotResults},
};
use crate::replay::TestedRule;

/// A rule on schema `fleet`, where books without history are too. Its connection stays open.
pub struct RunningTrial {
    rule: TestedRule,
    session: BacktestSession,
    slots: Vec<Timestamp>,
    answers: SlotResults,
}

impl RunningTrial {
    /// Connects, and makes the rule ready.
    ///
    /// # Errors
    /// See [`BacktestError`].
    pub async fn open(
        connector: &PostgresConnector,
        query: &Arc<StoredQuery>,
    ) -> Result<Self, BacktestError> {
        let rule = TestedRule::of(query, None)
            .ok_or_else(|| BacktestError::NoAlert(query.path.display().to_string()))?;
        let ends = (Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH);
        let session = BacktestSession::open(connector, &rule, BacktestStrategy::Live, ends).await?;
        Ok(Self {
            rule,
            session,
            slots: Vec::new(),
            answers: SlotResults::new(),
        })
    }

    /// Asks the rule as of `at`, if that is one of its slots. The ledger must hold what was known then.
    ///
    /// # Errors
    /// The connection broke; a query that fails is part of the report.
    pub async fn ask(&mut self, at: Timestamp) -> Result<(), BacktestError> {
        let interval = i64::try_from(self.rule.timing.interval.as_secs())
            .unwrap_or(60)
            .max(1);
        if at.as_second().rem_euclid(interval) == 0 {
            self.slots.push(at);
            self.answers.extend(self.session.query_slots(&[at]).await?);
        }
        Ok(())
    }

    /// What would have happened at the slots that were asked.
    #[must_use]
    pub fn report(&self) -> BacktestReport {
        play(&self.rule, &self.slots, &self.answers)
    }
}
