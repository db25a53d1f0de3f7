//! One group at one slot: its rules go through stages 4 to 7, several at a time.
//!
//! Whoever works here takes a turn before a connection: the pool holds as many as there are turns, so nobody waits at it
//! behind hundreds of rules until it gives up.

use std::{collections::BTreeSet, sync::Arc, time::Instant as Moment};

use deadpool_postgres::{Object, Pool};
use fleetledger_queries::{EvaluationReport, ReaderPool};
use fleetledger_schema::instant::Instant;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::JoinSet,
};

use crate::{
    apply::{GroupFencingToken, RuleEvaluation, SlotApplyOutcome, apply},
    ask::{SlotQueryResult, run_rule_query},
    claim::{self, GroupClaim},
    errors::{AlertsError, while_},
    fail_point::{FailPoint, hit},
    health::EvaluatorHealth,
    metrics::EvaluatorMetrics,
    pool::give_back,
    rollups::RollupRunner,
    rules::{GroupSpec, RuleSet, ScheduledRule},
    runs,
    settings::EvaluatorSettings,
    slot,
};

/// What the tasks of one evaluator share.
pub(crate) struct EvaluatorResources {
    pub(crate) settings: Arc<EvaluatorSettings>,
    pub(crate) rules: Arc<RuleSet>,
    pub(crate) pool: Pool,
    pub(crate) metrics: EvaluatorMetrics,
    health: EvaluatorHealth,
    reader: ReaderPool,
    builtin: ReaderPool,
    /// Turns of those who ask.
    queries: Semaphore,
    /// Turns of those who write what was answered.
    writers: Semaphore,
    rollups: Arc<RollupRunner>,
}

impl EvaluatorResources {
    /// The current state before anything runs; connections are the evaluator's own, those that run rules, and those that run
    /// the built-in ones.
    pub(crate) fn new(
        settings: Arc<EvaluatorSettings>,
        rules: Arc<RuleSet>,
        (pool, reader, builtin): (Pool, ReaderPool, ReaderPool),
        (metrics, health): (EvaluatorMetrics, EvaluatorHealth),
        rollups: Arc<RollupRunner>,
    ) -> Self {
        let turns = settings.concurrency.max(1);
        Self {
            settings,
            rules,
            pool,
            metrics,
            health,
            reader,
            builtin,
            queries: Semaphore::new(turns),
            writers: Semaphore::new(turns),
            rollups,
        }
    }

    /// Health tells of a database that is away, and the log of everything else.
    fn note_slot_failure(
        &self,
        spec: &GroupSpec,
        due: slot::EvaluationSlot,
        error: &AlertsError,
        what: &'static str,
    ) {
        if !self.health.slot_failed(&spec.name, error) {
            tracing::warn!(group = spec.name, slot = %due.slot, error = error.chain(), "{what}");
        }
    }

    /// A turn to write and a connection for it.
    async fn writer(&self, step: &'static str) -> Result<(SemaphorePermit<'_>, Object), AlertsError> {
        let turn = self.writers.acquire().await;
        let turn = turn.map_err(|error| AlertsError::Rules(error.to_string()))?;
        let client = self.pool.get().await;
        Ok((turn, client.map_err(|source| AlertsError::Pool { step, source })?))
    }
}

/// Runs every rule of a group for one slot: first those that inhibit, then the others, several at a time.
/// The slot, if all of it stands.
pub(crate) async fn run_group(
    shared: &Arc<EvaluatorResources>,
    spec: &GroupSpec,
    claim: &GroupClaim,
    due: slot::EvaluationSlot,
) -> Option<Instant> {
    if let Some(rollup) = &spec.rollup {
        if let Some(evaluated) = shared.rollups.fill(rollup, due.slot, spec.interval).await {
            record_rollup_run(shared, &evaluated).await;
        }
        // A slot of a rollup is only when its windows are looked for: what was slept through is not missed.
        return advance(shared, spec, claim, slot::EvaluationSlot { missed: 0, ..due }).await;
    }
    let rules = || {
        spec.rules
            .iter()
            .filter_map(|place| shared.rules.rules().get(*place))
    };
    let inhibits = |rule: &&ScheduledRule| rule.query.alert().is_some_and(|alert| !alert.inhibits.is_empty());
    let first: Vec<ScheduledRule> = rules().filter(inhibits).cloned().collect();
    let then: Vec<ScheduledRule> = rules().filter(|rule| !inhibits(rule)).cloned().collect();
    let done = match rules_already_run(shared, due.slot, rules()).await {
        Ok(done) => done,
        Err(error) => {
            shared.note_slot_failure(
                spec,
                due,
                &error,
                "an evaluation slot was not started; it is retried until the slot ends",
            );
            return None;
        }
    };
    let mut whole = true;
    for wave in [first, then] {
        let mut tasks = JoinSet::new();
        for rule in wave.into_iter().filter(|rule| !done.contains(rule.id())) {
            let (shared, epoch) = (shared.clone(), claim.epoch);
            tasks.spawn(async move { run_rule(&shared, &rule, due.slot, epoch).await });
        }
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(Ok(SlotApplyOutcome::Done { .. } | SlotApplyOutcome::Already)) => {}
                Ok(Ok(SlotApplyOutcome::Deposed)) | Err(_) => whole = false,
                Ok(Err(error)) => {
                    whole = false;
                    let what =
                        "the result of an evaluation slot was not stored; it is retried until the slot ends";
                    shared.note_slot_failure(spec, due, &error, what);
                }
            }
        }
    }
    if !whole {
        return None;
    }
    advance(shared, spec, claim, due).await
}

