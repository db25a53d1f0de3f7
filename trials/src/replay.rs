//! Rows → states → notifications: one test, slot by slot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleetledger_alerts::observation::{ObservedRow, StaleSource, observe};
use fleetledger_paging::{
    AlertCondition, AlertInstance, AlertSnooze, ConditionTransition, Inhibition, Inhibitor, LabelSet,
    Matcher, NotifiedState, NotifyDecision, NotifyKind, NotifyReason, SlotContext, Timing, decide,
    matcher::{MatchOperator, all_met},
    snooze::{self, SnoozeKind},
    step,
};
use fleetledger_queries::{
    StoredQuery, TemplateSubject,
    alert::{AlertRule, InhibitRule, RowStatus, STATUS_COLUMN},
};
use jiff::{SignedDuration, Timestamp};

use super::database::ResultRow;
use super::file::{TestCase, TestFault, TestOffset};
use super::row::CaseLedger;

/// A rule under test.
#[derive(Debug, Clone)]
pub struct TestedRule {
    /// Its file.
    pub query: Arc<StoredQuery>,
    /// What it says.
    pub alert: Arc<AlertRule>,
    /// Its durations.
    pub timing: Timing,
}

impl TestedRule {
    /// The rule of a query, with `interval` in place of its own.
    #[must_use]
    pub fn of(query: &Arc<StoredQuery>, interval: Option<std::time::Duration>) -> Option<Self> {
        let alert = query.alert()?.clone();
        let timing = Timing {
            interval: interval.unwrap_or(alert.schedule.interval.duration()),
            for_: alert.pending_for.duration(),
            keep_firing_for: alert.keep_firing_for.duration(),
            cooldown: alert.cooldown.duration(),
            repeat_interval: alert.repeat_interval.duration(),
        };
        Some(Self {
            query: query.clone(),
            alert,
            timing,
        })
    }

    /// A row of the result as the evaluator reads it.
    #[must_use]
    pub fn read(&self, row: &ResultRow) -> ObservedRow {
        let text = |name: &String| row.get(name).cloned().flatten();
        let columns = &self.alert.columns;
        let mut labels = self.alert.labels.clone();
        labels.insert("alertname".to_owned(), self.alert.alert.clone());
        labels.extend(
            columns
                .labels
                .iter()
                .map(|name| (name.clone(), text(name).unwrap_or_default())),
        );
        let shown = columns
            .annotations
            .iter()
            .filter_map(|name| Some((name.clone(), text(name)?)));
        ObservedRow {
            labels,
            value: columns
                .value
                .as_ref()
                .and_then(text)
                .and_then(|value| value.parse().ok()),
            annotations: shown.collect(),
            status: row
                .get(STATUS_COLUMN)
                .cloned()
                .flatten()
                .and_then(|status| RowStatus::parse(&status)),
        }
    }
}

/// An alert that is pending, firing or recovering at a slot.
#[derive(Debug, Clone)]
pub struct AlertState {
    /// Its labels.
    pub labels: LabelSet,
    /// Its condition.
    pub condition: AlertCondition,
    /// Its number.
    pub value: Option<f64>,
    /// Columns that are shown, and templates filled in.
    pub annotations: BTreeMap<String, String>,
}

/// A notification that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentNotification {
    /// At which slot.
    pub at: Timestamp,
    /// To whom.
    pub receiver: String,
    /// What.
    pub kind: NotifyKind,
    /// Why.
    pub reason: NotifyReason,
    /// Of which instance.
    pub labels: LabelSet,
}

/// What became of a test.
#[derive(Debug, Default)]
pub struct CaseReplay {
    /// Alerts after each slot.
    pub states: BTreeMap<Timestamp, Vec<AlertState>>,
    /// Notifications in the order of their decision.
    pub notifications: Vec<SentNotification>,
    /// What happened, line by line.
    pub timeline: Vec<String>,
}

/// Rows of each rule by slot.
pub type RowsBySlot = BTreeMap<Timestamp, Vec<ResultRow>>;

struct ReplayInstance {
    instance: AlertInstance,
    row: ObservedRow,
    notified: BTreeMap<String, NotifiedState>,
}

