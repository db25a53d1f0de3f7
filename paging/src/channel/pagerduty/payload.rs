//! The event PagerDuty is sent, without its routing key.

use serde_json::{Value, json};

use crate::decision::NotifyKind;
use crate::labels::LabelSet;
use crate::notification::{Alert, Notification, cut};

/// The longest summary PagerDuty takes, in characters.
const SUMMARY: usize = 1024;
/// The longest other text that is worth sending, in characters.
const DETAIL: usize = 1024;
/// The longest key PagerDuty takes, in characters.
const DEDUP_KEY: usize = 255;
/// How many members are listed: an event may have 512 KB.
const ALERTS: usize = 20;

/// The most that all details may take, in bytes of JSON; with the rest an event stays below 512 KB.
const DETAILS_BYTES: usize = 400 * 1024;

/// The current state where somebody has to look, the most exact first.
const SOURCES: [&str; 6] = ["pod", "node", "workload", "namespace", "cluster", "datacenter"];

/// The event for a notification. Acknowledgements and resolves carry the key and nothing else, as PagerDuty wants it.
#[must_use]
pub fn event(notification: &Notification) -> Value {
    let mut event = json!({
        "event_action": notification.kind.as_str(),
        "dedup_key": cut(&notification.dedup_key, DEDUP_KEY),
    });
    if notification.kind == NotifyKind::Trigger
        && let Some(fields) = event.as_object_mut()
    {
        let first = notification.alerts.first();
        fields.insert("payload".to_owned(), payload(notification, first));
        fields.insert("client".to_owned(), "fleetledger".into());
        if let Some(alert) = first {
            let links = alert
                .links
                .named()
                .map(|(text, href)| json!({"href": href, "text": text}));
            fields.insert("links".to_owned(), links.collect());
            if let Some(timeline) = &alert.links.timeline {
                fields.insert("client_url".to_owned(), timeline.as_str().into());
            }
        }
    }
    event
}

/// PagerDuty's word for a severity label; `error` for one it cannot know.
#[must_use]
pub fn severity(labels: &LabelSet) -> &'static str {
    match labels.get("severity").map(String::as_str) {
        Some("page" | "critical") => "critical",
        Some("warning" | "ticket") => "warning",
        Some("info" | "none") => "info",
        _ => "error",
    }
}

fn payload(notification: &Notification, first: Option<&Alert>) -> Value {
    let none = LabelSet::new();
    let labels = first.map_or(&none, |alert| &alert.labels);
    let source = SOURCES.iter().find_map(|name| labels.get(*name));
    let mut payload = json!({
        "summary": cut(&notification.title(), SUMMARY),
        "source": source.map_or("fleetledger", String::as_str),
        "severity": severity(labels),
        "class": labels.get("alertname"),
        "group": labels.get("cluster"),
        "component": labels.get("workload").or_else(|| labels.get("node")),
        "timestamp": first.map(|alert| alert.starts_at.to_string()),
        "custom_details": details(notification),
    });
    if let Some(fields) = payload.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    payload
}

fn details(notification: &Notification) -> Value {
    let mut size_bytes = 0;
    let shown = notification.alerts.iter().take(ALERTS).map(alert);
    let alerts: Vec<Value> = shown
        .take_while(|alert| {
            size_bytes += alert.to_string().len();
            size_bytes <= DETAILS_BYTES
        })
        .collect();
    let more = notification.more(alerts.len());
    let mut details = json!({"reason": notification.reason.as_str(), "alerts": alerts});
    if let Some(fields) = details.as_object_mut() {
        if more > 0 {
            fields.insert("more".to_owned(), format!("and {more} more").into());
        }
        if notification.suppressed_episodes > 0 {
            let episodes = notification.suppressed_episodes.into();
            fields.insert("episodes_not_notified_before".to_owned(), episodes);
        }
    }
    details
}

fn alert(alert: &Alert) -> Value {
    let short = |texts: &LabelSet| -> Value {
        let cut = texts
            .iter()
            .map(|(name, text)| (name.clone(), cut(text, DETAIL).into()));
        Value::Object(cut.collect())
    };
    json!({
        "labels": short(&alert.labels),
        "annotations": short(&alert.annotations),
        "value": alert.value,
        "since": alert.starts_at.to_string(),
    })
}
