//! Stage 5: from what a run says to what becomes of each instance and what each receiver is to be notified. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fleetledger_paging::{
    AlertResolution, AlertSnooze, ConditionObservation, ConditionTransition, GroupBy, Grouping, Inhibitor,
    InstanceNotify, LabelSet, NotifyKind, Route, SlotContext, close, decide, group::stream_id, snooze, step,
};
use fleetledger_queries::{TemplateSubject, alert::AlertRule};
use jiff::Timestamp;

use crate::{
    instance::StoredInstance,
    observe::{InstanceObservation, RuleObservations},
};

/// Value and wording of an instance are written down again after so long; the rest whenever it changes.
const REFRESH: Duration = Duration::from_secs(300);
/// An instance is kept for so long after it was resolved, so that its return is known as one.
const KEEP_RESOLVED: Duration = Duration::from_secs(24 * 3600);

/// All that a verdict depends on, besides the instances.
pub struct EvaluationContext<'a> {
    /// The rule; `None` if it is gone.
    pub alert: Option<&'a AlertRule>,
    /// Its durations.
    pub timing: &'a fleetledger_paging::Timing,
    /// The slot.
    pub slot: Timestamp,
    /// The slot at which the rule was last applied.
    pub last_slot: Option<Timestamp>,
    /// Snoozes that have not ended.
    pub snoozes: &'a [AlertSnooze],
    /// What fires and keeps others quiet.
    pub inhibitor: &'a Inhibitor<'a>,
    /// Where alerts go.
    pub routes: &'a Route,
    /// Receivers in place of those the routes name, for an instance of these labels; `None` = as the routes say.
    pub receiver_override: &'a (dyn Fn(&LabelSet) -> Option<Vec<String>> + Sync),
    /// Whether a receiver groups alerts itself.
    pub wants_instances: &'a (dyn Fn(&str) -> bool + Sync),
    /// True if nobody is to be notified.
    pub shadow: bool,
}

/// An acknowledgement that somebody made since the last slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertAck {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they say to others; empty = nothing.
    pub reason: String,
}

/// Something that happened to an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceEvent {
    /// Hash of the instance's labels.
    pub fingerprint: String,
    /// What.
    pub event: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// Receiver, for notifications.
    pub receiver: Option<String>,
    /// Who did it, where somebody did.
    pub by: Option<String>,
}

/// What a receiver is to be notified of the instances of one of its groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupDecisions {
    /// Receiver.
    pub receiver: String,
    /// Labels that make the group.
    pub group_key: LabelSet,
    /// How it is grouped.
    pub grouping: Grouping,
    /// Instance by instance (its fingerprint).
    pub notify: Vec<(String, Vec<InstanceNotify>)>,
}

/// What becomes of all instances of one rule at one slot.
#[derive(Debug, Default)]
pub struct EvaluationOutcome {
    /// All instances that are kept, by fingerprint.
    pub instances: BTreeMap<String, StoredInstance>,
    /// Those that are to be written down.
    pub changed: BTreeSet<String>,
    /// Those that are over for long.
    pub forgotten: Vec<String>,
    /// What happened.
    pub events: Vec<InstanceEvent>,
    /// What is to be notified, by stream.
    pub decisions: BTreeMap<String, GroupDecisions>,
}

/// What is said of the instances: by a run, or by the end of the rule.
pub enum EvaluationInput<'a> {
    /// A run's answer.
    Observations(&'a RuleObservations),
    /// Every instance ends.
    Close(AlertResolution),
}

/// Judges every instance of a rule at a slot.
#[must_use]
pub fn evaluate_instances(
    context: &EvaluationContext<'_>,
    known: BTreeMap<String, StoredInstance>,
    input: &EvaluationInput<'_>,
    acks: &BTreeMap<String, AlertAck>,
) -> EvaluationOutcome {
    let mut outcome = EvaluationOutcome {
        instances: known,
        ..EvaluationOutcome::default()
    };
    if let EvaluationInput::Observations(observations) = input {
        for (id, seen) in &observations.instances {
            if !outcome.instances.contains_key(id) {
                let new = StoredInstance::new(id.clone(), seen.labels.clone(), context.slot);
                outcome.instances.insert(id.clone(), new);
            }
        }
    }
    let ids: Vec<String> = outcome.instances.keys().cloned().collect();
    for id in ids {
        let Some(kept) = outcome.instances.remove(&id) else {
            continue;
        };
        let kept = evaluate_instance(context, kept, input, acks.get(&id), &mut outcome);
        if kept.is_forgettable(context.slot, KEEP_RESOLVED) {
            outcome.changed.remove(&id);
            outcome.forgotten.push(id);
        } else {
            outcome.instances.insert(id, kept);
        }
    }
    outcome
}

