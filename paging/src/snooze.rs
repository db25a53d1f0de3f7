//! Snoozes and planned silences: who wants to hear nothing of what, why, and until when.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::instance::{AlertCondition, AlertInstance};
use crate::labels::LabelSet;
use crate::matcher::{Matcher, all_met};
use crate::timing::after;

/// Nothing is silent for longer: what nobody asks for again comes back.
pub const LONGEST_SNOOZE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long its instances must have been resolved until a snooze ends by itself.
pub const QUIET_TO_END: Duration = Duration::from_secs(15 * 60);

/// What kind of silence it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnoozeKind {
    /// Of something that fires: ends early once that has been resolved for [`QUIET_TO_END`].
    Snooze,
    /// Planned, such as for maintenance: lasts to its end, whatever comes and goes meanwhile.
    Silence,
}

/// One snooze or planned silence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertSnooze {
    /// Its identity.
    pub id: String,
    /// Whether it ends early.
    pub kind: SnoozeKind,
    /// What it covers: labels that meet all of these, and there is at least one.
    pub matchers: Vec<Matcher>,
    /// Who wants it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The first slot it covers.
    pub from: Timestamp,
    /// The first slot it does not cover any more.
    pub until: Timestamp,
    /// When it was taken back or ended by itself.
    pub ended_at: Option<Timestamp>,
}

/// Why a snooze is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnoozeError {
    /// It would cover everything.
    #[error("a snooze needs at least one matcher with a value, such as node=n1")]
    CoversEverything,
    /// Nobody answers for it.
    #[error("a snooze needs an owner")]
    NoOwner,
    /// Nobody will know why.
    #[error("a snooze needs a reason, such as --reason \"disk swap\"")]
    NoReason,
    /// It ends before it begins.
    #[error("a snooze must end after it begins: it begins at {from} and ends at {until}")]
    NoTime {
        /// Its begin.
        from: Timestamp,
        /// Its end.
        until: Timestamp,
    },
    /// It is longer than [`LONGEST_SNOOZE`].
    #[error("a snooze lasts 30 days at most: it begins at {from}, so it may end at {latest}")]
    TooLong {
        /// Its begin.
        from: Timestamp,
        /// The latest end.
        latest: Timestamp,
    },
}

impl AlertSnooze {
    /// Whether it may be made.
    ///
    /// # Errors
    /// What is missing or too long.
    pub fn check(&self) -> Result<(), SnoozeError> {
        let nothing = LabelSet::new();
        let latest = after(self.from, LONGEST_SNOOZE);
        if all_met(&self.matchers, &nothing) {
            Err(SnoozeError::CoversEverything)
        } else if self.owner.trim().is_empty() {
            Err(SnoozeError::NoOwner)
        } else if self.reason.trim().is_empty() {
            Err(SnoozeError::NoReason)
        } else if self.until <= self.from {
            Err(SnoozeError::NoTime {
                from: self.from,
                until: self.until,
            })
        } else if self.until > latest {
            Err(SnoozeError::TooLong {
                from: self.from,
                latest,
            })
        } else {
            Ok(())
        }
    }

    /// Whether it is in force at `slot`: begun, not over and not taken back.
    #[must_use]
    pub fn is_in_force(&self, slot: Timestamp) -> bool {
        slot >= self.from && slot < self.until && self.ended_at.is_none_or(|ended| slot < ended)
    }

    /// Whether it covers these labels at `slot`.
    #[must_use]
    pub fn covers(&self, labels: &LabelSet, slot: Timestamp) -> bool {
        self.is_in_force(slot) && all_met(&self.matchers, labels)
    }

    /// Whether it has nothing left to wait for: of the instances it covers at least one was resolved, none is pending
    /// or open, and the last to be resolved has been so for [`QUIET_TO_END`]. The caller then sets `ended_at` to `slot`.
    #[must_use]
    pub fn is_done<'a>(&self, slot: Timestamp, covered: impl IntoIterator<Item = &'a AlertInstance>) -> bool {
        if self.kind == SnoozeKind::Silence || !self.is_in_force(slot) {
            return false;
        }
        let mut last = None;
        for instance in covered {
            match instance.condition {
                AlertCondition::Inactive | AlertCondition::Resolved => last = last.max(instance.resolved_at),
                AlertCondition::Pending | AlertCondition::Firing | AlertCondition::Recovering => {
                    return false;
                }
            }
        }
        last.is_some_and(|resolved| slot >= after(resolved.max(self.from), QUIET_TO_END))
    }
}

/// The snooze in force for these labels: of several the one that ends last.
pub fn in_force<'a>(
    snoozes: impl IntoIterator<Item = &'a AlertSnooze>,
    labels: &LabelSet,
    slot: Timestamp,
) -> Option<&'a AlertSnooze> {
    let covering = snoozes.into_iter().filter(|snooze| snooze.covers(labels, slot));
    covering.max_by(|left, right| (left.until, &left.id).cmp(&(right.until, &right.id)))
}
