//! The words that stand in columns, rule tests and stored JSON are the same ones, and are read back.

use std::fmt::Debug;

use fleetledger_paging::{AlertCondition, AlertInstance, AlertResolution, NotifyKind, NotifyReason};
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
fn every_name_is_written_and_read_the_same_way() {
    use AlertCondition::{Firing, Inactive, Pending, Recovering};
    let conditions = [Inactive, Pending, Firing, Recovering, AlertCondition::Resolved];
    check(&conditions, AlertCondition::as_str, AlertCondition::parse);
    let resolutions = [
        AlertResolution::Fixed,
        AlertResolution::Missing,
        AlertResolution::StaleSource,
        AlertResolution::TargetRetired,
        AlertResolution::RuleRemoved,
        AlertResolution::RuleDisabled,
        AlertResolution::RuleRelabelled,
    ];
    check(&resolutions, AlertResolution::as_str, AlertResolution::parse);
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
    let instance = |condition, resolved: Option<i64>| AlertInstance {
        condition,
        resolved_at: resolved.map(at),
        ..AlertInstance::default()
    };
    assert!(instance(AlertCondition::Inactive, None).is_forgettable(at(10)));
    assert!(instance(AlertCondition::Resolved, Some(10)).is_forgettable(at(10)));
    assert!(!instance(AlertCondition::Resolved, Some(11)).is_forgettable(at(10)));
    for condition in [
        AlertCondition::Pending,
        AlertCondition::Firing,
        AlertCondition::Recovering,
    ] {
        assert!(!instance(condition, Some(1)).is_forgettable(at(10)));
    }
}
