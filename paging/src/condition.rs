//! The condition axis: from one slot to the next.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::instance::{AlertCondition, AlertInstance, AlertResolution, ConditionObservation, HeldReason};
use crate::timing::Timing;

/// What happened to an instance at a slot; each becomes one event of its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ConditionTransition {
    /// The condition is there and has to last.
    Pending,
    /// It was gone before `for` was over.
    Reset,
    /// A new episode.
    Fired {
        /// Its number.
        episode: u64,
    },
    /// The condition is gone; it may come back for `keep_firing_for`.
    Recovering,
    /// It came back: the same episode.
    Refired,
    /// The episode is over.
    Resolved {
        /// Why.
        resolution: AlertResolution,
    },
    /// Nothing is known from here on, or for another reason than before.
    Held {
        /// Why.
        held: HeldReason,
    },
    /// It is known again.
    Known,
}

/// Applies what an evaluation at `slot` says. A slot that is not after the last one changes nothing, so that applying
/// one twice is harmless.
pub fn step(
    instance: &mut AlertInstance,
    timing: &Timing,
    slot: Timestamp,
    observation: ConditionObservation,
) -> Vec<ConditionTransition> {
    let previous = instance.last_slot_at;
    if previous.is_some_and(|previous| slot <= previous) {
        return Vec::new();
    }
    instance.last_slot_at = Some(slot);
    let earned = previous.map_or(Duration::ZERO, |previous| timing.earned(previous, slot));
    let resolution = match observation {
        ConditionObservation::Held(held) => return hold(instance, slot, held),
        ConditionObservation::True => None,
        ConditionObservation::False(resolution) => Some(resolution),
    };
    let mut transitions = Vec::new();
    if instance.held.take().is_some() {
        instance.held_since = None;
        transitions.push(ConditionTransition::Known);
    }
    match resolution {
        None => see_true(instance, timing, slot, earned, &mut transitions),
        Some(resolution) => see_false(instance, timing, slot, earned, resolution, &mut transitions),
    }
    transitions
}

/// Ends an instance from outside: its rule or target is gone. An open episode is resolved, a pending one reset.
pub fn close(
    instance: &mut AlertInstance,
    slot: Timestamp,
    resolution: AlertResolution,
) -> Vec<ConditionTransition> {
    let mut transitions = Vec::new();
    instance.last_slot_at = instance.last_slot_at.max(Some(slot));
    instance.held = None;
    instance.held_since = None;
    match instance.condition {
        AlertCondition::Firing | AlertCondition::Recovering => {
            resolve(instance, slot, resolution, &mut transitions)
        }
        AlertCondition::Pending => reset(instance, &mut transitions),
        AlertCondition::Inactive | AlertCondition::Resolved => {}
    }
    transitions
}

fn hold(instance: &mut AlertInstance, slot: Timestamp, held: HeldReason) -> Vec<ConditionTransition> {
    let changed = instance.held.as_ref() != Some(&held);
    instance.held_since.get_or_insert(slot);
    instance.held = Some(held.clone());
    if changed {
        vec![ConditionTransition::Held { held }]
    } else {
        Vec::new()
    }
}

fn see_true(
    instance: &mut AlertInstance,
    timing: &Timing,
    slot: Timestamp,
    earned: Duration,
    transitions: &mut Vec<ConditionTransition>,
) {
    match instance.condition {
        AlertCondition::Firing => {}
        AlertCondition::Recovering => {
            instance.condition = AlertCondition::Firing;
            instance.recovering_since = None;
            instance.earned = Duration::ZERO;
            transitions.push(ConditionTransition::Refired);
        }
        AlertCondition::Pending => {
            instance.earned = instance.earned.saturating_add(earned);
            fire_if_earned(instance, timing, slot, transitions);
        }
        AlertCondition::Inactive | AlertCondition::Resolved => {
            instance.condition = AlertCondition::Pending;
            instance.active_since = Some(slot);
            instance.earned = Duration::ZERO;
            if timing.for_ > Duration::ZERO {
                transitions.push(ConditionTransition::Pending);
            }
            fire_if_earned(instance, timing, slot, transitions);
        }
    }
}

fn fire_if_earned(
    instance: &mut AlertInstance,
    timing: &Timing,
    slot: Timestamp,
    transitions: &mut Vec<ConditionTransition>,
) {
    if instance.earned < timing.for_ {
        return;
    }
    instance.condition = AlertCondition::Firing;
    instance.earned = Duration::ZERO;
    instance.episode = instance.episode.saturating_add(1);
    instance.firing_since = Some(slot);
    instance.resolved_at = None;
    instance.resolution = None;
    transitions.push(ConditionTransition::Fired {
        episode: instance.episode,
    });
}

fn see_false(
    instance: &mut AlertInstance,
    timing: &Timing,
    slot: Timestamp,
    earned: Duration,
    resolution: AlertResolution,
    transitions: &mut Vec<ConditionTransition>,
) {
    match instance.condition {
        AlertCondition::Inactive | AlertCondition::Resolved => {}
        AlertCondition::Pending => reset(instance, transitions),
        AlertCondition::Firing if timing.keep_firing_for > Duration::ZERO => {
            instance.condition = AlertCondition::Recovering;
            instance.recovering_since = Some(slot);
            instance.earned = Duration::ZERO;
            transitions.push(ConditionTransition::Recovering);
        }
        AlertCondition::Firing => resolve(instance, slot, resolution, transitions),
        AlertCondition::Recovering => {
            instance.earned = instance.earned.saturating_add(earned);
            if instance.earned >= timing.keep_firing_for {
                resolve(instance, slot, resolution, transitions);
            }
        }
    }
}

fn reset(instance: &mut AlertInstance, transitions: &mut Vec<ConditionTransition>) {
    // An earlier episode stays known as resolved.
    instance.condition = if instance.resolved_at.is_some() {
        AlertCondition::Resolved
    } else {
        AlertCondition::Inactive
    };
    instance.active_since = None;
    instance.earned = Duration::ZERO;
    transitions.push(ConditionTransition::Reset);
}

fn resolve(
    instance: &mut AlertInstance,
    slot: Timestamp,
    resolution: AlertResolution,
    transitions: &mut Vec<ConditionTransition>,
) {
    instance.condition = AlertCondition::Resolved;
    instance.active_since = None;
    instance.earned = Duration::ZERO;
    instance.recovering_since = None;
    instance.resolved_at = Some(slot);
    instance.resolution = Some(resolution);
    instance.unacknowledge();
    transitions.push(ConditionTransition::Resolved { resolution });
}
