//! The current state of a rollup, what is known of its sources, and so which windows are due. Its core is pure.

use std::collections::BTreeSet;

use fleetledger_schema::instant::Instant;
use tokio_postgres::Client;

use super::FillError;
use crate::{
    freshness::{FreshnessRequirement, SOURCE_COLUMNS, SourceScope},
    period::Period,
    rollup::RollupRule,
    sources::SourceSnapshot,
};

/// A source that is silent for longer than this no longer holds the watermark back.
const STALE: Period = Period::from_mins(5);
/// Windows that one look at a rollup fills at most: a long history is filled over several.
const AT_ONCE: usize = 24;

/// The current state of a rollup, as far as it matters for what is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RollupBookkeeping {
    /// End of the newest window that was filled.
    filled_to: Option<Instant>,
    /// Begins of the windows that are incomplete, and how many sources were behind their ends when they were filled.
    incomplete: Vec<(Instant, usize)>,
}

/// Up to when each source is known, without those that are retired.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SourceWatermarks {
    /// Every source.
    pub(super) all: Instant,
    /// Every source that is not stale: the watermark.
    fresh: Instant,
    sources: Vec<Instant>,
}

impl SourceWatermarks {
    /// Without any source nothing is waited for.
    pub(super) fn read(rule: &RollupRule, sources: &SourceSnapshot, now: Instant) -> Self {
        let freshness = FreshnessRequirement {
            by: SOURCE_COLUMNS.map(str::to_owned).to_vec(),
            max_age: STALE,
            kinds: rule.kinds.clone(),
        };
        let states = sources.states(&freshness, &SourceScope::default());
        let living = states.iter().filter(|state| !state.is_retired);
        let fresh = living.clone().filter(|state| !state.is_stale);
        let first = |instant: Option<Instant>| instant.unwrap_or(now).min(now);
        Self {
            all: first(living.clone().map(|state| state.observed_at).min()),
            fresh: first(fresh.map(|state| state.observed_at).min()),
            sources: living.map(|state| state.observed_at).collect(),
        }
    }

    /// Sources that are not yet known to the end of a window.
    pub(super) fn sources_behind(&self, end: Instant) -> usize {
        self.sources.iter().filter(|known| **known < end).count()
    }
}

/// Begins of the windows to fill now, the oldest first. A window some of whose sources were behind is filled again each
/// time one of them has come to its end, whatever the others do: one that is gone for days holds up no other.
pub(super) fn due_windows(
    rule: &RollupRule,
    bookkeeping: &RollupBookkeeping,
    known: &SourceWatermarks,
    now: Instant,
) -> Vec<Instant> {
    let length = rule.window.micros();
    let oldest = now.plus_micros(-rule.lateness.micros());
    let late = bookkeeping.incomplete.iter().filter(|(window, behind_then)| {
        let end = window.plus_micros(length);
        end > oldest && known.sources_behind(end) < *behind_then
    });
    let mut due: BTreeSet<Instant> = late.map(|(window, _)| *window).collect();
    let mut next = match bookkeeping.filled_to {
        Some(to) => to,
        None => rule.window_of(now.plus_micros(-rule.history.micros())),
    };
    while next.plus_micros(length) <= known.fresh && due.len() < AT_ONCE {
        due.insert(next);
        next = next.plus_micros(length);
    }
    due.into_iter().take(AT_ONCE).collect()
}

pub(super) async fn read_bookkeeping(
    writer: &Client,
    rule: &RollupRule,
    now: Instant,
) -> Result<RollupBookkeeping, FillError> {
    const READ_LAST_FILLED: &str = "select max(window_end_at) from ledger.rollup_window where rollup = $1";
    const READ_INCOMPLETE_WINDOWS: &str = "select window_at, sources_behind from ledger.rollup_window
        where rollup = $1 and not complete and window_end_at > $2 order by window_at";
    let bookkeeping = async {
        let filled_to = writer
            .query_one(READ_LAST_FILLED, &[&rule.rollup])
            .await?
            .try_get(0)?;
        let oldest = now.plus_micros(-rule.lateness.micros());
        let rows = writer
            .query(READ_INCOMPLETE_WINDOWS, &[&rule.rollup, &oldest])
            .await?;
        let behind = |count: i32| usize::try_from(count).unwrap_or(0);
        let incomplete = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, behind(row.try_get(1)?))));
        Ok(RollupBookkeeping {
            filled_to,
            incomplete: incomplete.collect::<Result<_, tokio_postgres::Error>>()?,
        })
    };
    bookkeeping.await.map_err(|source| FillError::Bookkeeping {
        rollup: rule.rollup.clone(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{query::QuerySchedule, rollup::RollupTable};

    const HOUR: i64 = 3_600_000_000;

    fn rule() -> RollupRule {
        RollupRule {
            rollup: "r".to_owned(),
            schedule: QuerySchedule {
                group: "rollups".to_owned(),
                interval: Period::from_mins(1),
                query_offset: Period::ZERO,
            },
            window: Period::from_hours(1),
            into: RollupTable::User,
            dimensions: Vec::new(),
            values: Vec::new(),
            lateness: Period::from_hours(10),
            history: Period::from_hours(3),
            kinds: Vec::new(),
        }
    }

    /// Hours of the windows that are due at hour 100.5.
    fn hours(filled_to: Option<i64>, incomplete: &[(i64, usize)], sources: &[i64], fresh: i64) -> Vec<i64> {
        let bookkeeping = RollupBookkeeping {
            filled_to: filled_to.map(|hour| Instant(hour * HOUR)),
            incomplete: incomplete
                .iter()
                .map(|(window, behind)| (Instant(window * HOUR), *behind))
                .collect(),
        };
        let known = SourceWatermarks {
            all: Instant(fresh * HOUR),
            fresh: Instant(fresh * HOUR),
            sources: sources.iter().map(|hour| Instant(hour * HOUR)).collect(),
        };
        let now = Instant(100 * HOUR + HOUR / 2);
        due_windows(&rule(), &bookkeeping, &known, now)
            .iter()
            .map(|window| window.0 / HOUR)
            .collect()
    }

    #[test]
    fn a_first_run_begins_as_far_back_as_history_says() {
        assert_eq!(hours(None, &[], &[100], 100), [97, 98, 99]);
    }

    #[test]
    fn a_window_is_filled_once_the_watermark_has_passed_its_end() {
        assert_eq!(hours(Some(99), &[], &[100], 100), [99]);
        assert_eq!(hours(Some(99), &[], &[99], 99), [0; 0]);
        assert_eq!(hours(Some(100), &[], &[100], 100), [0; 0]);
        // After a long stop the windows in between are filled, whatever `history` says.
        assert_eq!(hours(Some(90), &[], &[100], 100), (90..100).collect::<Vec<_>>());
        assert_eq!(hours(Some(0), &[], &[100], 100).len(), AT_ONCE);
    }

    #[test]
    fn an_incomplete_window_is_filled_again_when_more_is_known() {
        assert_eq!(hours(Some(100), &[(95, 2)], &[90, 95, 100], 100), [0; 0]);
        assert_eq!(
            hours(Some(100), &[(95, 2)], &[90, 96, 100], 100),
            [95],
            "one of two is back"
        );
        assert_eq!(hours(Some(99), &[(95, 1)], &[100, 100, 100], 100), [95, 99]);
        assert_eq!(
            hours(Some(100), &[(80, 1)], &[100], 100),
            [0; 0],
            "later than `lateness`"
        );
    }
}
