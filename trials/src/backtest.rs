//! A rule over history: how often it would have paged.
//!
//! The rule's own SQL runs on schema `fleet_asof` at the slots of a stretch of time, on several connections, and the
//! state machine that pages people is played over its rows. Where `for` is longer than an interval, slots are first
//! looked at that far apart: whatever would fire is there at one of them. The stretch between two of them is looked at
//! slot by slot unless both are empty, so that the answer is the same as if every slot had been. Each connection has a
//! part of the stretch of its own, and copies what the rule can see of its history first ([`history_copy`], [`scan`]), where the
//! login may do that. [`slot_by_slot`] does none of this: it is what the answer is compared with.

mod history_copy;
mod play;
mod running;
mod scan;
mod session;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use fleetledger_paging::LabelSet;
use fleetledger_queries::{StoredQuery, alert::OnMissing};
use fleetledger_schema::postgres::{ConnectError, PostgresConnector};
use jiff::{SignedDuration, Timestamp};
use tokio::task::JoinSet;

use play::play;
pub use running::RunningTrial;
use session::{BacktestSession, SLOTS_AT_ONCE, SlotResults};

use crate::replay::TestedRule;

/// What a backtest is about.
#[derive(Debug, Clone)]
pub struct BacktestRange {
    /// The first slot that counts.
    pub from: Timestamp,
    /// The end, exclusive.
    pub to: Timestamp,
    /// Connections that work at once.
    pub connections: usize,
}

/// What would have happened.
#[derive(Debug, Default)]
pub struct BacktestReport {
    /// Slots of the stretch.
    pub slots: usize,
    /// Those whose rows were asked for; the others lie between two empty ones.
    pub queried: usize,
    /// Slots whose query failed, with the first message.
    pub failed: usize,
    /// The first message.
    pub failure: Option<String>,
    /// Episodes, in the order of their begin.
    pub episodes: Vec<BacktestEpisode>,
    /// Notifications by receiver.
    pub receivers: BTreeMap<String, NotificationCounts>,
}

/// How far a backtest is; it finds out as it goes which slots lie between empty ones and need no question.
#[derive(Debug, Default)]
pub struct BacktestProgress {
    asked: AtomicUsize,
    planned: AtomicUsize,
}

impl BacktestProgress {
    /// Slots that were asked about, and how many are to be as far as is known by now.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (
            self.asked.load(Ordering::Relaxed),
            self.planned.load(Ordering::Relaxed),
        )
    }

    async fn query(
        &self,
        asker: &BacktestSession,
        slots: &[Timestamp],
    ) -> Result<SlotResults, BacktestError> {
        self.planned.fetch_add(slots.len(), Ordering::Relaxed);
        let mut answers = SlotResults::new();
        for some in slots.chunks(SLOTS_AT_ONCE) {
            answers.extend(asker.query_slots(some).await?);
            self.asked.fetch_add(some.len(), Ordering::Relaxed);
        }
        Ok(answers)
    }
}

/// An alert that would have fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacktestEpisode {
    /// Its labels.
    pub labels: LabelSet,
    /// When it would have fired.
    pub from: Timestamp,
    /// When it would have been resolved; `None` if it still fired at the end.
    pub to: Option<Timestamp>,
}

/// How often a receiver would have been told what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NotificationCounts {
    /// New episodes.
    pub new: usize,
    /// Reminders.
    pub repeated: usize,
    /// Ends.
    pub resolved: usize,
}

/// Why a backtest cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum BacktestError {
    /// It is no alert.
    #[error("{0}: it is not an alert")]
    NoAlert(String),
    /// The database cannot be reached.
    #[error("connect to the database")]
    Connect(#[from] ConnectError),
    /// The rule's SQL cannot run at a past instant.
    #[error("{file}: {said}; a backtest runs on schema fleet_asof, which lacks views without history")]
    Refused {
        /// Its file.
        file: String,
        /// What PostgreSQL says.
        said: String,
    },
    /// The connection broke.
    #[error("query the database: {0}")]
    Broken(String),
}

/// How slots are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BacktestStrategy {
    /// Over copies, and only where something may be.
    Quick,
    /// Every slot, on the views themselves.
    Plain,
    /// Every slot, on the views of what is current.
    Live,
}

/// Plays a rule over a stretch of history.
///
/// # Errors
/// See [`BacktestError`]; a slot whose query fails is counted and holds what fires, as it would live.
pub async fn backtest(
    connector: &PostgresConnector,
    query: &Arc<StoredQuery>,
    stretch: &BacktestRange,
) -> Result<BacktestReport, BacktestError> {
    backtest_with_progress(connector, query, stretch, &Arc::default()).await
}

/// The same, and counts meanwhile how far it is.
///
/// # Errors
/// As [`backtest`].
pub async fn backtest_with_progress(
    connector: &PostgresConnector,
    query: &Arc<StoredQuery>,
    stretch: &BacktestRange,
    progress: &Arc<BacktestProgress>,
) -> Result<BacktestReport, BacktestError> {
    run(connector, query, stretch, BacktestStrategy::Quick, progress).await
}

