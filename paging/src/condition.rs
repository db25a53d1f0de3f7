//! The condition axis: from one slot to the next.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::instance::{Condition, Held, Instance, Observation, Resolution};
use crate::timing::Timing;

/// What happened to an instance at a slot; each becomes one event of its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Transition {
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
        resolution: Resolution,
    },
    /// Nothing is known from here on, or for another reason than before.
    Held {
        /// Why.
        held: Held,
    },
    /// It is known again.
    Known,
}

/// Applies what an evaluation at `slot` says. A slot that is not after the last one changes nothing, so that applying
/// one twice is harmless.
pub fn step(
    instance: &mut Instance,
    timing: &Timing,
    slot: Timestamp,
    observation: Observation,
) -> Vec<Transition> {
    let previous = instance.last_slot_at;
    if previous.is_some_and(|previous| slot <= previous) {
        return Vec::new();
    }
    instance.last_slot_at = Some(slot);
    let earned = previous.map_or(Duration::ZERO, |previous| timing.earned(previous, slot));
    let resolution = match observation {
        Observation::Held(held) => return hold(instance, slot, held),
        Observation::True => None,
        Observation::False(resolution) => Some(resolution),
    };
    let mut transitions = Vec::new();
    if instance.held.take().is_some() {
        instance.held_since = None;
        transitions.push(Transition::Known);
    }
    match resolution {
        None => see_true(instance, timing, slot, earned, &mut transitions),
        Some(resolution) => see_false(instance, timing, slot, earned, resolution, &mut transitions),
    }
    transitions
}

/// Ends an instance from outside: its rule or target is gone. An open episode is resolved, a pending one reset.
pub fn close(instance: &mut Instance, slot: Timestamp, resolution: Resolution) -> Vec<Transition> {
    let mut transitions = Vec::new();
    instance.last_slot_at = instance.last_slot_at.max(Some(slot));
    instance.held = None;
    instance.held_since = None;
    match instance.condition {
        Condition::Firing | Condition::Recovering => resolve(instance, slot, resolution, &mut transitions),
        Condition::Pending => reset(instance, &mut transitions),
        Condition::Inactive | Condition::Resolved => {}
    }
    transitions
}

fn hold(instance: &mut Instance, slot: Timestamp, held: Held) -> Vec<Transition> {
    let changed = instance.held.as_ref() != Some(&held);
    instance.held_since.get_or_insert(slot);
    instance.held = Some(held.clone());
    if changed {
        vec![Transition::Held { held }]
    } else {
        Vec::new()
    }
}

fn see_true(
    instance: &mut Instance,
    timing: &Timing,
    slot: Timestamp,
    earned: Duration,
    transitions: &mut Vec<Transition>,
) {
    match instance.condition {
        Condition::Firing => {}
        Condition::Recovering => {
            instance.condition = Condition::Firing;
            instance.recovering_since = None;
            instance.earned = Duration::ZERO;
            transitions.push(Transition::Refired);
        }
        Condition::Pending => {
            instance.earned = instance.earned.saturating_add(earned);
            fire_if_earned(instance, timing, slot, transitions);
        }
        Condition::Inactive | Condition::Resolved => {
            instance.condition = Condition::Pending;
            instance.active_since = Some(slot);
            instance.earned = Duration::ZERO;
            if timing.for_ > Duration::ZERO {
                transitions.push(Transition::Pending);
            }
            fire_if_earned(instance, timing, slot, transitions);
        }
    }
}

fn fire_if_earned(
    instance: &mut Instance,
    timing: &Timing,
    slot: Timestamp,
    transitions: &mut Vec<Transition>,
) {
    if instance.earned < timing.for_ {
        return;
    }
    instance.condition = Condition::Firing;
    instance.earned = Duration::ZERO;
    instance.episode = instance.episode.saturating_add(1);
    instance.firing_since = Some(slot);
    instance.resolved_at = None;
    instance.resolution = None;
    transitions.push(Transition::Fired {
        episode: instance.episode,
    });
}

fn see_false(
    instance: &mut Instance,
    timing: &Timing,
    slot: Timestamp,
    earned: Duration,
    resolution: Resolution,
    transitions: &mut Vec<Transition>,
) {
    match instance.condition {
        Condition::Inactive | Condition::Resolved => {}
        Condition::Pending => reset(instance, transitions),
        Condition::Firing if timing.keep_firing_for > Duration::ZERO => {
            instance.condition = Condition::Recovering;
            instance.recovering_since = Some(slot);
            instance.earned = Duration::ZERO;
            transitions.push(Transition::Recovering);
        }
        Condition::Firing => resolve(instance, slot, resolution, transitions),
        Condition::Recovering => {
            instance.earned = instance.earned.saturating_add(earned);
            if instance.earned >= timing.keep_firing_for {
                resolve(instance, slot, resolution, transitions);
            }
        }
    }
}

fn reset(instance: &mut Instance, transitions: &mut Vec<Transition>) {
    // An earlier episode stays known as resolved.
    instance.condition = if instance.resolved_at.is_some() {
        Condition::Resolved
    } else {
        Condition::Inactive
    };
    instance.active_since = None;
    instance.earned = Duration::ZERO;
    transitions.push(Transition::Reset);
}

fn resolve(
    instance: &mut Instance,
    slot: Timestamp,
    resolution: Resolution,
    transitions: &mut Vec<Transition>,
) {
    instance.condition = Condition::Resolved;
    instance.active_since = None;
    instance.earned = Duration::ZERO;
    instance.recovering_since = None;
    instance.resolved_at = Some(slot);
    instance.resolution = Some(resolution);
    instance.unacknowledge();
    transitions.push(Transition::Resolved { resolution });
}
