//! Which groups are due: claims are renewed, and each group that is ours is run once a slot, beside the others.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use fleetledger_schema::instant::Instant;
use tokio::task::JoinSet;

use crate::{
    apply::retire,
    claim::{self, GroupClaim},
    errors::{AlertsError, while_},
    fail_point::{FailPoint, hit},
    group::{EvaluatorResources, run_group},
    health::EvaluatorHealth,
    rule_set::{self, EvaluatorState},
    rules::GroupSpec,
    slot,
};

/// How long a group rests after a slot that could not be applied.
const AGAIN: Duration = Duration::from_secs(2);

/// What one set of rules is run with, until the files change.
pub(crate) struct EvaluationRounds {
    shared: Arc<EvaluatorResources>,
    claims: BTreeMap<String, GroupClaim>,
    /// When claims were last renewed, and the database's clock at that moment.
    refreshed: Option<(Moment, Instant)>,
    tasks: JoinSet<(String, Option<Instant>)>,
    running: BTreeSet<String>,
    /// Groups whose slot could not be applied, and when.
    failed: BTreeMap<String, Moment>,
}

impl EvaluationRounds {
    pub(crate) fn new(shared: EvaluatorResources) -> Self {
        Self {
            shared: Arc::new(shared),
            claims: BTreeMap::new(),
            refreshed: None,
            tasks: JoinSet::new(),
            running: BTreeSet::new(),
            failed: BTreeMap::new(),
        }
    }

    /// What its tasks share.
    pub(crate) fn shared(&self) -> &Arc<EvaluatorResources> {
        &self.shared
    }

    /// The claim of a group, where it is ours.
    pub(crate) fn claim_of(&self, spec: &GroupSpec) -> Option<&GroupClaim> {
        self.claims.get(&spec.name)
    }

    /// Claims are renewed before anything else is run.
    pub(crate) fn begin_anew(&mut self) {
        self.refreshed = None;
    }

    /// One look at what is due. The database is asked only to renew claims; slots are counted by its clock.
    pub(crate) async fn round(&mut self, health: &EvaluatorHealth) -> Result<(), AlertsError> {
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
            if let Some(due) = slot::next_slot(now, spec.interval, claim.last_slot) {
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
    pub(crate) async fn renew(&mut self, health: &EvaluatorHealth) -> Result<Option<Instant>, AlertsError> {
        let (settings, rules) = (&self.shared.settings, &self.shared.rules);
        let step = "renew the claims";
        let mut client = self
            .shared
            .pool
            .get()
            .await
            .map_err(|source| AlertsError::Pool { step, source })?;
        let lease_seconds = settings.lease.as_secs_f64();
        let refused = health.refused_files();
        let files = (rules.as_ref(), refused.as_slice());
        let state = rule_set::join(&mut client, &settings.evaluator, files, lease_seconds).await?;
        if state == EvaluatorState::Standby {
            self.claims.clear();
            health.keep_groups(|_| false);
            let why = "another evaluator runs different rule files; this one waits until that one has stopped or \
                 read the same files";
            health.came_round(Some(why.to_owned()));
            return Ok(None);
        }
        self.claims = claim::claim(&client, &settings.evaluator, &rules.sha256, lease_seconds).await?;
        health.keep_groups(|group| self.claims.contains_key(group));
        self.shared
            .metrics
            .set_groups(self.claims.len(), rules.groups().len());
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

    /// What is under way ends.
    pub(crate) async fn finish(mut self) {
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Resolves what rules left behind that are gone. One whose file is refused is not gone: its alerts are held until the
/// file is fixed or removed, however often the evaluator is started meanwhile.
async fn retire_removed(
    client: &mut tokio_postgres::Client,
    shared: &EvaluatorResources,
    now: Instant,
) -> Result<(), AlertsError> {
    let rows = client
        .query(READ_ORPHANED_RULES, &[])
        .await
        .map_err(while_("look for removed rules"))?;
    let rules: BTreeMap<String, ()> = rows.iter().map(|row| (row.get(0), ())).collect();
    for rule in rules.keys() {
        let slot = slot::at(now, Duration::from_secs(1));
        let changed = retire(client, &shared.settings, &shared.rules, rule, slot).await?;
        tracing::info!(rule, changed, "a rule was removed; its alerts are resolved");
    }
    Ok(())
}

const READ_ORPHANED_RULES: &str = "
    select distinct i.rule from ledger.alert_instance as i join ledger.rule as r using (rule)
    where (r.removed_at is not null or r.kind <> 'alert') and i.condition in ('pending', 'firing', 'recovering')
        and not exists (select from ledger.refused_rule as f where f.rule = r.rule)";
