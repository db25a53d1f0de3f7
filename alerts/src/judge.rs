//! Stage 5: from what a run says to what becomes of each instance and what each receiver is to be told. Pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use fleetledger_paging::{
    GroupBy, Grouping, Inhibitor, Labels, Notify, NotifyKind, Observation, Resolution, Route, Snooze,
    Surroundings, Transition, close, decide, group::stream_id, snooze, step,
};
use fleetledger_queries::{Subject, alert::AlertRule};
use jiff::Timestamp;

use crate::{
    instance::Kept,
    observe::{Said, Seen},
};

/// Value and wording of an instance are written down again after so long; the rest whenever it changes.
const REFRESH: Duration = Duration::from_secs(300);
/// An instance is kept for so long after it was resolved, so that its return is known as one.
const KEEP_RESOLVED: Duration = Duration::from_secs(24 * 3600);

/// All that a verdict depends on, besides the instances.
pub struct Court<'a> {
    /// The rule; `None` if it is gone.
    pub alert: Option<&'a AlertRule>,
    /// Its durations.
    pub timing: &'a fleetledger_paging::Timing,
    /// The slot.
    pub slot: Timestamp,
    /// The slot at which the rule was last applied.
    pub last_slot: Option<Timestamp>,
    /// Snoozes that have not ended.
    pub snoozes: &'a [Snooze],
    /// What fires and keeps others quiet.
    pub inhibitor: &'a Inhibitor<'a>,
    /// Where alerts go.
    pub routes: &'a Route,
    /// Receivers in place of those the routes name, for an instance of these labels; `None` = as the routes say.
    pub wished: &'a (dyn Fn(&Labels) -> Option<Vec<String>> + Sync),
    /// Whether a receiver groups alerts itself.
    pub wants_instances: &'a (dyn Fn(&str) -> bool + Sync),
    /// True if nobody is to be notified.
    pub shadow: bool,
}

/// An acknowledgement that somebody made since the last slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// What they say to others; empty = nothing.
    pub reason: String,
}

/// Something that happened to an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
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

/// What a receiver is to be told of the instances of one of its groups.
#[derive(Debug, Clone, PartialEq)]
pub struct Telling {
    /// Receiver.
    pub receiver: String,
    /// Labels that make the group.
    pub group_key: Labels,
    /// How it is grouped.
    pub grouping: Grouping,
    /// Instance by instance (its fingerprint).
    pub notify: Vec<(String, Vec<Notify>)>,
}

/// What becomes of all instances of one rule at one slot.
#[derive(Debug, Default)]
pub struct Verdict {
    /// All instances that are kept, by fingerprint.
    pub kept: BTreeMap<String, Kept>,
    /// Those that are to be written down.
    pub changed: BTreeSet<String>,
    /// Those that are over for long.
    pub forgotten: Vec<String>,
    /// What happened.
    pub events: Vec<Event>,
    /// What is to be told, by stream.
    pub telling: BTreeMap<String, Telling>,
}

/// What is said of the instances: by a run, or by the end of the rule.
pub enum Ruling<'a> {
    /// A run's answer.
    Said(&'a Said),
    /// Every instance ends.
    Close(Resolution),
}

/// Judges every instance of a rule at a slot.
#[must_use]
pub fn judge(
    court: &Court<'_>,
    known: BTreeMap<String, Kept>,
    ruling: &Ruling<'_>,
    acks: &BTreeMap<String, Ack>,
) -> Verdict {
    let mut verdict = Verdict {
        kept: known,
        ..Verdict::default()
    };
    if let Ruling::Said(said) = ruling {
        for (id, seen) in &said.seen {
            if !verdict.kept.contains_key(id) {
                let new = Kept::new(id.clone(), seen.labels.clone(), court.slot);
                verdict.kept.insert(id.clone(), new);
            }
        }
    }
    let ids: Vec<String> = verdict.kept.keys().cloned().collect();
    for id in ids {
        let Some(kept) = verdict.kept.remove(&id) else {
            continue;
        };
        let kept = judge_one(court, kept, ruling, acks.get(&id), &mut verdict);
        if kept.is_forgettable(court.slot, KEEP_RESOLVED) {
            verdict.changed.remove(&id);
            verdict.forgotten.push(id);
        } else {
            verdict.kept.insert(id, kept);
        }
    }
    verdict
}

fn judge_one(
    court: &Court<'_>,
    mut kept: Kept,
    ruling: &Ruling<'_>,
    ack: Option<&Ack>,
    verdict: &mut Verdict,
) -> Kept {
    let before = kept.clone();
    // Every run of the rule says something of every instance, so its newest slot is the rule's: one need not write
    // a hundred thousand rows a minute to remember that.
    if kept.memory.instance.last_slot_at.is_some() {
        kept.memory.instance.last_slot_at = court.last_slot;
    }
    if let Some(ack) = ack {
        kept.memory.instance.acknowledge(ack.by.as_str(), ack.at);
        if kept.memory.instance.acked_at != before.memory.instance.acked_at {
            let event = Event::of(&kept, "acked").by(&ack.by);
            verdict.events.push(match ack.reason.is_empty() {
                true => event,
                false => event.because(ack.reason.as_str()),
            });
        }
    }
    let seen = match ruling {
        Ruling::Said(said) => said.seen.get(&kept.fingerprint),
        Ruling::Close(_) => None,
    };
    let transitions = match (ruling, seen) {
        (Ruling::Close(resolution), _) => close(&mut kept.memory.instance, court.slot, *resolution),
        (
            _,
            Some(Seen {
                observation: Observation::False(Resolution::TargetRetired),
                ..
            }),
        ) => close(&mut kept.memory.instance, court.slot, Resolution::TargetRetired),
        (_, Some(seen)) => step(
            &mut kept.memory.instance,
            court.timing,
            court.slot,
            seen.observation.clone(),
        ),
        (_, None) => Vec::new(),
    };
    let events = transitions
        .iter()
        .map(|transition| Event::of_transition(&kept, transition));
    verdict.events.extend(events);
    tell(court, &mut kept, verdict);
    if kept.memory.instance.snooze_id != before.memory.instance.snooze_id {
        verdict.events.push(snooze_event(&kept));
    }
    write(court, &before, &mut kept, seen, verdict);
    kept
}