/// Writes down how a rollup fared; whatever comes of that, its windows stand.
async fn record_rollup_run(shared: &EvaluatorResources, evaluated: &EvaluationReport) {
    let noted = async {
        let (_turn, client) = shared.writer("store the run of a rollup").await?;
        runs::write(&client, &shared.settings.evaluator, evaluated).await
    };
    if let Err(error) = noted.await {
        error.log_unless_away(|error| {
            tracing::warn!(query = %evaluated.query.id, error, "the run of a rollup was not stored");
        });
    }
}

/// All of the slot stands; the next one is due. `None` where that could not be written down.
async fn advance(
    shared: &EvaluatorResources,
    spec: &GroupSpec,
    claim: &GroupClaim,
    due: slot::EvaluationSlot,
) -> Option<Instant> {
    let advanced = async {
        let (_turn, client) = shared.writer("advance the group").await?;
        claim::advance(&client, &shared.settings.evaluator, claim, due.slot, due.missed).await
    };
    if let Err(error) = advanced.await {
        shared.note_slot_failure(spec, due, &error, "the slot of a group was not advanced");
        return None;
    }
    shared.health.slot_done(&spec.name);
    shared.metrics.count_missed_slots(&spec.name, due.missed);
    hit(FailPoint::AfterSlot);
    Some(due.slot)
}

async fn run_rule(
    shared: &EvaluatorResources,
    rule: &ScheduledRule,
    slot: Instant,
    epoch: i64,
) -> Result<SlotApplyOutcome, AlertsError> {
    let title = GroupFencingToken {
        evaluator: &shared.settings.evaluator,
        epoch,
    };
    let asked: SlotQueryResult = {
        let Ok(_turn) = shared.queries.acquire().await else {
            return Ok(SlotApplyOutcome::Deposed);
        };
        let reader = match rule.is_builtin {
            true => &shared.builtin,
            false => &shared.reader,
        };
        run_rule_query(&shared.pool, reader, rule, slot).await?
    };
    hit(FailPoint::AfterQuery);
    let run = RuleEvaluation {
        rule,
        slot,
        as_of: asked.as_of,
        outcome: &asked.outcome,
        silent_sources: &asked.silent_sources,
        query_seconds: asked.seconds,
        rows: asked.rows,
    };
    let (_turn, mut client) = shared.writer("apply a run").await?;
    let began = Moment::now();
    let applied = apply(&mut client, &shared.settings, &shared.rules, title, &run).await;
    let applied = give_back(client, applied)?;
    let outcome = match asked.error() {
        Some(error) => {
            tracing::warn!(rule = rule.id(), slot = %slot, error, "the query failed; its alerts are held");
            "error"
        }
        None => "ok",
    };
    shared
        .metrics
        .count_run(rule.id(), outcome, asked.seconds, began.elapsed().as_secs_f64());
    Ok(applied)
}

/// Which of these rules have been run for the slot already.
async fn rules_already_run(
    shared: &EvaluatorResources,
    slot: Instant,
    rules: impl Iterator<Item = &ScheduledRule>,
) -> Result<BTreeSet<String>, AlertsError> {
    let rules: Vec<&str> = rules.map(ScheduledRule::id).collect();
    let (_turn, client) = shared.writer("begin a slot").await?;
    let rows = client.query(READ_APPLIED_RULES, &[&slot, &rules]).await;
    let rows = rows.map_err(while_("look for runs"))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

const READ_APPLIED_RULES: &str = "select rule from ledger.rule_run where slot = $1 and rule = any ($2)";