/// Plays a test: `rows` holds one map a rule.
#[must_use]
pub fn replay(
    case: &TestCase,
    rules: &[TestedRule],
    rows: &[RowsBySlot],
    ledger_sources: &[StaleSource],
) -> CaseReplay {
    let mut player = CasePlayer {
        case,
        rules,
        sources: ledger_sources,
        instances: BTreeMap::new(),
        snoozes: Vec::new(),
        actions_done: 0,
        out: CaseReplay::default(),
    };
    let slots: BTreeSet<Timestamp> = rows.iter().flat_map(|rows| rows.keys().copied()).collect();
    for slot in slots {
        player.slot(slot, rows);
    }
    player.out
}

/// The clusters of a test.
pub(crate) fn sources(ledger: &CaseLedger) -> Vec<StaleSource> {
    let sources = ledger.clusters.keys().map(|(datacenter, cluster)| StaleSource {
        datacenter: datacenter.clone(),
        cluster: cluster.clone(),
    });
    sources.collect()
}

struct CasePlayer<'t> {
    case: &'t TestCase,
    rules: &'t [TestedRule],
    sources: &'t [StaleSource],
    instances: BTreeMap<(usize, LabelSet), ReplayInstance>,
    snoozes: Vec<AlertSnooze>,
    actions_done: usize,
    out: CaseReplay,
}

