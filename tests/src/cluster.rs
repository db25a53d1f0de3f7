//! A real API server, and the reading and writing of its objects as JSON.

use fleetledger_local::{
    kube_apiserver::{KubeApiserver, KubeApiserverBuilder},
    skip::unless_available,
};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};

use crate::parts::cache;

/// Requests in flight while many objects are written.
pub const IN_FLIGHT: usize = 32;

/// A resource of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the Kubernetes kind of that name")]
pub enum ApiResourceKind {
    Namespace,
    Node,
    Deployment,
    StatefulSet,
    DaemonSet,
    CronJob,
    ReplicaSet,
    Job,
    Pod,
    Watchdog,
    Lease,
}

impl ApiResourceKind {
    /// Whatever becomes a row; owners stand before what they own.
    pub const KEPT: [ApiResourceKind; 10] = [
        ApiResourceKind::Namespace,
        ApiResourceKind::Node,
        ApiResourceKind::Deployment,
        ApiResourceKind::StatefulSet,
        ApiResourceKind::DaemonSet,
        ApiResourceKind::CronJob,
        ApiResourceKind::ReplicaSet,
        ApiResourceKind::Job,
        ApiResourceKind::Pod,
        ApiResourceKind::Watchdog,
    ];

    /// `kind` of its objects.
    #[must_use]
    pub fn kind(self) -> &'static str {
        self.names().2
    }

    /// `apiVersion` of its objects.
    #[must_use]
    pub fn api_version(self) -> String {
        let (group, version, _, _) = self.names();
        if group.is_empty() {
            version.to_owned()
        } else {
            format!("{group}/{version}")
        }
    }

    fn names(self) -> (&'static str, &'static str, &'static str, &'static str) {
        match self {
            ApiResourceKind::Namespace => ("", "v1", "Namespace", "namespaces"),
            ApiResourceKind::Node => ("", "v1", "Node", "nodes"),
            ApiResourceKind::Pod => ("", "v1", "Pod", "pods"),
            ApiResourceKind::Deployment => ("apps", "v1", "Deployment", "deployments"),
            ApiResourceKind::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            ApiResourceKind::DaemonSet => ("apps", "v1", "DaemonSet", "daemonsets"),
            ApiResourceKind::ReplicaSet => ("apps", "v1", "ReplicaSet", "replicasets"),
            ApiResourceKind::CronJob => ("batch", "v1", "CronJob", "cronjobs"),
            ApiResourceKind::Job => ("batch", "v1", "Job", "jobs"),
            ApiResourceKind::Watchdog => ("watchdogs.fleetledger.io", "v1alpha1", "Watchdog", "watchdogs"),
            ApiResourceKind::Lease => ("coordination.k8s.io", "v1", "Lease", "leases"),
        }
    }

    fn api_resource(self) -> ApiResource {
        let (group, version, kind, plural) = self.names();
        ApiResource {
            group: group.to_owned(),
            version: version.to_owned(),
            api_version: self.api_version(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
        }
    }
}

/// An object to be created: its JSON, and its status, which the API server takes only afterwards.
#[derive(Debug, Clone)]
pub struct DesiredObject {
    /// What it is.
    pub resource: ApiResourceKind,
    /// Where it lives, if in a namespace.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The controlling owner, which exists when this is created.
    pub owner: Option<(ApiResourceKind, String)>,
    /// `metadata` and `spec`, without name, namespace and owner.
    pub body: Value,
    /// `status`, if one is written.
    pub status: Option<Value>,
}

impl DesiredObject {
    /// The whole object, controlled by `owner` (what it is, its name, its uid).
    fn json(&self, owner: Option<(ApiResourceKind, String, String)>) -> Value {
        let mut body = self.body.clone();
        body["apiVersion"] = json!(self.resource.api_version());
        body["kind"] = json!(self.resource.kind());
        body["metadata"]["name"] = json!(self.name);
        if let Some(namespace) = &self.namespace {
            body["metadata"]["namespace"] = json!(namespace);
        }
        if let Some((kind, name, uid)) = owner {
            body["metadata"]["ownerReferences"] = json!([{
                "apiVersion": kind.api_version(), "kind": kind.kind(), "name": name, "uid": uid,
                "controller": true, "blockOwnerDeletion": true,
            }]);
        }
        body
    }
}

/// An API server and its administrator's client.
pub struct TestCluster {
    /// The server.
    pub server: KubeApiserver,
    /// The administrator's client.
    pub client: Client,
}

impl TestCluster {
    /// Starts a server. `None` where it is not available on this machine.
    pub async fn start(test: &str) -> Option<Self> {
        Self::start_with(test, KubeApiserver::builder()).await
    }

