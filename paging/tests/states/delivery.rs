//! From decisions to a receiver that is away, slow or forgetful: whatever happens on the way, it knows the truth in the
//! end, and nothing is told of what was over before anybody could be told.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use fleetledger_paging::outbox::{self, WaitingNotification};
use fleetledger_paging::{AlertGroup, GroupBy, GroupNotify, Grouping, NotifyKind};
use jiff::Timestamp;
use proptest::prelude::*;

use super::machine::{MachineState, SlotInput, apply, slots, timings, walk};
use super::minutes;

/// What becomes of one attempt.
#[derive(Debug, Clone, Copy)]
enum AttemptOutcome {
    /// It does not arrive.
    Lost,
    /// It arrives and the answer does not: it is sent again.
    Unanswered,
    Delivered,
}

fn attempts() -> impl Strategy<Value = Vec<Vec<AttemptOutcome>>> {
    let attempt = prop_oneof![
        Just(AttemptOutcome::Lost),
        Just(AttemptOutcome::Unanswered),
        Just(AttemptOutcome::Delivered)
    ];
    prop::collection::vec(prop::collection::vec(attempt, 0..4), 80)
}

/// PagerDuty: an incident a key, until it is resolved; a trigger under an acknowledged key tells nobody.
#[derive(Debug, Default)]
struct ModelReceiver {
    /// By incarnation: open, and whether it is acknowledged.
    incidents: BTreeMap<u64, ModelIncident>,
}

#[derive(Debug, Default, PartialEq)]
struct ModelIncident {
    open: bool,
    acknowledged: bool,
    resolved: bool,
}

impl ModelReceiver {
    fn take(&mut self, kind: NotifyKind, incarnation: u64) {
        match kind {
            NotifyKind::Trigger => {
                let incident = self.incidents.entry(incarnation).or_default();
                assert!(!incident.resolved, "a key that was resolved is not used again");
                incident.open = true;
            }
            // An acknowledgement or resolve of what it does not know opens nothing.
            NotifyKind::Acknowledge | NotifyKind::Resolve => {
                let known = self.incidents.get_mut(&incarnation);
                let incident = known.expect("a trigger came before");
                if kind == NotifyKind::Resolve {
                    *incident = ModelIncident {
                        resolved: true,
                        ..ModelIncident::default()
                    };
                } else {
                    incident.acknowledged = incident.open;
                }
            }
        }
    }

    fn open(&self) -> Vec<u64> {
        let open = self.incidents.iter().filter(|(_, incident)| incident.open);
        open.map(|(incarnation, _)| *incarnation).collect()
    }
}

/// One stream of an outbox.
#[derive(Debug, Default)]
struct OutboxStream {
    queue: VecDeque<(WaitingNotification, u64)>,
    delivered_triggers: Vec<u64>,
    last_id: i64,
    cancelled: usize,
}

impl OutboxStream {
    fn put(&mut self, notify: &GroupNotify) -> bool {
        let waiting: Vec<WaitingNotification> = self
            .queue
            .iter()
            .filter(|(_, incarnation)| *incarnation == notify.incarnation)
            .map(|(one, _)| *one)
            .collect();
        let seen = self.delivered_triggers.contains(&notify.incarnation);
        let plan = outbox::plan(notify.kind, &waiting, seen);
        self.queue.retain(|(one, _)| !plan.cancel.contains(&one.id));
        self.cancelled += plan.cancel.len();
        if plan.enqueue {
            self.last_id += 1;
            let waiting = WaitingNotification {
                id: self.last_id,
                kind: notify.kind,
                attempted: false,
            };
            self.queue.push_back((waiting, notify.incarnation));
        }
        plan.unseen
    }

    fn attempt(&mut self, attempt: AttemptOutcome, receiver: &mut ModelReceiver) {
        let Some((one, incarnation)) = self.queue.front_mut() else {
            return;
        };
        one.attempted = true;
        let (kind, incarnation) = (one.kind, *incarnation);
        if !matches!(attempt, AttemptOutcome::Lost) {
            receiver.take(kind, incarnation);
        }
        if matches!(attempt, AttemptOutcome::Delivered) {
            self.queue.pop_front();
            if kind == NotifyKind::Trigger {
                self.delivered_triggers.push(incarnation);
            }
        }
    }
}

#[derive(Debug, Default)]
struct DeliveryModel {
    members: [MachineState; 2],
    group: AlertGroup,
    stream: OutboxStream,
    receiver: ModelReceiver,
}

impl DeliveryModel {
    fn slot(&mut self, timing: &fleetledger_paging::Timing, now: Timestamp, slots: [&SlotInput; 2]) {
        let grouping = Grouping {
            by: GroupBy::labels(["cluster"]),
            wait: Duration::ZERO,
            interval: minutes(3),
        };
        let [left, right] = &mut self.members;
        let decisions = [
            apply(left, timing, now, slots[0]),
            apply(right, timing, now, slots[1]),
        ];
        let named = ["left", "right"]
            .into_iter()
            .zip(decisions.iter().map(Vec::as_slice));
        for notify in self.group.apply(&grouping, now, named) {
            if self.stream.put(&notify) {
                for (state, decision) in self.members.iter_mut().zip(&decisions) {
                    if decision.iter().any(|notify| notify.kind == NotifyKind::Resolve) {
                        state.notified.cancel();
                    }
                }
            }
        }
    }

    fn drain(&mut self) {
        while !self.stream.queue.is_empty() {
            self.stream.attempt(AttemptOutcome::Delivered, &mut self.receiver);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_receiver_knows_the_truth_in_the_end(
        timing in timings(), left in slots(), right in slots(), attempts in attempts(),
    ) {
        let mut world = DeliveryModel::default();
        for (((now, left), right), attempts) in walk(&left).zip(&right).zip(&attempts) {
            // Both are of one rule, so their slots are the same.
            world.slot(&timing, now, [left, right]);
            for attempt in attempts {
                world.stream.attempt(*attempt, &mut world.receiver);
            }
        }
        world.drain();
        let open: Vec<u64> = (!world.group.members.is_empty()).then_some(world.group.incarnation).into_iter().collect();
        prop_assert_eq!(world.receiver.open(), open.clone(), "no incident is stuck and none is missing");
        for incarnation in open {
            let acknowledged = world.receiver.incidents[&incarnation].acknowledged;
            prop_assert_eq!(acknowledged, world.group.is_quiet(), "calling, unless somebody takes care of all of it");
        }
        for (name, state) in ["left", "right"].iter().zip(&world.members) {
            prop_assert_eq!(state.notified.open, world.group.members.contains_key(*name));
        }
    }

    #[test]
    fn what_is_over_before_anybody_tried_is_not_notified(timing in timings(), life in slots()) {
        // The receiver cannot be reached and nobody tries: an outage of the sender.
        let mut world = DeliveryModel::default();
        let nothing = SlotInput { observation: super::FALSE, snooze: None, inhibited: false, ack: false, close: false, after_seconds: 60 };
        for (now, slot) in walk(&life) {
            world.slot(&timing, now, [slot, &nothing]);
        }
        let triggers = world.stream.queue.iter().filter(|(one, _)| one.kind == NotifyKind::Trigger).count();
        let resolves = world.stream.queue.iter().filter(|(one, _)| one.kind == NotifyKind::Resolve).count();
        prop_assert_eq!(triggers, usize::from(!world.group.members.is_empty()), "one trigger for what is open now");
        prop_assert_eq!(resolves, 0);
    }
}
