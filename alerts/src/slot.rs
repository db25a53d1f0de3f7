//! Slots: the instants at which a group of rules is evaluated, whole multiples of its interval since 1970.

use std::time::Duration;

use fleetledger_schema::instant::Instant;

/// A slot that is to be run, and what was passed over to get there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EvaluationSlot {
    /// The slot.
    pub(crate) slot: Instant,
    /// Slots since the last one that nobody ran: counted, never run later.
    pub(crate) missed: u64,
}

/// The slot that `now` lies in.
#[must_use]
pub(crate) fn at(now: Instant, interval: Duration) -> Instant {
    Instant(now.0 - now.0.rem_euclid(micros(interval)))
}

/// The slot to run at `now`, if it has not been run: the newest one, which is never more than one interval late.
#[must_use]
pub(crate) fn next_slot(now: Instant, interval: Duration, last: Option<Instant>) -> Option<EvaluationSlot> {
    let slot = at(now, interval);
    let missed = match last {
        None => 0,
        Some(last) if last >= slot => return None,
        Some(last) => slot.micros_since(last) / micros(interval) - 1,
    };
    Some(EvaluationSlot {
        slot,
        missed: u64::try_from(missed).unwrap_or(0),
    })
}

fn micros(interval: Duration) -> i64 {
    i64::try_from(interval.as_micros()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn instant(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn slots_are_whole_minutes_wherever_the_evaluator_starts() {
        let now = instant("2026-01-01T00:07:31.5Z");
        assert_eq!(at(now, MINUTE), instant("2026-01-01T00:07:00Z"));
        assert_eq!(at(Instant(-1), MINUTE), Instant(-60_000_000));
    }

    #[test]
    fn a_slot_is_due_once_and_what_was_slept_through_is_counted() {
        let now = instant("2026-01-01T00:07:31Z");
        let slot = instant("2026-01-01T00:07:00Z");
        assert_eq!(
            next_slot(now, MINUTE, None),
            Some(EvaluationSlot { slot, missed: 0 })
        );
        assert_eq!(next_slot(now, MINUTE, Some(slot)), None);
        let before = instant("2026-01-01T00:06:00Z");
        assert_eq!(
            next_slot(now, MINUTE, Some(before)),
            Some(EvaluationSlot { slot, missed: 0 })
        );
        let hour = instant("2025-12-31T23:07:00Z");
        assert_eq!(
            next_slot(now, MINUTE, Some(hour)),
            Some(EvaluationSlot { slot, missed: 59 })
        );
    }

    #[test]
    fn a_clock_that_runs_back_runs_no_slot_again() {
        let last = instant("2026-01-01T00:07:00Z");
        assert_eq!(
            next_slot(instant("2026-01-01T00:05:10Z"), MINUTE, Some(last)),
            None
        );
    }
}
