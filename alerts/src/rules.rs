//! The rules of one folder together with those about fleetledger itself, as the evaluator runs them.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use fleetledger_paging::{Inhibition, LabelSet, Matcher, Timing, matcher::MatchOperator};
use fleetledger_queries::{
    Catalogue, StoredQuery,
    alert::{AlertMode, AlertRule},
};
use sha2::{Digest as _, Sha256};

use crate::errors::AlertsError;

/// Rules about fleetledger itself. A file of the user's folder with the same alert takes its place.
const BUILTIN: [(&str, &str); 6] = [
    (
        "fleetledger-heartbeat.sql",
        include_str!("builtin/fleetledger-heartbeat.sql"),
    ),
    ("ingest-stalled.sql", include_str!("builtin/ingest-stalled.sql")),
    (
        "notification-failing.sql",
        include_str!("builtin/notification-failing.sql"),
    ),
    (
        "rule-evaluation-failing.sql",
        include_str!("builtin/rule-evaluation-failing.sql"),
    ),
    (
        "rule-limit-exceeded.sql",
        include_str!("builtin/rule-limit-exceeded.sql"),
    ),
    ("rule-too-slow.sql", include_str!("builtin/rule-too-slow.sql")),
];

/// Alert that always fires; it goes to receivers of its own alone.
pub const HEARTBEAT: &str = "FleetledgerHeartbeat";
/// Alerts about a rule: they carry that rule's labels and go to its receivers.
const ABOUT_RULES: [&str; 3] = ["RuleEvaluationFailing", "RuleTooSlow", "RuleLimitExceeded"];

/// One alert rule.
#[derive(Debug, Clone)]
pub struct ScheduledRule {
    /// What its file says.
    pub query: Arc<StoredQuery>,
    /// Group it is evaluated in.
    pub group: String,
    /// Its durations.
    pub timing: Timing,
    /// What the identity of its instances rests on.
    pub identity: String,
    /// True for an alert about another rule, named by its label `rule`.
    pub is_about_rules: bool,
    /// True for the text that this version ships: it is asked by the evaluator's own login, so that what it says of rules
    /// and notifications does not depend on the login that runs rules.
    pub is_builtin: bool,
}

/// Rules of one interval, evaluated together, or one rollup.
#[derive(Debug, Clone)]
pub struct GroupSpec {
    /// Its name.
    pub name: String,
    /// Distance of two slots.
    pub interval: Duration,
    /// Places of its rules in [`RuleSet::rules`]: those that inhibit others first.
    pub rules: Vec<usize>,
    /// The rollup, which is a group by itself: a long history to fill holds up nothing else.
    pub rollup: Option<Arc<StoredQuery>>,
}

/// All rules that run on schedule.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// The same for two evaluators with the same files.
    pub sha256: String,
    /// The files, reports among them.
    pub catalogue: Arc<Catalogue>,
    rules: Vec<ScheduledRule>,
    groups: Vec<GroupSpec>,
    inhibitions: Vec<Inhibition>,
}

impl RuleSet {
    /// The rules of a catalogue and those about fleetledger itself.
    ///
    /// # Errors
    /// [`AlertsError::Rules`] if a built-in rule cannot be used, or an inhibition names no label.
    pub fn new(catalogue: Catalogue) -> Result<Self, AlertsError> {
        let mut queries: Vec<Arc<StoredQuery>> = catalogue.iter().cloned().collect();
        let mut builtin = BTreeSet::new();
        for (file, text) in BUILTIN {
            let query = fleetledger_queries::parse(Path::new(file), "builtin", text)
                .map_err(|refusals| AlertsError::Rules(lines(&refusals)))?;
            let is_taken = queries.iter().any(|other| {
                other.id == query.id || (other.alert().is_some() && other.name() == query.name())
            });
            if !is_taken {
                builtin.insert(query.id.clone());
                queries.push(Arc::new(query));
            }
        }
        let catalogue = Catalogue::of(queries);
        let scheduled = |query| ScheduledRule::new(query, builtin.contains(&query.id));
        let rules: Vec<ScheduledRule> = catalogue.iter().filter_map(scheduled).collect();
        let mut groups = group(&rules);
        groups.extend(catalogue.rollups().map(|(query, _)| GroupSpec::of_rollup(query)));
        let inhibitions = rules
            .iter()
            .filter_map(|rule| rule.query.alert())
            .map(|alert| inhibitions(alert))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        Ok(Self {
            sha256: catalogue.version().to_owned(),
            catalogue: Arc::new(catalogue),
            groups,
            rules,
            inhibitions,
        })
    }

    /// All rules, by id.
    #[must_use]
    pub fn rules(&self) -> &[ScheduledRule] {
        &self.rules
    }

    /// All groups, by name.
    #[must_use]
    pub fn groups(&self) -> &[GroupSpec] {
        &self.groups
    }

    /// Which alerts keep which others quiet.
    #[must_use]
    pub fn inhibitions(&self) -> &[Inhibition] {
        &self.inhibitions
    }

