//! The notification axis: whether one receiver is told of one instance at a slot.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::instance::{AlertCondition, AlertInstance, AlertResolution};
use crate::timing::{Timing, after};

/// What a receiver was told of an instance; one for each pair, kept from slot to slot.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifiedState {
    /// It was told that the instance fires, and not yet that it does not.
    pub open: bool,
    /// The last episode it was told of; 0 before the first.
    pub episode: u64,
    /// The slot of the last notification that it fires.
    pub notified_at: Option<Timestamp>,
    /// Until when a new episode waits.
    pub cooldown_until: Option<Timestamp>,
    /// A snooze has ended and the receiver is yet to be told that the instance still fires.
    pub latch: bool,
    /// The snooze that was in force at the last slot.
    pub snooze_id: Option<String>,
    /// The acknowledgement it was told of.
    pub acked_at: Option<Timestamp>,
    /// The episode that fires without its knowledge.
    pub waiting_episode: Option<u64>,
    /// How many episodes came and went without its knowledge since it was last told anything.
    pub suppressed_episodes: u64,
    /// At how many slots the instance fired while snoozed since it was last told anything.
    pub snoozed_slots: u64,
}

/// What is said to a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyKind {
    /// It fires.
    Trigger,
    /// Somebody knows: stop calling.
    Acknowledge,
    /// It is over, or goes on under another key.
    Resolve,
}

impl NotifyKind {
    /// As it stands in columns.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trigger => "trigger",
            Self::Acknowledge => "acknowledge",
            Self::Resolve => "resolve",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let all = [Self::Trigger, Self::Acknowledge, Self::Resolve];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Why it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifyReason {
    /// A new episode.
    New,
    /// It still fires and nobody acknowledged it.
    Repeat,
    /// A snooze ended and it still fires.
    SnoozeExpired,
    /// The episode is over.
    Resolved,
    /// The old key is closed because the alert goes on under a new one.
    Superseded,
    /// It was snoozed.
    Snoozed,
    /// It was acknowledged.
    Acked,
    /// The target was retired.
    TargetRetired,
    /// The rule is no more.
    RuleRemoved,
    /// The rule is switched off.
    RuleDisabled,
    /// The rule's labels changed.
    RuleRelabelled,
    /// The source is stale and the rule resolves then.
    StaleSource,
}

impl NotifyReason {
    const ALL: [Self; 12] = [
        Self::New,
        Self::Repeat,
        Self::SnoozeExpired,
        Self::Resolved,
        Self::Superseded,
        Self::Snoozed,
        Self::Acked,
        Self::TargetRetired,
        Self::RuleRemoved,
        Self::RuleDisabled,
        Self::RuleRelabelled,
        Self::StaleSource,
    ];

    /// As it stands in columns and rule tests.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Repeat => "repeat",
            Self::SnoozeExpired => "snooze_expired",
            Self::Resolved => "resolved",
            Self::Superseded => "superseded",
            Self::Snoozed => "snoozed",
            Self::Acked => "acked",
            Self::TargetRetired => "target_retired",
            Self::RuleRemoved => "rule_removed",
            Self::RuleDisabled => "rule_disabled",
            Self::RuleRelabelled => "rule_relabelled",
            Self::StaleSource => "stale_source",
        }
    }

    /// The reason of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }

    /// Why a receiver is told that it is over.
    fn of(resolution: Option<AlertResolution>) -> Self {
        match resolution {
            None | Some(AlertResolution::Fixed | AlertResolution::Missing) => Self::Resolved,
            Some(AlertResolution::StaleSource) => Self::StaleSource,
            Some(AlertResolution::TargetRetired) => Self::TargetRetired,
            Some(AlertResolution::RuleRemoved) => Self::RuleRemoved,
            Some(AlertResolution::RuleDisabled) => Self::RuleDisabled,
            Some(AlertResolution::RuleRelabelled) => Self::RuleRelabelled,
        }
    }
}

/// One thing to say about one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceNotify {
    /// What.
    pub kind: NotifyKind,
    /// Why.
    pub reason: NotifyReason,
    /// Episodes that came and went unsaid before this one; only a trigger says them.
    pub suppressed_episodes: u64,
    /// Slots at which it fired while snoozed; only a trigger says them.
    pub snoozed_slots: u64,
}

/// Why a receiver is not told that an instance fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum QuietReason {
    /// It does not fire.
    NotFiring,
    /// Nothing is known at this slot.
    Held,
    /// It is snoozed.
    Snoozed,
    /// Another alert speaks for it.
    Inhibited,
    /// It fires again too soon.
    CoolingDown {
        /// When it may speak.
        until: Timestamp,
    },
    /// It was told, and nothing is new.
    Notified,
    /// It was told, and somebody acknowledged it.
    Acked,
}

/// What to say, in this order, and why it is not said that the instance fires.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NotifyDecision {
    /// To be sent in this order.
    pub notify: Vec<InstanceNotify>,
    /// `None` where a trigger is among them.
    pub quiet: Option<QuietReason>,
}

/// What else holds for the instance at this slot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SlotContext<'a> {
    /// The snooze in force and when it ends; the latest end where several are.
    pub snooze: Option<(&'a str, Timestamp)>,
    /// Another firing alert inhibits it.
    pub inhibited: bool,
}

