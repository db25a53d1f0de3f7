//! The simulated fleet's objects, as an API server would write them.

use fleetledger_schema::instant::Instant;
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet},
    batch::v1::{CronJob, Job},
    coordination::v1::Lease,
    core::v1::{Namespace, Node, Pod},
};
use serde::de::DeserializeOwned;
use serde_json::{Value as Json, json};

use super::placement::NodeResources;
use crate::watchdog_resource::Watchdog;

/// A pool of equal nodes.
#[derive(Debug, Clone)]
pub(super) struct NodePool {
    pub(super) name: String,
    pub(super) instance_type: &'static str,
    pub(super) cpu: u32,
    pub(super) memory_gib: u32,
    pub(super) gpus: u32,
    /// Pods that a node takes at most.
    pub(super) pods: u32,
}

impl NodePool {
    /// What pods may request of one of its nodes.
    pub(super) fn allocatable(&self) -> NodeResources {
        NodeResources {
            millicores: u64::from(self.cpu) * 1000 - 120,
            memory_mib: u64::from(self.memory_gib) * 1024 - 900,
            gpus: u64::from(self.gpus),
            pods: u64::from(self.pods),
        }
    }
}

/// What a sidecar requests.
pub(super) const SIDECAR_MILLICORES: u32 = 50;
pub(super) const SIDECAR_MEMORY_MIB: u32 = 64;

/// What a pod is made of.
#[derive(Debug, Clone)]
pub(super) struct PodShape {
    pub(super) namespace: String,
    pub(super) team: String,
    pub(super) app: String,
    pub(super) image: String,
    pub(super) cpu_millicores: u32,
    pub(super) memory_mib: u32,
    pub(super) gpus: u32,
    pub(super) sidecar: bool,
    /// Its container has a limit on memory.
    pub(super) is_limited: bool,
    pub(super) host_path: bool,
}

/// An owner reference: API version, kind, name, uid.
pub(super) type OwnedBy<'o> = Option<(&'static str, &'static str, &'o str, &'o str)>;

/// Made of a literal of this file, so that it always has the type's form; a default otherwise.
fn typed<K: DeserializeOwned + Default>(json: Json) -> K {
    serde_json::from_value(json)
        .inspect_err(|error| tracing::error!(%error, "simulated object has a wrong form"))
        .unwrap_or_default()
}

fn owner(owned_by: OwnedBy<'_>) -> Json {
    match owned_by {
        Some((version, kind, name, uid)) => json!([
            {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": true, "blockOwnerDeletion": true}
        ]),
        None => Json::Null,
    }
}

pub(super) fn namespace(name: &str, uid: &str, team: Option<&str>, created: Instant) -> Namespace {
    let mut labels = json!({"kubernetes.io/metadata.name": name});
    if let (Some(labels), Some(team)) = (labels.as_object_mut(), team) {
        labels.insert("team".to_owned(), Json::from(team));
    }
    typed(json!({
        "metadata": {"name": name, "uid": uid, "creationTimestamp": seconds(created), "labels": labels},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }))
}

pub(super) fn node(name: &str, uid: &str, pool: &NodePool, zone: &str, created: Instant) -> Node {
    let mut capacity = json!({"cpu": pool.cpu.to_string(), "memory": format!("{}Gi", pool.memory_gib),
        "ephemeral-storage": "200Gi", "pods": pool.pods.to_string(), "hugepages-2Mi": "0"});
    if pool.gpus > 0
        && let Some(capacity) = capacity.as_object_mut()
    {
        capacity.insert("nvidia.com/gpu".to_owned(), Json::from(pool.gpus.to_string()));
    }
    let (mut allocatable, room) = (capacity.clone(), pool.allocatable());
    if let Some(allocatable) = allocatable.as_object_mut() {
        allocatable.insert("cpu".to_owned(), Json::from(format!("{}m", room.millicores)));
        allocatable.insert("memory".to_owned(), Json::from(format!("{}Mi", room.memory_mib)));
    }
    typed(json!({
        "metadata": {"name": name, "uid": uid, "creationTimestamp": seconds(created), "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
            "node.kubernetes.io/instance-type": pool.instance_type, "topology.kubernetes.io/zone": zone,
            "fleetledger.io/pool": pool.name}},
        "spec": {"providerID": format!("sim://{zone}/{name}"), "podCIDRs": ["10.0.0.0/24"]},
        "status": {
            "capacity": capacity, "allocatable": allocatable,
            "addresses": [{"type": "InternalIP", "address": "10.1.0.1"}, {"type": "Hostname", "address": name}],
            "conditions": conditions(created, created, "True"),
            "nodeInfo": {"kernelVersion": "6.8.0", "osImage": "Debian GNU/Linux 12", "operatingSystem": "linux",
                "architecture": "amd64", "containerRuntimeVersion": "containerd://2.1.4", "kubeletVersion": "v1.35.4",
                "kubeProxyVersion": "", "bootID": format!("boot-{uid}"), "machineID": uid, "systemUUID": uid},
        },
    }))
}

