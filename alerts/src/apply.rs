//! Stage 7: one run of one rule becomes the current state, in one transaction.
//!
//! Whatever ends the process in the middle leaves all of a slot or nothing of it: the row of `rule_run` is written in
//! the same transaction, and a slot that has one is not applied again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fleetledger_paging::{AlertResolution, Inhibitor, LabelSet, Timing};
use fleetledger_queries::alert::{AlertMode, AlertRule};
use fleetledger_schema::instant::Instant;
use tokio_postgres::{Client, Transaction};

use crate::{
    errors::{AlertsError, while_},
    evaluation::{EvaluationContext, EvaluationInput, EvaluationOutcome, evaluate_instances},
    fail_point::{FailPoint, hit},
    instance::StoredInstance,
    observe::{QueryOutcome, RuleObservations, SilentSources, observe},
    pages::{self, NotificationContext},
    rules::{HEARTBEAT, RuleSet, ScheduledRule, static_labels},
    settings::EvaluatorSettings,
    store::{self, timestamp},
};

/// One run of a rule that waits to be applied.
#[derive(Debug, Clone)]
pub(crate) struct RuleEvaluation<'a> {
    /// The rule.
    pub(crate) rule: &'a ScheduledRule,
    /// The slot.
    pub(crate) slot: Instant,
    /// What its query asked about.
    pub(crate) as_of: Instant,
    /// What it answered.
    pub(crate) outcome: &'a QueryOutcome,
    /// Which of its sources said nothing.
    pub(crate) silent_sources: &'a SilentSources,
    /// How long the query took, in seconds.
    pub(crate) query_seconds: f64,
    /// How many rows there were.
    pub(crate) rows: i64,
}

/// Under which claim a run is applied.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupFencingToken<'a> {
    /// Name of the evaluator.
    pub(crate) evaluator: &'a str,
    /// Epoch of its claim of the rule's group.
    pub(crate) epoch: i64,
}

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlotApplyOutcome {
    /// It stands.
    Done {
        /// Instances that changed.
        changed: i64,
        /// Notifications that were queued.
        queued: i64,
    },
    /// The slot stands already, or a later one does.
    Already,
    /// The claim is over: another evaluator has the group.
    Deposed,
}

/// The current state of a rule, locked.
struct LockedRule {
    last_slot: Option<Instant>,
    identity: String,
    removed: bool,
}

/// Applies a run of an alert.
///
/// # Errors
/// [`AlertsError`]; then nothing of the slot stands.
pub(crate) async fn apply(
    client: &mut Client,
    settings: &EvaluatorSettings,
    rules: &RuleSet,
    fencing_token: GroupFencingToken<'_>,
    run: &RuleEvaluation<'_>,
) -> Result<SlotApplyOutcome, AlertsError> {
    let transaction = client.transaction().await.map_err(while_("begin a slot"))?;
    let Some(lock) = lock_rule(&transaction, run.rule.id()).await? else {
        return Ok(SlotApplyOutcome::Deposed);
    };
    if lock.last_slot.is_some_and(|last| last >= run.slot) {
        return Ok(SlotApplyOutcome::Already);
    }
    if !is_claimed(&transaction, &run.rule.group, fencing_token).await? {
        return Ok(SlotApplyOutcome::Deposed);
    }
    let Some(alert) = run.rule.query.alert() else {
        return Err(AlertsError::Rules(format!("{} is not an alert", run.rule.id())));
    };
    let known = store::load(&transaction, run.rule.id()).await?;
    let mut observations = observe_run(rules, run, alert, &known);
    let ending = resolution_of_all(alert, &lock, run.rule);
    let mut known = known;
    let (mut changed, mut queued) = (0, 0);
    if let Some(resolution) = ending {
        let before: BTreeSet<String> = known.keys().cloned().collect();
        // What the old labels stood for ends first; the new ones begin afresh.
        let closing_setup =
            EvaluationSetup::new(&transaction, settings, rules, Some(run.rule), run.slot, &lock).await?;
        let done = closing_setup
            .evaluate_and_write(&transaction, known, &EvaluationInput::Close(resolution))
            .await?;
        (changed, queued) = (done.0, done.1);
        observations.instances.retain(|id, _| !before.contains(id));
        known = BTreeMap::new();
    }
    if alert.mode != AlertMode::Disabled {
        let setup =
            EvaluationSetup::new(&transaction, settings, rules, Some(run.rule), run.slot, &lock).await?;
        let done = setup
            .evaluate_and_write(&transaction, known, &EvaluationInput::Observations(&observations))
            .await?;
        (changed, queued) = (changed + done.0, queued + done.1);
    }
    hit(FailPoint::BeforeRun);
    if !record_run(
        &transaction,
        rules,
        fencing_token,
        run,
        &observations,
        (changed, queued),
    )
    .await?
    {
        return Ok(SlotApplyOutcome::Already);
    }
    hit(FailPoint::BeforeCommit);
    transaction.commit().await.map_err(while_("commit a slot"))?;
    hit(FailPoint::AfterCommit);
    Ok(SlotApplyOutcome::Done { changed, queued })
}

