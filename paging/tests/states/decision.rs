//! The numbered rules of who is told, each with its boundary.

use fleetledger_paging::{
    AlertResolution, ConditionObservation, InstanceNotify, NotifyKind, QuietReason, Timing, close,
};

use super::{FALSE, WatchedInstance, at, at_seconds, format_notifies, held, minutes, plain};
use ConditionObservation::True;

fn cooling() -> Timing {
    Timing {
        cooldown: minutes(30),
        ..plain()
    }
}

#[test]
fn rule_1_resolve_goes_out_while_snoozed_cooling_or_acknowledged() {
    let mut snoozed = WatchedInstance::new(plain());
    assert_eq!(snoozed.slot_notifies(0, True), "trigger new");
    snoozed.snooze("s1", at(60));
    assert_eq!(snoozed.slot_notifies(1, True), "acknowledge snoozed");
    assert_eq!(snoozed.slot_notifies(2, FALSE), "resolve resolved");

    let mut cools = WatchedInstance::new(cooling());
    assert_eq!(cools.slot_notifies(0, True), "trigger new");
    assert_eq!(cools.slot_notifies(1, FALSE), "resolve resolved");

    let mut acked = WatchedInstance::new(plain());
    acked.slot_notifies(0, True);
    acked.instance.acknowledge("alice", at(1));
    assert_eq!(acked.slot_notifies(1, True), "acknowledge acked");
    assert_eq!(acked.slot_notifies(2, FALSE), "resolve resolved");
    assert_eq!(acked.instance.acked_by, None);
}

#[test]
fn rule_1_says_why_it_is_over() {
    for (resolution, expected) in [
        (AlertResolution::TargetRetired, "resolve target_retired"),
        (AlertResolution::RuleRemoved, "resolve rule_removed"),
        (AlertResolution::RuleDisabled, "resolve rule_disabled"),
        (AlertResolution::RuleRelabelled, "resolve rule_relabelled"),
        (AlertResolution::StaleSource, "resolve stale_source"),
        (AlertResolution::Missing, "resolve resolved"),
    ] {
        let mut watched = WatchedInstance::new(plain());
        watched.slot_notifies(0, True);
        close(&mut watched.instance, at(1), resolution);
        assert_eq!(format_notifies(&watched.decide(at(1))), expected);
    }
}

#[test]
fn rule_1_says_nothing_to_a_receiver_that_saw_nothing() {
    let mut watched = WatchedInstance::new(plain());
    watched.snooze("s1", at(60));
    assert_eq!(watched.slot_notifies(0, True), "");
    assert_eq!(watched.slot_notifies(1, FALSE), "");
}

#[test]
fn rule_2_what_does_not_fire_is_not_notified() {
    let timing = Timing {
        for_: minutes(2),
        keep_firing_for: minutes(2),
        repeat_interval: minutes(1),
        ..plain()
    };
    let mut watched = WatchedInstance::new(timing);
    for (minute, observation, expected) in [
        (0, True, ""),
        (1, True, ""),
        (2, True, "trigger new"),
        // Recovering: the repeat is due and waits.
        (3, FALSE, ""),
        (4, FALSE, ""),
        (5, FALSE, "resolve resolved"),
    ] {
        assert_eq!(
            watched.slot_notifies(minute, observation),
            expected,
            "at {minute}"
        );
    }
}

#[test]
fn rule_3_a_snoozed_alert_is_counted_and_says_so_when_it_wakes() {
    let mut watched = WatchedInstance::new(plain());
    watched.snooze("s1", at(3));
    for minute in 0..3 {
        let decision = watched.slot(at(minute), True);
        assert_eq!(
            (format_notifies(&decision), decision.quiet),
            (String::new(), Some(QuietReason::Snoozed))
        );
    }
    let woken = watched.slot(at(3), True);
    assert_eq!(format_notifies(&woken), "trigger snooze_expired");
    assert_eq!(woken.notify[0].snoozed_slots, 3);
}

#[test]
fn rule_4_fires_at_the_slot_at_which_the_snooze_ends_under_a_new_key() {
    let mut watched = WatchedInstance::new(plain());
    watched.slot_notifies(0, True);
    watched.snooze("s1", at_seconds(3 * 60));
    assert_eq!(watched.slot_notifies(1, True), "acknowledge snoozed");
    assert_eq!(format_notifies(&watched.slot(at_seconds(179), True)), "");
    assert_eq!(
        format_notifies(&watched.slot(at_seconds(180), True)),
        "resolve superseded, trigger snooze_expired"
    );
    assert_eq!(watched.slot_notifies(4, True), "");
}