/// The same, every slot by itself: slow, and plain enough to be believed.
///
/// # Errors
/// As [`backtest`].
pub async fn slot_by_slot(
    connector: &PostgresConnector,
    query: &Arc<StoredQuery>,
    stretch: &BacktestRange,
) -> Result<BacktestReport, BacktestError> {
    run(
        connector,
        query,
        stretch,
        BacktestStrategy::Plain,
        &Arc::default(),
    )
    .await
}

async fn run(
    connector: &PostgresConnector,
    query: &Arc<StoredQuery>,
    stretch: &BacktestRange,
    way: BacktestStrategy,
    progress: &Arc<BacktestProgress>,
) -> Result<BacktestReport, BacktestError> {
    let rule = TestedRule::of(query, None)
        .ok_or_else(|| BacktestError::NoAlert(query.path.display().to_string()))?;
    let slots = slots(stretch, rule.timing.interval);
    let rule = Arc::new(rule);
    let mut parts = JoinSet::new();
    for part in slots.chunks(slots.len().div_ceil(stretch.connections.max(1)).max(1)) {
        let (connector, rule, part) = (connector.clone(), Arc::clone(&rule), part.to_vec());
        let progress = Arc::clone(progress);
        parts.spawn(async move { query_part(&connector, &rule, &part, way, &progress).await });
    }
    let mut answers = SlotResults::new();
    while let Some(part) = parts.join_next().await {
        answers.extend(part.map_err(|error| BacktestError::Broken(error.to_string()))??);
    }
    Ok(play(&rule, &slots, &answers))
}

/// Asks about a part of the stretch, on a connection of its own. The part's first and last slot are always asked about.
async fn query_part(
    connector: &PostgresConnector,
    rule: &TestedRule,
    slots: &[Timestamp],
    way: BacktestStrategy,
    progress: &BacktestProgress,
) -> Result<SlotResults, BacktestError> {
    let (Some(first), Some(last)) = (slots.first(), slots.last()) else {
        return Ok(SlotResults::new());
    };
    let asker = BacktestSession::open(connector, rule, way, (*first, *last)).await?;
    if way != BacktestStrategy::Quick {
        return progress.query(&asker, slots).await;
    }
    let coarse = coarse_slots(slots, rule);
    let mut answers = progress.query(&asker, &coarse).await?;
    loop {
        let between = slots_between(slots, &coarse, &answers, rule);
        if between.is_empty() {
            return Ok(answers);
        }
        answers.extend(progress.query(&asker, &between).await?);
    }
}

/// Multiples of the interval within the stretch, as the evaluator has them.
fn slots(stretch: &BacktestRange, interval: Duration) -> Vec<Timestamp> {
    let interval = i64::try_from(interval.as_secs()).unwrap_or(60).max(1);
    let first = (stretch.from.as_second() + interval - 1).div_euclid(interval);
    let mut slots = Vec::new();
    let mut number = first;
    while let Ok(slot) = Timestamp::from_second(number * interval) {
        if slot >= stretch.to {
            break;
        }
        slots.push(slot);
        number += 1;
    }
    slots
}

/// The slots that are looked at first: as far apart as `for` is long, the first and the last of them.
fn coarse_slots(slots: &[Timestamp], rule: &TestedRule) -> Vec<Timestamp> {
    let stride = rule.timing.for_.as_secs() / rule.timing.interval.as_secs().max(1);
    let stride = match rule.alert.on_missing {
        OnMissing::Resolve => usize::try_from(stride).unwrap_or(1).max(1),
        // What has fired goes on without a row; only a row ends it, wherever that is.
        OnMissing::KeepState => 1,
    };
    let mut coarse: Vec<Timestamp> = slots.iter().step_by(stride).copied().collect();
    coarse.extend(slots.last().filter(|last| coarse.last() != Some(*last)));
    coarse
}

/// The slots between two looked at that are still to be asked about: all of them, unless both are empty and nothing can
/// be recovering.
fn slots_between(
    slots: &[Timestamp],
    coarse: &[Timestamp],
    answers: &SlotResults,
    rule: &TestedRule,
) -> Vec<Timestamp> {
    let keep = SignedDuration::try_from(rule.timing.keep_firing_for).unwrap_or(SignedDuration::MAX);
    let after = |slot: &Timestamp| slot.checked_add(keep).unwrap_or(Timestamp::MAX);
    // While a source is stale, what fires goes on without rows.
    let is_empty = |slot: &Timestamp| {
        answers
            .get(slot)
            .is_some_and(|answer| answer.stale.is_empty() && answer.rows.as_ref().is_ok_and(Vec::is_empty))
    };
    // Another connection may have seen something fire just before.
    let mut busy_until = slots.first().map_or(Timestamp::MAX, after);
    let mut wanted = Vec::new();
    for pair in coarse.windows(2) {
        let [left, right] = pair else { continue };
        if !is_empty(left) {
            busy_until = busy_until.max(after(left));
        }
        if is_empty(left) && is_empty(right) && *left >= busy_until {
            continue;
        }
        let first = slots.partition_point(|slot| slot <= left);
        let last = slots.partition_point(|slot| slot < right);
        for slot in slots.get(first..last).unwrap_or_default() {
            if !answers.contains_key(slot) {
                wanted.push(*slot);
            } else if !is_empty(slot) {
                busy_until = busy_until.max(after(slot));
            }
        }
    }
    wanted
}
