//! Alerts as Alertmanager takes them.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::RESOLVED_RESEND;
use crate::labels::LabelSet;
use crate::notification::Alert;
use crate::timing::after;

/// The label that makes an alert a new one after its snooze.
pub const WAKE_LABEL: &str = "wake";

/// No alert is kept for less.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(60);

/// How many intervals an alert is kept without word from us.
const INTERVALS: u32 = 4;

/// An instance that stands in an Alertmanager, or did lately.
#[derive(Debug, Clone, PartialEq)]
pub struct PostedAlert {
    /// The instance; `ends_at` says when it was resolved.
    pub alert: Alert,
    /// Its rule's interval.
    pub interval: Duration,
    /// [`super::Wake`] of it.
    pub wake: u64,
    /// When the label set of one wake before was replaced by this one.
    pub superseded_at: Option<Timestamp>,
}

/// The labels Alertmanager knows an instance by: empty ones are left out, as it does itself.
#[must_use]
pub fn labels(alert: &LabelSet, wake: u64) -> LabelSet {
    let mut labels = alert.clone();
    labels.retain(|_, value| !value.is_empty());
    if wake > 0 {
        labels.insert(WAKE_LABEL.to_owned(), wake.to_string());
    }
    labels
}

/// Until when an alert stands if nothing more is heard of it.
#[must_use]
pub fn ends_at(interval: Duration, now: Timestamp) -> Timestamp {
    after(now, interval.max(SHORTEST_INTERVAL).saturating_mul(INTERVALS))
}

/// One alert for `POST /api/v2/alerts`.
#[must_use]
pub fn postable(alert: &Alert, wake: u64, ends_at: Timestamp) -> Value {
    json!({
        "labels": labels(&alert.labels, wake),
        "annotations": alert.annotations_and_links(),
        // An end before the start would be refused.
        "startsAt": alert.starts_at.min(ends_at).to_string(),
        "endsAt": ends_at.to_string(),
        "generatorURL": alert.links.timeline.as_deref().unwrap_or_default(),
    })
}

/// What is to be sent each [`super::RESEND`]: all that is open, and what was resolved or replaced not long ago. Snoozed
/// ones are sent too: the silence keeps them quiet.
pub fn keep_alive<'a>(posted: impl IntoIterator<Item = &'a PostedAlert>, now: Timestamp) -> Vec<Value> {
    let mut alerts = Vec::new();
    for one in posted {
        let recent = |at: &Timestamp| now < after(*at, RESOLVED_RESEND);
        match one.alert.ends_at {
            None => alerts.push(postable(&one.alert, one.wake, ends_at(one.interval, now))),
            Some(resolved) if recent(&resolved) => {
                alerts.push(postable(&one.alert, one.wake, resolved.min(now)));
            }
            Some(_) => {}
        }
        if let Some(superseded) = one.superseded_at.filter(recent)
            && let Some(before) = one.wake.checked_sub(1)
        {
            alerts.push(postable(&one.alert, before, superseded.min(now)));
        }
    }
    alerts
}
