//! The condition axis.

use std::time::Duration;

use fleetledger_paging::{
    AlertCondition, AlertInstance, AlertResolution, ConditionObservation, ConditionTransition, Timing, close,
    step,
};

use super::{FALSE, at, at_seconds, held, minutes, plain};
use ConditionObservation::True;

fn run(timing: &Timing, slots: &[(i64, ConditionObservation)]) -> AlertInstance {
    let mut instance = AlertInstance::default();
    for (minute, observation) in slots {
        step(&mut instance, timing, at(*minute), observation.clone());
    }
    instance
}

fn for_5m() -> Timing {
    Timing {
        for_: minutes(5),
        ..plain()
    }
}

#[test]
fn an_alert_fires_at_the_slot_at_which_for_is_full_and_not_before() {
    let timing = for_5m();
    let mut slots: Vec<_> = (0..5).map(|minute| (minute, True)).collect();
    assert_eq!(run(&timing, &slots).condition, AlertCondition::Pending);
    slots.push((5, True));
    let fired = run(&timing, &slots);
    assert_eq!(fired.condition, AlertCondition::Firing);
    assert_eq!(
        (fired.active_since, fired.firing_since),
        (Some(at(0)), Some(at(5)))
    );
    assert_eq!(fired.episode, 1);
}

#[test]
fn an_alert_without_for_fires_at_its_first_slot() {
    let mut instance = AlertInstance::default();
    let transitions = step(&mut instance, &plain(), at(0), True);
    assert_eq!(transitions, [ConditionTransition::Fired { episode: 1 }]);
}

#[test]
fn one_miss_resets_the_warm_up() {
    let slots = [(0, True), (4, True), (5, FALSE), (6, True), (10, True)];
    let instance = run(&for_5m(), &slots);
    assert_eq!(instance.condition, AlertCondition::Pending);
    assert_eq!(instance.active_since, Some(at(6)));
    let fired = run(&for_5m(), &[&slots[..], &[(11, True)]].concat());
    assert_eq!(fired.condition, AlertCondition::Firing);
}

#[test]
fn a_gap_earns_up_to_the_longest_and_nothing_beyond() {
    let quick = for_5m();
    assert_eq!(quick.longest_gap(), minutes(5));
    assert_eq!(
        run(&quick, &[(0, True), (5, True)]).condition,
        AlertCondition::Firing
    );
    let beyond = run(&quick, &[(0, True), (6, True), (10, True)]);
    assert_eq!(
        (beyond.condition, beyond.earned),
        (AlertCondition::Pending, minutes(4))
    );

    let slow = Timing {
        interval: minutes(10),
        for_: minutes(30),
        ..plain()
    };
    assert_eq!(slow.longest_gap(), minutes(30));
    assert_eq!(
        run(&slow, &[(0, True), (30, True)]).condition,
        AlertCondition::Firing
    );
    assert_eq!(run(&slow, &[(0, True), (31, True)]).earned, Duration::ZERO);
}

#[test]
fn a_held_slot_stops_the_warm_up_and_does_not_reset_it() {
    let slots = [(0, True), (1, True), (2, held()), (3, held()), (4, True)];
    let instance = run(&for_5m(), &slots);
    assert_eq!(
        (instance.condition, instance.earned),
        (AlertCondition::Pending, minutes(2))
    );
    assert_eq!(instance.held, None);
}

#[test]
fn held_says_why_and_since_when_and_says_it_once() {
    let mut instance = run(&plain(), &[(0, True)]);
    assert_eq!(step(&mut instance, &plain(), at(1), held()).len(), 1);
    assert_eq!(step(&mut instance, &plain(), at(2), held()).len(), 0);
    assert_eq!(instance.condition, AlertCondition::Firing);
    assert_eq!(instance.held_since, Some(at(1)));
    let known = step(&mut instance, &plain(), at(3), FALSE);
    let fixed = AlertResolution::Fixed;
    assert_eq!(
        known,
        [
            ConditionTransition::Known,
            ConditionTransition::Resolved { resolution: fixed }
        ]
    );
}

#[test]
fn keep_firing_for_is_earned_at_false_slots_only() {
    let timing = Timing {
        keep_firing_for: minutes(2),
        ..plain()
    };
    let slots = [(0, True), (1, FALSE), (2, FALSE), (3, held()), (4, FALSE)];
    assert_eq!(run(&timing, &slots[..4]).condition, AlertCondition::Recovering);
    let over = run(&timing, &slots);
    assert_eq!(
        (over.condition, over.resolved_at),
        (AlertCondition::Resolved, Some(at(4)))
    );
}

#[test]
fn a_condition_that_comes_back_while_recovering_is_the_same_episode() {
    let timing = Timing {
        keep_firing_for: minutes(2),
        for_: minutes(1),
        ..plain()
    };
    let again = run(&timing, &[(0, True), (1, True), (2, FALSE), (3, True)]);
    assert_eq!((again.condition, again.episode), (AlertCondition::Firing, 1));
    assert_eq!(again.firing_since, Some(at(1)));
    let anew = run(
        &timing,
        &[(0, True), (1, True), (2, FALSE), (4, FALSE), (5, True), (6, True)],
    );
    assert_eq!((anew.condition, anew.episode), (AlertCondition::Firing, 2));
}

#[test]
fn raising_for_never_demotes() {
    let mut instance = run(&plain(), &[(0, True)]);
    step(&mut instance, &for_5m(), at(1), True);
    assert_eq!(instance.condition, AlertCondition::Firing);
}

#[test]
fn a_slot_is_applied_once_and_never_backwards() {
    let mut instance = run(&for_5m(), &[(0, True), (3, True)]);
    let before = instance.clone();
    for slot in [at(3), at(2)] {
        assert_eq!(step(&mut instance, &for_5m(), slot, FALSE), []);
        assert_eq!(instance, before);
    }
}

#[test]
fn closing_resolves_what_is_open_and_resets_what_is_pending() {
    let resolution = AlertResolution::TargetRetired;
    let mut firing = run(&plain(), &[(0, True), (1, held())]);
    assert_eq!(
        close(&mut firing, at(2), resolution),
        [ConditionTransition::Resolved { resolution }]
    );
    assert_eq!((firing.resolution, firing.held), (Some(resolution), None));
    let mut pending = run(&for_5m(), &[(0, True)]);
    assert_eq!(
        close(&mut pending, at(1), resolution),
        [ConditionTransition::Reset]
    );
    assert_eq!(pending.condition, AlertCondition::Inactive);
    assert_eq!(close(&mut pending, at(2), resolution), []);
}

#[test]
fn slots_need_not_be_on_the_minute() {
    let mut instance = AlertInstance::default();
    step(&mut instance, &for_5m(), at_seconds(1), True);
    step(&mut instance, &for_5m(), at_seconds(300), True);
    assert_eq!(instance.condition, AlertCondition::Pending);
    step(&mut instance, &for_5m(), at_seconds(301), True);
    assert_eq!(instance.condition, AlertCondition::Firing);
}
