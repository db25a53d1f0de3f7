//! The words that stand in columns, rule tests and stored JSON are the same ones, and are read back.

use std::fmt::Debug;

use fleetledger_paging::{Condition, Instance, NotifyKind, NotifyReason, Resolution};
use serde::Serialize;

use super::at;

fn check<T>(values: &[T], word: fn(T) -> &'static str, parse: fn(&str) -> Option<T>)
where
    T: Copy + Debug + PartialEq + Serialize,
{
    for value in values {
        let stored = serde_json::to_value(value).unwrap();
        assert_eq!(stored, word(*value));
        assert_eq!(parse(word(*value)), Some(*value));
    }
    assert_eq!(parse("something else"), None);
}

#[test]
fn every_word_is_written_and_read_the_same_way() {
    use Condition::{Firing, Inactive, Pending, Recovering};
    let conditions = [Inactive, Pending, Firing, Recovering, Condition::Resolved];
    check(&conditions, Condition::as_str, Condition::parse);
    let resolutions = [
        Resolution::Fixed,
        Resolution::Missing,
        Resolution::StaleSource,
        Resolution::TargetRetired,
        Resolution::RuleRemoved,
        Resolution::RuleDisabled,
        Resolution::RuleRelabelled,
    ];
    check(&resolutions, Resolution::as_str, Resolution::parse);
    let kinds = [NotifyKind::Trigger, NotifyKind::Acknowledge, NotifyKind::Resolve];
    check(&kinds, NotifyKind::as_str, NotifyKind::parse);
    let reasons = [
        NotifyReason::New,
        NotifyReason::Repeat,
        NotifyReason::SnoozeExpired,
        NotifyReason::Resolved,
        NotifyReason::Superseded,
        NotifyReason::Snoozed,
        NotifyReason::Acked,
        NotifyReason::TargetRetired,
        NotifyReason::RuleRemoved,
        NotifyReason::RuleDisabled,
        NotifyReason::RuleRelabelled,
        NotifyReason::StaleSource,
    ];
    check(&reasons, NotifyReason::as_str, NotifyReason::parse);
}

#[test]
fn only_what_is_over_for_long_enough_is_forgotten() {
    let instance = |condition, resolved: Option<i64>| Instance {
        condition,
        resolved_at: resolved.map(at),
        ..Instance::default()
    };
    assert!(instance(Condition::Inactive, None).is_forgettable(at(10)));
    assert!(instance(Condition::Resolved, Some(10)).is_forgettable(at(10)));
    assert!(!instance(Condition::Resolved, Some(11)).is_forgettable(at(10)));
    for condition in [Condition::Pending, Condition::Firing, Condition::Recovering] {
        assert!(!instance(condition, Some(1)).is_forgettable(at(10)));
    }
}
