//! An instance as it is kept from slot to slot.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_paging::{Condition, Instance, Labels, Told, channel::alertmanager::Wake};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the state machine remembers of an instance, and of what each receiver was told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The condition axis.
    pub instance: Instance,
    /// What each receiver was told, by its name; those that were told nothing are left out.
    pub told: BTreeMap<String, Told>,
    /// The group under which each receiver knows it, where that is not the instance itself. It stays while the receiver
    /// thinks that it fires, whatever the routes say meanwhile.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, Labels>,
    /// How often it was woken in each Alertmanager.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wakes: BTreeMap<String, Woken>,
}

/// How often an instance was woken by the end of a snooze, and when it last was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Woken {
    /// How often.
    pub wake: Wake,
    /// The slot of the last time.
    pub at: Option<Timestamp>,
}

/// One instance of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Hash of its labels.
    pub fingerprint: String,
    /// All its labels.
    pub labels: Labels,
    /// Its annotations, filled in.
    pub annotations: Labels,
    /// Value of its newest row that was written down.
    pub value: Option<f64>,
    /// What is remembered.
    pub memory: Memory,
    /// Alert that keeps it quiet.
    pub inhibited_by: Option<String>,
    /// True if its rule notifies nobody.
    pub shadow: bool,
    /// Receivers it goes to.
    pub receivers: BTreeSet<String>,
    /// How often somebody was told that it fires.
    pub notifications: i64,
    /// Newest slot that changed it.
    pub changed_slot: Timestamp,
}

impl Kept {
    /// An instance nobody has seen before.
    #[must_use]
    pub fn new(fingerprint: String, labels: Labels, slot: Timestamp) -> Self {
        Self {
            fingerprint,
            labels,
            annotations: Labels::new(),
            value: None,
            memory: Memory::default(),
            inhibited_by: None,
            shadow: false,
            receivers: BTreeSet::new(),
            notifications: 0,
            changed_slot: slot,
        }
    }

    /// True if it can be forgotten: over for long, and nothing waits for its return.
    #[must_use]
    pub fn is_forgettable(&self, slot: Timestamp, keep: std::time::Duration) -> bool {
        let before = slot.checked_sub(keep).unwrap_or(Timestamp::MIN);
        let rests = |told: &Told| !told.open && told.cooldown_until.is_none_or(|until| until <= slot);
        match self.memory.instance.condition {
            // It never fired: there is nothing to remember.
            Condition::Inactive => self.memory.told.values().all(rests),
            Condition::Resolved => {
                self.memory.instance.is_forgettable(before) && self.memory.told.values().all(rests)
            }
            _ => false,
        }
    }

    /// Its row in `ledger.alert_instance`.
    pub(crate) fn document(&self, rule: &str) -> serde_json::Value {
        let instance = &self.memory.instance;
        let told = || self.memory.told.values();
        serde_json::json!({
            "rule": rule,
            "fingerprint": self.fingerprint,
            "alertname": self.labels.get("alertname"),
            "labels": self.labels,
            "annotations": self.annotations,
            "value": self.value.filter(|value| value.is_finite()),
            "condition": instance.condition.as_str(),
            "episode": instance.episode,
            "active_at": instance.active_since,
            "fired_at": instance.firing_since.filter(|_| instance.condition.is_open()),
            "resolved_at": instance.resolved_at,
            "resolved_reason": instance.resolution.map(|resolution| resolution.as_str()),
            "held_since": instance.held_since,
            "held_reason": instance.held.as_ref().map(ToString::to_string),
            "snoozed_until": instance.snoozed_until,
            "cooldown_until": told().filter_map(|told| told.cooldown_until).max(),
            "acked_at": instance.acked_at,
            "acked_by": instance.acked_by,
            "inhibited_by": self.inhibited_by,
            "shadow": self.shadow,
            "notifications": self.notifications,
            "last_notified_at": told().filter_map(|told| told.notified_at).max(),
            "suppressed_episodes": told().map(|told| told.suppressed_episodes).max().unwrap_or(0),
            "receivers": self.receivers,
            "memory": self.memory,
            "changed_slot": self.changed_slot,
        })
    }
}
