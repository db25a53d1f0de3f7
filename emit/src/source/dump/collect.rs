//! From documents to objects: what is kept, what is passed over, and of which resources the dump names everything.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    coordination::v1::Lease,
    core::v1::{Namespace, Node, Pod},
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;

use super::{
    NamedResources,
    file::DumpDocument,
    scope::{ListEvidence, ListedScope},
};
use crate::source::readable;
use crate::{
    health::PassedOver,
    resource::{KubeObject, NamedScope, WatchedResource},
    watchdog_resource::Watchdog,
};

/// Namespace of the kubelets' Leases.
const NODE_LEASES: &str = "kube-node-lease";

/// What the documents of a dump have come to so far.
#[derive(Default)]
pub(super) struct DumpContent {
    objects: Vec<KubeObject>,
    /// Place of each uid among the objects: a must-gather holds a pod in its list and in a file of its own.
    places: HashMap<String, usize>,
    listed: BTreeMap<WatchedResource, ListedScope>,
    passed_over: BTreeMap<(String, &'static str), (u64, String)>,
}

impl DumpContent {
    /// Objects that are kept.
    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }

    /// Takes one document of the file at `path`, which is `below` the dump's folder.
    pub(super) fn take(&mut self, document: DumpDocument, path: &Path, below: &Path) {
        let file = DumpFile { path, below };
        match document {
            Ok(Json::Array(items)) => items.into_iter().for_each(|item| self.take_value(item, &file)),
            Ok(json) => self.take_value(json, &file),
            Err(what) => self.pass_over("document", what, &file, None),
        }
    }

    /// Objects, where every object of their resources is named, and what was passed over.
    pub(super) fn finish(mut self, complete: bool) -> (Vec<KubeObject>, NamedResources, Vec<PassedOver>) {
        let mut named = NamedResources::new();
        let mut namespaces = None;
        if let Some(listed) = self.listed.remove(&WatchedResource::Namespaces) {
            let scope = listed.conclude(complete, None);
            namespaces = (scope == NamedScope::Everything).then(|| self.namespaces());
            named.insert(WatchedResource::Namespaces, scope);
        }
        for (resource, listed) in self.listed {
            let known = namespaces.as_ref().filter(|_| resource.is_namespaced());
            let mut scope = listed.conclude(complete, known);
            if resource == WatchedResource::Leases && scope.holds(NODE_LEASES) {
                scope = NamedScope::Everything;
            }
            named.insert(resource, scope);
        }
        let passed_over = self.passed_over.into_iter();
        let passed_over = passed_over.map(|((what, why), (count, example))| PassedOver {
            what,
            why: why.to_owned(),
            count,
            example,
        });
        (self.objects, named, passed_over.collect())
    }

    /// Names of the namespaces that are kept.
    fn namespaces(&self) -> BTreeSet<String> {
        let namespaces = self
            .objects
            .iter()
            .filter(|object| object.resource() == WatchedResource::Namespaces);
        namespaces
            .filter_map(|object| object.meta().name.clone())
            .collect()
    }

    fn take_value(&mut self, json: Json, file: &DumpFile<'_>) {
        let text = |name: &str| {
            json.get(name)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (kind, api_version) = (text("kind"), text("apiVersion"));
        if kind.is_empty() {
            return self.pass_over(
                "document",
                "it is not a Kubernetes object: it has no kind",
                file,
                None,
            );
        }
        match kind.strip_suffix("List").filter(|_| is_list(&json)) {
            Some(of) => self.take_list(json, of, &api_version, file),
            None => self.take_object(json, &kind, &api_version, file),
        }
    }

    /// Items of a typed list often leave out what they are.
    fn take_list(&mut self, mut json: Json, of: &str, api_version: &str, file: &DumpFile<'_>) {
        let items = match json.get_mut("items").map(Json::take) {
            Some(Json::Array(items)) => items,
            _ => Vec::new(),
        };
        let of_file = file.path.file_stem().and_then(|stem| stem.to_str());
        let empty_file = || {
            let mut all = WatchedResource::ALL.into_iter();
            all.find(|resource| items.is_empty() && of_file == Some(resource.as_str()))
        };
        // An untyped list without items says of what there is none by the name of its file alone.
        let listed = if of.is_empty() {
            empty_file()
        } else {
            resource_of(of, api_version)
        };
        let mut resources: BTreeSet<WatchedResource> = listed.into_iter().collect();
        if of.is_empty() {
            resources.extend(items.iter().filter_map(resource_of_item));
        }
        let evidence = ListEvidence::of(&json, &items);
        for resource in resources {
            let scope = self.listed.entry(resource).or_default();
            scope.add(&evidence, resource, file.below);
        }
        for mut item in items {
            if let Some(item) = item.as_object_mut().filter(|_| !of.is_empty()) {
                item.entry("kind").or_insert_with(|| Json::from(of));
                if !api_version.is_empty() {
                    item.entry("apiVersion")
                        .or_insert_with(|| Json::from(api_version));
                }
            }
            self.take_value(item, file);
        }
    }

    fn take_object(&mut self, json: Json, kind: &str, api_version: &str, file: &DumpFile<'_>) {
        let what = match api_version {
            "" => kind.to_owned(),
            _ => format!("{kind} of {api_version}"),
        };
        let Some(resource) = resource_of(kind, api_version) else {
            return self.pass_over(&what, "this kind is not recorded", file, None);
        };
        let object = match parse(resource, json) {
            Ok(object) => object,
            Err(error) => {
                self.listed.entry(resource).or_default().lacks_some();
                let why = "it does not match the schema of its kind";
                return self.pass_over(&what, why, file, Some(&error.to_string()));
            }
        };
        let namespace = object.meta().namespace.as_deref();
        if resource == WatchedResource::Leases && namespace != Some(NODE_LEASES) {
            return self.pass_over(&what, "it is not the Lease of a node", file, None);
        }
        if object.uid().is_empty() {
            let why = "it has no uid: it was not read from a cluster";
            return self.pass_over(&what, why, file, None);
        }
        // One object says nothing of the others.
        self.listed.entry(resource).or_default();
        self.keep(object);
    }

    /// Of one object's states the newest is kept, the first of equal ones.
    fn keep(&mut self, object: KubeObject) {
        let known = self.places.get(object.uid()).copied();
        match known.and_then(|place| self.objects.get_mut(place)) {
            Some(before) if version_of(before) < version_of(&object) => *before = object,
            Some(_) => {}
            None => {
                self.places.insert(object.uid().to_owned(), self.objects.len());
                self.objects.push(object);
            }
        }
    }

    fn pass_over(&mut self, what: &str, why: &'static str, file: &DumpFile<'_>, error: Option<&str>) {
        let (count, _) = self.passed_over.entry((what.to_owned(), why)).or_insert_with(|| {
            let path = file.path.display();
            (
                0,
                error.map_or_else(|| path.to_string(), |error| format!("{path}: {error}")),
            )
        });
        *count += 1;
    }
}

/// A file of the dump.
struct DumpFile<'f> {
    path: &'f Path,
    /// Its place below the dump's folder.
    below: &'f Path,
}

