//! Node → record.

use fleetledger_schema::{
    instant::Instant,
    record::{self, Address, RuntimeHandler, StringMap, Taint},
};
use k8s_openapi::api::core::v1::{Node, NodeRuntimeHandler, NodeStatus};

use super::{
    MetadataRules,
    key_order::{primary_first, sorted},
    meta::{common, conditions, filled, instant},
    resources::kube_resources,
};

/// What is known of a node's heartbeats, already judged: only what is stale has an instant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeHeartbeat {
    /// renewTime of its Lease, if that is stale.
    pub lease_stale_since: Option<Instant>,
    /// Last heartbeat of each condition that is stale, by type.
    pub stale_conditions: Vec<(String, Instant)>,
}

/// The record of a node. Heartbeat times, images and volumes stay behind.
#[must_use]
pub fn node(node: &Node, rules: &MetadataRules, heartbeat: &NodeHeartbeat) -> record::Node {
    let common = common(&node.metadata, rules);
    let spec = node.spec.as_ref();
    let status = node.status.as_ref();
    let info = status
        .and_then(|status| status.node_info.clone())
        .unwrap_or_default();
    let mut record = record::Node {
        uid: common.uid,
        node: common.name,
        created_at: common.created_at,
        deletion_requested_at: common.deletion_requested_at,
        deleted_at: None,
        deletion_inferred: false,
        labels: common.labels,
        annotations: common.annotations,
        finalizers: common.finalizers,
        provider_id: spec.and_then(|spec| filled(spec.provider_id.as_ref())),
        unschedulable: spec.and_then(|spec| spec.unschedulable).unwrap_or(false),
        taints: taints(node),
        capacity: kube_resources(status.and_then(|status| status.capacity.as_ref())),
        allocatable: kube_resources(status.and_then(|status| status.allocatable.as_ref())),
        conditions: conditions(status.and_then(|status| status.conditions.as_ref())),
        heartbeat_stale_since: None,
        addresses: addresses(status),
        pod_cidrs: pod_cidrs(node),
        kernel_version: info.kernel_version,
        os_image: info.os_image,
        operating_system: info.operating_system,
        architecture: info.architecture,
        container_runtime_version: info.container_runtime_version,
        kubelet_version: info.kubelet_version,
        kube_proxy_version: info.kube_proxy_version,
        boot_id: info.boot_id,
        machine_id: info.machine_id,
        system_uuid: info.system_uuid,
        swap_capacity_bytes: info.swap.and_then(|swap| swap.capacity),
        runtime_handlers: runtime_handlers(status),
        features: features(status),
        declared_features: status
            .and_then(|status| status.declared_features.clone())
            .map(sorted),
    };
    set_heartbeat(&mut record, heartbeat);
    record
}

/// Marks what is stale, and only that.
pub(crate) fn set_heartbeat(record: &mut record::Node, heartbeat: &NodeHeartbeat) {
    record.heartbeat_stale_since = heartbeat.lease_stale_since;
    for condition in &mut record.conditions {
        let stale = heartbeat
            .stale_conditions
            .iter()
            .find(|(name, _)| *name == condition.condition_type);
        condition.heartbeat_stale_since = stale.map(|(_, since)| *since);
    }
}

fn taints(node: &Node) -> Vec<Taint> {
    let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
    let mut taints: Vec<Taint> = taints
        .map(|taint| Taint {
            key: taint.key.clone(),
            value: filled(taint.value.as_ref()),
            effect: taint.effect.clone(),
            added_at: taint.time_added.as_ref().map(instant),
        })
        .collect();
    taints.sort_by(|a, b| (&a.key, &a.effect, &a.value).cmp(&(&b.key, &b.effect, &b.value)));
    taints
}

/// By type. The first of a type is the one that others use, so those of one type keep their order.
fn addresses(status: Option<&NodeStatus>) -> Vec<Address> {
    let addresses = status.and_then(|status| status.addresses.as_ref());
    let address = |address: &k8s_openapi::api::core::v1::NodeAddress| Address {
        address_type: address.type_.clone(),
        address: address.address.clone(),
    };
    let mut addresses: Vec<Address> = addresses.into_iter().flatten().map(address).collect();
    addresses.sort_by(|a, b| a.address_type.cmp(&b.address_type));
    addresses
}

fn runtime_handlers(status: Option<&NodeStatus>) -> Option<Vec<RuntimeHandler>> {
    let handlers = status.and_then(|status| status.runtime_handlers.as_ref())?;
    let handler = |handler: &NodeRuntimeHandler| {
        let features = handler.features.as_ref();
        RuntimeHandler {
            name: handler.name.clone().unwrap_or_default(),
            recursive_read_only_mounts: features.and_then(|features| features.recursive_read_only_mounts),
            user_namespaces: features.and_then(|features| features.user_namespaces),
        }
    };
    let mut handlers: Vec<RuntimeHandler> = handlers.iter().map(handler).collect();
    handlers.sort_by(|a, b| a.name.cmp(&b.name));
    Some(handlers)
}

