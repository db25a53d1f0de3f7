//! Files of `kubectl get … -o json`: Lists or single objects, in JSON or YAML.

use std::{fs, path::Path, sync::Arc};

use k8s_openapi::api::{
    apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
    batch::v1::{CronJob, Job},
    coordination::v1::Lease,
    core::v1::{Namespace, Node, Pod},
};
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use tokio::{sync::mpsc::Sender, task::JoinSet};

use crate::{
    error::EmitError,
    resource::{KubeObject, ResourceChange, SourceEvent, WatchedResource},
    watchdog_resource::Watchdog,
};

/// The objects of a dump.
pub(crate) struct ClusterDump {
    objects: Arc<Vec<KubeObject>>,
}

impl ClusterDump {
    /// Reads every file of a folder. Kinds that are not kept are passed over.
    pub(crate) fn read(directory: &Path) -> Result<Self, EmitError> {
        let fail = |path: &Path, why: String| EmitError::Dump {
            path: path.display().to_string(),
            why,
        };
        let entries = fs::read_dir(directory).map_err(|error| fail(directory, error.to_string()))?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let mut objects = Vec::new();
        for path in paths {
            let json = match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => {
                    serde_json::from_slice(&read(&path)?).map_err(|error| fail(&path, error.to_string()))?
                }
                Some("yaml" | "yml") => serde_yaml_ng::from_slice(&read(&path)?)
                    .map_err(|error| fail(&path, error.to_string()))?,
                _ => continue,
            };
            let before = objects.len();
            collect(json, &mut objects).map_err(|why| fail(&path, why))?;
            tracing::info!(path = %path.display(), objects = objects.len() - before, "dump file read");
        }
        if objects.is_empty() {
            let why = "no .json or .yaml file of `kubectl get … -o json` with objects in it".to_owned();
            return Err(fail(directory, why));
        }
        Ok(Self {
            objects: Arc::new(objects),
        })
    }

    pub(crate) fn cluster_uid(&self) -> Result<String, String> {
        let named = |object: &&KubeObject| {
            object.resource() == WatchedResource::Namespaces
                && object.meta().name.as_deref() == Some("kube-system")
        };
        let uid = self
            .objects
            .iter()
            .find(named)
            .map(|namespace| namespace.uid().to_owned());
        uid.filter(|uid| !uid.is_empty()).ok_or_else(|| {
            "the dump has no namespace kube-system, whose uid is the cluster's identity; add `kubectl get namespaces -o json`"
                .to_owned()
        })
    }

    pub(crate) fn start(&self, tasks: &mut JoinSet<()>, events: Sender<SourceEvent>) {
        let objects = self.objects.clone();
        tasks.spawn(async move {
            send_lists(&objects, &WatchedResource::ALL, &events, SourceEvent::Watch).await;
            events.send(SourceEvent::Finished).await.ok();
        });
    }

    pub(crate) fn relist(
        &self,
        tasks: &mut JoinSet<()>,
        resources: Vec<WatchedResource>,
        events: Sender<SourceEvent>,
    ) {
        let objects = self.objects.clone();
        tasks.spawn(async move { send_lists(&objects, &resources, &events, SourceEvent::Relist).await });
    }
}

async fn send_lists(
    objects: &[KubeObject],
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
        for change in [ResourceChange::Begin]
            .into_iter()
            .chain(listed)
            .chain([ResourceChange::End])
        {
            if events.send(wrap(*resource, change)).await.is_err() {
                return;
            }
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, EmitError> {
    fs::read(path).map_err(|error| EmitError::Dump {
        path: path.display().to_string(),
        why: error.to_string(),
    })
}

fn collect(json: Json, objects: &mut Vec<KubeObject>) -> Result<(), String> {
    let kind = json
        .get("kind")
        .and_then(Json::as_str)
        .unwrap_or_default()
        .to_owned();
    if let Some(of) = kind.strip_suffix("List") {
        let Some(Json::Array(items)) = json.get("items").cloned() else {
            return Err(format!("a {kind} without items"));
        };
        for mut item in items {
            // A typed list's items often leave out their kind.
            if let Some(item) = item
                .as_object_mut()
                .filter(|item| !of.is_empty() && !item.contains_key("kind"))
            {
                item.insert("kind".to_owned(), Json::from(of));
            }
            collect(item, objects)?;
        }
        return Ok(());
    }
    let object = match kind.as_str() {
        "Namespace" => parse::<Namespace>(json),
        "Lease" => parse::<Lease>(json),
        "Node" => parse::<Node>(json),
        "Deployment" => parse::<Deployment>(json),
        "StatefulSet" => parse::<StatefulSet>(json),
        "DaemonSet" => parse::<DaemonSet>(json),
        "ReplicaSet" => parse::<ReplicaSet>(json),
        "CronJob" => parse::<CronJob>(json),
        "Job" => parse::<Job>(json),
        "Pod" => parse::<Pod>(json),
        "Watchdog" => parse::<Watchdog>(json),
        "" => {
            return Err("an object without kind; is this the output of `kubectl get … -o json`?".to_owned());
        }
        _ => return Ok(()),
    }?;
    let node_lease = object.meta().namespace.as_deref() == Some("kube-node-lease");
    if object.resource() != WatchedResource::Leases || node_lease {
        objects.push(object);
    }
    Ok(())
}

fn parse<K: DeserializeOwned + Into<KubeObject>>(json: Json) -> Result<KubeObject, String> {
    serde_json::from_value::<K>(json)
        .map(Into::into)
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_single_objects_of_known_kinds_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        assert!(ClusterDump::read(folder.path()).is_err());
        write(
            "namespaces.json",
            r#"{"kind": "List", "items": [{"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "k"}}]}"#,
        );
        write(
            "pods.json",
            r#"{"kind": "PodList", "items": [{"metadata": {"name": "p", "uid": "p"}}]}"#,
        );
        write(
            "other.yaml",
            "kind: ConfigMap\nmetadata: {name: c}\ndata: {secret: x}\n",
        );
        write("readme.txt", "no");
        let dump = ClusterDump::read(folder.path()).unwrap();
        assert_eq!(dump.objects.len(), 2);
        assert_eq!(dump.cluster_uid(), Ok("k".to_owned()));
    }
}
