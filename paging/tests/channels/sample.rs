//! Alerts and notifications to send.

use fleetledger_paging::group::{dedup_key, stream_id};
use fleetledger_paging::notification::QuietedBy;
use fleetledger_paging::{Alert, AlertLinks, LabelSet, Notification, NotifyKind, NotifyReason};
use jiff::{SignedDuration, Timestamp};

pub fn labels(pairs: &[(&str, &str)]) -> LabelSet {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    owned.collect()
}

pub fn start() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub fn at(minutes: i64) -> Timestamp {
    start() + SignedDuration::from_mins(minutes)
}

pub fn alert(node: &str) -> Alert {
    let link = |path: &str| Some(format!("https://console.example.com/{path}"));
    Alert {
        labels: labels(&[
            ("alertname", "NodeNotReporting"),
            ("cluster", "a"),
            ("datacenter", "dc1"),
            ("node", node),
            ("severity", "page"),
        ]),
        annotations: labels(&[
            ("summary", &format!("{node} silent for 6m <since> reboot & more")),
            ("reason", "kubelet stopped"),
        ]),
        value: Some(360.0),
        starts_at: start(),
        ends_at: None,
        links: AlertLinks {
            runbook: link("runbooks/node-not-reporting"),
            timeline: link(&format!("nodes/{node}")),
            snooze: link(&format!("alerts/snooze?node={node}")),
        },
    }
}

pub fn notification(kind: NotifyKind, reason: NotifyReason) -> Notification {
    let alert = alert("n1");
    let group_key = alert.labels.clone();
    Notification {
        idempotency_key: "3f6c:7:trigger".to_owned(),
        receiver: "oncall".to_owned(),
        kind,
        reason,
        decided_at: at(5),
        dedup_key: dedup_key(&stream_id("oncall", &group_key), 1),
        group_key,
        alerts: vec![alert],
        alerts_total: 1,
        by: (kind == NotifyKind::Acknowledge).then(|| QuietedBy {
            who: "alice".to_owned(),
            reason: "disk swap".to_owned(),
            until: Some(at(65)),
        }),
        suppressed_episodes: 0,
        wake: 0,
    }
}

pub fn trigger() -> Notification {
    notification(NotifyKind::Trigger, NotifyReason::New)
}

pub fn resolve() -> Notification {
    let mut notification = notification(NotifyKind::Resolve, NotifyReason::Resolved);
    notification.alerts[0].ends_at = Some(at(5));
    notification
}

/// A group of more alerts than a message names.
pub fn crowd() -> Notification {
    let mut notification = trigger();
    notification.group_key = labels(&[("alertname", "NodeNotReporting"), ("cluster", "a")]);
    notification.alerts = (0..30).map(|number| alert(&format!("n{number:02}"))).collect();
    notification.alerts_total = 137;
    notification.suppressed_episodes = 2;
    notification
}
