//! Stage 4: what one run of a rule says of each of its instances, known and new. Pure.
//!
//! What a row or its absence means is decided in [`observation`](crate::observation), which rule tests use as well;
//! here are the limit, sources that are gone, and the labels that do not stand in the row.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_paging::{AlertResolution, ConditionObservation, LabelSet, labels::fingerprint};
use fleetledger_queries::{
    alert::{AlertRule, RowStatus},
    rows::AlertResultSet,
};

use crate::observation::{self, StaleSource};

/// What a run of the query came to.
#[derive(Debug, Clone)]
pub enum QueryOutcome {
    /// It failed, and why.
    Error(String),
    /// Its rows; beyond the limit those of known instances, and the first others by their labels.
    Rows(AlertResultSet),
}

/// Sources that say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SilentSources {
    /// Those that should.
    pub stale: Vec<StaleSource>,
    /// Those that are gone for good: datacenter and cluster.
    pub retired: BTreeSet<(String, String)>,
}

/// What is said of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceObservation {
    /// Hash of its labels.
    pub fingerprint: String,
    /// All its labels.
    pub labels: LabelSet,
    /// What the state machine is told.
    pub observation: ConditionObservation,
    /// Value and annotation columns of its row, if there was one.
    pub row: Option<(Option<f64>, LabelSet)>,
}

/// What a run says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleObservations {
    /// Of each instance, known or new, by fingerprint.
    pub instances: BTreeMap<String, InstanceObservation>,
    /// What went wrong, if the rule is in error.
    pub error: Option<String>,
    /// True if there were more rows than the limit.
    pub limit_exceeded: bool,
}

/// What `answer` says of the instances in `known` (by fingerprint) and of new ones. `complete` adds the labels that do
/// not stand in the row.
#[must_use]
pub fn observe(
    rule: &AlertRule,
    answer: &QueryOutcome,
    silent: &SilentSources,
    known: &BTreeMap<String, LabelSet>,
    complete: impl Fn(&LabelSet) -> LabelSet,
) -> RuleObservations {
    let (rows, exceeded, error) = match answer {
        QueryOutcome::Error(error) => (&[][..], false, Some(error.clone())),
        QueryOutcome::Rows(rows) => (&rows.rows[..], rows.exceeded, None),
    };
    let rows: Vec<observation::ObservedRow> = rows
        .iter()
        .map(|row| observation::ObservedRow {
            labels: complete(&row.labels),
            value: row.value,
            annotations: row.annotations.clone(),
            status: row.status,
        })
        .collect();
    let of_query = match &error {
        Some(error) => Err(error.as_str()),
        None => Ok(&rows[..]),
    };
    // Beyond the limit the rows hold all known instances that have one: a missing one is missing.
    let observed = observation::observe(rule, u32::MAX, of_query, known.values(), &silent.stale);
    let by_labels: BTreeMap<&LabelSet, &observation::ObservedRow> =
        rows.iter().map(|row| (&row.labels, row)).collect();
    let failed = rows.iter().find(|row| row.status == Some(RowStatus::Error));
    let mut observations = RuleObservations {
        instances: BTreeMap::new(),
        error: error
            .or(failed.map(|row| format!("the query returned the status error for {:?}", row.labels))),
        limit_exceeded: exceeded,
    };
    for (labels, observation) in observed {
        let id = fingerprint(&labels);
        let is_known = known.contains_key(&id);
        // Nothing is made of a row that says nothing, or says that all is well.
        if !is_known && observation != ConditionObservation::True {
            continue;
        }
        let observation = match is_gone(rule, silent, &labels) && is_known {
            true => ConditionObservation::False(AlertResolution::TargetRetired),
            false => observation,
        };
        let row = by_labels
            .get(&labels)
            .map(|row| (row.value, row.annotations.clone()));
        let seen = InstanceObservation {
            fingerprint: id.clone(),
            labels,
            observation,
            row,
        };
        observations.instances.insert(id, seen);
    }
    observations
}

/// True if the instance's own source is gone for good.
fn is_gone(rule: &AlertRule, silent: &SilentSources, labels: &LabelSet) -> bool {
    let label = |name: &str| labels.get(name).cloned().unwrap_or_default();
    rule.freshness.is_some() && silent.retired.contains(&(label("datacenter"), label("cluster")))
}
