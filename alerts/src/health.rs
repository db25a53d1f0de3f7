//! How an evaluator is: what its probes answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant as Moment},
};

use fleetledger_queries::live::RefusedFile;
use fleetledger_schema::part_watch::{GRACE, PartWatch};
use jiff::Timestamp;

use crate::errors::AlertsError;

/// The main loop must come round within this.
const ROUND_WITHIN: Duration = Duration::from_secs(60);
/// Who of an evaluator waits for the database: renewing claims, and reading and writing the outbox.
pub(crate) const CLAIMS: &str = "claims";
pub(crate) const OUTBOX: &str = "outbox";
/// How those are called that apply slots, each of a group of its own.
const SLOTS: &str = "slots of ";
/// Who waits for the database before there is anything to evaluate.
const LOGIN: &str = "login";

/// A cheap handle on the state of an evaluator; clones see the same one.
#[derive(Debug, Clone)]
pub struct EvaluatorHealth {
    state: Arc<Mutex<EvaluatorHealthState>>,
    postgres: PartWatch,
}

impl Default for EvaluatorHealth {
    fn default() -> Self {
        Self {
            state: Arc::default(),
            postgres: PartWatch::new("evaluate", "PostgreSQL"),
        }
    }
}

#[derive(Debug, Default)]
struct EvaluatorHealthState {
    came_round_at: Option<Moment>,
    standby: Option<String>,
    rules_failing_since: Option<(Moment, String)>,
    /// Logins whose failure was paged, each with when it began; none once that is resolved.
    paged_logins: BTreeMap<&'static str, Option<Timestamp>>,
    refused: Vec<RefusedFile>,
    /// Why files that are each good cannot be used together.
    refused_set: Option<String>,
}

impl EvaluatorHealth {
    /// A handle for an evaluator that has not started.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Alive: the main loop came round within a minute.
    ///
    /// # Errors
    /// For how long it did not.
    pub fn live(&self) -> Result<(), String> {
        match self.lock().came_round_at {
            Some(at) if at.elapsed() > ROUND_WITHIN => Err(format!(
                "the main loop has made no progress for {} s",
                at.elapsed().as_secs()
            )),
            _ => Ok(()),
        }
    }

    /// Ready: its rules are in force, all files could be read and the database answers.
    ///
    /// # Errors
    /// What is missing.
    pub fn ready(&self) -> Result<(), String> {
        self.postgres.ready()?;
        let state = self.lock();
        if let Some((since, why)) = &state.rules_failing_since
            && since.elapsed() > GRACE
        {
            let seconds = since.elapsed().as_secs();
            return Err(format!(
                "the login that runs rules has failed for {seconds} s: {why}"
            ));
        }
        if let Some(why) = state.standby.as_ref().or(state.refused_set.as_ref()) {
            return Err(why.clone());
        }
        if !state.refused.is_empty() {
            let reasons: Vec<String> = state.refused.iter().map(RefusedFile::reason).collect();
            return Err(reasons.join("; "));
        }
        state
            .came_round_at
            .map(|_| ())
            .ok_or_else(|| "the main loop has not completed a round yet".to_owned())
    }

    /// Files that are refused; the rules before them go on. None when all is well again.
    pub fn set_refused_files(&self, refused: Vec<RefusedFile>) {
        let mut state = self.lock();
        state.refused = refused;
        state.refused_set = None;
    }

    /// Files that are each good and cannot be used together; the former ones go on.
    pub(crate) fn refuse_set(&self, why: String) {
        self.lock().refused_set = Some(why);
    }

    /// Files that are refused at present.
    pub(crate) fn refused_files(&self) -> Vec<RefusedFile> {
        self.lock().refused.clone()
    }

    pub(crate) fn came_round(&self, standby: Option<String>) {
        {
            let mut state = self.lock();
            state.came_round_at = Some(Moment::now());
            state.standby = standby;
        }
        self.postgres.answered(CLAIMS);
    }

    /// The evaluator's own login was tried before there is anything to evaluate; `None` where it was let in.
    pub(crate) fn own_login_tried(&self, refused: Option<&str>) {
        match refused {
            Some(why) => self.postgres.failed(LOGIN, why),
            None => self.postgres.answered(LOGIN),
        }
    }

    /// The login that runs rules was tried; `None` where it was let in.
    pub(crate) fn rules_login_tried(&self, refused: Option<String>) {
        let mut state = self.lock();
        state.rules_failing_since = refused.map(|why| match state.rules_failing_since.take() {
            Some((since, _)) => (since, why),
            None => (Moment::now(), why),
        });
    }

