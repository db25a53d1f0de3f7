//! Payloads, field by field.

use fleetledger_paging::channel::{alertmanager, pagerduty, slack, webhook};
use fleetledger_paging::notification::QuietedBy;
use fleetledger_paging::{NotifyKind, NotifyReason, ReceiverSecret};
use insta::assert_json_snapshot;
use serde_json::json;

use super::sample::{alert, at, crowd, labels, notification, resolve, start, trigger};

#[test]
fn pagerduty_trigger_carries_all_that_is_needed_to_act() {
    assert_json_snapshot!("pagerduty_trigger", pagerduty::event(&trigger()));
}

#[test]
fn pagerduty_acknowledge_and_resolve_carry_the_key_alone() {
    for (kind, reason, action) in [
        (NotifyKind::Acknowledge, NotifyReason::Snoozed, "acknowledge"),
        (NotifyKind::Resolve, NotifyReason::Superseded, "resolve"),
    ] {
        let notification = notification(kind, reason);
        let expected = json!({"event_action": action, "dedup_key": notification.dedup_key});
        assert_eq!(pagerduty::event(&notification), expected);
    }
}

#[test]
fn pagerduty_group_lists_twenty_and_counts_the_others() {
    let event = pagerduty::event(&crowd());
    let details = &event["payload"]["custom_details"];
    assert_eq!(details["alerts"].as_array().unwrap().len(), 20);
    assert_eq!(details["more"], "and 117 more");
    assert_eq!(details["episodes_not_notified_before"], 2);
    let summary = event["payload"]["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("137 × NodeNotReporting (cluster=a): n00 silent"),
        "{summary}"
    );
}

#[test]
fn pagerduty_limits_hold_whatever_a_rule_says() {
    let mut long = crowd();
    for alert in &mut long.alerts {
        alert.annotations.insert("summary".to_owned(), "ä".repeat(5000));
        for number in 0..40 {
            let name = format!("detail_{number}");
            alert.annotations.insert(name, "\u{1}".repeat(100_000));
        }
    }
    long.dedup_key = "k".repeat(400);
    let event = pagerduty::event(&long);
    let summary = event["payload"]["summary"].as_str().unwrap();
    assert_eq!(summary.chars().count(), 1024);
    assert!(summary.ends_with('…'));
    assert_eq!(event["dedup_key"].as_str().unwrap().chars().count(), 255);
    assert!(event.to_string().len() < 512 * 1024);
}

#[test]
fn pagerduty_knows_four_severities() {
    for (label, word) in [
        ("page", "critical"),
        ("critical", "critical"),
        ("error", "error"),
        ("warning", "warning"),
        ("ticket", "warning"),
        ("info", "info"),
        ("purple", "error"),
    ] {
        assert_eq!(pagerduty::severity(&labels(&[("severity", label)])), word);
    }
    assert_eq!(pagerduty::severity(&labels(&[])), "error");
}

#[test]
fn slack_message_escapes_what_people_wrote() {
    assert_json_snapshot!("slack_trigger", slack::message(&trigger()));
}

#[test]
fn slack_names_twenty_and_counts_the_others() {
    let message = slack::message(&crowd());
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 22);
    assert_eq!(blocks[21]["text"]["text"], "and 117 more");
    let heading = message["text"].as_str().unwrap();
    assert!(
        heading.ends_with("(2 earlier episodes were not notified)"),
        "{heading}"
    );
}

#[test]
fn slack_says_why_it_speaks() {
    use NotifyKind::{Resolve, Trigger};
    for (kind, reason, expected) in [
        (Trigger, NotifyReason::Repeat, "Still firing"),
        (
            Trigger,
            NotifyReason::SnoozeExpired,
            "Still firing after its snooze",
        ),
        (Resolve, NotifyReason::Resolved, "Resolved"),
        (
            Resolve,
            NotifyReason::TargetRetired,
            "Resolved, the target is retired",
        ),
        (Resolve, NotifyReason::RuleDisabled, "Resolved, the rule changed"),
    ] {
        let message = slack::message(&notification(kind, reason));
        let text = message["text"].as_str().unwrap();
        assert!(text.contains(&format!("*{expected}*")), "{text}");
    }
}

#[test]
fn slack_sections_stay_within_their_limit() {
    let mut long = trigger();
    let summary = "<&>".repeat(3000);
    long.alerts[0].annotations.insert("summary".to_owned(), summary);
    long.alerts[0].links.timeline = Some("https://console.example.com/?".repeat(100));
    long.alerts.push(long.alerts[0].clone());
    long.alerts_total = 2;
    let message = slack::message(&long);
    for block in message["blocks"].as_array().unwrap() {
        let text = block["text"]["text"].as_str().unwrap();
        assert!(text.chars().count() <= 3000);
        // No escape is cut in two.
        assert_eq!(text.matches('&').count(), text.matches(';').count());
    }
}