fn evaluate_instance(
    context: &EvaluationContext<'_>,
    mut kept: StoredInstance,
    input: &EvaluationInput<'_>,
    ack: Option<&AlertAck>,
    outcome: &mut EvaluationOutcome,
) -> StoredInstance {
    let before = kept.clone();
    // Every run of the rule says something of every instance, so its newest slot is the rule's: one need not write
    // a hundred thousand rows a minute to remember that.
    if kept.memory.instance.last_slot_at.is_some() {
        kept.memory.instance.last_slot_at = context.last_slot;
    }
    if let Some(ack) = ack {
        kept.memory.instance.acknowledge(ack.by.as_str(), ack.at);
        if kept.memory.instance.acked_at != before.memory.instance.acked_at {
            let event = InstanceEvent::of(&kept, "acked").by(&ack.by);
            outcome.events.push(match ack.reason.is_empty() {
                true => event,
                false => event.because(ack.reason.as_str()),
            });
        }
    }
    let seen = match input {
        EvaluationInput::Observations(observations) => observations.instances.get(&kept.fingerprint),
        EvaluationInput::Close(_) => None,
    };
    let transitions = match (input, seen) {
        (EvaluationInput::Close(resolution), _) => {
            close(&mut kept.memory.instance, context.slot, *resolution)
        }
        (
            _,
            Some(InstanceObservation {
                observation: ConditionObservation::False(AlertResolution::TargetRetired),
                ..
            }),
        ) => close(
            &mut kept.memory.instance,
            context.slot,
            AlertResolution::TargetRetired,
        ),
        (_, Some(seen)) => step(
            &mut kept.memory.instance,
            context.timing,
            context.slot,
            seen.observation.clone(),
        ),
        (_, None) => Vec::new(),
    };
    let events = transitions
        .iter()
        .map(|transition| InstanceEvent::of_transition(&kept, transition));
    outcome.events.extend(events);
    decide_notifications(context, &mut kept, outcome);
    if kept.memory.instance.snooze_id != before.memory.instance.snooze_id {
        outcome.events.push(snooze_event(&kept));
    }
    write(context, &before, &mut kept, seen, outcome);
    kept
}

/// Asks for each receiver what it is to be notified.
fn decide_notifications(
    context: &EvaluationContext<'_>,
    kept: &mut StoredInstance,
    outcome: &mut EvaluationOutcome,
) {
    let snoozed = snooze::in_force(context.snoozes, &kept.labels, context.slot);
    let inhibited = context.inhibitor.inhibits(&kept.labels);
    kept.shadow = context.shadow;
    kept.inhibited_by = inhibited
        .filter(|_| kept.memory.instance.condition.is_open())
        .map(|rule| {
            let names = rule.source.iter().map(|matcher| matcher.value().to_owned());
            names.collect::<Vec<_>>().join(", ")
        });
    let around = SlotContext {
        snooze: snoozed.map(|snooze| (snooze.id.as_str(), snooze.until)),
        inhibited: inhibited.is_some(),
    };
    let receiver_override = (context.receiver_override)(&kept.labels);
    let routed = match &receiver_override {
        _ if context.shadow => Vec::new(),
        Some(wished) if wished.is_empty() => Vec::new(),
        wished => context
            .routes
            .resolve(&kept.labels, wished.as_deref().unwrap_or(&[])),
    };
    kept.receivers = routed.iter().map(|one| one.receiver.clone()).collect();
    // Who was notified that it fires hears of its end, whatever the routes say by now.
    let gone: Vec<String> = kept
        .memory
        .notified
        .iter()
        .filter(|(receiver, notified)| notified.open && !kept.receivers.contains(*receiver))
        .map(|(receiver, _)| receiver.clone())
        .collect();
    let instance = &mut kept.memory.instance;
    // A snooze is known to the instance even where no receiver is.
    instance.snooze_id = around.snooze.map(|(id, _)| id.to_owned());
    instance.snoozed_until = around.snooze.map(|(_, until)| until);
    let all = routed
        .into_iter()
        .map(|one| (one.receiver, one.grouping))
        .chain(gone.into_iter().map(|receiver| (receiver, at_once())));
    for (receiver, grouping) in all {
        let mut notified = kept.memory.notified.remove(&receiver).unwrap_or_default();
        let was_open = notified.open;
        let decision = decide(instance, &mut notified, context.timing, context.slot, &around);
        let stays_open = notified.open;
        if notified != fleetledger_paging::NotifiedState::default() {
            kept.memory.notified.insert(receiver.clone(), notified);
        }
        if decision.notify.is_empty() {
            continue;
        }
        let by = if (context.wants_instances)(&receiver) {
            GroupBy::INSTANCE
        } else {
            grouping.by.clone()
        };
        let group_key = match kept.memory.groups.get(&receiver) {
            Some(key) if was_open => key.clone(),
            None if was_open => kept.labels.clone(),
            _ => by.key(&kept.labels),
        };
        if stays_open && group_key != kept.labels {
            kept.memory.groups.insert(receiver.clone(), group_key.clone());
        } else {
            kept.memory.groups.remove(&receiver);
        }
        for notify in &decision.notify {
            kept.notifications += i64::from(notify.kind == NotifyKind::Trigger);
            outcome.events.push(InstanceEvent {
                fingerprint: kept.fingerprint.clone(),
                event: "notified",
                reason: Some(format!("{} {}", notify.kind.as_str(), notify.reason.as_str())),
                receiver: Some(receiver.clone()),
                by: None,
            });
        }
        let group = outcome
            .decisions
            .entry(stream_id(&receiver, &group_key))
            .or_insert_with(|| GroupDecisions {
                receiver: receiver.clone(),
                group_key,
                grouping: match by {
                    // One that wakes people does not wait for company.
                    GroupBy::Instance(_) => at_once(),
                    GroupBy::Labels(_) => grouping,
                },
                notify: Vec::new(),
            });
        group.notify.push((kept.fingerprint.clone(), decision.notify));
    }
}

