//! A part that a process cannot do without, such as PostgreSQL or Kafka: since when it has been away, why, and one line in
//! the log when that begins, one a minute while it lasts, one when it is over. An outage often begins with a connection that
//! closes, and why shows at the next attempt: if the cause is another one when the process ceases to be ready, that is said too.
//!
//! Whoever uses the part says under a name of its own how it fared; the part is away while anybody waits for it. It lives
//! here because all roles watch parts alike.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant as Moment},
};

/// How long a part may be away before the process that needs it is not ready.
pub const GRACE: Duration = Duration::from_secs(10);
/// Between two lines while it lasts.
const REMINDER_INTERVAL: Duration = Duration::from_secs(60);
/// Outages whose beginning is said, at most, in that time: of a part that comes and goes each second the log says so much.
const BEGINNINGS: usize = 3;

/// A cheap handle on what is known of a part; clones see the same.
#[derive(Debug, Clone)]
pub struct PartWatch {
    state: Arc<Mutex<PartState>>,
}

/// A part that is away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartOutage {
    /// For how long.
    pub lasts: Duration,
    /// Why, as it was last met.
    pub why: String,
}

impl PartWatch {
    /// Of a part by its name, such as `PostgreSQL`, that a role needs.
    #[must_use]
    pub fn new(role: &'static str, part: &'static str) -> Self {
        Self {
            state: Arc::new(Mutex::new(PartState::new(role, part))),
        }
    }

    /// `who` got no answer from it.
    pub fn failed(&self, who: &str, why: &str) {
        self.failed_since(who, why, Moment::now());
    }

    /// `who` has had no answer from it since a moment that has passed.
    pub fn failed_since(&self, who: &str, why: &str, since: Moment) {
        let mut state = self.lock();
        let event = state.failed(who, why, since, Moment::now());
        state.log(event);
    }

    /// `who` got an answer.
    pub fn answered(&self, who: &str) {
        self.forget(|one| one == who);
    }

    /// Those whose names are as said wait for it no longer.
    pub fn forget(&self, is_gone: impl Fn(&str) -> bool) {
        let mut state = self.lock();
        let event = state.forget(is_gone, Moment::now());
        state.log(event);
    }

    /// How it is away, if it is.
    #[must_use]
    pub fn outage(&self) -> Option<PartOutage> {
        self.lock().outage(|_| true, Moment::now())
    }

    /// How it is away for those whose names are as said.
    #[must_use]
    pub fn outage_of(&self, is_meant: impl Fn(&str) -> bool) -> Option<PartOutage> {
        self.lock().outage(is_meant, Moment::now())
    }