/// Resolves every instance of a rule that is gone.
///
/// # Errors
/// [`AlertsError`]; then nothing has changed.
pub(crate) async fn retire(
    client: &mut Client,
    settings: &EvaluatorSettings,
    rules: &RuleSet,
    rule: &str,
    slot: Instant,
) -> Result<i64, AlertsError> {
    let transaction = client
        .transaction()
        .await
        .map_err(while_("begin to retire a rule"))?;
    let Some(lock) = lock_rule(&transaction, rule).await?.filter(|lock| lock.removed) else {
        return Ok(0);
    };
    let known = store::load(&transaction, rule).await?;
    let setup = EvaluationSetup {
        rule_id: rule,
        ..EvaluationSetup::new(&transaction, settings, rules, None, slot, &lock).await?
    };
    let (changed, _) = setup
        .evaluate_and_write(
            &transaction,
            known,
            &EvaluationInput::Close(AlertResolution::RuleRemoved),
        )
        .await?;
    transaction.commit().await.map_err(while_("retire a rule"))?;
    Ok(changed)
}

fn observe_run(
    rules: &RuleSet,
    run: &RuleEvaluation<'_>,
    alert: &AlertRule,
    known: &BTreeMap<String, StoredInstance>,
) -> RuleObservations {
    let labels: BTreeMap<String, LabelSet> = known
        .iter()
        .filter(|(_, kept)| kept.memory.instance.condition != fleetledger_paging::AlertCondition::Inactive)
        .map(|(id, kept)| (id.clone(), kept.labels.clone()))
        .collect();
    let complete = |own: &LabelSet| {
        let mut all = static_labels(alert);
        if let Some(about) = subject_rule(rules, run.rule, own) {
            all.extend(
                about
                    .query
                    .alert()
                    .map(|alert| alert.labels.clone())
                    .unwrap_or_default(),
            );
        }
        all.extend(own.clone());
        all
    };
    observe(alert, run.outcome, run.silent_sources, &labels, complete)
}

/// The rule an alert about rules is about.
fn subject_rule<'r>(
    rules: &'r RuleSet,
    rule: &ScheduledRule,
    labels: &LabelSet,
) -> Option<&'r ScheduledRule> {
    let named = labels.get("rule").filter(|_| rule.is_about_rules)?;
    rules.get(named).filter(|about| about.query.alert().is_some())
}

fn resolution_of_all(alert: &AlertRule, lock: &LockedRule, rule: &ScheduledRule) -> Option<AlertResolution> {
    if alert.mode == AlertMode::Disabled {
        Some(AlertResolution::RuleDisabled)
    } else if lock.identity != rule.identity {
        Some(AlertResolution::RuleRelabelled)
    } else {
        None
    }
}

/// Everything one judgement of a rule needs.
struct EvaluationSetup<'a> {
    settings: &'a EvaluatorSettings,
    rules: &'a RuleSet,
    rule_id: &'a str,
    /// `None` for one that is gone.
    rule: Option<&'a ScheduledRule>,
    slot: Instant,
    last_slot: Option<Instant>,
    snoozes: Vec<fleetledger_paging::AlertSnooze>,
    open: Vec<LabelSet>,
}