/// Conditions of a node whose readiness is `ready`: True, False or Unknown.
pub(super) fn node_conditions(
    heartbeat: Instant,
    since: Instant,
    ready: &str,
) -> Vec<k8s_openapi::api::core::v1::NodeCondition> {
    serde_json::from_value(conditions(heartbeat, since, ready)).unwrap_or_default()
}

fn conditions(heartbeat: Instant, since: Instant, ready: &str) -> Json {
    let pressure = if ready == "Unknown" { "Unknown" } else { "False" };
    let reason = if ready == "Unknown" {
        "NodeStatusUnknown"
    } else {
        "KubeletReady"
    };
    let one = |name: &str, status: &str, reason: &str| {
        json!({"type": name, "status": status, "reason": reason,
            "lastHeartbeatTime": seconds(heartbeat), "lastTransitionTime": seconds(since)})
    };
    json!([
        one("MemoryPressure", pressure, "KubeletHasSufficientMemory"),
        one("DiskPressure", pressure, "KubeletHasNoDiskPressure"),
        one("PIDPressure", pressure, "KubeletHasSufficientPID"),
        one("Ready", ready, reason),
    ])
}

pub(super) fn lease(node: &str, uid: &str, renewed: Instant) -> Lease {
    typed(json!({
        "metadata": {"name": node, "namespace": "kube-node-lease", "uid": uid},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": renewed.to_string()},
    }))
}

pub(super) fn deployment(
    name: &str,
    uid: &str,
    shape: &PodShape,
    replicas: i32,
    created: Instant,
) -> Deployment {
    typed(json!({
        "metadata": {"name": name, "namespace": shape.namespace, "uid": uid, "creationTimestamp": seconds(created),
            "generation": 1, "labels": {"app": shape.app, "team": shape.team}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": shape.app}},
            "strategy": {"type": "RollingUpdate"}, "template": template(shape)},
        "status": {"observedGeneration": 1},
    }))
}

pub(super) fn replica_set(
    name: &str,
    uid: &str,
    shape: &PodShape,
    owned_by: OwnedBy<'_>,
    created: Instant,
) -> ReplicaSet {
    typed(json!({
        "metadata": {"name": name, "namespace": shape.namespace, "uid": uid, "creationTimestamp": seconds(created),
            "labels": {"app": shape.app}, "ownerReferences": owner(owned_by)},
        "spec": {"selector": {"matchLabels": {"app": shape.app}}, "template": template(shape)},
        "status": {"replicas": 0},
    }))
}

pub(super) fn cron_job(name: &str, uid: &str, shape: &PodShape, created: Instant) -> CronJob {
    typed(json!({
        "metadata": {"name": name, "namespace": shape.namespace, "uid": uid, "creationTimestamp": seconds(created),
            "labels": {"app": shape.app, "team": shape.team}},
        "spec": {"schedule": "*/5 * * * *", "concurrencyPolicy": "Allow", "jobTemplate": {"spec": {"template": template(shape)}}},
        "status": {},
    }))
}