    /// Whether it answers, or has been away for [`GRACE`] at most.
    ///
    /// # Errors
    /// What is away, for how long, and why.
    pub fn ready(&self) -> Result<(), String> {
        let state = self.lock();
        match state.outage(|_| true, Moment::now()) {
            Some(PartOutage { lasts, why }) if lasts > GRACE => Err(format!(
                "{} has not answered for {} s: {why}",
                state.part,
                lasts.as_secs()
            )),
            _ => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PartState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
struct PartState {
    role: &'static str,
    part: &'static str,
    waiting: BTreeMap<String, PartFault>,
    /// When this outage began, and why.
    began: Option<(Moment, String)>,
    /// The cause that the newest line gave.
    said_why: String,
    /// Whether this outage has outlasted its grace in the log.
    is_long: bool,
    /// The newest line about this outage; none where its beginning was not said.
    said_at: Option<Moment>,
    /// When beginnings were said.
    beginnings: VecDeque<Moment>,
    unsaid: u32,
}

#[derive(Debug)]
struct PartFault {
    since: Moment,
    /// When it was last met.
    met_at: Moment,
    why: String,
}

/// What the log is to say.
#[derive(Debug, PartialEq, Eq)]
enum PartEvent {
    Begun(String),
    Lasts(u64, String),
    Over { seconds: u64, why: String, unsaid: u32 },
}

impl PartState {
    fn new(role: &'static str, part: &'static str) -> Self {
        Self {
            role,
            part,
            waiting: BTreeMap::new(),
            began: None,
            said_why: String::new(),
            is_long: false,
            said_at: None,
            beginnings: VecDeque::new(),
            unsaid: 0,
        }
    }

    fn log(&self, event: Option<PartEvent>) {
        let (role, part) = (self.role, self.part);
        match event {
            None => {}
            Some(PartEvent::Begun(why)) => {
                tracing::warn!(role, part, why, "does not answer; retrying");
            }
            Some(PartEvent::Lasts(seconds, why)) => {
                tracing::warn!(role, part, seconds, why, "still does not answer; retrying");
            }
            Some(PartEvent::Over {
                seconds,
                why,
                unsaid: 0,
            }) => {
                tracing::info!(role, part, seconds, why, "answers again");
            }
            Some(PartEvent::Over { seconds, why, unsaid }) => {
                tracing::info!(
                    role,
                    part,
                    seconds,
                    why,
                    unsaid,
                    "answers again, after more outages than were logged"
                );
            }
        }
    }

    fn failed(&mut self, who: &str, why: &str, since: Moment, now: Moment) -> Option<PartEvent> {
        let fault = self.waiting.entry(who.to_owned()).or_insert_with(|| PartFault {
            since,
            met_at: now,
            why: String::new(),
        });
        fault.met_at = now;
        why.clone_into(&mut fault.why);
        let (began, _) = self.began.get_or_insert_with(|| (since, why.to_owned()));
        let lasts = now.saturating_duration_since(*began);
        let Some(said_at) = self.said_at else {
            return self.begin(why, now);
        };
        let becomes_long = !self.is_long && lasts > GRACE;
        self.is_long |= becomes_long;
        let is_due = now.saturating_duration_since(said_at) >= REMINDER_INTERVAL
            || becomes_long && self.said_why != why;
        is_due.then(|| {
            self.said(why, now);
            PartEvent::Lasts(lasts.as_secs(), why.to_owned())
        })
    }

    fn begin(&mut self, why: &str, now: Moment) -> Option<PartEvent> {
        let is_old = |at: &Moment| now.saturating_duration_since(*at) >= REMINDER_INTERVAL;
        while self.beginnings.front().is_some_and(is_old) {
            self.beginnings.pop_front();
        }
        (self.beginnings.len() < BEGINNINGS).then(|| {
            self.beginnings.push_back(now);
            self.said(why, now);
            PartEvent::Begun(why.to_owned())
        })
    }

    fn said(&mut self, why: &str, now: Moment) {
        self.said_at = Some(now);
        why.clone_into(&mut self.said_why);
    }

    fn forget(&mut self, is_gone: impl Fn(&str) -> bool, now: Moment) -> Option<PartEvent> {
        self.waiting.retain(|who, _| !is_gone(who));
        if !self.waiting.is_empty() {
            return None;
        }
        let (began, why) = self.began.take()?;
        self.is_long = false;
        let seconds = now.saturating_duration_since(began).as_secs();
        if self.said_at.take().is_none() {
            self.unsaid += 1;
            return None;
        }
        let unsaid = std::mem::take(&mut self.unsaid);
        Some(PartEvent::Over { seconds, why, unsaid })
    }

    fn outage(&self, is_meant: impl Fn(&str) -> bool, now: Moment) -> Option<PartOutage> {
        let meant = || {
            self.waiting
                .iter()
                .filter(|(who, _)| is_meant(who))
                .map(|(_, fault)| fault)
        };
        let oldest = meant().min_by_key(|fault| fault.since)?;
        let newest = meant().max_by_key(|fault| fault.met_at)?;
        Some(PartOutage {
            lasts: now.saturating_duration_since(oldest.since),
            why: newest.why.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Moment, seconds: u64) -> Moment {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn an_outage_is_said_when_it_begins_once_a_minute_and_when_it_is_over() {
        let start = Moment::now();
        let mut state = PartState::new("ingest", "PostgreSQL");
        let mut said = Vec::new();
        for second in 0..150 {
            let now = at(start, second);
            said.extend(state.failed("lane 0", "refused", now, now));
            said.extend(state.failed("lane 1", "refused", now, now));
        }
        said.extend(state.forget(|who| who == "lane 0", at(start, 150)));
        said.extend(state.forget(|who| who == "lane 1", at(start, 151)));
        said.extend(state.forget(|who| who == "lane 1", at(start, 152)));
        let why = || "refused".to_owned();
        assert_eq!(
            said,
            [
                PartEvent::Begun(why()),
                PartEvent::Lasts(60, why()),
                PartEvent::Lasts(120, why()),
                PartEvent::Over {
                    seconds: 151,
                    why: why(),
                    unsaid: 0
                }
            ]
        );
        assert_eq!(state.outage(|_| true, at(start, 152)), None);
    }

    #[test]
    fn a_cause_that_shows_after_the_beginning_is_said_and_shown() {
        let start = Moment::now();
        let mut state = PartState::new("evaluate", "PostgreSQL");
        let mut said = Vec::new();
        said.extend(state.failed("slots", "connection closed", start, start));
        for second in 1..65 {
            let now = at(start, second);
            said.extend(state.failed("rules", "password refused", now, now));
        }
        let refused = || "password refused".to_owned();
        assert_eq!(
            said,
            [
                PartEvent::Begun("connection closed".to_owned()),
                PartEvent::Lasts(11, refused())
            ]
        );
        let outage = state.outage(|_| true, at(start, 65)).unwrap();
        assert_eq!((outage.lasts.as_secs(), outage.why), (65, refused()));
        state.forget(|_| true, at(start, 66));
        let now = at(start, 70);
        assert!(
            state.failed("rules", "away", now, now).is_some(),
            "the next one begins anew"
        );
    }

    #[test]
    fn a_part_that_comes_and_goes_each_second_is_logged_a_few_times_a_minute() {
        let start = Moment::now();
        let mut state = PartState::new("ingest", "PostgreSQL");
        let mut said = 0;
        for second in 0..120 {
            let now = at(start, second);
            said += usize::from(state.failed("lane 0", "lost", now, now).is_some());
            said += usize::from(state.forget(|_| true, now).is_some());
        }
        assert_eq!(said, 12, "three beginnings and three ends a minute");
    }

    #[test]
    fn a_part_is_away_while_anybody_waits_for_it() {
        let start = Moment::now();
        let mut state = PartState::new("ingest", "Kafka");
        state.failed("consumer 0", "down", start, at(start, 5));
        state.failed("consumer 1", "down too", at(start, 5), at(start, 5));
        state.forget(|who| who == "consumer 0", at(start, 20));
        let outage = state.outage(|_| true, at(start, 20)).unwrap();
        assert_eq!((outage.lasts.as_secs(), outage.why.as_str()), (15, "down too"));
        assert_eq!(state.outage(|who| who == "consumer 0", at(start, 20)), None);
        let watch = PartWatch::new("ingest", "Kafka");
        let long_ago = Moment::now().checked_sub(Duration::from_secs(34)).unwrap();
        watch.failed_since("consumer 0", "nobody listens", long_ago);
        assert_eq!(
            watch.ready(),
            Err("Kafka has not answered for 34 s: nobody listens".to_owned())
        );
        watch.answered("consumer 0");
        assert_eq!(watch.ready(), Ok(()));
        watch.failed("consumer 0", "nobody listens");
        assert_eq!(watch.ready(), Ok(()), "within its grace");
    }
}
