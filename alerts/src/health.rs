//! How an evaluator is: what its probes answer.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant as Moment},
};

use jiff::Timestamp;

/// The main loop must come round within this.
const ROUND_WITHIN: Duration = Duration::from_secs(60);
/// A database that has failed for longer than this makes the evaluator unready.
const DATABASE_WITHIN: Duration = Duration::from_secs(10);

/// A cheap handle on the state of an evaluator; clones see the same one.
#[derive(Debug, Clone, Default)]
pub struct EvaluatorHealth {
    state: Arc<Mutex<EvaluatorHealthState>>,
}

#[derive(Debug, Default)]
struct EvaluatorHealthState {
    came_round_at: Option<Moment>,
    standby: Option<String>,
    failing_since: Option<(Moment, String)>,
    rules_failing_since: Option<(Moment, String)>,
    /// Logins whose failure was paged, each with when it began; none once that is resolved.
    paged_logins: BTreeMap<&'static str, Option<Timestamp>>,
    refused: Option<String>,
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
            Some(at) if at.elapsed() > ROUND_WITHIN => {
                Err(format!("no round for {} s", at.elapsed().as_secs()))
            }
            _ => Ok(()),
        }
    }

    /// Ready: its rules are in force, all files could be read and the database answers.
    ///
    /// # Errors
    /// What is missing.
    pub fn ready(&self) -> Result<(), String> {
        let state = self.lock();
        for (who, failing) in [
            ("postgresql has failed", &state.failing_since),
            ("the login that runs rules has failed", &state.rules_failing_since),
        ] {
            if let Some((since, why)) = failing
                && since.elapsed() > DATABASE_WITHIN
            {
                return Err(format!("{who} for {} s: {why}", since.elapsed().as_secs()));
            }
        }
        if let Some(why) = state.standby.as_ref().or(state.refused.as_ref()) {
            return Err(why.clone());
        }
        state
            .came_round_at
            .map(|_| ())
            .ok_or_else(|| "no round yet".to_owned())
    }

    /// Files that could not be read; the rules before them go on. `None` when all is well again.
    pub fn set_refused_files(&self, why: Option<String>) {
        self.lock().refused = why;
    }

    pub(crate) fn came_round(&self, standby: Option<String>) {
        let mut state = self.lock();
        state.came_round_at = Some(Moment::now());
        state.standby = standby;
        state.failing_since = None;
    }

    /// The evaluator's own login was tried before there is anything to evaluate; `None` where it was let in.
    pub(crate) fn own_login_tried(&self, refused: Option<String>) {
        let mut state = self.lock();
        state.failing_since = refused.map(|why| match state.failing_since.take() {
            Some((since, _)) => (since, why),
            None => (Moment::now(), why),
        });
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
        let state = self.lock();
        let logins = [
            ("evaluator", &state.failing_since),
            ("rules", &state.rules_failing_since),
        ];
        let failing = logins.into_iter().filter_map(|(login, failing)| {
            let (since, why) = failing.as_ref()?;
            Some((login, since.elapsed(), why.clone()))
        });
        failing.collect()
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

    pub(crate) fn database_answers(&self) {
        self.lock().failing_since = None;
    }

    pub(crate) fn database_fails(&self, why: &str) {
        let mut state = self.lock();
        // The loop itself goes round; it is the database that does not.
        state.came_round_at = Some(Moment::now());
        if state.failing_since.is_none() {
            tracing::error!(error = why, "postgresql failed; rules wait for it");
            state.failing_since = Some((Moment::now(), why.to_owned()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, EvaluatorHealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
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
        health.set_refused_files(Some("a.sql:3: unknown key".to_owned()));
        assert!(health.ready().is_err());
    }
}