/// Asks for each receiver what it is to be told.
fn tell(court: &Court<'_>, kept: &mut Kept, verdict: &mut Verdict) {
    let snoozed = snooze::in_force(court.snoozes, &kept.labels, court.slot);
    let inhibited = court.inhibitor.inhibits(&kept.labels);
    kept.shadow = court.shadow;
    kept.inhibited_by = inhibited
        .filter(|_| kept.memory.instance.condition.is_open())
        .map(|rule| {
            let names = rule.source.iter().map(|matcher| matcher.value().to_owned());
            names.collect::<Vec<_>>().join(", ")
        });
    let around = Surroundings {
        snooze: snoozed.map(|snooze| (snooze.id.as_str(), snooze.until)),
        inhibited: inhibited.is_some(),
    };
    let wished = (court.wished)(&kept.labels);
    let routed = match &wished {
        _ if court.shadow => Vec::new(),
        Some(wished) if wished.is_empty() => Vec::new(),
        wished => court
            .routes
            .resolve(&kept.labels, wished.as_deref().unwrap_or(&[])),
    };
    kept.receivers = routed.iter().map(|one| one.receiver.clone()).collect();
    // Who was told that it fires hears of its end, whatever the routes say by now.
    let gone: Vec<String> = kept
        .memory
        .told
        .iter()
        .filter(|(receiver, told)| told.open && !kept.receivers.contains(*receiver))
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
        let mut told = kept.memory.told.remove(&receiver).unwrap_or_default();
        let was_open = told.open;
        let decision = decide(instance, &mut told, court.timing, court.slot, &around);
        let stays_open = told.open;
        if told != fleetledger_paging::Told::default() {
            kept.memory.told.insert(receiver.clone(), told);
        }
        if decision.notify.is_empty() {
            continue;
        }
        let by = if (court.wants_instances)(&receiver) {
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
            verdict.events.push(Event {
                fingerprint: kept.fingerprint.clone(),
                event: "notified",
                reason: Some(format!("{} {}", notify.kind.as_str(), notify.reason.as_str())),
                receiver: Some(receiver.clone()),
                by: None,
            });
        }
        let telling = verdict
            .telling
            .entry(stream_id(&receiver, &group_key))
            .or_insert_with(|| Telling {
                receiver: receiver.clone(),
                group_key,
                grouping: match by {
                    // One that wakes people does not wait for company.
                    GroupBy::Instance(_) => at_once(),
                    GroupBy::Labels(_) => grouping,
                },
                notify: Vec::new(),
            });
        telling.notify.push((kept.fingerprint.clone(), decision.notify));
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
fn write(court: &Court<'_>, before: &Kept, kept: &mut Kept, seen: Option<&Seen>, verdict: &mut Verdict) {
    let mut compared = kept.clone();
    compared.memory.instance.last_slot_at = before.memory.instance.last_slot_at;
    let is_old = before
        .changed_slot
        .checked_add(REFRESH)
        .is_ok_and(|at| at <= court.slot);
    let row = seen.and_then(|seen| seen.row.as_ref());
    let is_new = before.memory.instance.last_slot_at.is_none();
    if compared == *before && !is_new && !(is_old && row.is_some_and(|(value, _)| *value != before.value)) {
        return;
    }
    if let (Some((value, columns)), Some(alert)) = (row, court.alert) {
        kept.value = *value;
        let subject = Subject {
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
    kept.changed_slot = court.slot;
    verdict.changed.insert(kept.fingerprint.clone());
}

fn snooze_event(kept: &Kept) -> Event {
    match &kept.memory.instance.snooze_id {
        Some(id) => Event::of(kept, "snoozed").because(format!("snooze {id}")),
        None => Event::of(kept, "unsnoozed"),
    }
}

impl Event {
    fn of(kept: &Kept, event: &'static str) -> Self {
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

    fn of_transition(kept: &Kept, transition: &Transition) -> Self {
        let of = |event| Self::of(kept, event);
        match transition {
            Transition::Pending => of("pending"),
            Transition::Reset => of("reset"),
            Transition::Fired { episode } => of("firing").because(format!("episode {episode}")),
            Transition::Recovering => of("recovering"),
            Transition::Refired => of("refired"),
            Transition::Resolved { resolution } => of("resolved").because(resolution.as_str()),
            Transition::Held { held } => of("held").because(held.to_string()),
            Transition::Known => of("known"),
        }
    }
}