#[test]
fn rule_4_an_error_at_the_very_slot_loses_nothing() {
    let mut watched = WatchedInstance::new(plain());
    watched.slot_notifies(0, True);
    watched.snooze("s1", at(3));
    watched.slot_notifies(1, True);
    assert_eq!(watched.slot_notifies(3, held()), "");
    assert!(watched.notified.latch);
    assert_eq!(watched.slot_notifies(4, held()), "");
    assert_eq!(
        watched.slot_notifies(5, True),
        "resolve superseded, trigger snooze_expired"
    );
    assert!(!watched.notified.latch);
}

#[test]
fn rule_4_also_when_the_error_lasts_from_before_the_end() {
    let mut watched = WatchedInstance::new(plain());
    watched.snooze("s1", at(3));
    watched.slot_notifies(0, True);
    for minute in 1..6 {
        assert_eq!(watched.slot_notifies(minute, held()), "");
    }
    assert_eq!(watched.slot_notifies(6, True), "trigger snooze_expired");
}

#[test]
fn rule_4_the_latch_is_cleared_by_a_resolve_or_a_new_snooze() {
    let latched = || {
        let mut watched = WatchedInstance::new(plain());
        watched.slot_notifies(0, True);
        watched.snooze("s1", at(3));
        watched.slot_notifies(1, True);
        watched.slot_notifies(3, held());
        watched
    };
    let mut resolved = latched();
    assert_eq!(resolved.slot_notifies(4, FALSE), "resolve resolved");
    assert_eq!(resolved.slot_notifies(5, True), "trigger new");

    let mut again = latched();
    again.snooze("s2", at(60));
    assert_eq!(again.slot_notifies(4, True), "acknowledge snoozed");
    assert!(!again.notified.latch);
    assert_eq!(
        again.slot_notifies(60, True),
        "resolve superseded, trigger snooze_expired"
    );
}

#[test]
fn rule_4_bypasses_the_cooldown_and_clears_the_acknowledgement() {
    let timing = Timing {
        cooldown: minutes(30),
        repeat_interval: minutes(5),
        ..plain()
    };
    let mut watched = WatchedInstance::new(timing);
    watched.slot_notifies(0, True);
    watched.slot_notifies(1, FALSE);
    watched.snooze("s1", at(4));
    assert_eq!(watched.slot_notifies(2, True), "");
    watched.instance.acknowledge("alice", at(3));
    assert_eq!(watched.slot_notifies(4, True), "trigger snooze_expired");
    assert_eq!(watched.instance.acked_by, None);
    assert_eq!(watched.slot_notifies(8, True), "");
    assert_eq!(watched.slot_notifies(9, True), "trigger repeat");
}

#[test]
fn rule_4_a_snooze_that_ends_over_nothing_wakes_nobody() {
    let mut watched = WatchedInstance::new(cooling());
    watched.slot_notifies(0, True);
    watched.snooze("s1", at(3));
    watched.slot_notifies(1, FALSE);
    watched.slot_notifies(3, FALSE);
    assert!(!watched.notified.latch);
    let again = watched.slot(at(4), True);
    assert_eq!(again.quiet, Some(QuietReason::CoolingDown { until: at(30) }));
}

#[test]
fn rule_5_a_new_episode_waits_for_the_end_of_the_cooldown() {
    let mut watched = WatchedInstance::new(cooling());
    assert_eq!(watched.slot_notifies(0, True), "trigger new");
    assert_eq!(watched.slot_notifies(1, FALSE), "resolve resolved");
    assert_eq!(watched.slot_notifies(10, True), "");
    assert_eq!(format_notifies(&watched.slot(at_seconds(1799), True)), "");
    assert_eq!(
        format_notifies(&watched.slot(at_seconds(1800), True)),
        "trigger new"
    );
    assert_eq!(watched.notified.cooldown_until, Some(at(60)));
}

#[test]
fn rule_5_an_episode_over_by_then_is_counted_and_not_sent() {
    let mut watched = WatchedInstance::new(cooling());
    watched.slot_notifies(0, True);
    watched.slot_notifies(1, FALSE);
    for start in [5, 10, 15] {
        assert_eq!(watched.slot_notifies(start, True), "");
        assert_eq!(watched.slot_notifies(start + 1, FALSE), "");
    }
    assert_eq!(watched.notified.suppressed_episodes, 3);
    assert_eq!(watched.slot_notifies(29, FALSE), "");
    let decision = watched.slot(at(40), True);
    let expected = InstanceNotify {
        suppressed_episodes: 3,
        ..decision.notify[0].clone()
    };
    assert_eq!(decision.notify, [expected]);
    assert_eq!(watched.notified.suppressed_episodes, 0);
}