    /// The rule of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&ScheduledRule> {
        self.rules.iter().find(|rule| rule.id() == id)
    }

    /// (new id, former id) of every rule that was renamed.
    pub(crate) fn renames(&self) -> impl Iterator<Item = (&str, &str)> {
        self.rules.iter().flat_map(|rule| {
            let former = rule
                .query
                .alert()
                .map_or(&[][..], |alert| &alert.renamed_from[..]);
            former.iter().map(|old| (rule.id(), old.as_str()))
        })
    }
}

impl GroupSpec {
    /// The default group is a folder's name, which holds no slash.
    fn name_of_rollup(query: &StoredQuery) -> String {
        format!("rollup/{}", query.name())
    }

    fn of_rollup(query: &Arc<StoredQuery>) -> Self {
        let interval = query.schedule().map(|schedule| schedule.interval.duration());
        Self {
            name: Self::name_of_rollup(query),
            interval: interval.unwrap_or(Duration::from_secs(60)),
            rules: Vec::new(),
            rollup: Some(Arc::clone(query)),
        }
    }
}

impl ScheduledRule {
    /// `None` for a query that is no alert.
    fn new(query: &Arc<StoredQuery>, is_builtin: bool) -> Option<Self> {
        let alert = query.alert()?;
        Some(Self {
            is_builtin,
            group: alert.schedule.group.clone(),
            timing: Timing {
                interval: alert.schedule.interval.duration(),
                for_: alert.pending_for.duration(),
                keep_firing_for: alert.keep_firing_for.duration(),
                cooldown: alert.cooldown.duration(),
                repeat_interval: alert.repeat_interval.duration(),
            },
            identity: identity(alert),
            is_about_rules: ABOUT_RULES.contains(&alert.alert.as_str()),
            query: Arc::clone(query),
        })
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.query.id.as_str()
    }

    /// Its row in `ledger.rule`.
    pub(crate) fn document(&self) -> serde_json::Value {
        let alert = self.query.alert();
        let mode = match alert.map(|alert| alert.mode) {
            None | Some(AlertMode::Live) => "live",
            Some(AlertMode::Shadow) => "shadow",
            Some(AlertMode::Disabled) => "disabled",
        };
        serde_json::json!({
            "rule": self.id(),
            "kind": self.query.kind.key(),
            "rule_name": self.query.name(),
            "rule_group": self.group,
            "file": self.query.path.display().to_string(),
            "version": self.query.version,
            "identity": self.identity,
            "query_text": self.query.sql,
            "interval_seconds": self.timing.interval.as_secs_f64(),
            "for_seconds": self.timing.for_.as_secs_f64(),
            "mode": mode,
            "labels": alert.map(|alert| &alert.labels).cloned().unwrap_or_default(),
            "annotations": alert.map(|alert| alert.annotations.sources()).cloned().unwrap_or_default(),
            "receivers": alert.map(|alert| alert.receivers.clone()).unwrap_or_default(),
        })
    }
}

/// The row in `ledger.rule` of a metric or rollup; `None` for what does not run on schedule, and for alerts.
pub(crate) fn unalerting(query: &StoredQuery) -> Option<serde_json::Value> {
    let schedule = query.schedule().filter(|_| query.alert().is_none())?;
    let group = match query.rollup() {
        Some(_) => GroupSpec::name_of_rollup(query),
        None => schedule.group.clone(),
    };
    Some(serde_json::json!({
        "rule": query.id.as_str(),
        "kind": query.kind.key(),
        "rule_name": query.name(),
        "rule_group": group,
        "file": query.path.display().to_string(),
        "version": query.version,
        "identity": "",
        "query_text": query.sql,
        "interval_seconds": schedule.interval.duration().as_secs_f64(),
        "for_seconds": 0.0,
        "mode": "live",
        "labels": {},
        "annotations": {},
        "receivers": [],
    }))
}

/// Labels that every instance of an alert has.
pub(crate) fn static_labels(alert: &AlertRule) -> LabelSet {
    let mut labels = alert.labels.clone();
    labels.insert("alertname".to_owned(), alert.alert.clone());
    labels
}

