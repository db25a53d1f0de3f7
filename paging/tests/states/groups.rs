//! Groups, their incarnations and keys.

use std::time::Duration;

use fleetledger_paging::group::{dedup_key, stream_id};
use fleetledger_paging::{AlertGroup, GroupBy, Grouping, InstanceNotify, LabelSet, NotifyKind, NotifyReason};

use super::{at, at_seconds};
use NotifyKind::{Acknowledge, Resolve, Trigger};
use NotifyReason::{Acked, New, Repeat, Resolved, SnoozeExpired, Snoozed, Superseded, TargetRetired};

fn grouping() -> Grouping {
    Grouping {
        by: GroupBy::labels(["alertname", "cluster"]),
        wait: Duration::from_secs(30),
        interval: Duration::from_secs(300),
    }
}

type NotifyTriple = (NotifyKind, NotifyReason, u64);

fn apply(
    group: &mut AlertGroup,
    minute: i64,
    decisions: &[(&str, &[(NotifyKind, NotifyReason)])],
) -> Vec<NotifyTriple> {
    let decisions: Vec<(&str, Vec<InstanceNotify>)> = decisions
        .iter()
        .map(|(member, notifies)| {
            let notify = |(kind, reason): &(NotifyKind, NotifyReason)| InstanceNotify {
                kind: *kind,
                reason: *reason,
                suppressed_episodes: 0,
                snoozed_slots: 0,
            };
            (*member, notifies.iter().map(notify).collect())
        })
        .collect();
    let borrowed = decisions
        .iter()
        .map(|(member, notifies)| (*member, notifies.as_slice()));
    let notifies = group.apply(&grouping(), at(minute), borrowed);
    notifies
        .iter()
        .map(|one| (one.kind, one.reason, one.incarnation))
        .collect()
}

#[test]
fn a_group_is_resolved_when_its_last_member_closes() {
    let mut group = AlertGroup::default();
    let opened = apply(
        &mut group,
        0,
        &[("a", &[(Trigger, New)]), ("b", &[(Trigger, New)])],
    );
    assert_eq!(opened, [(Trigger, New, 1)]);
    assert_eq!(apply(&mut group, 1, &[("a", &[(Resolve, Resolved)])]), []);
    let closed = apply(&mut group, 2, &[("b", &[(Resolve, TargetRetired)])]);
    assert_eq!(closed, [(Resolve, TargetRetired, 1)]);
    assert_eq!(
        apply(&mut group, 3, &[("a", &[(Trigger, New)])]),
        [(Trigger, New, 2)]
    );
}

#[test]
fn a_member_that_joins_is_notified_under_the_same_key() {
    let mut group = AlertGroup::default();
    apply(&mut group, 0, &[("a", &[(Trigger, New)])]);
    assert_eq!(
        apply(&mut group, 1, &[("b", &[(Trigger, New)])]),
        [(Trigger, New, 1)]
    );
    assert_eq!(
        apply(&mut group, 2, &[("a", &[(Trigger, Repeat)])]),
        [(Trigger, Repeat, 1)]
    );
}

#[test]
fn a_member_that_takes_the_place_of_another_keeps_the_group_open() {
    let mut group = AlertGroup::default();
    apply(&mut group, 0, &[("a", &[(Trigger, New)])]);
    let swapped = apply(
        &mut group,
        1,
        &[("a", &[(Resolve, Resolved)]), ("b", &[(Trigger, New)])],
    );
    assert_eq!(swapped, [(Trigger, New, 1)]);
}

#[test]
fn each_snooze_that_ends_opens_a_new_incarnation_and_resolves_the_old_one_first() {
    let mut group = AlertGroup::default();
    apply(
        &mut group,
        0,
        &[("a", &[(Trigger, New)]), ("b", &[(Trigger, New)])],
    );
    let woken: &[_] = &[(Resolve, Superseded), (Trigger, SnoozeExpired)];
    // Two members that wake at one slot make one new incarnation.
    let notifies = apply(&mut group, 5, &[("a", woken), ("b", woken)]);
    assert_eq!(notifies, [(Resolve, Superseded, 1), (Trigger, SnoozeExpired, 2)]);
}