/// Decides for one receiver at `slot`, after [`crate::step`]. The numbers are those of the user's book (docs/alerting.md).
pub fn decide(
    instance: &mut AlertInstance,
    notified: &mut NotifiedState,
    timing: &Timing,
    slot: Timestamp,
    around: &SlotContext<'_>,
) -> NotifyDecision {
    instance.snooze_id = around.snooze.map(|(id, _)| id.to_owned());
    instance.snoozed_until = around.snooze.map(|(_, until)| until);
    let mut notify = Vec::new();
    // 1. What it was told is taken back, whatever else holds.
    if notified.open && (!instance.condition.is_open() || notified.episode != instance.episode) {
        notified.open = false;
        let open_again = instance.condition.is_open();
        let resolution = instance.resolution.filter(|_| !open_again);
        notify.push(instance_notify(NotifyKind::Resolve, NotifyReason::of(resolution)));
    }
    notified.count_missed(instance);
    notified.follow_snooze(instance, around, &mut notify);
    notified.follow_ack(instance, &mut notify);

    let quiet = if instance.held.is_some() && instance.condition == AlertCondition::Firing {
        notified.wait_for(instance);
        Some(QuietReason::Held)
    } else if instance.condition != AlertCondition::Firing {
        // 2.
        Some(QuietReason::NotFiring)
    } else if around.snooze.is_some() {
        // 3.
        notified.snoozed_slots = notified.snoozed_slots.saturating_add(1);
        notified.wait_for(instance);
        Some(QuietReason::Snoozed)
    } else if around.inhibited {
        notified.wait_for(instance);
        Some(QuietReason::Inhibited)
    } else {
        notified.notify_firing(instance, timing, slot, &mut notify)
    };
    NotifyDecision { notify, quiet }
}

impl NotifiedState {
    /// The trigger of the episode that is over was cancelled before anybody tried to send it: the receiver saw nothing, so
    /// nothing cools down, and the episode counts as one it was not told of. Does nothing where the alert goes on under
    /// another key.
    pub fn cancel(&mut self) {
        if !self.open {
            self.cooldown_until = None;
            self.suppressed_episodes = self.suppressed_episodes.saturating_add(1);
        }
    }

    /// Rules 4, 5 and 6: it fires and nothing stands in the way.
    fn notify_firing(
        &mut self,
        instance: &mut AlertInstance,
        timing: &Timing,
        slot: Timestamp,
        notify: &mut Vec<InstanceNotify>,
    ) -> Option<QuietReason> {
        if self.latch {
            // 4. A trigger under an acknowledged key would wake nobody.
            if self.open {
                notify.push(instance_notify(NotifyKind::Resolve, NotifyReason::Superseded));
            }
            instance.unacknowledge();
            self.acked_at = None;
            notify.push(self.trigger(instance, slot, NotifyReason::SnoozeExpired));
            return None;
        }
        if self.episode != instance.episode {
            // 5.
            if let Some(until) = self.cooldown_until.filter(|until| slot < *until) {
                self.wait_for(instance);
                return Some(QuietReason::CoolingDown { until });
            }
            notify.push(self.trigger(instance, slot, NotifyReason::New));
            self.cooldown_until = (!timing.cooldown.is_zero()).then(|| after(slot, timing.cooldown));
            return None;
        }
        // 6.
        if instance.acked_at.is_some() {
            return Some(QuietReason::Acked);
        }
        let due = self.notified_at.map(|at| after(at, timing.repeat_interval));
        if timing.repeat_interval.is_zero() || due.is_none_or(|due| slot < due) {
            return Some(QuietReason::Notified);
        }
        notify.push(self.trigger(instance, slot, NotifyReason::Repeat));
        None
    }

    fn trigger(&mut self, instance: &AlertInstance, slot: Timestamp, reason: NotifyReason) -> InstanceNotify {
        self.open = true;
        self.episode = instance.episode;
        self.notified_at = Some(slot);
        self.latch = false;
        self.waiting_episode = None;
        InstanceNotify {
            suppressed_episodes: std::mem::take(&mut self.suppressed_episodes),
            snoozed_slots: std::mem::take(&mut self.snoozed_slots),
            ..instance_notify(NotifyKind::Trigger, reason)
        }
    }

    fn wait_for(&mut self, instance: &AlertInstance) {
        if self.episode != instance.episode {
            self.waiting_episode = Some(instance.episode);
        }
    }

    /// An episode that was waiting and is over is counted, not sent.
    fn count_missed(&mut self, instance: &AlertInstance) {
        let over = |waiting: &u64| !instance.condition.is_open() || *waiting != instance.episode;
        if self.waiting_episode.as_ref().is_some_and(over) {
            self.waiting_episode = None;
            self.suppressed_episodes = self.suppressed_episodes.saturating_add(1);
        }
    }

    /// Sets the latch when a snooze ends over an open episode; a new snooze or the end of the episode clears it.
    fn follow_snooze(
        &mut self,
        instance: &AlertInstance,
        around: &SlotContext<'_>,
        notify: &mut Vec<InstanceNotify>,
    ) {
        let now = around.snooze.map(|(id, _)| id.to_owned());
        let before = std::mem::replace(&mut self.snooze_id, now);
        if !instance.condition.is_open() || self.snooze_id.is_some() {
            self.latch = false;
        } else if before.is_some() {
            self.latch = true;
        }
        if before.is_none() && self.snooze_id.is_some() && self.open {
            notify.push(instance_notify(NotifyKind::Acknowledge, NotifyReason::Snoozed));
        }
    }

    fn follow_ack(&mut self, instance: &AlertInstance, notify: &mut Vec<InstanceNotify>) {
        if self.open && instance.acked_at.is_some() && instance.acked_at != self.acked_at {
            notify.push(instance_notify(NotifyKind::Acknowledge, NotifyReason::Acked));
        }
        self.acked_at = instance.acked_at;
    }
}

fn instance_notify(kind: NotifyKind, reason: NotifyReason) -> InstanceNotify {
    InstanceNotify {
        kind,
        reason,
        suppressed_episodes: 0,
        snoozed_slots: 0,
    }
}