impl<'a> EvaluationSetup<'a> {
    async fn new(
        transaction: &Transaction<'_>,
        settings: &'a EvaluatorSettings,
        rules: &'a RuleSet,
        rule: Option<&'a ScheduledRule>,
        slot: Instant,
        lock: &LockedRule,
    ) -> Result<Self, AlertsError> {
        let inhibitions = rules.inhibitions().iter().chain(&settings.inhibitions);
        let sources = inhibitions.flat_map(|inhibition| &inhibition.source);
        let names: BTreeSet<&str> = sources
            .filter(|matcher| matcher.label() == "alertname")
            .map(|matcher| matcher.value())
            .collect();
        Ok(Self {
            settings,
            rules,
            rule_id: rule.map_or("", ScheduledRule::id),
            rule,
            slot,
            last_slot: lock.last_slot,
            snoozes: store::snoozes(transaction, slot).await?,
            open: store::open_labels(transaction, &names).await?,
        })
    }

    /// Judges, and writes what comes of it; (instances that changed, notifications queued).
    async fn evaluate_and_write(
        &self,
        transaction: &Transaction<'_>,
        known: BTreeMap<String, StoredInstance>,
        input: &EvaluationInput<'_>,
    ) -> Result<(i64, i64), AlertsError> {
        let acks = store::take_acks(transaction, self.rule_id, self.slot).await?;
        let inhibitions: Vec<_> = self
            .rules
            .inhibitions()
            .iter()
            .chain(&self.settings.inhibitions)
            .cloned()
            .collect();
        let inhibitor = Inhibitor::new(&inhibitions, &self.open);
        let receiver_override = |labels: &LabelSet| self.receiver_override(labels);
        let alert = self
            .rule
            .and_then(|rule| rule.query.alert())
            .map(|alert| &**alert);
        let gone = Timing {
            interval: Duration::ZERO,
            for_: Duration::ZERO,
            keep_firing_for: Duration::ZERO,
            cooldown: Duration::ZERO,
            repeat_interval: Duration::ZERO,
        };
        let context = EvaluationContext {
            alert,
            timing: self.rule.map_or(&gone, |rule| &rule.timing),
            slot: timestamp(self.slot),
            last_slot: self.last_slot.map(timestamp),
            snoozes: &self.snoozes,
            inhibitor: &inhibitor,
            routes: &self.settings.routes,
            receiver_override: &receiver_override,
            wants_instances: &|receiver| self.settings.receivers.wants_instances(receiver),
            shadow: alert.is_some_and(|alert| alert.mode == AlertMode::Shadow),
        };
        let mut outcome: EvaluationOutcome = evaluate_instances(&context, known, input, &acks);
        let notification_context = NotificationContext {
            rule: self.rule_id,
            slot: self.slot,
            link_targets: &self.settings.link_targets,
            receivers: &self.settings.receivers,
            snoozes: &self.snoozes,
        };
        let queued = pages::queue(transaction, &notification_context, &mut outcome).await?;
        let changed = store::save(transaction, self.rule_id, self.slot, &outcome).await?;
        Ok((changed, queued))
    }

    /// Receivers in place of those that the routes name.
    fn receiver_override(&self, labels: &LabelSet) -> Option<Vec<String>> {
        let Some((rule, alert)) = self.rule.and_then(|rule| Some((rule, rule.query.alert()?))) else {
            return Some(Vec::new());
        };
        if alert.alert == HEARTBEAT {
            return Some(self.settings.heartbeat_receivers.clone());
        }
        let about = subject_rule(self.rules, rule, labels).and_then(|rule| rule.query.alert());
        let receivers = about.map_or(&alert.receivers, |alert| &alert.receivers);
        (!receivers.is_empty()).then(|| receivers.clone())
    }
}

async fn lock_rule(transaction: &Transaction<'_>, rule: &str) -> Result<Option<LockedRule>, AlertsError> {
    let row = transaction
        .query_opt(LOCK_RULE, &[&rule])
        .await
        .map_err(while_("lock a rule"))?;
    Ok(row.map(|row| LockedRule {
        last_slot: row.get(0),
        identity: row.get(1),
        removed: row.get(2),
    }))
}

