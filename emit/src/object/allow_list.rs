//! Which labels and annotations leave the cluster.

use std::collections::{BTreeMap, BTreeSet};

use fleetledger_schema::record::StringMap;

/// `kubectl apply` keeps the whole object here, environment values included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Names that may be sent: exact ones and prefixes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowList {
    names: BTreeSet<String>,
    prefixes: Vec<String>,
}

impl AllowList {
    /// A list of exact names and of prefixes that end in `*`.
    ///
    /// # Errors
    /// Says which entry is not allowed and why.
    pub fn new(entries: &[String]) -> Result<Self, String> {
        let mut list = Self::default();
        for entry in entries {
            match entry.strip_suffix('*') {
                Some(prefix) => list.prefixes.push(prefix.to_owned()),
                None => {
                    list.names.insert(entry.clone());
                }
            }
            if entry.is_empty() || entry.trim_end_matches('*').contains('*') {
                return Err(format!("{entry:?} is neither a name nor a prefix ending in *"));
            }
            if list.allows(LAST_APPLIED) {
                return Err(format!(
                    "{entry:?} would send {LAST_APPLIED}, which can hold secrets; list the names you need"
                ));
            }
        }
        Ok(list)
    }

    /// True if `name` may be sent.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        self.names.contains(name) || self.prefixes.iter().any(|prefix| name.starts_with(prefix))
    }

    /// What may be sent of `all`.
    #[must_use]
    pub fn select(&self, all: Option<&BTreeMap<String, String>>) -> StringMap {
        all.into_iter()
            .flatten()
            .filter(|(name, _)| self.allows(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}
