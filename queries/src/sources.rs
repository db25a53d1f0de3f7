//! How fresh the sources were, in the very snapshot a group was evaluated in.

use std::collections::BTreeMap;

use fleetledger_schema::instant::Instant;

use crate::{
    cell::ResultCell,
    freshness::{FreshnessRequirement, SourceScope, counts as counts_kind},
    rows::InstanceLabels,
    run::ResultTable,
};

/// Up to when each kind of each cluster was known.
#[derive(Debug, Clone, Default)]
pub struct SourceSnapshot {
    as_of: Instant,
    known: Vec<FreshnessRow>,
}

#[derive(Debug, Clone)]
struct FreshnessRow {
    datacenter: String,
    cluster: String,
    kind: String,
    observed_at: Instant,
    is_retired: bool,
}

/// Where one source stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceState {
    /// Its name: the freshness columns with their values.
    pub labels: InstanceLabels,
    /// Up to when all of it is known.
    pub observed_at: Instant,
    /// True if that is longer ago than the rule allows.
    pub is_stale: bool,
    /// True if all its clusters were retired.
    pub is_retired: bool,
}

/// Reads all of view `freshness`.
pub(crate) const READ_FRESHNESS: &str =
    "select datacenter, cluster, kind, observed_at, retired from freshness";

impl SourceSnapshot {
    /// From rows of [`READ_FRESHNESS`].
    pub(crate) fn read(as_of: Instant, table: &ResultTable) -> Self {
        let read = |cells: &Vec<ResultCell>| {
            let [
                datacenter,
                cluster,
                kind,
                ResultCell::Instant(observed_at),
                retired,
            ] = cells.as_slice()
            else {
                return None;
            };
            Some(FreshnessRow {
                datacenter: datacenter.text(),
                cluster: cluster.text(),
                kind: kind.text(),
                observed_at: *observed_at,
                is_retired: *retired == ResultCell::Boolean(true),
            })
        };
        Self {
            as_of,
            known: table.rows.iter().filter_map(read).collect(),
        }
    }

    /// The instant they were asked as of.
    #[must_use]
    pub fn as_of(&self) -> Instant {
        self.as_of
    }

    /// All sources of a rule within its scope, by name. A source is as fresh as the least fresh of its clusters
    /// that are not retired.
    #[must_use]
    pub fn states(&self, freshness: &FreshnessRequirement, scope: &SourceScope) -> Vec<SourceState> {
        let mut states: BTreeMap<InstanceLabels, SourceState> = BTreeMap::new();
        let counts = |known: &&FreshnessRow| {
            counts_kind(&freshness.kinds, &known.kind) && scope.holds(&known.datacenter, &known.cluster)
        };
        for known in self.known.iter().filter(counts) {
            let labels = name(&freshness.by, known);
            let state = states.entry(labels.clone()).or_insert_with(|| SourceState {
                labels,
                observed_at: known.observed_at,
                is_stale: false,
                is_retired: true,
            });
            if !known.is_retired {
                state.observed_at = match state.is_retired {
                    true => known.observed_at,
                    false => state.observed_at.min(known.observed_at),
                };
                state.is_retired = false;
            }
        }
        let mut states: Vec<SourceState> = states.into_values().collect();
        for state in &mut states {
            let age = self.as_of.micros_since(state.observed_at);
            state.is_stale = !state.is_retired && age > freshness.max_age.micros();
        }
        states
    }

    /// The sources within scope that are stale.
    #[must_use]
    pub fn stale(&self, freshness: &FreshnessRequirement, scope: &SourceScope) -> Vec<SourceState> {
        let mut states = self.states(freshness, scope);
        states.retain(|state| state.is_stale);
        states
    }

    /// The source an instance belongs to by its labels; `None` if they name none that was ever known.
    #[must_use]
    pub fn of(&self, freshness: &FreshnessRequirement, labels: &InstanceLabels) -> Option<SourceState> {
        let states = self.states(freshness, &SourceScope::default());
        states.into_iter().find(|state| {
            state
                .labels
                .iter()
                .all(|(name, value)| labels.get(name) == Some(value))
        })
    }
}

