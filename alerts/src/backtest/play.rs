//! The state machine over the rows of all slots. Pure.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_paging::{
    Condition, Instance, Labels, NotifyKind, NotifyReason, Surroundings, Told, decide, step,
};
use jiff::Timestamp;

use super::{
    Backtest, Count, Episode,
    asker::{Answer, Answers},
};
use crate::observation::{Seen, observe};
use crate::test::replay::Rule;

/// Who is told where the rule names nobody.
const AS_ROUTED: &str = "as routed";

#[derive(Default)]
struct Open {
    instance: Instance,
    told: BTreeMap<String, Told>,
    episode: Option<usize>,
}

/// Plays the state machine over all slots; those that were not asked are empty.
pub(super) fn play(rule: &Rule, slots: &[Timestamp], answers: &Answers) -> Backtest {
    let receivers: BTreeSet<String> = if rule.alert.receivers.is_empty() {
        BTreeSet::from([AS_ROUTED.to_owned()])
    } else {
        rule.alert.receivers.iter().cloned().collect()
    };
    let mut out = Backtest {
        slots: slots.len(),
        asked: answers.len(),
        receivers: receivers
            .iter()
            .map(|receiver| (receiver.clone(), Count::default()))
            .collect(),
        ..Backtest::default()
    };
    let empty = Answer {
        rows: Ok(Vec::new()),
        stale: Vec::new(),
    };
    let mut instances: BTreeMap<Labels, Open> = BTreeMap::new();
    for slot in slots {
        let answer = answers.get(slot).unwrap_or(&empty);
        let seen = answer
            .rows
            .as_ref()
            .map(|rows| rows.iter().map(|row| rule.read(row)).collect::<Vec<Seen>>());
        if let Err(error) = &seen {
            out.failed += 1;
            out.failure.get_or_insert_with(|| (*error).clone());
        }
        let seen = seen.as_ref().map(Vec::as_slice).map_err(|error| error.as_str());
        let observed = observe(
            &rule.alert,
            rule.query.limit,
            seen,
            instances.keys(),
            &answer.stale,
        );
        for (labels, observation) in observed {
            let open = instances.entry(labels.clone()).or_default();
            step(&mut open.instance, &rule.timing, *slot, observation);
            note_episode(&mut out.episodes, open, &labels, *slot);
            for receiver in &receivers {
                let told = open.told.entry(receiver.clone()).or_default();
                let decision = decide(
                    &mut open.instance,
                    told,
                    &rule.timing,
                    *slot,
                    &Surroundings::default(),
                );
                let counts = out.receivers.entry(receiver.clone()).or_default();
                for notify in decision.notify {
                    match (notify.kind, notify.reason) {
                        (NotifyKind::Trigger, NotifyReason::Repeat) => counts.repeated += 1,
                        (NotifyKind::Trigger, _) => counts.new += 1,
                        (NotifyKind::Resolve, _) => counts.resolved += 1,
                        (NotifyKind::Acknowledge, _) => {}
                    }
                }
            }
        }
        // A cool-down and a late resolve still need what is over; what never fired does not.
        instances.retain(|_, open| open.instance.condition != Condition::Inactive);
    }
    out
}

fn note_episode(episodes: &mut Vec<Episode>, open: &mut Open, labels: &Labels, slot: Timestamp) {
    match (open.instance.condition.is_open(), open.episode) {
        (true, None) => {
            open.episode = Some(episodes.len());
            episodes.push(Episode {
                labels: labels.clone(),
                from: slot,
                to: None,
            });
        }
        (false, Some(index)) => {
            if let Some(episode) = episodes.get_mut(index) {
                episode.to = Some(slot);
            }
            open.episode = None;
        }
        _ => {}
    }
}
