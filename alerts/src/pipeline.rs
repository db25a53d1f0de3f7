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
//! A rollup goes through the first three as a group of its own, and is then filled ([`rollups`](crate::rollups)).
//!
//! Nothing is kept in memory from slot to slot, so that an evaluator may die anywhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use deadpool_postgres::Pool;
use fleetledger_queries::Reader;
use fleetledger_schema::instant::Instant;
use prometheus::Registry;
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    apply::{Applied, Run, Title, apply, retire},
    ask::{Asked, ask},
    claim::{self, Claim},
    delivery,
    errors::{AlertsError, while_},
    fail_point::{FailPoint, hit},
    health::Health,
    housekeeping, keep_alive,
    metrics::Metrics,
    rollups::Rollups,
    rule_set::{self, Standing},
    rules::{GroupSpec, Rule, RuleSet},
    settings::Settings,
    slot,
};

/// How often an evaluator looks what is due.
const TICK: Duration = Duration::from_millis(250);
/// How long a group rests after a slot that could not be applied.
const AGAIN: Duration = Duration::from_secs(2);

/// Everything an evaluator works with.
pub struct Evaluator {
    /// What it is told.
    pub settings: Arc<Settings>,
    /// Its rules; others take their place when the files change.
    pub rules: watch::Receiver<Arc<RuleSet>>,
    /// Connections of the evaluator's role.
    pub pool: Pool,
    /// Connections of the reader's role, which run the rules' SQL.
    pub reader: Reader,
    /// How it is.
    pub health: Health,
}

/// What the tasks of one evaluator share.
struct Shared {
    settings: Arc<Settings>,
    rules: Arc<RuleSet>,
    pool: Pool,
    reader: Reader,
    metrics: Metrics,
    queries: Semaphore,
    rollups: Arc<Rollups>,
}

