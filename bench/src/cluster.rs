//! Pods in a real API server. No kubelet runs: their status is written here.

use anyhow::Context as _;
use fleetledger_local::kube_apiserver::KubeApiserver;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::{
    Api, Client, Config,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value as Json, json};

/// Requests in flight while many pods are written.
const IN_FLIGHT: usize = 32;

/// The administrator's client.
#[derive(Clone)]
pub(crate) struct BenchCluster {
    pods: Api<DynamicObject>,
}

impl BenchCluster {
    pub(crate) async fn connect(server: &KubeApiserver) -> anyhow::Result<Self> {
        let kubeconfig = Kubeconfig::from_yaml(&server.kubeconfig_yaml())?;
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = Client::try_from(config)?;
        let resource = ApiResource {
            group: String::new(),
            version: "v1".to_owned(),
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            plural: "pods".to_owned(),
        };
        Ok(Self {
            pods: Api::namespaced_with(client, "default", &resource),
        })
    }

    /// Creates running pods, numbered from 0.
    pub(crate) async fn create_pods(&self, count: usize) -> anyhow::Result<()> {
        stream::iter((0..count).map(Ok))
            .try_for_each_concurrent(IN_FLIGHT, |number| async move {
                let pod: DynamicObject = serde_json::from_value(pod(number))?;
                self.pods
                    .create(&PostParams::default(), &pod)
                    .await
                    .context("create a pod")?;
                self.change_pod(number, "Created").await.map(|_| ())
            })
            .await
    }

    /// Writes a pod's status; returns the resource version.
    pub(crate) async fn change_pod(&self, number: usize, reason: &str) -> anyhow::Result<String> {
        let status = json!({ "status": status(number, reason) });
        let name = name(number);
        let patched = self
            .pods
            .patch_status(&name, &PatchParams::default(), &Patch::Merge(&status))
            .await;
        let patched = patched.with_context(|| format!("change pod {name}"))?;
        patched
            .metadata
            .resource_version
            .context("a pod without a version")
    }

    /// Changes every pod.
    pub(crate) async fn change_all(&self, count: usize, reason: &str) -> anyhow::Result<()> {
        let changes = stream::iter(0..count).map(|number| self.change_pod(number, reason));
        changes
            .buffer_unordered(IN_FLIGHT)
            .try_for_each(|_| async { Ok(()) })
            .await
    }
}

fn name(number: usize) -> String {
    format!("app-{}-5d8f9c7b6-{number:05}", number / 10)
}

/// One init and two app containers, as a small Deployment has them.
fn pod(number: usize) -> Json {
    let container = |name: &str| {
        json!({
            "name": name, "image": format!("registry.example.com/team/{name}:1.2.3"),
            "env": [{"name": "MODE", "value": "production"}, {"name": "LEVEL", "value": "info"}],
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {
                "requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"cpu": "500m", "memory": "1Gi"},
            },
            "livenessProbe": {"httpGet": {"path": "/livez", "port": 8080}},
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
            "volumeMounts": [{"name": "config", "mountPath": "/etc/app"}],
        })
    };
    let mut migrate = container("migrate");
    if let Some(fields) = migrate.as_object_mut() {
        for probe in ["livenessProbe", "readinessProbe"] {
            fields.remove(probe);
        }
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name(number),
            "labels": {"app": format!("app-{}", number / 10), "team": format!("team-{}", number % 40), "pod-template-hash": "5d8f9c7b6"},
        },
        "spec": {
            "nodeName": format!("node-{}", number / 30),
            "initContainers": [migrate],
            "containers": [container("main"), container("proxy")],
            "volumes": [{"name": "config", "configMap": {"name": "app"}}],
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        },
    })
}

fn status(number: usize, reason: &str) -> Json {
    let at = "2026-01-01T00:00:00Z";
    let condition = |kind: &str| json!({"type": kind, "status": "True", "lastTransitionTime": at});
    let container = |name: &str, state: Json| {
        json!({
            "name": name, "ready": true, "started": true, "restartCount": 0, "state": state,
            "image": format!("registry.example.com/team/{name}:1.2.3"),
            "imageID": format!("registry.example.com/team/{name}@sha256:{:064x}", 7),
            "containerID": format!("containerd://{number:064x}"),
        })
    };
    let running = json!({"running": {"startedAt": at}});
    let ended =
        json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}});
    json!({
        "phase": "Running", "reason": reason, "qosClass": "Burstable", "startTime": at,
        "hostIP": "10.1.0.1", "podIP": format!("10.2.{}.{}", number / 256 % 256, number % 256),
        "podIPs": [{"ip": format!("10.2.{}.{}", number / 256 % 256, number % 256)}],
        "conditions": [condition("ContainersReady"), condition("Initialized"), condition("PodScheduled"), condition("Ready")],
        "initContainerStatuses": [container("migrate", ended)],
        "containerStatuses": [container("main", running.clone()), container("proxy", running)],
    })
}