#[test]
fn a_snooze_that_ends_over_an_unseen_group_has_nothing_to_resolve() {
    let mut group = AlertGroup::default();
    let notifies = apply(&mut group, 0, &[("a", &[(Trigger, SnoozeExpired)])]);
    assert_eq!(notifies, [(Trigger, SnoozeExpired, 1)]);
}

#[test]
fn a_group_is_acknowledged_when_all_of_it_is() {
    let mut group = AlertGroup::default();
    apply(
        &mut group,
        0,
        &[("a", &[(Trigger, New)]), ("b", &[(Trigger, New)])],
    );
    assert_eq!(apply(&mut group, 1, &[("a", &[(Acknowledge, Snoozed)])]), []);
    assert_eq!(
        apply(&mut group, 2, &[("b", &[(Acknowledge, Acked)])]),
        [(Acknowledge, Acked, 1)]
    );
}

#[test]
fn a_group_is_acknowledged_when_only_acknowledged_members_are_left() {
    let mut group = AlertGroup::default();
    apply(
        &mut group,
        0,
        &[("a", &[(Trigger, New)]), ("b", &[(Trigger, New)])],
    );
    apply(&mut group, 1, &[("a", &[(Acknowledge, Acked)])]);
    let left = apply(&mut group, 2, &[("b", &[(Resolve, Resolved)])]);
    assert_eq!(left, [(Acknowledge, Acked, 1)]);
}

#[test]
fn a_member_that_joins_an_acknowledged_group_is_heard() {
    let mut group = AlertGroup::default();
    apply(&mut group, 0, &[("a", &[(Trigger, New)])]);
    apply(&mut group, 1, &[("a", &[(Acknowledge, Acked)])]);
    let notifies = apply(&mut group, 2, &[("b", &[(Trigger, New)])]);
    assert_eq!(notifies, [(Resolve, Superseded, 1), (Trigger, New, 2)]);
}

#[test]
fn a_new_group_waits_and_a_changed_one_keeps_its_interval() {
    let new = |member: &'static str| {
        let notify = InstanceNotify {
            kind: Trigger,
            reason: New,
            suppressed_episodes: 0,
            snoozed_slots: 0,
        };
        (member, [notify])
    };
    let mut group = AlertGroup::default();
    let mut due = |minute, member| {
        let (member, notifies) = new(member);
        group.apply(&grouping(), at(minute), [(member, notifies.as_slice())])[0].due_at
    };
    assert_eq!(due(0, "a"), at_seconds(30));
    assert_eq!(due(1, "b"), at_seconds(330));
    assert_eq!(due(20, "c"), at(20));
}

#[test]
fn keys_are_stable_and_differ_by_receiver_group_and_incarnation() {
    let labels = LabelSet::from([
        ("alertname".to_owned(), "NodeDown".to_owned()),
        ("cluster".to_owned(), "a".to_owned()),
        ("node".to_owned(), "n1".to_owned()),
    ]);
    let group = grouping().by.key(&labels);
    assert_eq!(group.len(), 2);
    let stream = stream_id("pagerduty", &group);
    // Kept over versions: receivers know open incidents by it.
    assert_eq!(
        dedup_key(&stream, 3),
        "fleetledger:07f172327a8227942d1482c5603bf14a:3"
    );
    assert_ne!(stream, stream_id("slack", &group));
    assert_ne!(stream, stream_id("pagerduty", &labels));
    let shifted = LabelSet::from([("a".to_owned(), "bc".to_owned())]);
    let other = LabelSet::from([("ab".to_owned(), "c".to_owned())]);
    assert_ne!(stream_id("r", &shifted), stream_id("r", &other));
    assert!(dedup_key(&stream, u64::MAX).len() <= 255);
}