    /// Starts the server that `builder` asks for.
    pub async fn start_with(test: &str, builder: KubeApiserverBuilder<'_>) -> Option<Self> {
        let server = builder.start(&cache()).await;
        let server = unless_available(test, server).unwrap()?;
        let client = client(&server.kubeconfig_yaml()).await;
        Some(Self { server, client })
    }

    /// The cluster's identity.
    pub async fn uid(&self) -> String {
        let system = self
            .get(ApiResourceKind::Namespace, None, "kube-system")
            .await
            .unwrap();
        text(&system, "/metadata/uid")
    }

    /// The port the server listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.server.url().rsplit(':').next().unwrap().parse().unwrap()
    }

    /// The administrator's client through a proxy at `address`, which is on loopback like the server.
    pub async fn client_through(&self, address: std::net::SocketAddr) -> Client {
        client(
            &self
                .server
                .kubeconfig_yaml()
                .replace(&self.server.url(), &format!("https://{address}")),
        )
        .await
    }

    /// The API of a resource, in one namespace or in all.
    #[must_use]
    pub fn api(&self, resource: ApiResourceKind, namespace: Option<&str>) -> Api<DynamicObject> {
        let api_resource = resource.api_resource();
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &api_resource),
            None => Api::all_with(self.client.clone(), &api_resource),
        }
    }

    /// Creates one object and its status; returns its uid.
    pub async fn create(&self, desired: &DesiredObject) -> String {
        let owner = match &desired.owner {
            Some((resource, name)) => {
                let owner = self.get(*resource, desired.namespace.as_deref(), name).await;
                let owner = owner.unwrap_or_else(|| panic!("owner {name} of {}", desired.name));
                Some((*resource, name.clone(), text(&owner, "/metadata/uid")))
            }
            None => None,
        };
        self.create_json(desired, desired.json(owner)).await
    }

    async fn create_json(&self, desired: &DesiredObject, body: Value) -> String {
        let api = self.api(desired.resource, desired.namespace.as_deref());
        let object: DynamicObject = serde_json::from_value(body).unwrap();
        let created = api.create(&PostParams::default(), &object).await;
        let created = created.unwrap_or_else(|error| panic!("create {}: {error}", desired.name));
        if let Some(status) = &desired.status {
            self.patch_status(
                desired.resource,
                desired.namespace.as_deref(),
                &desired.name,
                status,
            )
            .await;
        }
        created.metadata.uid.unwrap()
    }

    /// Creates many objects, [`IN_FLIGHT`] at a time; those with owners after those without.
    pub async fn create_all(&self, wanted: &[DesiredObject]) {
        let mut owners = std::collections::HashMap::new();
        for resource in [
            ApiResourceKind::Namespace,
            ApiResourceKind::Lease,
            ApiResourceKind::Node,
            ApiResourceKind::Deployment,
            ApiResourceKind::StatefulSet,
            ApiResourceKind::DaemonSet,
            ApiResourceKind::CronJob,
            ApiResourceKind::ReplicaSet,
            ApiResourceKind::Job,
            ApiResourceKind::Pod,
            ApiResourceKind::Watchdog,
        ] {
            let of_kind = wanted.iter().filter(|desired| desired.resource == resource);
            let bodies: Vec<(&DesiredObject, Value)> = of_kind
                .map(|desired| {
                    let owner = desired.owner.as_ref().map(|(kind, name)| {
                        let uid: &String = &owners[&(*kind, desired.namespace.clone(), name.clone())];
                        (*kind, name.clone(), uid.clone())
                    });
                    (desired, desired.json(owner))
                })
                .collect();
            let created: Vec<_> = stream::iter(bodies)
                .map(|(desired, body)| async move { (desired, self.create_json(desired, body).await) })
                .buffer_unordered(IN_FLIGHT)
                .collect()
                .await;
            for (desired, uid) in created {
                owners.insert((resource, desired.namespace.clone(), desired.name.clone()), uid);
            }
        }
    }

    /// One object as JSON; `None` if it does not exist.
    pub async fn get(&self, resource: ApiResourceKind, namespace: Option<&str>, name: &str) -> Option<Value> {
        let object = self.api(resource, namespace).get_opt(name).await.unwrap();
        object.map(|object| serde_json::to_value(object).unwrap())
    }

    /// Merges `patch` into an object. An object that is gone is no error.
    pub async fn patch(&self, resource: ApiResourceKind, namespace: Option<&str>, name: &str, patch: &Value) {
        let api = self.api(resource, namespace);
        let done = api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        done.map(drop)
            .unwrap_or_else(|error| panic!("patch {name}: {error}"));
    }

    /// Merges `status` into an object's status.
    pub async fn patch_status(
        &self,
        resource: ApiResourceKind,
        namespace: Option<&str>,
        name: &str,
        status: &Value,
    ) {
        let api = self.api(resource, namespace);
        let patch = json!({ "status": status });
        let done = api
            .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        done.map(drop)
            .unwrap_or_else(|error| panic!("patch status of {name}: {error}"));
    }

    /// Deletes an object at once.
    pub async fn delete(&self, resource: ApiResourceKind, namespace: Option<&str>, name: &str) {
        let mut params = DeleteParams::background();
        params.grace_period_seconds = Some(0);
        let done = self.api(resource, namespace).delete(name, &params).await;
        done.map(drop)
            .unwrap_or_else(|error| panic!("delete {name}: {error}"));
    }

    /// Every object of a resource as JSON. A resource the server does not have, has none.
    pub async fn list(&self, resource: ApiResourceKind) -> Vec<Value> {
        let api = self.api(resource, None);
        let mut params = ListParams::default().limit(1000);
        let mut all = Vec::new();
        loop {
            let page = match api.list(&params).await {
                Ok(page) => page,
                Err(kube::Error::Api(status)) if status.code == 404 => return Vec::new(),
                Err(error) => panic!("list {}: {error}", resource.kind()),
            };
            all.extend(
                page.items
                    .into_iter()
                    .map(|item| serde_json::to_value(item).unwrap()),
            );
            match page.metadata.continue_ {
                Some(next) if !next.is_empty() => params = params.continue_token(&next),
                _ => return all,
            }
        }
    }

    /// Every object that becomes a row, by resource.
    pub async fn list_all(&self) -> Vec<(ApiResourceKind, Vec<Value>)> {
        stream::iter(ApiResourceKind::KEPT)
            .map(|resource| async move { (resource, self.list(resource).await) })
            .buffered(4)
            .collect()
            .await
    }

    /// Creates every object of a manifest in `deploy/kubernetes/`.
    pub async fn apply(&self, manifest: &str) {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kubernetes");
        let text = std::fs::read_to_string(folder.join(manifest)).unwrap();
        for document in serde_yaml_ng::Deserializer::from_str(&text) {
            let object: Value = serde::Deserialize::deserialize(document).unwrap();
            self.create_manifest(&object).await;
        }
    }

    /// Creates an object of any kind that the server knows.
    pub async fn create_manifest(&self, manifest: &Value) {
        let (api, object) = self.of_manifest(manifest);
        let created = api.create(&PostParams::default(), &object).await;
        created.unwrap_or_else(|error| panic!("create {manifest}: {error}"));
    }

    /// Deletes the object that a manifest created.
    pub async fn delete_manifest(&self, manifest: &Value) {
        let (api, object) = self.of_manifest(manifest);
        let name = object.metadata.name.unwrap();
        let deleted = api.delete(&name, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("delete {name}: {error}"));
    }

    fn of_manifest(&self, manifest: &Value) -> (Api<DynamicObject>, DynamicObject) {
        let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
        let kind = kube::core::GroupVersionKind::try_from(object.types.as_ref().unwrap()).unwrap();
        let resource = ApiResource::from_gvk(&kind);
        let api = match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        };
        (api, object)
    }

    /// Creates a RuntimeClass with this overhead, and returns its name.
    pub async fn create_runtime_class(&self, name: &str, overhead: &Value) -> String {
        let resource = ApiResource {
            group: "node.k8s.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "node.k8s.io/v1".to_owned(),
            kind: "RuntimeClass".to_owned(),
            plural: "runtimeclasses".to_owned(),
        };
        let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name},
            "handler": name, "overhead": {"podFixed": overhead}});
        let class: DynamicObject = serde_json::from_value(class).unwrap();
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource);
        api.create(&PostParams::default(), &class).await.unwrap();
        name.to_owned()
    }

    /// Installs the custom resource of watchdogs, and waits until the server serves it.
    pub async fn install_watchdogs(&self) {
        self.apply("watchdog-crd.yaml").await;
        crate::deadline::eventually(
            "watchdogs are served",
            std::time::Duration::from_secs(30),
            || async {
                self.api(ApiResourceKind::Watchdog, None)
                    .list(&ListParams::default())
                    .await
            },
        )
        .await;
    }
}

/// A client from a kubeconfig.
pub async fn client(kubeconfig: &str) -> Client {
    let kubeconfig: Kubeconfig = serde_yaml_ng::from_str(kubeconfig).unwrap();
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .unwrap();
    Client::try_from(config).unwrap()
}

/// Text at a JSON pointer, empty where there is none.
#[must_use]
pub fn text(value: &Value, pointer: &str) -> String {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Does `work` for every item, [`IN_FLIGHT`] at a time.
pub async fn each<T, F: Future<Output = ()>>(items: impl IntoIterator<Item = T>, work: impl Fn(T) -> F) {
    stream::iter(items)
        .map(Ok::<T, std::convert::Infallible>)
        .try_for_each_concurrent(IN_FLIGHT, |item| {
            let done = work(item);
            async move {
                done.await;
                Ok(())
            }
        })
        .await
        .unwrap();
}
