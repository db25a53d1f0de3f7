//! The state machine, the decisions, snoozes and groups, slot by slot.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may fail them"
)]

mod condition;
mod decision;
mod delivery;
mod groups;
mod machine;
mod snoozes;
mod text_forms;

use std::time::Duration;

use fleetledger_paging::{
    AlertInstance, AlertResolution, ConditionObservation, HeldReason, NotifiedState, NotifyDecision,
    SlotContext, Timing, decide, step,
};
use jiff::{SignedDuration, Timestamp};

/// `minutes` after the start of every test.
fn at(minutes: i64) -> Timestamp {
    at_seconds(minutes * 60)
}

fn at_seconds(seconds: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_secs(seconds)
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}

const FALSE: ConditionObservation = ConditionObservation::False(AlertResolution::Fixed);

fn held() -> ConditionObservation {
    ConditionObservation::Held(HeldReason::QueryError("canceling statement".to_owned()))
}

/// Fires at once, each minute a slot, and says nothing twice.
fn plain() -> Timing {
    Timing {
        interval: minutes(1),
        for_: Duration::ZERO,
        keep_firing_for: Duration::ZERO,
        cooldown: Duration::ZERO,
        repeat_interval: Duration::ZERO,
    }
}

/// One instance and one receiver.
struct WatchedInstance {
    timing: Timing,
    instance: AlertInstance,
    notified: NotifiedState,
    snooze: Option<(&'static str, Timestamp)>,
    inhibited: bool,
}

impl WatchedInstance {
    fn new(timing: Timing) -> Self {
        Self {
            timing,
            instance: AlertInstance::default(),
            notified: NotifiedState::default(),
            snooze: None,
            inhibited: false,
        }
    }

    fn snooze(&mut self, id: &'static str, until: Timestamp) {
        self.snooze = Some((id, until));
    }

    fn slot(&mut self, slot: Timestamp, observation: ConditionObservation) -> NotifyDecision {
        step(&mut self.instance, &self.timing, slot, observation);
        self.decide(slot)
    }

    fn decide(&mut self, slot: Timestamp) -> NotifyDecision {
        let around = SlotContext {
            snooze: self.snooze.filter(|(_, until)| slot < *until),
            inhibited: self.inhibited,
        };
        decide(
            &mut self.instance,
            &mut self.notified,
            &self.timing,
            slot,
            &around,
        )
    }

    /// The slot, said as `trigger new` and so on, joined by commas.
    fn slot_notifies(&mut self, minute: i64, observation: ConditionObservation) -> String {
        format_notifies(&self.slot(at(minute), observation))
    }
}

fn format_notifies(decision: &NotifyDecision) -> String {
    let one = |notify: &fleetledger_paging::InstanceNotify| {
        format!("{} {}", notify.kind.as_str(), notify.reason.as_str())
    };
    decision.notify.iter().map(one).collect::<Vec<_>>().join(", ")
}
