//! What the rows of one evaluation say of each instance.
//!
//! Pure: rows, the instances that are known and the sources that are stale go in, one observation for each instance
//! comes out. A query that failed, a source that is silent and a row that says `skip` are never "no rows".

use std::collections::BTreeMap;

use fleetledger_paging::{AlertResolution, ConditionObservation, HeldReason, LabelSet};
use fleetledger_queries::alert::{AlertRule, OnMissing, OnStale, RowStatus};

/// A row of an alert's query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ObservedRow {
    /// Labels that identify the instance: the rule's columns, its own labels, `alertname`.
    pub labels: LabelSet,
    /// Its number.
    pub value: Option<f64>,
    /// Columns that are shown.
    pub annotations: BTreeMap<String, String>,
    /// What the row says of its instance, in control mode.
    pub status: Option<RowStatus>,
}

/// A datacenter and a cluster of it that are silent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaleSource {
    /// Datacenter.
    pub datacenter: String,
    /// Cluster.
    pub cluster: String,
}

/// What each instance is observed to be: those of the rows, and those that are known and have none.
///
/// `rows` is the error's text where the query failed. `stale` holds every stale source of the fleet.
#[must_use]
pub fn observe<'k>(
    rule: &AlertRule,
    limit: u32,
    rows: Result<&[ObservedRow], &str>,
    known: impl Iterator<Item = &'k LabelSet>,
    stale: &[StaleSource],
) -> BTreeMap<LabelSet, ConditionObservation> {
    let rows = match rows {
        Ok(rows) => rows,
        Err(error) => {
            let held = ConditionObservation::Held(HeldReason::QueryError(error.to_owned()));
            return known.map(|labels| (labels.clone(), held.clone())).collect();
        }
    };
    let by_labels: BTreeMap<&LabelSet, &ObservedRow> = rows.iter().map(|row| (&row.labels, row)).collect();
    let is_over_limit = rows.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    let mut observed: BTreeMap<LabelSet, ConditionObservation> = known
        .map(|labels| {
            let observation = match by_labels.get(labels) {
                Some(row) => of_row(rule, row, stale),
                None if is_over_limit => ConditionObservation::Held(HeldReason::Limit),
                None => of_absence(rule, labels, stale),
            };
            (labels.clone(), observation)
        })
        .collect();
    // Beyond the limit the first new ones by their labels begin, as far as known ones leave room.
    let taken = by_labels
        .keys()
        .filter(|labels| observed.contains_key(**labels))
        .count();
    let room = match is_over_limit {
        true => usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(taken),
        false => usize::MAX,
    };
    let new: Vec<(&LabelSet, &ObservedRow)> = by_labels
        .into_iter()
        .filter(|(labels, _)| !observed.contains_key(*labels))
        .take(room)
        .collect();
    observed.extend(
        new.into_iter()
            .map(|(labels, row)| (labels.clone(), of_row(rule, row, stale))),
    );
    observed
}

fn of_row(rule: &AlertRule, row: &ObservedRow, stale: &[StaleSource]) -> ConditionObservation {
    match row.status {
        Some(RowStatus::Ok | RowStatus::Info) => match stale_source(rule, &row.labels, stale) {
            Some(source) => ConditionObservation::Held(HeldReason::StaleSource(source)),
            None => ConditionObservation::False(AlertResolution::Fixed),
        },
        Some(RowStatus::Skip | RowStatus::Error) => {
            let reason = row.annotations.get("reason").cloned().unwrap_or_default();
            ConditionObservation::Held(HeldReason::Skip(reason))
        }
        // Where the source is known by the labels, a row of a silent one is a memory; an aggregate over several still
        // stands for those that speak.
        Some(RowStatus::Alarm) | None => match stale_source(rule, &row.labels, stale) {
            Some(source) if rule.knows_its_source() => {
                ConditionObservation::Held(HeldReason::StaleSource(source))
            }
            _ => ConditionObservation::True,
        },
    }
}

fn of_absence(rule: &AlertRule, labels: &LabelSet, stale: &[StaleSource]) -> ConditionObservation {
    match (stale_source(rule, labels, stale), rule.on_stale, rule.on_missing) {
        (Some(source), OnStale::KeepState, _) => ConditionObservation::Held(HeldReason::StaleSource(source)),
        (Some(_), OnStale::Resolve, _) => ConditionObservation::False(AlertResolution::StaleSource),
        (None, _, OnMissing::Resolve) => ConditionObservation::False(AlertResolution::Missing),
        (None, _, OnMissing::KeepState) => ConditionObservation::Held(HeldReason::Missing),
    }
}

/// The first stale source that this instance depends on.
fn stale_source(rule: &AlertRule, labels: &LabelSet, stale: &[StaleSource]) -> Option<String> {
    let freshness = rule.freshness.as_ref()?;
    let is_own = |source: &&StaleSource| {
        freshness.by.iter().all(|column| {
            let value = if column == "datacenter" {
                &source.datacenter
            } else {
                &source.cluster
            };
            labels.get(column) == Some(value)
        })
    };
    let in_scope = |source: &&StaleSource| rule.scope.holds(&source.datacenter, &source.cluster);
    let mut sources = stale.iter();
    let found = if rule.knows_its_source() {
        sources.find(is_own)
    } else {
        sources.find(in_scope)
    };
    found.map(|source| format!("{}/{}", source.datacenter, source.cluster))
}