pub(super) fn job(name: &str, uid: &str, shape: &PodShape, owned_by: OwnedBy<'_>, created: Instant) -> Job {
    typed(json!({
        "metadata": {"name": name, "namespace": shape.namespace, "uid": uid, "creationTimestamp": seconds(created),
            "labels": {"app": shape.app, "team": shape.team}, "ownerReferences": owner(owned_by)},
        "spec": {"parallelism": 1, "completions": 1, "template": template(shape)},
        "status": {"active": 1, "startTime": seconds(created)},
    }))
}

pub(super) fn pod(name: &str, uid: &str, shape: &PodShape, owned_by: OwnedBy<'_>, created: Instant) -> Pod {
    let template = template(shape);
    typed(json!({
        "metadata": {"name": name, "namespace": shape.namespace, "uid": uid, "creationTimestamp": seconds(created),
            "labels": {"app": shape.app, "team": shape.team}, "ownerReferences": owner(owned_by)},
        "spec": template.get("spec"),
        "status": {"phase": "Pending", "qosClass": "Burstable",
            "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "lastTransitionTime": seconds(created), "message": "0 nodes are available yet"}]},
    }))
}

pub(super) fn watchdog(name: &str, uid: &str, check: &str, nodes: usize, created: Instant) -> Watchdog {
    let parameters = json!({check: {}});
    serde_json::from_value(json!({
        "apiVersion": "watchdogs.fleetledger.io/v1alpha1", "kind": "Watchdog",
        "metadata": {"name": name, "uid": uid, "creationTimestamp": seconds(created), "generation": 1},
        "spec": {"scope": "Node", "interval": "60s", "timeout": "10s", "for": "3m", "severity": "critical",
            "runbook": format!("docs/runbooks/{check}.md"), "check": parameters},
        "status": {"observedGeneration": 1, "state": "OK", "episode": 0, "incarnation": 0,
            "nodes": {"desired": nodes, "reporting": nodes, "ok": nodes, "failing": 0, "unknown": 0},
            "conditions": [{"type": "Healthy", "status": "True", "reason": "ChecksPass", "message": "",
                "lastTransitionTime": seconds(created)}]},
    }))
    .unwrap_or_else(|error| {
        tracing::error!(%error, "simulated object has a wrong form");
        Watchdog::default()
    })
}

fn template(shape: &PodShape) -> Json {
    let mut requests =
        json!({"cpu": format!("{}m", shape.cpu_millicores), "memory": format!("{}Mi", shape.memory_mib)});
    let mut limits = match shape.is_limited {
        true => json!({"memory": format!("{}Mi", shape.memory_mib * 2)}),
        false => json!({}),
    };
    if shape.gpus > 0 {
        for list in [&mut requests, &mut limits] {
            if let Some(list) = list.as_object_mut() {
                list.insert("nvidia.com/gpu".to_owned(), Json::from(shape.gpus.to_string()));
            }
        }
    }
    let mounts = if shape.host_path {
        json!([{"name": "host", "mountPath": "/host"}])
    } else {
        Json::Null
    };
    let volumes = if shape.host_path {
        json!([{"name": "host", "hostPath": {"path": "/"}}])
    } else {
        Json::Null
    };
    let sidecar = json!([{"name": "mesh", "image": "registry.example/mesh:1.9", "restartPolicy": "Always",
        "resources": {"requests": {
            "cpu": format!("{SIDECAR_MILLICORES}m"), "memory": format!("{SIDECAR_MEMORY_MIB}Mi")}}}]);
    json!({
        "metadata": {"labels": {"app": shape.app, "team": shape.team}},
        "spec": {
            "restartPolicy": "Always", "serviceAccountName": "default", "schedulerName": "default-scheduler", "priority": 0,
            "volumes": volumes,
            "initContainers": if shape.sidecar { sidecar } else { Json::Null },
            "containers": [{"name": "app", "image": shape.image, "volumeMounts": mounts,
                // Never sent: a test looks for it in every record.
                "env": [{"name": "DATABASE_PASSWORD", "value": "not-to-leave-the-cluster"}],
                "resources": {"requests": requests, "limits": limits}}],
        },
    })
}

/// As the API server writes a time: whole seconds.
pub(super) fn seconds(at: Instant) -> String {
    let whole = Instant(at.0 - at.0.rem_euclid(1_000_000));
    whole.to_timestamp().map(|at| at.to_string()).unwrap_or_default()
}