async fn is_claimed(
    transaction: &Transaction<'_>,
    group: &str,
    fencing_token: GroupFencingToken<'_>,
) -> Result<bool, AlertsError> {
    let row = transaction
        .query_one(
            OWNS_GROUP,
            &[&group, &fencing_token.evaluator, &fencing_token.epoch],
        )
        .await
        .map_err(while_("check the claim"))?;
    Ok(row.get(0))
}

/// Writes the run and where the rule stands now; false if the slot has been applied.
async fn record_run(
    transaction: &Transaction<'_>,
    rules: &RuleSet,
    fencing_token: GroupFencingToken<'_>,
    run: &RuleEvaluation<'_>,
    observations: &RuleObservations,
    (changed, queued): (i64, i64),
) -> Result<bool, AlertsError> {
    let record = RunRecord {
        rule: run.rule,
        slot: run.slot,
        as_of: run.as_of,
        error: observations.error.as_deref(),
        seconds: run.query_seconds,
        rows: run.rows,
        changed,
        queued,
        limit_exceeded: observations.limit_exceeded,
    };
    record.write(transaction, &rules.sha256, fencing_token).await
}

/// One run, as it is written down.
pub(crate) struct RunRecord<'a> {
    pub(crate) rule: &'a ScheduledRule,
    pub(crate) slot: Instant,
    pub(crate) as_of: Instant,
    pub(crate) error: Option<&'a str>,
    pub(crate) seconds: f64,
    pub(crate) rows: i64,
    pub(crate) changed: i64,
    pub(crate) queued: i64,
    pub(crate) limit_exceeded: bool,
}

impl RunRecord<'_> {
    /// False if the slot stands already; then the transaction is to be given up.
    pub(crate) async fn write(
        &self,
        transaction: &Transaction<'_>,
        rule_set: &str,
        fencing_token: GroupFencingToken<'_>,
    ) -> Result<bool, AlertsError> {
        let rule = self.rule;
        let outcome = if self.error.is_some() { "error" } else { "ok" };
        let inserted = transaction
            .execute(
                INSERT_RULE_RUN,
                &[
                    &rule.id(),
                    &self.slot,
                    &rule.query.version,
                    &rule_set,
                    &fencing_token.evaluator,
                    &fencing_token.epoch,
                    &self.as_of,
                    &outcome,
                    &self.error,
                    &self.seconds,
                    &self.rows,
                    &self.changed,
                    &self.queued,
                    &self.limit_exceeded,
                ],
            )
            .await
            .map_err(while_("write the run"))?;
        if inserted == 0 {
            return Ok(false);
        }
        let is_slow = self.seconds > rule.query.timeout.seconds() / 2.0;
        transaction
            .execute(
                UPDATE_RULE_AFTER_RUN,
                &[
                    &rule.id(),
                    &rule.identity,
                    &self.slot,
                    &self.seconds,
                    &self.rows,
                    &self.error,
                    &is_slow,
                    &self.limit_exceeded,
                ],
            )
            .await
            .map_err(while_("store the state of the rule"))?;
        Ok(true)
    }
}

const LOCK_RULE: &str = "
    select last_slot, identity, removed_at is not null or kind <> 'alert'
    from ledger.rule
    where rule = $1
    for update";

const OWNS_GROUP: &str =
    "select exists (select from ledger.rule_group where rule_group = $1 and owner = $2 and epoch = $3)";

const INSERT_RULE_RUN: &str = "
    insert into ledger.rule_run (rule, slot, rule_version, rule_set, evaluator, epoch, as_of, outcome, error,
        query_seconds, rows, changed, queued, limit_exceeded, applied_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, clock_timestamp())
    on conflict (rule, slot) do nothing";

const UPDATE_RULE_AFTER_RUN: &str = "
    update ledger.rule set identity = $2, last_slot = $3, last_seconds = $4, last_rows = $5, last_error = $6,
        state = case when $6::text is null then 'ok' else 'error' end,
        last_ok_slot = case when $6::text is null then $3 else last_ok_slot end,
        failures = case when $6::text is null then 0 else failures + 1 end,
        too_slow = case when $7 then too_slow + 1 else 0 end,
        -- A run that failed says nothing about the limit.
        limit_exceeded = case when $6::text is null then $8 else limit_exceeded end
    where rule = $1";
