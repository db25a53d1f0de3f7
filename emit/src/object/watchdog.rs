//! Watchdog → record.

use fleetledger_schema::record::{self, FailingNode};

use super::{
    MetadataRules,
    meta::{common, conditions, filled, instant, message},
};
use crate::watchdog_resource::{NodeCheckFailure, Watchdog};

/// Most failing nodes a record names; the resource itself holds no more.
const MAX_FAILING: usize = 20;

/// The record of a watchdog. Run instants and ids stay behind.
#[must_use]
pub fn watchdog(watchdog: &Watchdog, rules: &MetadataRules) -> record::Watchdog {
    let common = common(&watchdog.metadata, rules);
    let spec = &watchdog.spec;
    let status = watchdog.status.clone().unwrap_or_default();
    let nodes = status.nodes.clone().unwrap_or_default();
    let snooze = spec.snooze.as_ref();
    record::Watchdog {
        uid: common.uid,
        watchdog: common.name,
        created_at: common.created_at,
        deletion_requested_at: common.deletion_requested_at,
        deleted_at: None,
        deletion_inferred: false,
        labels: common.labels,
        annotations: common.annotations,
        finalizers: common.finalizers,
        scope: spec.scope.as_str().to_owned(),
        check: spec
            .check
            .iter()
            .flat_map(|check| check.keys())
            .next()
            .cloned()
            .unwrap_or_default(),
        interval_seconds: spec.interval.as_deref().and_then(duration_seconds),
        severity: filled(spec.severity.as_ref()),
        runbook: filled(spec.runbook.as_ref()),
        suspended: spec.suspend,
        snoozed_until: snooze.and_then(|snooze| snooze.until.as_ref()).map(instant),
        snoozed_by: snooze.and_then(|snooze| filled(snooze.by.as_ref())),
        snooze_reason: snooze.and_then(|snooze| filled(snooze.reason.as_ref())),
        generation: watchdog.metadata.generation,
        observed_generation: status.observed_generation,
        state: filled(status.state.as_ref()),
        episode: status.episode,
        incarnation: status.incarnation,
        dedup_key: filled(status.dedup_key.as_ref()),
        nodes_desired: nodes.desired,
        nodes_reporting: nodes.reporting,
        nodes_ok: nodes.ok,
        nodes_failing: nodes.failing,
        nodes_unknown: nodes.unknown,
        failing: failing(&status.failing),
        conditions: conditions(Some(&status.conditions)),
    }
}

/// By node: of more than the resource may hold the first are kept, which are the worst.
fn failing(nodes: &[NodeCheckFailure]) -> Vec<FailingNode> {
    let mut failing: Vec<FailingNode> = nodes
        .iter()
        .take(MAX_FAILING)
        .map(|failing| FailingNode {
            node: failing.node.clone(),
            message: message(failing.message.as_ref()),
            since: failing.since.as_ref().map(instant),
        })
        .collect();
    failing.sort_by(|a, b| a.node.cmp(&b.node));
    failing
}

/// Seconds of a duration as Kubernetes writes it: `30s`, `5m`, `1h30m`. Less than a second counts as none.
#[must_use]
pub fn duration_seconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut seconds: i64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at(digits);
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, next) = unit.split_at(end);
        let number: i64 = number.parse().ok()?;
        let factor = match unit {
            "d" => 86_400,
            "h" => 3_600,
            "m" => 60,
            "s" => 1,
            "ms" | "us" | "ns" => 0,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(factor)?)?;
        rest = next;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_kubernetes_writes_them() {
        for (text, expected) in [
            ("30s", Some(30)),
            ("5m", Some(300)),
            ("1h30m", Some(5400)),
            ("250ms", Some(0)),
            ("", None),
            ("5", None),
            ("m", None),
        ] {
            assert_eq!(duration_seconds(text), expected, "{text}");
        }
    }
}