fn identity(alert: &AlertRule) -> String {
    let mut hash = Sha256::new();
    for (name, value) in static_labels(alert) {
        hash.update(format!("{name}\0{value}\0"));
    }
    for column in &alert.columns.labels {
        hash.update(format!("{column}\n"));
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn inhibitions(alert: &AlertRule) -> Result<Vec<Inhibition>, AlertsError> {
    let refused = |error| AlertsError::Rules(format!("{}: inhibits: {error}", alert.alert));
    let source = Matcher::new("alertname", MatchOperator::Equal, alert.alert.as_str()).map_err(refused)?;
    let of = |inhibit: &fleetledger_queries::alert::InhibitRule| {
        let target = inhibit
            .target
            .iter()
            .map(|(label, values)| match values.as_slice() {
                [value] => Matcher::new(label, MatchOperator::Equal, value).map_err(refused),
                several => Matcher::new(label, MatchOperator::Matches, one_of(several)).map_err(refused),
            });
        Ok(Inhibition {
            source: vec![source.clone()],
            target: target.collect::<Result<_, _>>()?,
            equal: inhibit.equal.clone(),
        })
    };
    alert.inhibits.iter().map(of).collect()
}

/// An expression that matches each of these texts and nothing else.
fn one_of(values: &[String]) -> String {
    let escape = |value: &String| {
        value.chars().fold(String::new(), |mut text, character| {
            if !character.is_alphanumeric() && character.is_ascii() {
                text.push('\\');
            }
            text.push(character);
            text
        })
    };
    values.iter().map(escape).collect::<Vec<_>>().join("|")
}

fn group(rules: &[ScheduledRule]) -> Vec<GroupSpec> {
    let mut groups: BTreeMap<&str, GroupSpec> = BTreeMap::new();
    for (place, rule) in rules.iter().enumerate() {
        let spec = groups.entry(&rule.group).or_insert_with(|| GroupSpec {
            name: rule.group.clone(),
            interval: rule.timing.interval,
            rules: Vec::new(),
            rollup: None,
        });
        spec.rules.push(place);
    }
    let inhibits = |place: &usize| {
        let alert = rules.get(*place).and_then(|rule| rule.query.alert());
        alert.is_some_and(|alert| !alert.inhibits.is_empty())
    };
    let mut groups: Vec<GroupSpec> = groups.into_values().collect();
    for spec in &mut groups {
        spec.rules.sort_by_key(|place| !inhibits(place));
    }
    groups
}

fn lines(refusals: &[fleetledger_queries::QueryRefusal]) -> String {
    refusals
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(files: &[(&str, &str)]) -> RuleSet {
        let queries = files.iter().map(|(file, text)| {
            Arc::new(fleetledger_queries::parse(Path::new(file), "alerts", text).unwrap())
        });
        RuleSet::new(Catalogue::of(queries.collect())).unwrap()
    }

    #[test]
    fn rules_about_fleetledger_itself_are_always_there() {
        let set = set(&[]);
        let names: Vec<&str> = set.rules().iter().map(|rule| rule.query.name()).collect();
        assert_eq!(
            names,
            [
                "FleetledgerHeartbeat",
                "IngestStalled",
                "NotificationFailing",
                "RuleEvaluationFailing",
                "RuleLimitExceeded",
                "RuleTooSlow"
            ]
        );
        assert!(set.get("rule-too-slow").unwrap().is_about_rules);
    }

    #[test]
    fn a_file_takes_the_place_of_the_built_in_rule_of_its_name() {
        let (_, text) = BUILTIN[1];
        let set = set(&[("my-ingest-stalled.sql", text)]);
        let stalled = set
            .rules()
            .iter()
            .filter(|rule| rule.query.name() == "IngestStalled");
        assert_eq!(
            stalled.map(ScheduledRule::id).collect::<Vec<_>>(),
            ["my-ingest-stalled"]
        );
    }

    #[test]
    fn what_inhibits_is_evaluated_before_what_it_inhibits() {
        let stale = "/*---\nalert: ClusterStale\ngroup: pipeline\ninterval: 1m\ncolumns: {labels: [cluster]}\n\
            labels: {severity: page}\nannotations: {summary: s, runbook: r}\nfreshness: none\n---*/\n\
            select cluster from cluster where state = 'stale'";
        let set = set(&[("cluster-stale.sql", stale)]);
        let pipeline = set
            .groups()
            .iter()
            .find(|group| group.name == "pipeline")
            .unwrap();
        let names: Vec<&str> = pipeline
            .rules
            .iter()
            .map(|place| set.rules()[*place].query.name())
            .collect();
        assert_eq!(names, ["IngestStalled", "ClusterStale"]);
        let quiet = LabelSet::from([("alertname".to_owned(), "ClusterStale".to_owned())]);
        let stalled = LabelSet::from([("alertname".to_owned(), "IngestStalled".to_owned())]);
        let inhibitor = fleetledger_paging::Inhibitor::new(set.inhibitions(), [&stalled]);
        assert!(inhibitor.inhibits(&quiet).is_some());
    }

    #[test]
    fn another_label_is_another_identity_and_another_threshold_is_not() {
        let rule = |labels: &str, sql: &str| {
            let text = format!(
                "/*---\nalert: A\ninterval: 1m\ncolumns: {{labels: [node]}}\nlabels: {{{labels}}}\n\
                 annotations: {{summary: s, runbook: r}}\nfreshness: none\n---*/\nselect node from node where {sql}"
            );
            set(&[("a.sql", &text)]).get("a").unwrap().identity.clone()
        };
        let one = rule("severity: page", "ready is null");
        assert_eq!(one, rule("severity: page", "unschedulable"));
        assert_ne!(one, rule("severity: ticket", "ready is null"));
    }

    #[test]
    fn values_of_an_inhibition_are_no_expressions() {
        let pattern = one_of(&["a.b".to_owned(), "c".to_owned()]);
        let matcher = Matcher::new("x", MatchOperator::Matches, pattern).unwrap();
        let met = |value: &str| matcher.is_met_by(&LabelSet::from([("x".to_owned(), value.to_owned())]));
        assert!(met("a.b") && met("c") && !met("aXb"));
    }
}
