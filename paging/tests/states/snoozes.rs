//! Snoozes and planned silences.

use fleetledger_paging::snooze::{SnoozeError, SnoozeKind, in_force};
use fleetledger_paging::{AlertCondition, AlertInstance, AlertSnooze, LabelSet};

use super::{at, at_seconds};

fn node(name: &str) -> LabelSet {
    LabelSet::from([("node".to_owned(), name.to_owned())])
}

fn snooze(id: &str, from: i64, until: i64) -> AlertSnooze {
    AlertSnooze {
        id: id.to_owned(),
        kind: SnoozeKind::Snooze,
        matchers: vec!["node=n1".parse().unwrap()],
        owner: "alice".to_owned(),
        reason: "disk swap".to_owned(),
        from: at(from),
        until: at(until),
        ended_at: None,
    }
}

#[test]
fn a_snooze_covers_from_its_first_slot_to_before_its_end() {
    let snooze = snooze("s", 10, 20);
    for (slot, covered) in [
        (at_seconds(599), false),
        (at(10), true),
        (at_seconds(1199), true),
        (at(20), false),
    ] {
        assert_eq!(snooze.covers(&node("n1"), slot), covered, "{slot}");
    }
    assert!(!snooze.covers(&node("n2"), at(10)));
}

#[test]
fn a_snooze_taken_back_covers_nothing_from_that_slot_on() {
    let mut snooze = snooze("s", 0, 60);
    snooze.ended_at = Some(at(5));
    assert!(snooze.covers(&node("n1"), at(4)));
    assert!(!snooze.covers(&node("n1"), at(5)));
}

#[test]
fn of_several_the_one_that_ends_last_is_in_force() {
    let snoozes = [snooze("a", 0, 30), snooze("b", 0, 60), snooze("c", 40, 90)];
    let id = |minute| in_force(&snoozes, &node("n1"), at(minute)).map(|snooze| snooze.id.as_str());
    assert_eq!((id(0), id(45), id(90)), (Some("b"), Some("c"), None));
}

#[test]
fn a_snooze_without_owner_reason_end_or_target_is_refused() {
    let month = 30 * 24 * 60;
    let ok = snooze("s", 0, month);
    assert_eq!(ok.check(), Ok(()));
    let refused = |change: fn(&mut AlertSnooze)| {
        let mut snooze = snooze("s", 0, month);
        change(&mut snooze);
        snooze.check().unwrap_err()
    };
    assert_eq!(refused(|s| s.owner = " ".to_owned()), SnoozeError::NoOwner);
    assert_eq!(refused(|s| s.reason = String::new()), SnoozeError::NoReason);
    assert_eq!(refused(|s| s.matchers.clear()), SnoozeError::CoversEverything);
    let anything = |s: &mut AlertSnooze| s.matchers = vec!["node=~.*".parse().unwrap()];
    assert_eq!(refused(anything), SnoozeError::CoversEverything);
    assert!(matches!(
        refused(|s| s.until = s.from),
        SnoozeError::NoTime { .. }
    ));
    let long = refused(|s| s.until = at_seconds(30 * 86_400 + 1));
    assert_eq!(
        long.to_string(),
        "a snooze lasts 30 days at most: it begins at 2026-01-01T00:00:00Z, so it may end at 2026-01-31T00:00:00Z"
    );
}

fn instance(condition: AlertCondition, resolved: Option<i64>) -> AlertInstance {
    AlertInstance {
        condition,
        resolved_at: resolved.map(at),
        ..AlertInstance::default()
    }
}

#[test]
fn a_snooze_is_done_once_its_instances_are_resolved_for_15_minutes() {
    let snooze = snooze("s", 0, 600);
    let resolved = instance(AlertCondition::Resolved, Some(10));
    assert!(!snooze.is_done(at_seconds(25 * 60 - 1), [&resolved]));
    assert!(snooze.is_done(at(25), [&resolved]));
    let later = instance(AlertCondition::Resolved, Some(20));
    assert!(!snooze.is_done(at(25), [&resolved, &later]));
    for condition in [
        AlertCondition::Pending,
        AlertCondition::Firing,
        AlertCondition::Recovering,
    ] {
        assert!(!snooze.is_done(at(100), [&resolved, &instance(condition, Some(1))]));
    }
}

#[test]
fn a_snooze_of_what_was_resolved_before_it_waits_as_long() {
    let snooze = snooze("s", 10, 600);
    let resolved = instance(AlertCondition::Resolved, Some(1));
    assert!(!snooze.is_done(at_seconds(25 * 60 - 1), [&resolved]));
    assert!(snooze.is_done(at(25), [&resolved]));
}

#[test]
fn a_snooze_of_what_never_fired_waits_and_a_planned_silence_never_ends_early() {
    let waiting = snooze("s", 0, 600);
    assert!(!waiting.is_done(at(100), []));
    assert!(!waiting.is_done(at(100), [&instance(AlertCondition::Inactive, None)]));
    let planned = AlertSnooze {
        kind: SnoozeKind::Silence,
        ..snooze("p", 0, 600)
    };
    assert!(!planned.is_done(at(100), [&instance(AlertCondition::Resolved, Some(1))]));
}
