//! Groups: which alerts a receiver is told of together, and under which key.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::decision::{InstanceNotify, NotifyKind, NotifyReason};
use crate::labels::LabelSet;
use crate::route::Grouping;
use crate::timing::after;

/// What makes a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", untagged)]
pub enum GroupBy {
    /// Equal values of these labels.
    Labels(Vec<String>),
    /// Every instance is its own; written `instance`.
    Instance(InstanceKeyword),
}

/// The word `instance`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceKeyword {
    /// Itself.
    Instance,
}

impl GroupBy {
    /// Every instance is its own group.
    pub const INSTANCE: Self = Self::Instance(InstanceKeyword::Instance);

    /// By these labels.
    pub fn labels<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Labels(names.into_iter().map(str::to_owned).collect())
    }

    /// Where nobody says otherwise: what pages is never hidden in a group, all else is told by alert and cluster.
    #[must_use]
    pub fn by_severity(labels: &LabelSet) -> Self {
        match labels.get("severity").map(String::as_str) {
            Some("page") => Self::INSTANCE,
            _ => Self::labels(["alertname", "cluster"]),
        }
    }

    /// The group that an alert of these labels belongs to. Labels it lacks are left out.
    #[must_use]
    pub fn key(&self, labels: &LabelSet) -> LabelSet {
        match self {
            Self::Instance(_) => labels.clone(),
            Self::Labels(names) => {
                let found = names.iter().filter_map(|name| labels.get_key_value(name));
                found.map(|(name, value)| (name.clone(), value.clone())).collect()
            }
        }
    }
}

/// `sha256(receiver, group key)`, its first 32 hexadecimal digits: one stream of notifications, in order.
#[must_use]
pub fn stream_id(receiver: &str, group_key: &LabelSet) -> String {
    let mut hash = Sha256::new();
    let texts = group_key.iter().flat_map(|(name, value)| [name, value]);
    for text in std::iter::once(receiver).chain(texts.map(String::as_str)) {
        // With its length, so that no two lists of texts are the same bytes.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    let digest = hash.finalize();
    digest.iter().take(16).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The key under which a receiver knows one incarnation of a group.
#[must_use]
pub fn dedup_key(stream_id: &str, incarnation: u64) -> String {
    format!("fleetledger:{stream_id}:{incarnation}")
}

/// What a receiver knows of a group; one for each pair, kept from slot to slot.
///
/// A new incarnation opens when the group opens again after it was resolved, when the snooze of a member ends, and when
/// a member joins a group of which everything is acknowledged: a receiver such as PagerDuty tells nobody of a trigger
/// under an acknowledged key. The old key is resolved first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertGroup {
    /// The current or last one; 0 before the first.
    pub incarnation: u64,
    /// The open members by their ids; `true` where somebody acknowledged or snoozed it.
    pub members: BTreeMap<String, bool>,
    /// When it was or is to be notified last that it fires.
    pub notified_at: Option<Timestamp>,
}

/// What a receiver is told of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupNotify {
    /// What.
    pub kind: NotifyKind,
    /// Why.
    pub reason: NotifyReason,
    /// Under which incarnation.
    pub incarnation: u64,
    /// Not before this.
    pub due_at: Timestamp,
}

/// What one slot says of the members of a group.
#[derive(Debug, Default)]
struct GroupChanges {
    was_open: bool,
    was_quiet: bool,
    woken: bool,
    joined: bool,
    repeated: bool,
    quiet: Option<NotifyReason>,
    resolved: Option<NotifyReason>,
}

impl AlertGroup {
    /// Applies the decisions of one slot on members of this group, and says what the receiver is told, in order.
    pub fn apply<'a>(
        &mut self,
        grouping: &Grouping,
        slot: Timestamp,
        decisions: impl IntoIterator<Item = (&'a str, &'a [InstanceNotify])>,
    ) -> Vec<GroupNotify> {
        let mut changes = GroupChanges {
            was_open: !self.members.is_empty(),
            was_quiet: self.is_quiet(),
            ..GroupChanges::default()
        };
        for (member, notifies) in decisions {
            for notify in notifies {
                self.change(member, notify, &mut changes);
            }
        }
        self.group_notifies(&changes, grouping, slot)
    }

    /// Open, and everything in it acknowledged or snoozed.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        !self.members.is_empty() && self.members.values().all(|quiet| *quiet)
    }

    fn change(&mut self, member: &str, notify: &InstanceNotify, changes: &mut GroupChanges) {
        match (notify.kind, notify.reason) {
            (NotifyKind::Resolve, NotifyReason::Superseded) => {}
            (NotifyKind::Resolve, reason) => {
                if self.members.remove(member).is_some() {
                    changes.resolved = Some(reason);
                }
            }
            (NotifyKind::Acknowledge, reason) => {
                if let Some(quiet) = self.members.get_mut(member) {
                    *quiet = true;
                    changes.quiet = Some(reason);
                }
            }
            (NotifyKind::Trigger, reason) => {
                changes.woken |= reason == NotifyReason::SnoozeExpired;
                changes.joined |= reason == NotifyReason::New;
                changes.repeated |= reason == NotifyReason::Repeat;
                self.members.insert(member.to_owned(), false);
            }
        }
    }

    fn group_notifies(
        &mut self,
        changes: &GroupChanges,
        grouping: &Grouping,
        slot: Timestamp,
    ) -> Vec<GroupNotify> {
        let mut notifies = Vec::new();
        if self.members.is_empty() {
            if let Some(reason) = changes.resolved {
                notifies.push(self.group_notify(NotifyKind::Resolve, reason, slot));
            }
            return notifies;
        }
        if changes.woken || changes.joined || changes.repeated {
            let anew = changes.woken || changes.was_quiet || !changes.was_open;
            if anew && changes.was_open {
                notifies.push(self.group_notify(NotifyKind::Resolve, NotifyReason::Superseded, slot));
            }
            let (reason, due_at) = if changes.woken {
                (NotifyReason::SnoozeExpired, slot)
            } else if !changes.was_open {
                (NotifyReason::New, after(slot, grouping.wait))
            } else {
                let reason = if changes.joined {
                    NotifyReason::New
                } else {
                    NotifyReason::Repeat
                };
                let due = self.notified_at.map(|at| after(at, grouping.interval));
                (reason, due.unwrap_or(slot).max(slot))
            };
            self.incarnation = self.incarnation.saturating_add(u64::from(anew));
            self.notified_at = Some(due_at);
            notifies.push(self.group_notify(NotifyKind::Trigger, reason, due_at));
        }
        // One acknowledged member of many must not make the others quiet; the last one that nobody took care of, when it
        // is resolved, leaves only quiet ones.
        let left = changes.resolved.filter(|_| !changes.was_quiet);
        let reason = changes.quiet.or(left.map(|_| NotifyReason::Acked));
        if let Some(reason) = reason.filter(|_| self.is_quiet()) {
            notifies.push(self.group_notify(NotifyKind::Acknowledge, reason, slot));
        }
        notifies
    }

    fn group_notify(&self, kind: NotifyKind, reason: NotifyReason, due_at: Timestamp) -> GroupNotify {
        GroupNotify {
            kind,
            reason,
            incarnation: self.incarnation,
            due_at,
        }
    }
}