fn name(by: &[String], known: &FreshnessRow) -> InstanceLabels {
    let value = |column: &String| match column.as_str() {
        "datacenter" => known.datacenter.clone(),
        _ => known.cluster.clone(),
    };
    by.iter().map(|column| (column.clone(), value(column))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::Period;

    const MINUTE: i64 = 60_000_000;

    fn sources(rows: &[(&str, &str, &str, i64, bool)]) -> SourceSnapshot {
        let known = rows
            .iter()
            .map(|(datacenter, cluster, kind, minute, is_retired)| FreshnessRow {
                datacenter: (*datacenter).to_owned(),
                cluster: (*cluster).to_owned(),
                kind: (*kind).to_owned(),
                observed_at: Instant(minute * MINUTE),
                is_retired: *is_retired,
            });
        SourceSnapshot {
            as_of: Instant(100 * MINUTE),
            known: known.collect(),
        }
    }

    fn by(columns: &[&str], kinds: &[&str]) -> FreshnessRequirement {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        FreshnessRequirement {
            by: own(columns),
            max_age: Period::from_mins(5),
            kinds: own(kinds),
        }
    }

    fn stale(sources: &SourceSnapshot, freshness: &FreshnessRequirement) -> Vec<String> {
        let stale = sources.stale(freshness, &SourceScope::default());
        stale
            .iter()
            .map(|state| crate::rows::show(&state.labels))
            .collect()
    }

    #[test]
    fn a_source_is_as_fresh_as_the_least_fresh_of_its_parts() {
        let sources = sources(&[
            ("dfw", "a", "node", 100, false),
            ("dfw", "a", "pod", 95, false),
            ("dfw", "b", "node", 94, false),
            ("iad", "a", "node", 99, false),
        ]);
        let cluster = by(&["datacenter", "cluster"], &[]);
        assert_eq!(stale(&sources, &cluster), [r#"{cluster="b", datacenter="dfw"}"#]);
        assert_eq!(
            stale(&sources, &by(&["datacenter"], &[])),
            [r#"{datacenter="dfw"}"#]
        );
        assert!(stale(&sources, &by(&["datacenter"], &["pod"])).is_empty());
        let labels: InstanceLabels = [("datacenter", "dfw"), ("cluster", "b"), ("node", "n1")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert!(sources.of(&cluster, &labels).unwrap().is_stale);
        assert_eq!(sources.of(&cluster, &InstanceLabels::new()), None);
    }

    /// It may be switched off, and its windows come minutes late.
    #[test]
    fn usage_counts_only_where_it_is_named() {
        let sources = sources(&[("dfw", "a", "node", 100, false), ("dfw", "a", "usage", 1, false)]);
        let all = by(&["datacenter", "cluster"], &[]);
        assert!(stale(&sources, &all).is_empty());
        let named = by(&["datacenter", "cluster"], &["pod", "usage"]);
        assert_eq!(stale(&sources, &named), [r#"{cluster="a", datacenter="dfw"}"#]);
    }

    #[test]
    fn a_retired_cluster_is_not_stale_and_makes_nothing_stale() {
        let sources = sources(&[
            ("dfw", "a", "node", 1, true),
            ("dfw", "b", "node", 99, false),
            ("iad", "c", "node", 1, true),
        ]);
        assert!(stale(&sources, &by(&["datacenter", "cluster"], &[])).is_empty());
        assert!(stale(&sources, &by(&["datacenter"], &[])).is_empty());
        let states = sources.states(&by(&["datacenter"], &[]), &SourceScope::default());
        assert_eq!(
            states.iter().map(|state| state.is_retired).collect::<Vec<_>>(),
            [false, true]
        );
    }

    #[test]
    fn a_scope_leaves_other_sources_out() {
        let sources = sources(&[("dfw", "a", "node", 1, false), ("iad", "a", "node", 100, false)]);
        let scope = SourceScope {
            columns: [("datacenter".to_owned(), vec!["iad".to_owned()])].into(),
        };
        assert!(sources.stale(&by(&["datacenter"], &[]), &scope).is_empty());
    }
}
