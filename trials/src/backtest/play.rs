//! The state machine over the rows of all slots. Pure.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_alerts::observation::{ObservedRow, observe};
use fleetledger_paging::{
    AlertCondition, AlertInstance, LabelSet, NotifiedState, NotifyKind, NotifyReason, SlotContext, decide,
    step,
};
use jiff::Timestamp;

use super::{
    BacktestEpisode, BacktestReport, NotificationCounts,
    session::{SlotResult, SlotResults},
};
use crate::replay::TestedRule;

/// Who is told where the rule names nobody.
const AS_ROUTED: &str = "as routed";

#[derive(Default)]
struct BacktestInstance {
    instance: AlertInstance,
    notified: BTreeMap<String, NotifiedState>,
    episode: Option<usize>,
}

/// Plays the state machine over all slots; those that were not asked are empty.
pub(super) fn play(rule: &TestedRule, slots: &[Timestamp], answers: &SlotResults) -> BacktestReport {
    let receivers: BTreeSet<String> = if rule.alert.receivers.is_empty() {
        BTreeSet::from([AS_ROUTED.to_owned()])
    } else {
        rule.alert.receivers.iter().cloned().collect()
    };
    let mut out = BacktestReport {
        slots: slots.len(),
        queried: answers.len(),
        receivers: receivers
            .iter()
            .map(|receiver| (receiver.clone(), NotificationCounts::default()))
            .collect(),
        ..BacktestReport::default()
    };
    let empty = SlotResult {
        rows: Ok(Vec::new()),
        stale: Vec::new(),
    };
    let mut instances: BTreeMap<LabelSet, BacktestInstance> = BTreeMap::new();
    for slot in slots {
        let answer = answers.get(slot).unwrap_or(&empty);
        let seen = answer.rows.as_ref().map(|rows| {
            rows.iter()
                .map(|row| rule.read(row))
                .collect::<Vec<ObservedRow>>()
        });
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
                let notified = open.notified.entry(receiver.clone()).or_default();
                let decision = decide(
                    &mut open.instance,
                    notified,
                    &rule.timing,
                    *slot,
                    &SlotContext::default(),
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
        instances.retain(|_, open| open.instance.condition != AlertCondition::Inactive);
    }
    out
}

fn note_episode(
    episodes: &mut Vec<BacktestEpisode>,
    open: &mut BacktestInstance,
    labels: &LabelSet,
    slot: Timestamp,
) {
    match (open.instance.condition.is_open(), open.episode) {
        (true, None) => {
            open.episode = Some(episodes.len());
            episodes.push(BacktestEpisode {
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
