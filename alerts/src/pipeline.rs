//! The way of an alert, stage by stage:
//!
//! 1. [`rule_set`](crate::rule_set): only evaluators with the same files run together;
//! 2. [`claim`](crate::claim): a group belongs to one evaluator at a time, by lease and epoch;
//! 3. [`slot`](crate::slot): the newest slot is due once, what was slept through is counted;
//! 4. [`ask`](crate::ask): the query runs as the reader, and its rows are put in order;
//! 5. [`observe`](crate::observe), [`judge`](crate::judge): what it says of each instance, and who is to be told; pure;
//! 6. [`pages`](crate::pages): grouping and the outbox;
//! 7. [`apply`](crate::apply): all of that is one transaction a slot;
//! 8. [`delivery`](crate::delivery), [`keep_alive`](crate::keep_alive): from the outbox to the receivers.
//!
//! [`rounds`](crate::rounds) looks which groups are due, [`group`](crate::group) takes each of their rules through stages
//! 4 to 7. A rollup goes through the first three as a group of its own, and is then filled ([`rollups`](crate::rollups)).
//!
//! Nothing is kept in memory from slot to slot, so that an evaluator may die anywhere.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::Pool;
use fleetledger_queries::ReaderPool;
use fleetledger_schema::instant::Instant;
use prometheus::Registry;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    delivery,
    errors::AlertsError,
    group::{EvaluatorResources, run_group},
    health::{CLAIMS, EvaluatorHealth},
    housekeeping, keep_alive,
    login_watch::{self, FormerPages},
    metrics::EvaluatorMetrics,
    rollups::RollupRunner,
    rounds::EvaluationRounds,
    rule_set,
    rules::RuleSet,
    settings::EvaluatorSettings,
    slot,
};

/// Connections that run the built-in rules: they are few and short.
pub const BUILTIN_CONNECTIONS: usize = 2;
/// How often an evaluator looks what is due.
const TICK: Duration = Duration::from_millis(250);

/// Everything an evaluator works with.
pub struct Evaluator {
    /// What it is told.
    pub settings: Arc<EvaluatorSettings>,
    /// Its rules; others take their place when the files change.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// Connections of the evaluator's role.
    pub pool: Pool,
    /// More of them for deliveries alone: no notification waits for a rule.
    pub outbox: Pool,
    /// Connections of the role that runs the rules' SQL and nothing else.
    pub reader: ReaderPool,
    /// Connections of the evaluator's role that read, which run the built-in rules: what they say of rules and notifications
    /// must not depend on the other role.
    pub builtin: ReaderPool,
    /// How it is.
    pub health: EvaluatorHealth,
}

impl Evaluator {
    /// Evaluates and delivers until `stop`. A database that is away is waited for.
    ///
    /// # Errors
    /// [`AlertsError::Rules`] if metrics cannot be registered.
    pub async fn run(self, registry: &Registry, stop: CancellationToken) -> Result<(), AlertsError> {
        let metrics =
            EvaluatorMetrics::new(registry).map_err(|error| AlertsError::Rules(error.to_string()))?;
        let rollups = Arc::new(RollupRunner::new(&self.reader, &self.pool)?);
        rollups.register(registry)?;
        let rules = self.rules.borrow().clone();
        let former = FormerPages::find(&self.pool, &rules).await;
        let mut helpers = JoinSet::new();
        helpers.spawn(delivery::run(
            self.outbox.clone(),
            self.settings.clone(),
            metrics.clone(),
            self.health.clone(),
            stop.clone(),
        ));
        helpers.spawn(keep_alive::run(
            self.pool.clone(),
            self.settings.clone(),
            stop.clone(),
        ));
        helpers.spawn(housekeeping::run(self.pool.clone(), stop.clone()));
        helpers.spawn(login_watch::run(
            self.reader.clone(),
            self.settings.clone(),
            self.health.clone(),
            former,
            stop.clone(),
        ));
        self.rounds(&metrics, &rollups, &stop).await;
        let left = async {
            let client = self.pool.get().await.ok()?;
            rule_set::leave(&client, &self.settings.evaluator).await.ok()
        };
        if left.await.is_none() {
            tracing::info!(
                "the groups could not be released; other evaluators take them when their lease ends"
            );
        }
        while helpers.join_next().await.is_some() {}
        Ok(())
    }

    /// Evaluates every rule at `slot`, whatever the clock says, and delivers nothing. Returns false where another
    /// evaluator runs other files, or has a group. For backtests and benchmarks.
    ///
    /// # Errors
    /// [`AlertsError`].
    pub async fn evaluate(&self, slot: Instant) -> Result<bool, AlertsError> {
        let metrics =
            EvaluatorMetrics::new(&Registry::new()).map_err(|error| AlertsError::Rules(error.to_string()))?;
        let rollups = Arc::new(RollupRunner::new(&self.reader, &self.pool)?);
        let mut rounds = EvaluationRounds::new(self.shared(self.rules.borrow().clone(), &metrics, &rollups));
        if rounds.renew(&self.health).await?.is_none() {
            return Ok(false);
        }
        let mut whole = true;
        for spec in rounds.shared().rules.groups() {
            let due = slot::EvaluationSlot { slot, missed: 0 };
            let done = match rounds.claim_of(spec) {
                Some(claim) => run_group(rounds.shared(), spec, claim, due).await,
                None => None,
            };
            whole &= done.is_some();
        }
        Ok(whole)
    }

    /// Delivers what is queued until `stop`, and evaluates nothing.
    ///
    /// # Errors
    /// [`AlertsError::Rules`] if metrics cannot be registered.
    pub async fn deliver(&self, registry: &Registry, stop: CancellationToken) -> Result<(), AlertsError> {
        let metrics =
            EvaluatorMetrics::new(registry).map_err(|error| AlertsError::Rules(error.to_string()))?;
        delivery::run(
            self.outbox.clone(),
            self.settings.clone(),
            metrics,
            self.health.clone(),
            stop,
        )
        .await;
        Ok(())
    }

    fn shared(
        &self,
        rules: Arc<RuleSet>,
        metrics: &EvaluatorMetrics,
        rollups: &Arc<RollupRunner>,
    ) -> EvaluatorResources {
        EvaluatorResources::new(
            self.settings.clone(),
            rules,
            (self.pool.clone(), self.reader.clone(), self.builtin.clone()),
            (metrics.clone(), self.health.clone()),
            rollups.clone(),
        )
    }

    async fn rounds(
        &self,
        metrics: &EvaluatorMetrics,
        rollups: &Arc<RollupRunner>,
        stop: &CancellationToken,
    ) {
        let mut rules = self.rules.clone();
        while !stop.is_cancelled() {
            let current = rules.borrow_and_update().clone();
            let mut rounds = EvaluationRounds::new(self.shared(current, metrics, rollups));
            while !stop.is_cancelled() && !rules.has_changed().unwrap_or(false) {
                if let Err(error) = rounds.round(&self.health).await {
                    rounds.begin_anew();
                    self.health.database_fails(CLAIMS, &error.chain());
                }
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(TICK) => {}
                }
            }
            // What was begun under these rules ends under them.
            rounds.finish().await;
        }
    }
}