/// The resource of an item of an untyped list.
fn resource_of_item(item: &Json) -> Option<WatchedResource> {
    let text = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default();
    resource_of(text("kind"), text("apiVersion"))
}

/// Kinds of users end in List too (an AllowList): a list has items, and no name of its own.
fn is_list(json: &Json) -> bool {
    let named = json
        .get("metadata")
        .is_some_and(|meta| meta.get("name").is_some() || meta.get("uid").is_some());
    let items = match json.get("items") {
        Some(Json::Array(items)) => items.iter().all(Json::is_object),
        Some(Json::Null) => true,
        _ => false,
    };
    items && !named
}

/// The resource of that kind, if its group is the one that is kept: other groups have a Job or a Node of their own. The
/// version does not matter, every released one has the fields that are read.
fn resource_of(kind: &str, api_version: &str) -> Option<WatchedResource> {
    let group = match api_version.rsplit_once('/') {
        Some((group, _)) => group,
        None => "",
    };
    let (resource, groups): (_, &[&str]) = match kind {
        "Namespace" => (WatchedResource::Namespaces, &[""]),
        "Lease" => (WatchedResource::Leases, &["coordination.k8s.io"]),
        "Node" => (WatchedResource::Nodes, &[""]),
        "Deployment" => (WatchedResource::Deployments, &["apps", "extensions"]),
        "StatefulSet" => (WatchedResource::StatefulSets, &["apps"]),
        "DaemonSet" => (WatchedResource::DaemonSets, &["apps", "extensions"]),
        "ReplicaSet" => (WatchedResource::ReplicaSets, &["apps", "extensions"]),
        "CronJob" => (WatchedResource::CronJobs, &["batch"]),
        "Job" => (WatchedResource::Jobs, &["batch", "extensions"]),
        "Pod" => (WatchedResource::Pods, &[""]),
        "Watchdog" => (WatchedResource::Watchdogs, &["watchdogs.fleetledger.io"]),
        _ => return None,
    };
    (api_version.is_empty() || groups.contains(&group)).then_some(resource)
}

fn parse(resource: WatchedResource, json: Json) -> Result<KubeObject, serde_json::Error> {
    match resource {
        WatchedResource::Namespaces => read::<Namespace>(json),
        WatchedResource::Leases => read::<Lease>(json),
        WatchedResource::Nodes => read::<Node>(json),
        WatchedResource::Deployments => read::<Deployment>(json),
        WatchedResource::StatefulSets => read::<StatefulSet>(json),
        WatchedResource::DaemonSets => read::<DaemonSet>(json),
        WatchedResource::ReplicaSets => read::<ReplicaSet>(json),
        WatchedResource::CronJobs => read::<CronJob>(json),
        WatchedResource::Jobs => read::<Job>(json),
        WatchedResource::Pods => read::<Pod>(json),
        WatchedResource::Watchdogs => read::<Watchdog>(json),
    }
}

/// The types refuse an object of another version than their own, which has been checked and does not matter.
fn read<K: DeserializeOwned + Into<KubeObject>>(mut json: Json) -> Result<KubeObject, serde_json::Error> {
    if let Some(object) = json.as_object_mut() {
        object.remove("apiVersion");
    }
    readable::read::<K>(json).map(Into::into)
}

/// resourceVersions of one resource are numbers that grow; 0 where it is none.
fn version_of(object: &KubeObject) -> u64 {
    let version = object.meta().resource_version.as_deref();
    version.and_then(|version| version.parse().ok()).unwrap_or(0)
}
