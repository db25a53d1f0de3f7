//! Alertmanager's webhook payload, version 4.

use serde_json::{Value, json};

use crate::decision::NotifyKind;
use crate::labels::LabelSet;
use crate::notification::{Alert, Notification};

/// What Alertmanager writes for an end that is not known.
const NO_END: &str = "0001-01-01T00:00:00Z";

/// The payload for a notification.
#[must_use]
pub fn body(notification: &Notification, external_url: &str) -> Value {
    let resolved = notification.kind == NotifyKind::Resolve;
    let alerts: Vec<Value> = notification
        .alerts
        .iter()
        .map(|one| alert(one, notification, resolved))
        .collect();
    json!({
        "version": "4",
        "groupKey": group_key(&notification.group_key),
        "truncatedAlerts": notification.more(notification.alerts.len()),
        "status": status(resolved),
        "receiver": notification.receiver,
        "groupLabels": notification.group_key,
        "commonLabels": common(notification.alerts.iter().map(|alert| &alert.labels)),
        "commonAnnotations": common(notification.alerts.iter().map(|alert| &alert.annotations)),
        "externalURL": external_url,
        "alerts": alerts,
    })
}

fn alert(alert: &Alert, notification: &Notification, resolved: bool) -> Value {
    let resolved = resolved || alert.ends_at.is_some();
    let ends_at = alert.ends_at.unwrap_or(notification.decided_at);
    json!({
        "status": status(resolved),
        "labels": alert.labels,
        "annotations": alert.annotations_and_links(),
        "startsAt": alert.starts_at.to_string(),
        "endsAt": if resolved { ends_at.to_string() } else { NO_END.to_owned() },
        "generatorURL": alert.links.timeline.as_deref().unwrap_or_default(),
        "fingerprint": alert.fingerprint(),
    })
}

fn status(resolved: bool) -> &'static str {
    if resolved { "resolved" } else { "firing" }
}

/// As Alertmanager writes it, for one route that takes everything.
fn group_key(labels: &LabelSet) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{}}:{{{}}}", pairs.join(", "))
}

fn common<'a>(mut sets: impl Iterator<Item = &'a LabelSet>) -> LabelSet {
    let mut common = sets.next().cloned().unwrap_or_default();
    for set in sets {
        common.retain(|name, value| set.get(name) == Some(value));
    }
    common
}
