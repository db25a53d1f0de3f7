//! Where a dump names every object of a resource. What it knows nothing of is not closed.
//!
//! A list does not say what was asked for, but what it holds does: an API server lists one namespace or all of them.

use std::{collections::BTreeSet, path::Path};

use serde_json::Value as Json;

use crate::resource::{NamedScope, WatchedResource};

/// What the lists of a dump name of one resource.
#[derive(Debug, Default)]
pub(super) struct ListedScope {
    /// True once a list was of all namespaces, or of a resource that has none.
    everything: bool,
    /// Namespaces of which a list named everything.
    namespaces: BTreeSet<String>,
    /// True if objects are known to be missing: one could not be read, or a list is a page of a longer one.
    in_part: bool,
}

impl ListedScope {
    /// Takes what one list names.
    pub(super) fn add(&mut self, list: &ListEvidence, resource: WatchedResource, path: &Path) {
        self.in_part |= list.is_page;
        if !resource.is_namespaced() || list.namespaces.len() > 1 {
            self.everything = true;
        } else if list.namespaces.is_empty() {
            self.namespaces.extend(namespace_of(path, resource));
        } else {
            self.namespaces.extend(list.namespaces.iter().cloned());
        }
    }

    /// Objects of this resource exist that were not kept.
    pub(super) fn lacks_some(&mut self) {
        self.in_part = true;
    }

    /// Where everything is named. `complete` says that the lists are of everything whatever they hold; `known` are all
    /// namespaces of the cluster, where the dump names all of these: in another there can be nothing.
    pub(super) fn conclude(self, complete: bool, known: Option<&BTreeSet<String>>) -> NamedScope {
        if (self.everything || complete) && !self.in_part {
            return NamedScope::Everything;
        }
        let named = if self.in_part {
            BTreeSet::new()
        } else {
            self.namespaces
        };
        let Some(known) = known else {
            return NamedScope::Only(named);
        };
        let elsewhere: BTreeSet<String> = known.difference(&named).cloned().collect();
        if elsewhere.is_empty() && !self.in_part {
            return NamedScope::Everything;
        }
        NamedScope::AllBut(elsewhere)
    }
}

/// What a list shows of its extent.
#[derive(Debug, Default)]
pub(super) struct ListEvidence {
    namespaces: BTreeSet<String>,
    is_page: bool,
}

impl ListEvidence {
    pub(super) fn of(list: &Json, items: &[Json]) -> Self {
        let namespaces = items
            .iter()
            .filter_map(|item| item.pointer("/metadata/namespace")?.as_str());
        let next = list.pointer("/metadata/continue").and_then(Json::as_str);
        Self {
            namespaces: namespaces.map(str::to_owned).collect(),
            is_page: next.is_some_and(|next| !next.is_empty()),
        }
    }
}

/// The namespace that a list without items is of, by the file's place below the dump: `namespaces/<namespace>/core/pods.yaml`
/// in a must-gather, `pods/<namespace>.json` in a support bundle, `<namespace>/pods.json` in what `kubectl cluster-info dump`
/// writes.
fn namespace_of(path: &Path, resource: WatchedResource) -> Option<String> {
    let folders: Vec<&str> = path
        .parent()?
        .iter()
        .filter_map(|folder| folder.to_str())
        .collect();
    let mut after = folders
        .iter()
        .skip_while(|folder| !["namespaces", "ns"].contains(folder));
    if let Some(namespace) = after.nth(1) {
        return Some((*namespace).to_owned());
    }
    let folder = *folders.last()?;
    if folder == resource.as_str() {
        return path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
    }
    Some(folder.to_owned())
}
