//! What holds for any sequence of slots, whatever happens at them.

use std::time::Duration;

use fleetledger_paging::{
    AlertCondition, AlertGroup, AlertInstance, AlertResolution, ConditionObservation, GroupBy, Grouping,
    HeldReason, InstanceNotify, NotifiedState, NotifyKind, NotifyReason, SlotContext, Timing, close, decide,
    step,
};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{at, minutes, plain};

/// One slot of a made-up life.
#[derive(Debug, Clone)]
pub(super) struct SlotInput {
    pub(super) after_seconds: i64,
    pub(super) observation: ConditionObservation,
    pub(super) snooze: Option<u8>,
    pub(super) inhibited: bool,
    pub(super) ack: bool,
    pub(super) close: bool,
}

fn observations() -> impl Strategy<Value = ConditionObservation> {
    prop_oneof![
        5 => Just(ConditionObservation::True),
        4 => Just(ConditionObservation::False(AlertResolution::Fixed)),
        2 => Just(ConditionObservation::Held(HeldReason::Missing)),
    ]
}

pub(super) fn slots() -> impl Strategy<Value = Vec<SlotInput>> {
    let slot = (
        prop_oneof![8 => Just(60_i64), 1 => 61..1200_i64],
        observations(),
        prop_oneof![3 => Just(None), 1 => (0..3_u8).prop_map(Some)],
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.03),
    );
    let slot = slot.prop_map(
        |(after_seconds, observation, snooze, inhibited, ack, close)| SlotInput {
            after_seconds,
            observation,
            snooze,
            inhibited,
            ack,
            close,
        },
    );
    prop::collection::vec(slot, 1..80)
}

