//! An instance as it is kept from slot to slot.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_paging::{
    AlertCondition, AlertInstance, LabelSet, NotifiedState, channel::alertmanager::WakeCount,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What the state machine remembers of an instance, and of what each receiver was told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InstanceMemory {
    /// The condition axis.
    pub instance: AlertInstance,
    /// What each receiver was told, by its name; those that were told nothing are left out.
    pub notified: BTreeMap<String, NotifiedState>,
    /// The group under which each receiver knows it, where that is not the instance itself. It stays while the receiver
    /// thinks that it fires, whatever the routes say meanwhile.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, LabelSet>,
    /// How often it was woken in each Alertmanager.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub wakes: BTreeMap<String, WakeState>,
}

/// How often an instance was woken by the end of a snooze, and when it last was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WakeState {
    /// How often.
    pub wake: WakeCount,
    /// The slot of the last time.
    pub at: Option<Timestamp>,
}

/// One instance of one rule.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredInstance {
    /// Hash of its labels.
    pub fingerprint: String,
    /// All its labels.
    pub labels: LabelSet,
    /// Its annotations, filled in.
    pub annotations: LabelSet,
    /// Value of its newest row that was written down.
    pub value: Option<f64>,
    /// What is remembered.
    pub memory: InstanceMemory,
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

impl StoredInstance {
    /// An instance nobody has seen before.
    #[must_use]
    pub fn new(fingerprint: String, labels: LabelSet, slot: Timestamp) -> Self {
        Self {
            fingerprint,
            labels,
            annotations: LabelSet::new(),
            value: None,
            memory: InstanceMemory::default(),
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
        let rests = |notified: &NotifiedState| {
            !notified.open && notified.cooldown_until.is_none_or(|until| until <= slot)
        };
        match self.memory.instance.condition {
            // It never fired: there is nothing to remember.
            AlertCondition::Inactive => self.memory.notified.values().all(rests),
            AlertCondition::Resolved => {
                self.memory.instance.is_forgettable(before) && self.memory.notified.values().all(rests)
            }
            _ => false,
        }
    }

    /// Its row in `ledger.alert_instance`.
    pub(crate) fn document(&self, rule: &str) -> serde_json::Value {
        let instance = &self.memory.instance;
        let notified = || self.memory.notified.values();
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
            "cooldown_until": notified().filter_map(|state| state.cooldown_until).max(),
            "acked_at": instance.acked_at,
            "acked_by": instance.acked_by,
            "inhibited_by": self.inhibited_by,
            "shadow": self.shadow,
            "notifications": self.notifications,
            "last_notified_at": notified().filter_map(|state| state.notified_at).max(),
            "suppressed_episodes": notified().map(|state| state.suppressed_episodes).max().unwrap_or(0),
            "receivers": self.receivers,
            "memory": self.memory,
            "changed_slot": self.changed_slot,
        })
    }
}
