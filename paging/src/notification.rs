//! What a receiver is sent, before a channel gives it its form.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::decision::{NotifyKind, NotifyReason};
use crate::labels::{LabelSet, fingerprint};

/// One notification of one group; complete, so that it can wait in an outbox and be sent by another process. It holds
/// no secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The same for every attempt: receivers that know it take a notification once.
    pub idempotency_key: String,
    /// The receiver's name.
    pub receiver: String,
    /// What.
    pub kind: NotifyKind,
    /// Why.
    pub reason: NotifyReason,
    /// The slot it was decided at.
    pub decided_at: Timestamp,
    /// [`crate::group::dedup_key`].
    pub dedup_key: String,
    /// The labels that make the group.
    pub group_key: LabelSet,
    /// The members, the worst first; no more than are worth sending.
    pub alerts: Vec<Alert>,
    /// How many members there are; at least as many as stand in `alerts`.
    pub alerts_total: usize,
    /// Who acknowledged or snoozed it, and until when.
    #[serde(default)]
    pub by: Option<QuietedBy>,
    /// Episodes that came and went unsaid before this one.
    #[serde(default)]
    pub suppressed_episodes: u64,
    /// How often a snooze of it has ended in this life, for receivers that know no keys
    /// ([`crate::channel::alertmanager::Wake`]); 0 for all others.
    #[serde(default)]
    pub wake: u64,
}

/// Who made a group quiet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietedBy {
    /// Their name.
    pub who: String,
    /// Why.
    pub reason: String,
    /// Until when, for a snooze.
    pub until: Option<Timestamp>,
}

/// One alert as receivers know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its identity, `alertname` and `severity` among them.
    pub labels: LabelSet,
    /// What people read, rendered: `summary` first of all.
    pub annotations: LabelSet,
    /// What the rule measured.
    pub value: Option<f64>,
    /// When the episode began to fire.
    pub starts_at: Timestamp,
    /// When it was resolved; `None` while it fires.
    pub ends_at: Option<Timestamp>,
    /// Where to look and what to do.
    #[serde(default)]
    pub links: AlertLinks,
}

/// The links that every page carries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertLinks {
    /// What to do.
    pub runbook: Option<String>,
    /// What happened to the object.
    pub timeline: Option<String>,
    /// To be left alone for a while.
    pub snooze: Option<String>,
}

impl AlertLinks {
    /// Those that are there, with what to call them.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("Runbook", &self.runbook),
            ("Timeline", &self.timeline),
            ("Snooze", &self.snooze),
        ];
        all.into_iter()
            .filter_map(|(name, link)| Some((name, link.as_deref()?)))
    }
}

impl Alert {
    /// Its name, `alert` if it has none.
    #[must_use]
    pub fn name(&self) -> &str {
        self.labels.get("alertname").map_or("alert", String::as_str)
    }

    /// What people read first: the summary, else the name and its labels.
    #[must_use]
    pub fn summary(&self) -> String {
        match self.annotations.get("summary").map(|text| text.trim()) {
            Some(summary) if !summary.is_empty() => summary.to_owned(),
            _ => format!(
                "{} {}",
                self.name(),
                list(&self.labels, &["alertname", "severity"])
            )
            .trim_end()
            .to_owned(),
        }
    }

    /// The annotations and the links, under the names that templates for Alertmanager look for. A runbook without an
    /// address is there by its name.
    #[must_use]
    pub fn annotations_and_links(&self) -> LabelSet {
        let mut annotations = self.annotations.clone();
        let runbook_name = annotations.remove("runbook");
        let links = [
            (
                "runbook_url",
                self.links.runbook.as_ref().or(runbook_name.as_ref()),
            ),
            ("timeline_url", self.links.timeline.as_ref()),
            ("snooze_url", self.links.snooze.as_ref()),
        ];
        for (name, link) in links {
            if let Some(link) = link {
                annotations.insert(name.to_owned(), link.clone());
            }
        }
        annotations
    }

    /// [`fingerprint`] of its labels.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.labels)
    }
}

impl Notification {
    /// How many members are left out of `alerts`.
    #[must_use]
    pub fn more(&self, shown: usize) -> usize {
        self.alerts_total.saturating_sub(shown)
    }

    /// One line for the whole group.
    #[must_use]
    pub fn title(&self) -> String {
        match self.alerts.first() {
            None => list(&self.group_key, &[]),
            Some(alert) if self.alerts_total <= 1 => alert.summary(),
            Some(alert) => {
                let of = list(&self.group_key, &["alertname"]);
                let of = if of.is_empty() { of } else { format!(" ({of})") };
                format!(
                    "{} × {}{of}: {}",
                    self.alerts_total,
                    alert.name(),
                    alert.summary()
                )
            }
        }
    }
}

/// `a=b, c=d` without the labels in `but`.
pub(crate) fn list(labels: &LabelSet, but: &[&str]) -> String {
    let shown = labels.iter().filter(|(name, _)| !but.contains(&name.as_str()));
    let pairs: Vec<String> = shown.map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join(", ")
}

/// At most `limit` characters, the last one `…` where something is cut.
#[must_use]
pub fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    let kept: String = text.chars().take(limit.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
