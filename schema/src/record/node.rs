// Generated from schema/avro/node.avsc by `cargo test -p fleetledger-schema --test columns`; do not edit.

//! A node of a cluster.

use serde::{Deserialize, Serialize};

use super::{
    StringMap,
    part::{Condition, Resources},
};
use crate::instant::Instant;

/// A node of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Kubernetes uid of the node: its identity.
    pub uid: String,
    /// Node name.
    pub node: String,
    /// metadata.creationTimestamp; 0 where the object has none.
    pub created_at: Instant,
    /// When deletion was asked for: metadata.deletionTimestamp less the grace period.
    pub deletion_requested_at: Option<Instant>,
    /// When the emitter saw the object gone; set only in the last record of an object.
    pub deleted_at: Option<Instant>,
    /// True if deleted_at is when the absence was noticed, not when the deletion was seen.
    pub deletion_inferred: bool,
    /// Allow-listed labels.
    pub labels: StringMap,
    /// Allow-listed annotations.
    pub annotations: StringMap,
    /// metadata.finalizers, sorted.
    pub finalizers: Vec<String>,
    /// spec.providerID.
    pub provider_id: Option<String>,
    /// True if the node is cordoned.
    pub unschedulable: bool,
    /// Taints, sorted by key, effect and value.
    pub taints: Vec<Taint>,
    /// What the machine has.
    pub capacity: Resources,
    /// What pods may request of it.
    pub allocatable: Resources,
    /// Conditions, sorted by type; heartbeats left out.
    pub conditions: Vec<Condition>,
    /// renewTime of the node's Lease, set only while that is more than 2 minutes old: the instant the node fell silent.
    pub heartbeat_stale_since: Option<Instant>,
    /// Addresses, sorted by type; those of one type in the object's order.
    pub addresses: Vec<Address>,
    /// Pod CIDRs: the primary one, then the others sorted.
    pub pod_cidrs: Vec<String>,
    /// Kernel version.
    pub kernel_version: String,
    /// Operating system image.
    pub os_image: String,
    /// Operating system, such as linux.
    pub operating_system: String,
    /// CPU architecture.
    pub architecture: String,
    /// Container runtime and version.
    pub container_runtime_version: String,
    /// Kubelet version.
    pub kubelet_version: String,
    /// kube-proxy version; empty where the kubelet no longer reports it.
    pub kube_proxy_version: String,
    /// Changes at every boot.
    pub boot_id: String,
    /// Machine id.
    pub machine_id: String,
    /// SMBIOS system uuid.
    pub system_uuid: String,
    /// status.nodeInfo.swap.capacity: swap that the node has, in bytes; null where the kubelet does not say.
    pub swap_capacity_bytes: Option<i64>,
    /// status.runtimeHandlers, sorted by name; the default handler has an empty name. Null where the node does not say.
    pub runtime_handlers: Option<Vec<RuntimeHandler>>,
    /// status.features: what the container runtime can do, by name, as true or false; null where the node does not say.
    pub features: Option<StringMap>,
    /// status.declaredFeatures: features that the kubelet declares, sorted; null where it declares none.
    pub declared_features: Option<Vec<String>>,
}

/// One taint of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Taint {
    /// Taint key.
    pub key: String,
    /// Taint value.
    pub value: Option<String>,
    /// NoSchedule, PreferNoSchedule or NoExecute.
    pub effect: String,
    /// When the taint was added (NoExecute only).
    pub added_at: Option<Instant>,
}

/// One address of a node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    /// InternalIP, ExternalIP, Hostname and so on.
    #[serde(rename = "type")]
    pub address_type: String,
    /// The address.
    pub address: String,
}

/// A handler of a node's container runtime and what it can do.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RuntimeHandler {
    /// Name of the handler; empty for the default one.
    pub name: String,
    /// True if it has recursive read-only mounts; null where it does not say.
    pub recursive_read_only_mounts: Option<bool>,
    /// True if it has user namespaces; null where it does not say.
    pub user_namespaces: Option<bool>,
}