/// Without company, and without waiting for any.
fn at_once() -> Grouping {
    Grouping {
        by: GroupBy::INSTANCE,
        wait: Duration::ZERO,
        interval: Duration::ZERO,
    }
}

/// Decides whether it is written down, and words it.
fn write(
    context: &EvaluationContext<'_>,
    before: &StoredInstance,
    kept: &mut StoredInstance,
    seen: Option<&InstanceObservation>,
    outcome: &mut EvaluationOutcome,
) {
    let mut compared = kept.clone();
    compared.memory.instance.last_slot_at = before.memory.instance.last_slot_at;
    let is_old = before
        .changed_slot
        .checked_add(REFRESH)
        .is_ok_and(|at| at <= context.slot);
    let row = seen.and_then(|seen| seen.row.as_ref());
    let is_new = before.memory.instance.last_slot_at.is_none();
    if compared == *before && !is_new && !(is_old && row.is_some_and(|(value, _)| *value != before.value)) {
        return;
    }
    if let (Some((value, columns)), Some(alert)) = (row, context.alert) {
        kept.value = *value;
        let subject = TemplateSubject {
            alertname: &alert.alert,
            labels: &kept.labels,
            value: *value,
            annotations: columns,
        };
        kept.annotations = alert.annotations.render_all(&subject);
        for (name, text) in columns {
            kept.annotations
                .entry(name.clone())
                .or_insert_with(|| text.clone());
        }
    }
    kept.changed_slot = context.slot;
    outcome.changed.insert(kept.fingerprint.clone());
}

fn snooze_event(kept: &StoredInstance) -> InstanceEvent {
    match &kept.memory.instance.snooze_id {
        Some(id) => InstanceEvent::of(kept, "snoozed").because(format!("snooze {id}")),
        None => InstanceEvent::of(kept, "unsnoozed"),
    }
}

impl InstanceEvent {
    fn of(kept: &StoredInstance, event: &'static str) -> Self {
        Self {
            fingerprint: kept.fingerprint.clone(),
            event,
            reason: None,
            receiver: None,
            by: None,
        }
    }

    fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    fn by(mut self, by: &str) -> Self {
        self.by = Some(by.to_owned());
        self
    }

    fn of_transition(kept: &StoredInstance, transition: &ConditionTransition) -> Self {
        let of = |event| Self::of(kept, event);
        match transition {
            ConditionTransition::Pending => of("pending"),
            ConditionTransition::Reset => of("reset"),
            ConditionTransition::Fired { episode } => of("firing").because(format!("episode {episode}")),
            ConditionTransition::Recovering => of("recovering"),
            ConditionTransition::Refired => of("refired"),
            ConditionTransition::Resolved { resolution } => of("resolved").because(resolution.as_str()),
            ConditionTransition::Held { held } => of("held").because(held.to_string()),
            ConditionTransition::Known => of("known"),
        }
    }
}