    /// Logins that do not work, each with how long and why.
    pub(crate) fn failing_logins(&self) -> Vec<(&'static str, Duration, String)> {
        let mut failing = Vec::new();
        if let Some(outage) = self.postgres.outage_of(|who| !who.starts_with(SLOTS)) {
            failing.push(("evaluator", outage.lasts, outage.why));
        }
        if let Some((since, why)) = &self.lock().rules_failing_since {
            failing.push(("rules", since.elapsed(), why.clone()));
        }
        failing
    }

    /// Logins whose failure was paged and is not resolved, each with when it began.
    pub(crate) fn paged_logins(&self) -> BTreeMap<&'static str, Timestamp> {
        let state = self.lock();
        let open = state.paged_logins.iter();
        open.filter_map(|(login, began)| Some((*login, (*began)?)))
            .collect()
    }

    /// Whether the failure of a login was ever paged, resolved or not.
    pub(crate) fn has_paged(&self, login: &str) -> bool {
        self.lock().paged_logins.contains_key(login)
    }

    /// That a login has failed since then was paged; `None` where it is resolved.
    pub(crate) fn login_paged(&self, login: &'static str, began: Option<Timestamp>) {
        self.lock().paged_logins.insert(login, began);
    }

    pub(crate) fn database_answers(&self, who: &str) {
        self.postgres.answered(who);
    }

    pub(crate) fn database_fails(&self, who: &str, why: &str) {
        // The loop itself goes round; it is the database that does not.
        self.lock().came_round_at = Some(Moment::now());
        self.postgres.failed(who, why);
    }

    /// A slot of a group was applied, or belongs to somebody else now.
    pub(crate) fn slot_done(&self, group: &str) {
        self.postgres.answered(&format!("{SLOTS}{group}"));
    }

    /// A slot of a group could not be applied. True if the database is away for it: then that is said here.
    pub(crate) fn slot_failed(&self, group: &str, error: &AlertsError) -> bool {
        let is_away = error.is_database_away();
        if is_away {
            self.postgres.failed(&format!("{SLOTS}{group}"), &error.chain());
        }
        is_away
    }

    /// These groups are ours; slots of others wait for nothing here.
    pub(crate) fn keep_groups(&self, groups: impl Fn(&str) -> bool) {
        self.postgres
            .forget(|who| who.strip_prefix(SLOTS).is_some_and(|group| !groups(group)));
    }

    fn lock(&self) -> MutexGuard<'_, EvaluatorHealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use fleetledger_queries::{QueryRefusal, refusal::FilePosition};
    use fleetledger_schema::instant::Instant;

    use super::*;

    #[test]
    fn evaluator_in_standby_is_alive_and_not_ready() {
        let health = EvaluatorHealth::new();
        assert!(health.live().is_ok() && health.ready().is_err());
        health.came_round(Some("another rule set is in force".to_owned()));
        assert!(health.live().is_ok());
        assert_eq!(health.ready().unwrap_err(), "another rule set is in force");
        health.came_round(None);
        assert!(health.ready().is_ok());
        let refusal = QueryRefusal::new("a.sql", FilePosition::line(3), "unknown key");
        health.set_refused_files(vec![RefusedFile {
            path: "a.sql".into(),
            refusals: vec![refusal],
            since: Instant::now(),
            version_in_use: None,
        }]);
        assert_eq!(health.ready().unwrap_err(), "a.sql:3: unknown key");
        health.set_refused_files(Vec::new());
        assert!(health.ready().is_ok());
    }

    #[test]
    fn evaluator_whose_slots_are_lost_is_not_ready_though_it_renews_its_claims() {
        let health = EvaluatorHealth::new();
        health.came_round(None);
        let long_ago = Moment::now().checked_sub(Duration::from_secs(34)).unwrap();
        health
            .postgres
            .failed_since("slots of a", "prepared statement \"s1\" does not exist", long_ago);
        health.came_round(None);
        health.database_answers(OUTBOX);
        assert_eq!(
            health.ready().unwrap_err(),
            "PostgreSQL has not answered for 34 s: prepared statement \"s1\" does not exist"
        );
        assert!(health.failing_logins().is_empty(), "it can log in");
        health.keep_groups(|group| group == "a");
        assert!(health.ready().is_err());
        health.keep_groups(|_| false);
        assert!(health.ready().is_ok(), "the group is somebody else's");
    }
}
