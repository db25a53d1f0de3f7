//! A dump of a cluster: files of `kubectl get … -o json`, a must-gather, or the folder of `kubectl cluster-info dump`.
//!
//! What the ledger keeps is taken, whatever else stands there is passed over and counted by name. A resource without
//! a file is not known, so nothing of it is closed; of one that has lists, nothing where these do not reach (`scope`).

mod collect;
mod file;
mod scope;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::{sync::mpsc::Sender, task::JoinSet};

use crate::{
    error::EmitError,
    health::PassedOver,
    resource::{KubeObject, NamedScope, ResourceChange, SourceEvent, WatchedResource},
};
use collect::DumpContent;

/// A dump, and what its files do not say of it.
#[derive(Debug, Clone, Default)]
pub struct DumpPlace {
    /// The folder that holds its files, or one file.
    pub directory: PathBuf,
    /// Uid of the cluster's kube-system namespace, where the dump does not hold it.
    pub cluster_uid: Option<String>,
    /// True if it names every object of each resource that it holds, in all namespaces.
    pub complete: bool,
}

/// Resources that a dump says anything of, and where it names every object of them.
type NamedResources = BTreeMap<WatchedResource, NamedScope>;

/// The objects of a dump.
pub(crate) struct ClusterDump {
    objects: Arc<Vec<KubeObject>>,
    named: Arc<NamedResources>,
    passed_over: Vec<PassedOver>,
    cluster_uid: String,
}

impl ClusterDump {
    /// Reads a folder with all folders below it, or one file.
    ///
    /// # Errors
    /// A file that is neither JSON nor YAML; a dump in which nothing can be kept; one without a cluster's identity.
    pub(crate) fn read(dump: &DumpPlace) -> Result<Self, EmitError> {
        let place = dump.directory.as_path();
        let mut content = DumpContent::default();
        for path in file::find(place)? {
            let before = content.len();
            let below = path.strip_prefix(place).unwrap_or(&path).to_owned();
            for document in file::documents(&path)? {
                content.take(document, &path, &below);
            }
            tracing::info!(path = %path.display(), objects = content.len() - before, "dump file read");
        }
        let fail = |why: String| EmitError::Dump {
            path: place.display().to_string(),
            why,
        };
        let (objects, named, passed_over) = content.finish(dump.complete);
        if objects.is_empty() {
            let why = "there is no .json or .yaml file with objects as written by `kubectl get … -o json`"
                .to_owned();
            return Err(fail(why));
        }
        let cluster_uid = identify(&objects, dump.cluster_uid.as_deref()).map_err(fail)?;
        for (resource, scope) in named
            .iter()
            .filter(|(_, scope)| **scope != NamedScope::Everything)
        {
            tracing::warn!(
                %resource, named = %scope,
                "the dump is incomplete for a resource: outside its scope no object of the resource is \
                 closed; if it is complete, add --complete"
            );
        }
        Ok(Self {
            objects: objects.into(),
            named: named.into(),
            passed_over,
            cluster_uid,
        })
    }

    pub(crate) fn cluster_uid(&self) -> String {
        self.cluster_uid.clone()
    }

    /// What stands in the dump and is not kept.
    pub(crate) fn passed_over(&self) -> &[PassedOver] {
        &self.passed_over
    }

    /// True if the dump says anything of a resource.
    pub(crate) fn names(&self, resource: WatchedResource) -> bool {
        self.named.contains_key(&resource)
    }

    pub(crate) fn start(&self, tasks: &mut JoinSet<()>, events: Sender<SourceEvent>) {
        let (objects, named) = (self.objects.clone(), self.named.clone());
        tasks.spawn(async move {
            send_lists(
                &objects,
                &named,
                &WatchedResource::ALL,
                &events,
                SourceEvent::Watch,
            )
            .await;
            events.send(SourceEvent::Finished).await.ok();
        });
    }

    pub(crate) fn relist(
        &self,
        tasks: &mut JoinSet<()>,
        resources: Vec<WatchedResource>,
        events: Sender<SourceEvent>,
    ) {
        let (objects, named) = (self.objects.clone(), self.named.clone());
        tasks.spawn(async move {
            send_lists(&objects, &named, &resources, &events, SourceEvent::Relist).await;
        });
    }
}

/// The uid of kube-system, or the one that was given.
fn identify(objects: &[KubeObject], given: Option<&str>) -> Result<String, String> {
    let system = objects.iter().find(|object| {
        object.resource() == WatchedResource::Namespaces
            && object.meta().name.as_deref() == Some("kube-system")
    });
    match (system.map(KubeObject::uid), given) {
        (Some(uid), Some(given)) if uid != given => Err(format!(
            "its namespace kube-system has the uid {uid}, but --cluster-uid says {given}: this may be the \
             dump of another cluster; omit --cluster-uid, or name the folder of the right cluster"
        )),
        (Some(uid), _) => Ok(uid.to_owned()),
        (None, Some(given)) => Ok(given.to_owned()),
        (None, None) => Err(
            "the dump has no namespace kube-system, whose uid is the cluster's identity; add the output of \
             `kubectl get namespaces -o json`, or set --cluster-uid to the output of `kubectl get namespace \
             kube-system -o jsonpath={.metadata.uid}`"
                .to_owned(),
        ),
    }
}

async fn send_lists(
    objects: &[KubeObject],
    named: &NamedResources,
    resources: &[WatchedResource],
    events: &Sender<SourceEvent>,
    wrap: fn(WatchedResource, ResourceChange) -> SourceEvent,
) {
    for resource in resources {
        let listed = objects
            .iter()
            .filter(|object| object.resource() == *resource)
            .cloned()
            .map(ResourceChange::Listed);
        let end = match named.get(resource) {
            Some(NamedScope::Everything) => ResourceChange::End,
            Some(scope) => ResourceChange::Incomplete(scope.clone()),
            None => ResourceChange::Incomplete(NamedScope::Only(BTreeSet::new())),
        };
        for change in [ResourceChange::Begin].into_iter().chain(listed).chain([end]) {
            if events.send(wrap(*resource, change)).await.is_err() {
                return;
            }
        }
    }
}

fn unreadable(path: &Path, why: impl ToString) -> EmitError {
    EmitError::Dump {
        path: path.display().to_string(),
        why: why.to_string(),
    }
}

#[cfg(test)]
mod tests;