impl CasePlayer<'_> {
    fn slot(&mut self, slot: Timestamp, rows: &[RowsBySlot]) {
        if self.has_fault(slot, |fault| fault.missed) {
            self.add_timeline_line(slot, "the slot is missed");
            return;
        }
        if self.has_fault(slot, |fault| fault.restart) {
            self.restart(slot);
        }
        self.act(slot);
        for (index, rule) in self.rules.iter().enumerate() {
            if let Some(rows) = rows.get(index).and_then(|rows| rows.get(&slot)) {
                self.evaluate(index, rule, slot, rows);
            }
        }
        self.end_snoozes(slot);
        self.notify(slot);
        self.remember(slot);
    }

    fn faults(&self, slot: Timestamp) -> impl Iterator<Item = &TestFault> {
        let start = self.case.start_timestamp;
        self.case.faults.iter().filter(move |fault| {
            let from = fault.from.or(fault.at).unwrap_or_default().after(start);
            match (fault.to, fault.at) {
                (Some(to), _) => from <= slot && slot < to.after(start),
                (None, Some(_)) => slot == from,
                (None, None) => from <= slot,
            }
        })
    }

    fn has_fault(&self, slot: Timestamp, is: fn(&TestFault) -> bool) -> bool {
        self.faults(slot).any(is)
    }

    /// What is kept between slots is plain data: it survives being written down and read again.
    fn restart(&mut self, slot: Timestamp) {
        self.add_timeline_line(slot, "the evaluator is restarted");
        for open in self.instances.values_mut() {
            let written = serde_json::to_value((&open.instance, &open.notified)).ok();
            if let Some((instance, notified)) = written.and_then(|value| serde_json::from_value(value).ok()) {
                (open.instance, open.notified) = (instance, notified);
            }
        }
    }

    fn act(&mut self, slot: Timestamp) {
        let start = self.case.start_timestamp;
        let case = self.case;
        let mut due: Vec<_> = case
            .actions
            .iter()
            .filter(|action| action.at.after(start) <= slot)
            .collect();
        due.sort_by_key(|action| action.at);
        for action in due.iter().skip(self.actions_done) {
            let at = action.at.after(start);
            if let Some(snooze) = &action.snooze {
                let until =
                    TestOffset(SignedDuration::try_from(snooze.duration.duration()).unwrap_or_default())
                        .after(at);
                self.add_timeline_line(
                    slot,
                    &format!(
                        "{} snoozes {:?} until {until}: {}",
                        snooze.by, snooze.matcher, snooze.reason
                    ),
                );
                self.snoozes.push(AlertSnooze {
                    id: format!("{at}-{}", self.snoozes.len()),
                    kind: SnoozeKind::Snooze,
                    matchers: matchers(&snooze.matcher),
                    owner: snooze.by.clone(),
                    reason: snooze.reason.clone(),
                    from: at,
                    until,
                    ended_at: None,
                });
            }
            if let Some(unsnooze) = &action.unsnooze {
                let ended = matchers(&unsnooze.matcher);
                for snooze in self.snoozes.iter_mut().filter(|snooze| snooze.matchers == ended) {
                    snooze.ended_at.get_or_insert(slot);
                }
                self.add_timeline_line(slot, &format!("the snooze of {:?} is ended", unsnooze.matcher));
            }
            if let Some(ack) = &action.ack {
                let wanted = matchers(&ack.matcher);
                for ((_, labels), open) in &mut self.instances {
                    if all_met(&wanted, labels) {
                        open.instance.acknowledge(&ack.by, at);
                    }
                }
                self.add_timeline_line(slot, &format!("{} acknowledges {:?}", ack.by, ack.matcher));
            }
        }
        self.actions_done = due.len();
    }

    fn evaluate(&mut self, index: usize, rule: &TestedRule, slot: Timestamp, rows: &[ResultRow]) {
        let seen: Vec<ObservedRow> = rows.iter().map(|row| rule.read(row)).collect();
        let error = self.faults(slot).find_map(|fault| fault.query_error.clone());
        let stale = self.stale(rule, slot);
        let known: Vec<LabelSet> = self
            .instances
            .keys()
            .filter(|(of, _)| *of == index)
            .map(|(_, labels)| labels.clone())
            .collect();
        let result = error.as_deref().map_or(Ok(seen.as_slice()), Err);
        let observed = observe(&rule.alert, rule.query.limit, result, known.iter(), &stale);
        for (labels, observation) in observed {
            let open = self
                .instances
                .entry((index, labels.clone()))
                .or_insert_with(|| ReplayInstance {
                    instance: AlertInstance::default(),
                    row: ObservedRow::default(),
                    notified: BTreeMap::new(),
                });
            if let Some(row) = seen.iter().find(|row| row.labels == labels) {
                open.row = row.clone();
            }
            let transitions = step(&mut open.instance, &rule.timing, slot, observation);
            for transition in transitions {
                let line = format!("{} {}", describe(&labels, rule), describe_transition(&transition));
                self.add_timeline_line(slot, &line);
            }
        }
    }

    /// Sources that are silent at a slot: those whose known instants end, and those a fault silences.
    fn stale(&self, rule: &TestedRule, slot: Timestamp) -> Vec<StaleSource> {
        let Some(freshness) = &rule.alert.freshness else {
            return Vec::new();
        };
        let max_age = SignedDuration::try_from(freshness.max_age.duration()).unwrap_or(SignedDuration::MAX);
        let start = self.case.start_timestamp;
        let is_old = |source: &StaleSource| {
            self.case.freshness.iter().any(|span| {
                let counts = span
                    .kind
                    .as_ref()
                    .is_none_or(|kind| freshness.kinds.is_empty() || freshness.kinds.contains(kind));
                counts
                    && span.datacenter == source.datacenter
                    && span.cluster == source.cluster
                    && slot.duration_since(span.until.after(start)) > max_age
            })
        };
        let is_silenced = |source: &StaleSource| {
            self.faults(slot)
                .filter_map(|fault| fault.stale.as_ref())
                .any(|stale| stale.datacenter == source.datacenter && stale.cluster == source.cluster)
        };
        self.sources
            .iter()
            .filter(|source| is_old(source) || is_silenced(source))
            .cloned()
            .collect()
    }

    /// A snooze ends once everything it covers has been resolved for a while.
    fn end_snoozes(&mut self, slot: Timestamp) {
        let instances = &self.instances;
        for snooze in &mut self.snoozes {
            let covered = instances
                .iter()
                .filter(|((_, labels), _)| all_met(&snooze.matchers, labels));
            if snooze.is_done(slot, covered.map(|(_, open)| &open.instance)) {
                snooze.ended_at = Some(slot);
            }
        }
    }

    fn notify(&mut self, slot: Timestamp) {
        let inhibitions: Vec<Inhibition> = self.rules.iter().flat_map(inhibitions).collect();
        let firing = self
            .instances
            .iter()
            .filter(|(_, open)| open.instance.condition.is_open());
        let inhibitor = Inhibitor::new(&inhibitions, firing.map(|((_, labels), _)| labels));
        let receivers: Vec<&String> = self
            .case
            .notification_test
            .iter()
            .map(|check| &check.receiver)
            .collect();
        let inhibited: BTreeSet<(usize, LabelSet)> = self
            .instances
            .keys()
            .filter(|(_, labels)| inhibitor.inhibits(labels).is_some())
            .cloned()
            .collect();
        let mut lines = Vec::new();
        for (key, open) in &mut self.instances {
            let (index, labels) = key;
            let Some(rule) = self.rules.get(*index) else {
                continue;
            };
            let around = SlotContext {
                snooze: snooze::in_force(&self.snoozes, labels, slot)
                    .map(|snooze| (snooze.id.as_str(), snooze.until)),
                inhibited: inhibited.contains(key),
            };
            for receiver in &receivers {
                let notified = open.notified.entry((*receiver).clone()).or_default();
                let NotifyDecision { notify, .. } =
                    decide(&mut open.instance, notified, &rule.timing, slot, &around);
                for one in notify {
                    lines.push(format!(
                        "{receiver} ← {} ({}) {}",
                        one.kind.as_str(),
                        one.reason.as_str(),
                        describe(labels, rule)
                    ));
                    self.out.notifications.push(SentNotification {
                        at: slot,
                        receiver: (*receiver).clone(),
                        kind: one.kind,
                        reason: one.reason,
                        labels: labels.clone(),
                    });
                }
            }
        }
        for line in lines {
            self.add_timeline_line(slot, &line);
        }
    }

    fn remember(&mut self, slot: Timestamp) {
        let is_there = |condition| {
            matches!(
                condition,
                AlertCondition::Pending | AlertCondition::Firing | AlertCondition::Recovering
            )
        };
        let mut states = Vec::new();
        for ((index, labels), open) in &self.instances {
            let Some(rule) = self
                .rules
                .get(*index)
                .filter(|_| is_there(open.instance.condition))
            else {
                continue;
            };
            let mut annotations = rule.alert.annotations.render_all(&TemplateSubject {
                alertname: &rule.alert.alert,
                labels,
                value: open.row.value,
                annotations: &open.row.annotations,
            });
            annotations.extend(open.row.annotations.clone());
            states.push(AlertState {
                labels: labels.clone(),
                condition: open.instance.condition,
                value: open.row.value,
                annotations,
            });
        }
        self.out.states.insert(slot, states);
    }

    fn add_timeline_line(&mut self, slot: Timestamp, what: &str) {
        let offset = slot.duration_since(self.case.start_timestamp);
        self.out.timeline.push(format!("{offset:#} {what}"));
    }
}