#[test]
fn rule_6_repeats_after_the_interval_unless_acknowledged() {
    let timing = Timing {
        repeat_interval: minutes(5),
        ..plain()
    };
    let mut watched = WatchedInstance::new(timing);
    watched.slot_notifies(0, True);
    assert_eq!(format_notifies(&watched.slot(at_seconds(299), True)), "");
    assert_eq!(
        format_notifies(&watched.slot(at_seconds(300), True)),
        "trigger repeat"
    );
    watched.instance.acknowledge("alice", at(6));
    assert_eq!(watched.slot_notifies(6, True), "acknowledge acked");
    let decision = watched.slot(at(20), True);
    assert_eq!(
        (format_notifies(&decision), decision.quiet),
        (String::new(), Some(QuietReason::Acked))
    );
    watched.instance.unacknowledge();
    assert_eq!(watched.slot_notifies(21, True), "trigger repeat");
}

#[test]
fn rule_6_zero_never_repeats() {
    let mut watched = WatchedInstance::new(plain());
    watched.slot_notifies(0, True);
    assert_eq!(watched.slot_notifies(100_000, True), "");
}

#[test]
fn held_says_nothing_new_and_resolves_nothing() {
    let timing = Timing {
        repeat_interval: minutes(1),
        ..plain()
    };
    let mut watched = WatchedInstance::new(timing);
    watched.slot_notifies(0, True);
    for minute in 1..5 {
        let decision = watched.slot(at(minute), held());
        assert_eq!(
            (format_notifies(&decision), decision.quiet),
            (String::new(), Some(QuietReason::Held))
        );
    }
    assert_eq!(watched.slot_notifies(5, True), "trigger repeat");
}

#[test]
fn a_snooze_made_while_the_query_fails_still_stops_the_calls() {
    let mut watched = WatchedInstance::new(plain());
    watched.slot_notifies(0, True);
    watched.snooze("s1", at(60));
    assert_eq!(watched.slot_notifies(1, held()), "acknowledge snoozed");
}

#[test]
fn an_inhibited_alert_waits_and_is_counted_when_it_is_over() {
    let mut watched = WatchedInstance::new(plain());
    watched.inhibited = true;
    assert_eq!(watched.slot(at(0), True).quiet, Some(QuietReason::Inhibited));
    assert_eq!(watched.slot_notifies(1, FALSE), "");
    assert_eq!(watched.notified.suppressed_episodes, 1);
    watched.slot_notifies(2, True);
    watched.inhibited = false;
    assert_eq!(watched.slot_notifies(3, True), "trigger new");
}

#[test]
fn a_cancelled_trigger_leaves_no_cooldown_and_needs_no_resolve() {
    let mut watched = WatchedInstance::new(cooling());
    watched.slot_notifies(0, True);
    assert_eq!(watched.slot_notifies(1, FALSE), "resolve resolved");
    watched.notified.cancel();
    assert_eq!(watched.notified.suppressed_episodes, 1);
    let again = watched.slot(at(2), True);
    assert_eq!(again.notify[0].kind, NotifyKind::Trigger);
    assert_eq!(again.notify[0].suppressed_episodes, 1);
}

#[test]
fn two_receivers_are_decided_apart() {
    let mut watched = WatchedInstance::new(plain());
    watched.slot_notifies(0, True);
    let mut late = Default::default();
    let around = Default::default();
    let decision = fleetledger_paging::decide(&mut watched.instance, &mut late, &plain(), at(1), &around);
    assert_eq!(format_notifies(&decision), "trigger new");
}

#[test]
fn the_example_of_the_rule_test_format_holds() {
    // Dies at 14m with `for: 5m`, is seen at 15m, snoozed from 25m to 85m; the query fails from 30m to 35m and the
    // source is stale from 40m to 50m.
    let mut watched = WatchedInstance::new(Timing {
        for_: minutes(5),
        cooldown: minutes(30),
        repeat_interval: minutes(240),
        ..plain()
    });
    let mut notified_at = Vec::new();
    for minute in 0..100 {
        if minute == 25 {
            watched.snooze("s1", at(85));
        }
        let observation = match minute {
            0..15 => FALSE,
            30..35 | 40..50 => held(),
            _ => True,
        };
        let notifies = watched.slot_notifies(minute, observation);
        if !notifies.is_empty() {
            notified_at.push((minute, notifies));
        }
    }
    let expected = [
        (20, "trigger new"),
        (25, "acknowledge snoozed"),
        (85, "resolve superseded, trigger snooze_expired"),
    ];
    assert_eq!(
        notified_at,
        expected.map(|(minute, notifies)| (minute, notifies.to_owned()))
    );
}
