//! What a test expected and did not get.

use std::collections::BTreeMap;

use fleetledger_paging::LabelSet;
use jiff::Timestamp;

use super::file::{AlertCheck, ExpectedAlert, ExpectedNotification, NotificationCheck, TestCase};
use super::replay::{AlertState, CaseReplay, SentNotification};

/// Differences of one test, as lines of a diff; none if it passes.
#[must_use]
pub fn differences(case: &TestCase, replayed: &CaseReplay) -> Vec<String> {
    let mut lines = Vec::new();
    for check in &case.alert_rule_test {
        lines.extend(alerts_differ(case.start_timestamp, check, replayed));
    }
    for check in &case.notification_test {
        lines.extend(notifications_differ(
            case.start_timestamp,
            check,
            &replayed.notifications,
        ));
    }
    lines
}

fn alerts_differ(start: Timestamp, check: &AlertCheck, replayed: &CaseReplay) -> Vec<String> {
    let at = check.eval_time.after(start);
    let newest = replayed.states.range(..=at).next_back();
    let mut got: Vec<&AlertState> = newest
        .into_iter()
        .flat_map(|(_, states)| states)
        .filter(|state| state.labels.get("alertname") == Some(&check.alertname))
        .collect();
    let mut lines = Vec::new();
    for expected in &check.exp_alerts {
        match got.iter().position(|state| is_as_expected(expected, state)) {
            Some(found) => {
                got.remove(found);
            }
            None => lines.push(format!("- {} {}", check.alertname, expected_alert(expected))),
        }
    }
    lines.extend(
        got.iter()
            .map(|state| format!("+ {} {}", check.alertname, alert(state))),
    );
    if !lines.is_empty() {
        lines.insert(0, format!("at {:#}:", at.duration_since(start)));
    }
    lines
}

fn is_as_expected(expected: &ExpectedAlert, state: &AlertState) -> bool {
    let has_value = expected.exp_value.is_none_or(|expected| {
        state
            .value
            .is_some_and(|value| (value - expected).abs() <= 1e-6 * expected.abs().max(1.0))
    });
    expected.exp_state == state.condition.as_str()
        && has_labels(&expected.exp_labels, &state.labels)
        && has_labels(&expected.exp_annotations, &state.annotations)
        && has_value
}

fn notifications_differ(
    start: Timestamp,
    check: &NotificationCheck,
    sent: &[SentNotification],
) -> Vec<String> {
    let got: Vec<&SentNotification> = sent
        .iter()
        .filter(|sent| sent.receiver == check.receiver)
        .collect();
    let is_same = |expected: &ExpectedNotification, sent: &SentNotification| {
        expected.at.after(start) == sent.at
            && expected.kind == sent.kind.as_str()
            && expected.reason == sent.reason.as_str()
            && has_labels(&expected.labels, &sent.labels)
    };
    let is_equal = check.exp.len() == got.len()
        && check
            .exp
            .iter()
            .zip(&got)
            .all(|(expected, sent)| is_same(expected, sent));
    if is_equal {
        return Vec::new();
    }
    let mut lines = vec![format!("notifications to {}:", check.receiver)];
    for place in 0..check.exp.len().max(got.len()) {
        match (check.exp.get(place), got.get(place)) {
            (Some(expected), Some(sent)) if is_same(expected, sent) => {
                lines.push(format!("  {}", notification(start, sent)))
            }
            (expected, sent) => {
                lines.extend(expected.map(|expected| {
                    format!(
                        "- {:#} {} ({}) {}",
                        expected.at.0,
                        expected.kind,
                        expected.reason,
                        show_labels(&expected.labels)
                    )
                }));
                lines.extend(sent.map(|sent| format!("+ {}", notification(start, sent))));
            }
        }
    }
    lines
}

fn notification(start: Timestamp, sent: &SentNotification) -> String {
    let at = sent.at.duration_since(start);
    format!(
        "{at:#} {} ({}) {}",
        sent.kind.as_str(),
        sent.reason.as_str(),
        show_labels(&sent.labels)
    )
}

fn has_labels(expected: &BTreeMap<String, String>, got: &LabelSet) -> bool {
    expected.iter().all(|(name, value)| got.get(name) == Some(value))
}

fn alert(state: &AlertState) -> String {
    let value = state
        .value
        .map_or_else(|| "no value".to_owned(), |value| format!("value {value}"));
    let shown_annotations: Vec<String> = state
        .annotations
        .iter()
        .filter(|(name, _)| *name != "runbook")
        .map(|(name, text)| format!("{name}: {text}"))
        .collect();
    format!(
        "{} {} {value}; {}",
        state.condition.as_str(),
        show_labels(&state.labels),
        shown_annotations.join("; ")
    )
}

fn expected_alert(expected: &ExpectedAlert) -> String {
    let value = expected
        .exp_value
        .map_or_else(String::new, |value| format!(" value {value}"));
    let annotations: Vec<String> = expected
        .exp_annotations
        .iter()
        .map(|(name, text)| format!("; {name}: {text}"))
        .collect();
    format!(
        "{} {}{value}{}",
        expected.exp_state,
        show_labels(&expected.exp_labels),
        annotations.concat()
    )
}

fn show_labels(labels: &BTreeMap<String, String>) -> String {
    let shown = labels
        .iter()
        .filter(|(name, _)| !["alertname", "severity", "team"].contains(&name.as_str()));
    let shown: Vec<String> = shown.map(|(name, value)| format!("{name}={value}")).collect();
    format!("{{{}}}", shown.join(", "))
}