fn matchers(labels: &BTreeMap<String, String>) -> Vec<Matcher> {
    labels
        .iter()
        .filter_map(|(name, value)| Matcher::new(name, MatchOperator::Equal, value).ok())
        .collect()
}

/// What a rule keeps quiet while it fires.
fn inhibitions(rule: &TestedRule) -> Vec<Inhibition> {
    let source = Matcher::new("alertname", MatchOperator::Equal, &rule.alert.alert);
    let target = |inhibit: &InhibitRule| {
        let any_of = inhibit
            .target
            .iter()
            .map(|(name, values)| Matcher::new(name, MatchOperator::Matches, values.join("|")));
        any_of.collect::<Result<Vec<_>, _>>()
    };
    let all = rule.alert.inhibits.iter().filter_map(|inhibit| {
        Some(Inhibition {
            source: vec![source.clone().ok()?],
            target: target(inhibit).ok()?,
            equal: inhibit.equal.clone(),
        })
    });
    all.collect()
}

/// An instance in one line: its name and the labels its row gives.
fn describe(labels: &LabelSet, rule: &TestedRule) -> String {
    let own = rule
        .alert
        .columns
        .labels
        .iter()
        .filter_map(|name| Some(format!("{name}={}", labels.get(name)?)));
    format!("{} {{{}}}", rule.alert.alert, own.collect::<Vec<_>>().join(", "))
}

fn describe_transition(transition: &ConditionTransition) -> String {
    match transition {
        ConditionTransition::Pending => "is pending".to_owned(),
        ConditionTransition::Reset => "is gone before `for` has passed".to_owned(),
        ConditionTransition::Fired { episode } => format!("fires (episode {episode})"),
        ConditionTransition::Recovering => "is recovering".to_owned(),
        ConditionTransition::Refired => "is back in the same episode".to_owned(),
        ConditionTransition::Resolved { resolution } => format!("is resolved ({})", resolution.as_str()),
        ConditionTransition::Held { held } => format!("is held: {held}"),
        ConditionTransition::Known => "is known again".to_owned(),
    }
}