impl Evaluator {
    /// Evaluates and delivers until `stop`. A database that is away is waited for.
    ///
    /// # Errors
    /// [`AlertsError::Rules`] if metrics cannot be registered.
    pub async fn run(self, registry: &Registry, stop: CancellationToken) -> Result<(), AlertsError> {
        let metrics = Metrics::new(registry).map_err(|error| AlertsError::Rules(error.to_string()))?;
        let rollups = Arc::new(Rollups::new(&self.reader, &self.pool)?);
        rollups.register(registry)?;
        let mut helpers = JoinSet::new();
        helpers.spawn(delivery::run(
            self.pool.clone(),
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
        self.rounds(&metrics, &rollups, &stop).await;
        let left = async {
            let client = self.pool.get().await.ok()?;
            rule_set::leave(&client, &self.settings.evaluator).await.ok()
        };
        if left.await.is_none() {
            tracing::info!("the groups could not be given back; others have them when the lease ends");
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
            Metrics::new(&Registry::new()).map_err(|error| AlertsError::Rules(error.to_string()))?;
        let rollups = Arc::new(Rollups::new(&self.reader, &self.pool)?);
        let mut rounds = Rounds::new(self.shared(self.rules.borrow().clone(), &metrics, &rollups));
        if rounds.renew(&self.health).await?.is_none() {
            return Ok(false);
        }
        let mut whole = true;
        for spec in rounds.shared.rules.groups() {
            let due = slot::Due { slot, missed: 0 };
            let done = match rounds.claims.get(&spec.name) {
                Some(claim) => run_group(&rounds.shared, spec, claim, due).await,
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
        let metrics = Metrics::new(registry).map_err(|error| AlertsError::Rules(error.to_string()))?;
        delivery::run(
            self.pool.clone(),
            self.settings.clone(),
            metrics,
            self.health.clone(),
            stop,
        )
        .await;
        Ok(())
    }

    fn shared(&self, rules: Arc<RuleSet>, metrics: &Metrics, rollups: &Arc<Rollups>) -> Shared {
        Shared {
            settings: self.settings.clone(),
            rules,
            pool: self.pool.clone(),
            reader: self.reader.clone(),
            metrics: metrics.clone(),
            queries: Semaphore::new(self.settings.concurrency.max(1)),
            rollups: rollups.clone(),
        }
    }

    async fn rounds(&self, metrics: &Metrics, rollups: &Arc<Rollups>, stop: &CancellationToken) {
        let mut rules = self.rules.clone();
        while !stop.is_cancelled() {
            let current = rules.borrow_and_update().clone();
            let mut rounds = Rounds::new(self.shared(current, metrics, rollups));
            while !stop.is_cancelled() && !rules.has_changed().unwrap_or(false) {
                if let Err(error) = rounds.round(&self.health).await {
                    rounds.refreshed = None;
                    self.health.database_fails(&error.chain());
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

/// What one set of rules is run with, until the files change.
struct Rounds {
    shared: Arc<Shared>,
    claims: BTreeMap<String, Claim>,
    /// When claims were last renewed, and the database's clock at that moment.
    refreshed: Option<(Moment, Instant)>,
    tasks: JoinSet<(String, Option<Instant>)>,
    running: BTreeSet<String>,
    /// Groups whose slot could not be applied, and when.
    failed: BTreeMap<String, Moment>,
}

impl Rounds {
    fn new(shared: Shared) -> Self {
        Self {
            shared: Arc::new(shared),
            claims: BTreeMap::new(),
            refreshed: None,
            tasks: JoinSet::new(),
            running: BTreeSet::new(),
            failed: BTreeMap::new(),
        }
    }

    /// One look at what is due. The database is asked only to renew claims; slots are counted by its clock.
    async fn round(&mut self, health: &Health) -> Result<(), AlertsError> {
        self.reap();
        let renew_after = self.shared.settings.lease / 4;
        if self.refreshed.is_none_or(|(at, _)| at.elapsed() >= renew_after) {
            self.refreshed = None;
            let Some(now) = self.renew(health).await? else {
                return Ok(());
            };
            self.refreshed = Some((Moment::now(), now));
        }
        let Some((at, clock)) = self.refreshed else {
            return Ok(());
        };
        let now = clock.plus_micros(i64::try_from(at.elapsed().as_micros()).unwrap_or(0));
        for spec in self.shared.rules.groups() {
            let Some(claim) = self
                .claims
                .get(&spec.name)
                .filter(|_| !self.running.contains(&spec.name))
            else {
                continue;
            };
            if self.failed.get(&spec.name).is_some_and(|at| at.elapsed() < AGAIN) {
                continue;
            }
            if let Some(due) = slot::due(now, spec.interval, claim.last_slot) {
                hit(FailPoint::AfterClaim);
                self.running.insert(spec.name.clone());
                let (shared, spec, claim) = (self.shared.clone(), spec.clone(), claim.clone());
                self.tasks.spawn(async move {
                    let done = run_group(&shared, &spec, &claim, due).await;
                    (spec.name, done)
                });
            }
        }
        Ok(())
    }

    /// Renews or makes claims; the database's clock, or `None` where this evaluator stands by.
    async fn renew(&mut self, health: &Health) -> Result<Option<Instant>, AlertsError> {
        let (settings, rules) = (&self.shared.settings, &self.shared.rules);
        let step = "renew the claims";
        let mut client = self
            .shared
            .pool
            .get()
            .await
            .map_err(|source| AlertsError::Pool { step, source })?;
        let lease_seconds = settings.lease.as_secs_f64();
        let standing = rule_set::join(&mut client, &settings.evaluator, rules, lease_seconds).await?;
        if standing == Standing::Standby {
            self.claims.clear();
            let why =
                "another evaluator runs other rule files; this one waits until it has ended or read the same";
            health.came_round(Some(why.to_owned()));
            return Ok(None);
        }
        self.claims = claim::claim(&client, &settings.evaluator, &rules.sha256, lease_seconds).await?;
        self.shared
            .metrics
            .groups(self.claims.len(), rules.groups().len());
        let now = rule_set::now(&client).await?;
        retire_removed(&mut client, &self.shared, now).await?;
        health.came_round(None);
        Ok(Some(now))
    }

    fn reap(&mut self) {
        while let Some(done) = self.tasks.try_join_next() {
            let Ok((group, slot)) = done else { continue };
            self.running.remove(&group);
            let Some(slot) = slot else {
                self.failed.insert(group, Moment::now());
                continue;
            };
            self.failed.remove(&group);
            if let Some(claim) = self.claims.get_mut(&group) {
                claim.last_slot = claim.last_slot.max(Some(slot));
            }
        }
        if self.tasks.is_empty() {
            // One that panicked has no name.
            self.running.clear();
        }
    }

    async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Runs every rule of a group for one slot: first those that inhibit, then the others, several at a time.
/// The slot, if all of it stands.
async fn run_group(shared: &Arc<Shared>, spec: &GroupSpec, claim: &Claim, due: slot::Due) -> Option<Instant> {
    if let Some(rollup) = &spec.rollup {
        shared.rollups.fill(rollup, due.slot, spec.interval).await;
        // A slot of a rollup is only when its windows are looked for: what was slept through is not missed.
        return advance(shared, spec, claim, slot::Due { missed: 0, ..due }).await;
    }
    let rules = || {
        spec.rules
            .iter()
            .filter_map(|place| shared.rules.rules().get(*place))
    };
    let inhibits = |rule: &&Rule| rule.query.alert().is_some_and(|alert| !alert.inhibits.is_empty());
    let first: Vec<Rule> = rules().filter(inhibits).cloned().collect();
    let then: Vec<Rule> = rules().filter(|rule| !inhibits(rule)).cloned().collect();
    let mut whole = true;
    for wave in [first, then] {
        let mut tasks = JoinSet::new();
        for rule in wave {
            let (shared, epoch) = (shared.clone(), claim.epoch);
            tasks.spawn(async move { run_rule(&shared, &rule, due.slot, epoch).await });
        }
        while let Some(done) = tasks.join_next().await {
            match done {
                Ok(Ok(Applied::Done { .. } | Applied::Already)) => {}
                Ok(Ok(Applied::Deposed)) | Err(_) => whole = false,
                Ok(Err(error)) => {
                    whole = false;
                    tracing::warn!(group = spec.name, slot = %due.slot, error = error.chain(), "a slot was not applied; it is tried again while it lasts");
                }
            }
        }
    }
    if !whole {
        return None;
    }
    advance(shared, spec, claim, due).await
}

/// All of the slot stands; the next one is due. `None` where that could not be written down.
async fn advance(shared: &Shared, spec: &GroupSpec, claim: &Claim, due: slot::Due) -> Option<Instant> {
    let advanced = async {
        let step = "advance the group";
        let client = shared
            .pool
            .get()
            .await
            .map_err(|source| AlertsError::Pool { step, source })?;
        claim::advance(&client, &shared.settings.evaluator, claim, due.slot, due.missed).await
    };
    if let Err(error) = advanced.await {
        tracing::warn!(
            group = spec.name,
            error = error.chain(),
            "the group's slot was not moved"
        );
        return None;
    }
    shared.metrics.missed(&spec.name, due.missed);
    hit(FailPoint::AfterSlot);
    Some(due.slot)
}

async fn run_rule(shared: &Shared, rule: &Rule, slot: Instant, epoch: i64) -> Result<Applied, AlertsError> {
    let step = "run a rule";
    let pool = |source| AlertsError::Pool { step, source };
    if is_run(&*shared.pool.get().await.map_err(pool)?, rule.id(), slot).await? {
        return Ok(Applied::Already);
    }
    let title = Title {
        evaluator: &shared.settings.evaluator,
        epoch,
    };
    let asked: Asked = {
        let Ok(_turn) = shared.queries.acquire().await else {
            return Ok(Applied::Deposed);
        };
        ask(&shared.pool, &shared.reader, rule, slot).await?
    };
    hit(FailPoint::AfterQuery);
    let run = Run {
        rule,
        slot,
        as_of: asked.as_of,
        answer: &asked.answer,
        silent: &asked.silent,
        query_seconds: asked.seconds,
        rows: asked.rows,
    };
    let began = Moment::now();
    let mut client = shared.pool.get().await.map_err(pool)?;
    let applied = apply(&mut client, &shared.settings, &shared.rules, title, &run).await?;
    let outcome = match asked.error() {
        Some(error) => {
            tracing::warn!(rule = rule.id(), slot = %slot, error, "the query failed; its alerts are held");
            "error"
        }
        None => "ok",
    };
    shared
        .metrics
        .ran(rule.id(), outcome, asked.seconds, began.elapsed().as_secs_f64());
    Ok(applied)
}

async fn is_run(client: &tokio_postgres::Client, rule: &str, slot: Instant) -> Result<bool, AlertsError> {
    let run = "select exists (select from ledger.rule_run where rule = $1 and slot = $2)";
    let row = client
        .query_one(run, &[&rule, &slot])
        .await
        .map_err(while_("look for a run"))?;
    Ok(row.get(0))
}

/// Resolves what rules left behind that are gone.
async fn retire_removed(
    client: &mut tokio_postgres::Client,
    shared: &Shared,
    now: Instant,
) -> Result<(), AlertsError> {
    let gone = "
        select distinct i.rule from ledger.alert_instance as i join ledger.rule as r using (rule)
        where r.removed_at is not null and i.condition in ('pending', 'firing', 'recovering')";
    let rows = client
        .query(gone, &[])
        .await
        .map_err(while_("look for rules that are gone"))?;
    let rules: BTreeMap<String, ()> = rows.iter().map(|row| (row.get(0), ())).collect();
    for rule in rules.keys() {
        let slot = slot::at(now, Duration::from_secs(1));
        let changed = retire(client, &shared.settings, &shared.rules, rule, slot).await?;
        tracing::info!(rule, changed, "the rule is gone; its alerts are resolved");
    }
    Ok(())
}
