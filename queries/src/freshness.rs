//! Which sources a rule depends on, and which of them are stale.

use std::collections::BTreeMap;

use crate::period::Period;

/// Columns of view `freshness` by which a source may be named.
pub const SOURCE_COLUMNS: [&str; 2] = ["datacenter", "cluster"];
/// Kinds whose freshness view `freshness` knows.
pub const KINDS: [&str; 6] = ["node", "pod", "namespace", "workload", "watchdog", "usage"];
/// The kind that counts only where it is named: it may be off, and comes minutes late by its nature.
pub const USAGE: &str = "usage";

/// True if `kind` counts where `kinds` are named; where none is, every kind of object does.
#[must_use]
pub fn counts(kinds: &[String], kind: &str) -> bool {
    if kinds.is_empty() {
        kind != USAGE
    } else {
        kinds.iter().any(|named| named == kind)
    }
}

/// Which sources must be how fresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreshnessRequirement {
    /// Columns that name a source: `[datacenter, cluster]` or `[datacenter]`.
    pub by: Vec<String>,
    /// A source known up to longer ago than this is stale.
    pub max_age: Period,
    /// Kinds that count, see [`counts`].
    pub kinds: Vec<String>,
}

/// The sources a fleet-wide aggregate depends on: those whose columns have one of these values; empty = the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceScope {
    /// Column of view `freshness` → accepted values.
    pub columns: BTreeMap<String, Vec<String>>,
}

impl SourceScope {
    /// True if it holds a source of these names.
    #[must_use]
    pub fn holds(&self, datacenter: &str, cluster: &str) -> bool {
        let holds = |column: &str, value: &str| {
            self.columns
                .get(column)
                .is_none_or(|values| values.iter().any(|accepted| accepted == value))
        };
        holds("datacenter", datacenter) && holds("cluster", cluster)
    }
}