fn features(status: Option<&NodeStatus>) -> Option<StringMap> {
    let features = status.and_then(|status| status.features.as_ref())?;
    let policy = features.supplemental_groups_policy;
    let policy = policy.map(|policy| ("supplementalGroupsPolicy".to_owned(), policy.to_string()));
    Some(policy.into_iter().collect())
}

fn pod_cidrs(node: &Node) -> Vec<String> {
    let spec = node.spec.as_ref();
    let all = spec.iter().flat_map(|spec| spec.pod_cidrs.iter().flatten());
    primary_first(spec.and_then(|spec| spec.pod_cidr.as_ref()), all.cloned())
}

#[cfg(test)]
mod tests {
    use super::{super::test_rules, *};

    fn sample(heartbeat: &str) -> Node {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "n1", "uid": "u1", "creationTimestamp": "2026-01-01T00:00:00Z",
                "resourceVersion": heartbeat, "labels": {"app": "x", "secret": "y"}},
            "spec": {"taints": [{"key": "b", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute", "timeAdded": "2026-01-02T00:00:00Z"}]},
            "status": {"capacity": {"cpu": "8", "memory": "32Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": heartbeat},
                               {"type": "DiskPressure", "status": "False", "lastHeartbeatTime": heartbeat}]},
        }))
        .unwrap()
    }

    #[test]
    fn a_heartbeat_changes_nothing() {
        let rules = test_rules();
        let fresh = NodeHeartbeat::default();
        let one = node(&sample("2026-01-03T00:00:00Z"), &rules, &fresh);
        let other = node(&sample("2026-01-03T00:05:00Z"), &rules, &fresh);
        assert_eq!(one, other);
        assert_eq!(one.labels.len(), 1);
        assert_eq!(
            one.taints.iter().map(|t| t.key.as_str()).collect::<Vec<_>>(),
            ["a", "b"]
        );
        assert_eq!(
            (one.capacity.cpu_millicores, one.capacity.pods),
            (Some(8000), Some(110))
        );
    }

    #[test]
    fn what_a_runtime_and_a_kubelet_can_do_is_kept_in_the_order_of_its_names() {
        let mut object = sample("2026-01-03T00:00:00Z");
        let can: NodeStatus = serde_json::from_value(serde_json::json!({
            "nodeInfo": {"architecture": "", "bootID": "", "containerRuntimeVersion": "", "kernelVersion": "",
                "kubeProxyVersion": "", "kubeletVersion": "", "machineID": "", "operatingSystem": "", "osImage": "",
                "systemUUID": "", "swap": {"capacity": 0}},
            "runtimeHandlers": [{"name": "runc", "features": {"userNamespaces": true, "recursiveReadOnlyMounts": false}}, {}],
            "features": {"supplementalGroupsPolicy": false},
            "declaredFeatures": ["RestartAllContainersOnContainerExits", "GuaranteedQoSPodCPUResize"]}))
        .unwrap();
        object.status = Some(can);
        let record = node(&object, &test_rules(), &NodeHeartbeat::default());
        assert_eq!(record.swap_capacity_bytes, Some(0));
        let handlers: Vec<(&str, Option<bool>, Option<bool>)> = record
            .runtime_handlers
            .iter()
            .flatten()
            .map(|h| (h.name.as_str(), h.user_namespaces, h.recursive_read_only_mounts))
            .collect();
        assert_eq!(handlers, [("", None, None), ("runc", Some(true), Some(false))]);
        assert_eq!(record.features.unwrap()["supplementalGroupsPolicy"], "false");
        assert_eq!(record.declared_features.unwrap()[0], "GuaranteedQoSPodCPUResize");
        let silent = node(
            &sample("2026-01-03T00:00:00Z"),
            &test_rules(),
            &NodeHeartbeat::default(),
        );
        assert_eq!((silent.swap_capacity_bytes, silent.features), (None, None));
    }

    #[test]
    fn stale_heartbeats_are_marked_on_the_node_and_on_their_condition() {
        let stale = NodeHeartbeat {
            lease_stale_since: Some(Instant(5)),
            stale_conditions: vec![("Ready".to_owned(), Instant(4))],
        };
        let record = node(&sample("2026-01-03T00:00:00Z"), &test_rules(), &stale);
        assert_eq!(record.heartbeat_stale_since, Some(Instant(5)));
        let of = |name: &str| {
            record
                .conditions
                .iter()
                .find(|c| c.condition_type == name)
                .unwrap()
                .heartbeat_stale_since
        };
        assert_eq!((of("Ready"), of("DiskPressure")), (Some(Instant(4)), None));
    }
}