#[test]
fn webhook_speaks_alertmanagers_version_4() {
    let mut two = trigger();
    two.alerts.push(alert("n2"));
    two.alerts_total = 5;
    assert_json_snapshot!(
        "webhook_firing",
        webhook::body(&two, "https://console.example.com")
    );
    assert_json_snapshot!(
        "webhook_resolved",
        webhook::body(&resolve(), "https://console.example.com")
    );
}

#[test]
fn webhook_signature_is_hmac_sha256_of_instant_and_body() {
    // `printf '1767225600.{}' | openssl dgst -sha256 -hmac key`
    let signature = webhook::signature(&ReceiverSecret::new("key"), start(), "{}");
    assert_eq!(
        signature,
        "t=1767225600,v1=df344de429b8ee672e1863e0008fdbd0080000536fbccdf0e4f89846acbbe872"
    );
}

#[test]
fn alertmanager_alert_lasts_four_intervals_and_at_least_four_minutes() {
    let minute = std::time::Duration::from_secs(60);
    assert_eq!(alertmanager::ends_at(minute / 4, start()), at(4));
    assert_eq!(alertmanager::ends_at(minute * 5, start()), at(20));
    let firing = alertmanager::postable(&alert("n1"), 0, at(4));
    assert_json_snapshot!("alertmanager_alert", firing);
}

#[test]
fn alertmanager_alert_is_another_one_after_each_snooze() {
    let awake = alertmanager::labels(&alert("n1").labels, 2);
    assert_eq!(awake["wake"], "2");
    assert!(!alertmanager::labels(&alert("n1").labels, 0).contains_key("wake"));
    let mut life = alertmanager::WakeCount::default();
    let mut count = |kind, reason| life.count(kind, reason);
    assert_eq!(count(NotifyKind::Trigger, NotifyReason::New), 0);
    assert_eq!(count(NotifyKind::Acknowledge, NotifyReason::Snoozed), 0);
    assert_eq!(count(NotifyKind::Resolve, NotifyReason::Superseded), 0);
    assert_eq!(count(NotifyKind::Trigger, NotifyReason::SnoozeExpired), 1);
    assert_eq!(count(NotifyKind::Trigger, NotifyReason::Repeat), 1);
    assert_eq!(count(NotifyKind::Resolve, NotifyReason::Resolved), 1);
    assert_eq!(count(NotifyKind::Trigger, NotifyReason::New), 0);
}

#[test]
fn alertmanager_silence_covers_one_instance_and_one_wake() {
    let by = QuietedBy {
        who: "alice".to_owned(),
        reason: "disk swap".to_owned(),
        until: Some(at(60)),
    };
    let known_by = alertmanager::labels(&labels(&[("alertname", "A"), ("node", "n1")]), 0);
    let silence = alertmanager::silence(&known_by, &by, at(0), at(60));
    assert_json_snapshot!("alertmanager_silence", silence);
}

#[test]
fn keep_alive_sends_what_is_open_and_what_ended_less_than_15_minutes_ago() {
    let posted = |ends_at, superseded_at| alertmanager::PostedAlert {
        alert: fleetledger_paging::Alert {
            ends_at,
            ..alert("n1")
        },
        interval: std::time::Duration::from_secs(60),
        wake: 1,
        superseded_at,
    };
    let sent = |one: alertmanager::PostedAlert| {
        let alerts = alertmanager::keep_alive([&one], at(30));
        let texts = alerts.iter().map(|alert| {
            (
                alert["labels"]["wake"].as_str().unwrap_or("0").to_owned(),
                alert["endsAt"].as_str().unwrap().to_owned(),
            )
        });
        texts.collect::<Vec<_>>()
    };
    let text = |minute| at(minute).to_string();
    assert_eq!(sent(posted(None, None)), [("1".to_owned(), text(34))]);
    assert_eq!(sent(posted(Some(at(16)), None)), [("1".to_owned(), text(16))]);
    assert_eq!(sent(posted(Some(at(15)), None)), []);
    assert_eq!(
        sent(posted(None, Some(at(20)))),
        [("1".to_owned(), text(34)), ("0".to_owned(), text(20))]
    );
    assert_eq!(sent(posted(None, Some(at(15)))).len(), 1);
}
