//! The message Slack is sent: text for notifications, blocks for the channel.

use serde_json::{Value, json};

use crate::decision::{NotifyKind, NotifyReason};
use crate::notification::{Alert, Notification, cut, list};

/// How many alerts one message names; the others are counted.
const ALERTS: usize = 20;
/// The longest section, in characters.
const SECTION: usize = 3000;
/// The longest text of a section before it is escaped, in characters: `&` becomes five.
const TEXT: usize = 400;

/// The message for a notification.
#[must_use]
pub fn message(notification: &Notification) -> Value {
    let heading = heading(notification);
    let mut blocks = vec![section(&heading)];
    let alone = notification.alerts_total <= 1;
    let lines = notification.alerts.iter().take(ALERTS);
    blocks.extend(lines.map(|alert| section(&line(alert, alone))));
    let more = notification.more(notification.alerts.len().min(ALERTS));
    if more > 0 {
        blocks.push(section(&format!("and {more} more")));
    }
    json!({"text": heading, "blocks": blocks})
}

fn heading(notification: &Notification) -> String {
    let (mark, state) = match (notification.kind, notification.reason) {
        (NotifyKind::Resolve, NotifyReason::TargetRetired) => {
            (":white_check_mark:", "Resolved, the target is retired")
        }
        (
            NotifyKind::Resolve,
            NotifyReason::RuleRemoved | NotifyReason::RuleDisabled | NotifyReason::RuleRelabelled,
        ) => (":white_check_mark:", "Resolved, the rule changed"),
        (NotifyKind::Resolve, NotifyReason::StaleSource) => {
            (":white_check_mark:", "Resolved, the source is stale")
        }
        (NotifyKind::Resolve, _) => (":white_check_mark:", "Resolved"),
        (NotifyKind::Acknowledge, _) => (":eyes:", "Acknowledged"),
        (NotifyKind::Trigger, NotifyReason::Repeat) => (":rotating_light:", "Still firing"),
        (NotifyKind::Trigger, NotifyReason::SnoozeExpired) => {
            (":rotating_light:", "Still firing after its snooze")
        }
        (NotifyKind::Trigger, _) => (":rotating_light:", "Firing"),
    };
    let title = escape(&cut(&notification.title(), TEXT));
    let missed = match notification.suppressed_episodes {
        0 => String::new(),
        1 => " (1 earlier episode was not notified)".to_owned(),
        many => format!(" ({many} earlier episodes were not notified)"),
    };
    format!("{mark} *{state}*: {title}{missed}")
}

/// One alert; of one that is alone the heading has said what it says.
fn line(alert: &Alert, alone: bool) -> String {
    let labels = list(&alert.labels, &[]);
    let text = if alone {
        labels
    } else {
        format!("{}\n{labels}", alert.summary())
    };
    let mut line = escape(&cut(&text, TEXT));
    let mut separator = "\n";
    for (name, href) in alert.links.named() {
        let link = format!("{separator}<{}|{name}>", escape(href).replace('|', "%7C"));
        if line.chars().count() + link.chars().count() <= SECTION {
            line.push_str(&link);
            separator = " · ";
        }
    }
    line
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

/// Slack's three special characters.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