pub(super) fn timings() -> impl Strategy<Value = Timing> {
    (0..4_u64, 0..4_u64, 0..20_u64, 0..10_u64).prop_map(|(for_, keep, cooldown, repeat)| Timing {
        for_: minutes(for_),
        keep_firing_for: minutes(keep),
        cooldown: minutes(cooldown),
        repeat_interval: minutes(repeat),
        ..plain()
    })
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct MachineState {
    pub(super) instance: AlertInstance,
    pub(super) notified: NotifiedState,
    pub(super) group: AlertGroup,
}

/// Everything kept is written down and read again.
fn restart(state: MachineState) -> MachineState {
    fn again<T: Serialize + DeserializeOwned>(value: &T) -> T {
        serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
    }
    MachineState {
        instance: again(&state.instance),
        notified: again(&state.notified),
        group: again(&state.group),
    }
}

pub(super) fn apply(
    state: &mut MachineState,
    timing: &Timing,
    now: Timestamp,
    slot: &SlotInput,
) -> Vec<InstanceNotify> {
    if slot.close {
        close(&mut state.instance, now, AlertResolution::RuleRemoved);
    } else {
        step(&mut state.instance, timing, now, slot.observation.clone());
    }
    if slot.ack {
        state.instance.acknowledge("alice", now);
    }
    let ids = ["s0", "s1", "s2"];
    let around = SlotContext {
        snooze: slot.snooze.map(|id| (ids[usize::from(id)], Timestamp::MAX)),
        inhibited: slot.inhibited,
    };
    decide(&mut state.instance, &mut state.notified, timing, now, &around).notify
}

pub(super) fn walk(slots: &[SlotInput]) -> impl Iterator<Item = (Timestamp, &SlotInput)> {
    slots.iter().scan(at(0), |now, slot| {
        *now += SignedDuration::from_secs(slot.after_seconds);
        Some((*now, slot))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_restart_at_any_slot_changes_nothing(timing in timings(), slots in slots()) {
        let grouping = Grouping { by: GroupBy::INSTANCE, wait: Duration::ZERO, interval: minutes(3) };
        let (mut steady, mut restarted) = (MachineState::default(), MachineState::default());
        for (now, slot) in walk(&slots) {
            restarted = restart(restarted);
            let left = apply(&mut steady, &timing, now, slot);
            let right = apply(&mut restarted, &timing, now, slot);
            prop_assert_eq!(&left, &right);
            let left = steady.group.apply(&grouping, now, [("i", left.as_slice())]);
            let right = restarted.group.apply(&grouping, now, [("i", right.as_slice())]);
            prop_assert_eq!(left, right);
            prop_assert_eq!(&steady, &restarted);
        }
    }

    #[test]
    fn triggers_need_fire_and_resolves_need_triggers(timing in timings(), slots in slots()) {
        let mut state = MachineState::default();
        let mut open = false;
        for (now, slot) in walk(&slots) {
            for notify in apply(&mut state, &timing, now, slot) {
                match notify.kind {
                    NotifyKind::Trigger => {
                        prop_assert_eq!(state.instance.condition, AlertCondition::Firing);
                        prop_assert!(state.instance.held.is_none());
                        prop_assert!(slot.snooze.is_none() && !slot.inhibited);
                        open = true;
                    }
                    NotifyKind::Acknowledge => prop_assert!(open),
                    NotifyKind::Resolve => {
                        prop_assert!(open);
                        open = false;
                    }
                }
            }
            prop_assert_eq!(open, state.notified.open);
            prop_assert!(!open || state.instance.condition.is_open(), "what is over is told at the same slot");
        }
    }

    #[test]
    fn notified_state_agrees_with_the_condition(timing in timings(), slots in slots()) {
        let mut state = MachineState::default();
        for (now, slot) in walk(&slots) {
            apply(&mut state, &timing, now, slot);
            let one = &state.instance;
            let waits = matches!(one.condition, AlertCondition::Pending | AlertCondition::Recovering);
            prop_assert!(waits || one.earned.is_zero());
            prop_assert_eq!(one.recovering_since.is_some(), one.condition == AlertCondition::Recovering);
            prop_assert_eq!(one.active_since.is_some(), one.condition.is_open() || one.condition == AlertCondition::Pending);
            prop_assert_eq!(one.held.is_some(), one.held_since.is_some());
            prop_assert!(one.acked_at.is_none() || one.condition.is_open());
            prop_assert_eq!(one.condition == AlertCondition::Resolved && one.resolution.is_none(), false);
        }
    }

    #[test]
    fn new_episodes_keep_the_cooldown(timing in timings(), slots in slots()) {
        let mut state = MachineState::default();
        let mut last: Option<Timestamp> = None;
        for (now, slot) in walk(&slots) {
            let notifies = apply(&mut state, &timing, now, slot);
            if notifies.iter().any(|notify| notify.reason == NotifyReason::New) {
                let since = last.map(|last| now.duration_since(last).unsigned_abs());
                prop_assert!(since.is_none_or(|since| since >= timing.cooldown), "{since:?}");
                last = Some(now);
            }
        }
    }

    #[test]
    fn a_held_slot_changes_nothing(timing in timings(), slots in slots()) {
        let mut state = MachineState::default();
        for (now, slot) in walk(&slots) {
            apply(&mut state, &timing, now, slot);
        }
        let before = state.instance.clone();
        let now = before.last_slot_at.unwrap() + SignedDuration::from_secs(60);
        step(&mut state.instance, &timing, now, ConditionObservation::Held(HeldReason::Missing));
        let mut after = state.instance.clone();
        (after.held, after.held_since, after.last_slot_at) = (before.held.clone(), before.held_since, before.last_slot_at);
        prop_assert_eq!(after, before);
    }

    #[test]
    fn no_episode_is_forgotten(timing in timings(), slots in slots()) {
        let mut state = MachineState::default();
        let mut accounted = 0;
        let mut notified_episodes = std::collections::BTreeSet::new();
        for (now, slot) in walk(&slots) {
            for notify in apply(&mut state, &timing, now, slot) {
                if notify.kind == NotifyKind::Trigger {
                    accounted += notify.suppressed_episodes;
                    notified_episodes.insert(state.instance.episode);
                }
            }
        }
        let waiting = u64::from(state.notified.waiting_episode.is_some());
        let accounted = accounted + state.notified.suppressed_episodes + waiting + notified_episodes.len() as u64;
        prop_assert_eq!(accounted, state.instance.episode);
    }

    #[test]
    fn a_snooze_that_ends_over_a_firing_alert_is_heard(timing in timings(), slots in slots(), errors in 0..5_i64) {
        let mut state = MachineState::default();
        let mut now = at(0);
        for (instant, slot) in walk(&slots) {
            now = instant;
            apply(&mut state, &timing, now, slot);
        }
        let quiet = SlotInput { after_seconds: 60, observation: ConditionObservation::True, snooze: None, inhibited: false, ack: false, close: false };
        let mut advance = |state: &mut MachineState, slot: &SlotInput| {
            now += SignedDuration::from_secs(60);
            apply(state, &timing, now, slot)
        };
        // Firing and snoozed, then the snooze ends while the query fails.
        for _ in 0..10 {
            advance(&mut state, &SlotInput { snooze: Some(1), ..quiet.clone() });
        }
        for _ in 0..errors {
            advance(&mut state, &SlotInput { observation: ConditionObservation::Held(HeldReason::Missing), ..quiet.clone() });
        }
        let heard = advance(&mut state, &quiet);
        prop_assert_eq!(heard.last().map(|notify| notify.reason), Some(NotifyReason::SnoozeExpired));
    }
}
