//! The durations of a rule.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// No gap shorter than this stops a clock: an evaluator may be replaced meanwhile.
const SHORTEST_GAP: Duration = Duration::from_secs(5 * 60);

/// How long a rule waits and how often it speaks. Durations of zero mean "not at all".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Between two slots.
    pub interval: Duration,
    /// How long the condition must hold before the instance fires.
    #[serde(rename = "for")]
    pub for_: Duration,
    /// How long a firing instance whose condition is gone waits for it to come back before it is resolved.
    pub keep_firing_for: Duration,
    /// The least time between two notifications of new episodes of one instance.
    pub cooldown: Duration,
    /// After how long a firing instance that nobody acknowledged is notified again; zero is never.
    pub repeat_interval: Duration,
}

impl Timing {
    /// The longest time between two slots that still counts as the condition having held: three intervals, at least
    /// five minutes. Over a longer gap nobody knows what was.
    #[must_use]
    pub fn longest_gap(&self) -> Duration {
        SHORTEST_GAP.max(self.interval.saturating_mul(3))
    }

    /// What the time from `previous` to `slot` earns towards `for` or `keep_firing_for`.
    pub(crate) fn earned(&self, previous: Timestamp, slot: Timestamp) -> Duration {
        let gap = slot.duration_since(previous).unsigned_abs();
        if gap > self.longest_gap() {
            Duration::ZERO
        } else {
            gap
        }
    }
}

/// `instant` and a while; the end of time if that is beyond it.
pub(crate) fn after(instant: Timestamp, duration: Duration) -> Timestamp {
    SignedDuration::try_from(duration)
        .ok()
        .and_then(|duration| instant.checked_add(duration).ok())
        .unwrap_or(Timestamp::MAX)
}
