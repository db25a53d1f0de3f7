//! A dump of a cluster: files of `kubectl get … -o json`, a must-gather, or the folder of `kubectl cluster-info dump`.
//!
//! What the ledger keeps is taken, whatever else stands there is passed over and counted by name. A resource without
//! a file is not known, so nothing of it is closed.

mod collect;
mod file;

use std::{collections::BTreeSet, path::Path, sync::Arc};

use tokio::{sync::mpsc::Sender, task::JoinSet};

use crate::{
    error::EmitError,
    health::PassedOver,
    resource::{KubeObject, ResourceChange, SourceEvent, WatchedResource},
};
use collect::DumpContent;

/// The objects of a dump.
pub(crate) struct ClusterDump {
    objects: Arc<Vec<KubeObject>>,
    /// Resources of which the dump names every object.
    complete: Arc<BTreeSet<WatchedResource>>,
    passed_over: Vec<PassedOver>,
    cluster_uid: String,
}

impl ClusterDump {
    /// Reads a folder with all folders below it, or one file. `cluster_uid` stands in for a namespace kube-system that
    /// the dump does not hold.
    ///
    /// # Errors
    /// A file that is neither JSON nor YAML; a dump in which nothing can be kept; one without a cluster's identity.
    pub(crate) fn read(place: &Path, cluster_uid: Option<&str>) -> Result<Self, EmitError> {
        let mut content = DumpContent::default();
        for path in file::find(place)? {
            let before = content.len();
            for document in file::documents(&path)? {
                content.take(document, &path);
            }
            tracing::info!(path = %path.display(), objects = content.len() - before, "dump file read");
        }
        let fail = |why: String| EmitError::Dump {
            path: place.display().to_string(),
            why,
        };
        let (objects, complete, passed_over) = content.finish();
        if objects.is_empty() {
            let why = "no .json or .yaml file of `kubectl get … -o json` with objects in it".to_owned();
            return Err(fail(why));
        }
        let cluster_uid = identify(&objects, cluster_uid).map_err(fail)?;
        Ok(Self {
            objects: objects.into(),
            complete: complete.into(),
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
        self.complete.contains(&resource) || self.objects.iter().any(|object| object.resource() == resource)
    }

    pub(crate) fn start(&self, tasks: &mut JoinSet<()>, events: Sender<SourceEvent>) {
        let (objects, complete) = (self.objects.clone(), self.complete.clone());
        tasks.spawn(async move {
            send_lists(
                &objects,
                &complete,
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
        let (objects, complete) = (self.objects.clone(), self.complete.clone());
        tasks.spawn(async move {
            send_lists(&objects, &complete, &resources, &events, SourceEvent::Relist).await;
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
            "its namespace kube-system has the uid {uid}, and --cluster-uid says {given}: is this the dump of another \
             cluster? leave --cluster-uid out, or give the folder of the cluster that is meant"
        )),
        (Some(uid), _) => Ok(uid.to_owned()),
        (None, Some(given)) => Ok(given.to_owned()),
        (None, None) => Err(
            "the dump has no namespace kube-system, whose uid is the cluster's identity; add the output of `kubectl get \
             namespaces -o json`, or give --cluster-uid with what `kubectl get namespace kube-system -o \
             jsonpath={.metadata.uid}` prints"
                .to_owned(),
        ),
    }
}

async fn send_lists(
    objects: &[KubeObject],
    complete: &BTreeSet<WatchedResource>,
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
        let end = if complete.contains(resource) {
            ResourceChange::End
        } else {
            ResourceChange::Incomplete
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
