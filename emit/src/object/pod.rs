//! Pod → record.

use std::collections::BTreeMap;

use fleetledger_schema::record::{self, HostPathMount};
use k8s_openapi::api::core::v1::{Pod, PodSpec, VolumeMount};

use super::{
    MetadataRules,
    container::containers,
    effective_request,
    key_order::{pod_in_key_order, primary_first},
    meta::{common, conditions, controller, filled, instant, message},
    resources::kube_resources,
};

/// The end of a pod's chain of owners.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum TopOwner {
    /// The pod has no owner.
    #[default]
    None,
    /// This one.
    Known {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
    /// This owner is gone or may not be read: what the chain leads to is known by reference alone, and not who owns it.
    Unresolved {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// Its uid.
        uid: String,
    },
}

impl TopOwner {
    /// True if the chain was not followed to its end.
    pub(crate) fn is_unresolved(&self) -> bool {
        matches!(self, TopOwner::Unresolved { .. })
    }
}

/// The record of a pod whose chain of owners ends at `top`. Probe times stay behind.
#[must_use]
pub fn pod(pod: &Pod, rules: &MetadataRules, top: &TopOwner) -> record::Pod {
    let pod = &pod_in_key_order(pod);
    let common = common(&pod.metadata, rules);
    let owner = controller(&pod.metadata);
    let spec = pod.spec.clone().unwrap_or_default();
    let status = pod.status.clone().unwrap_or_default();
    let mut record = record::Pod {
        uid: common.uid,
        namespace: common.namespace,
        pod: common.name,
        created_at: common.created_at,
        deletion_requested_at: common.deletion_requested_at,
        labels: common.labels,
        annotations: common.annotations,
        finalizers: common.finalizers,
        deletion_grace_seconds: pod.metadata.deletion_grace_period_seconds,
        node: filled(spec.node_name.as_ref()),
        nominated_node: filled(status.nominated_node_name.as_ref()),
        phase: status.phase.clone().unwrap_or_default(),
        reason: filled(status.reason.as_ref()),
        message: message(status.message.as_ref()),
        qos_class: filled(status.qos_class.as_ref()),
        priority: spec.priority,
        priority_class: filled(spec.priority_class_name.as_ref()),
        preemption_policy: filled(spec.preemption_policy.as_ref()),
        owner_kind: owner.map(|owner| owner.kind.clone()),
        owner: owner.map(|owner| owner.name.clone()),
        owner_uid: owner.map(|owner| owner.uid.clone()),
        service_account: filled(spec.service_account_name.as_ref()),
        scheduler: filled(spec.scheduler_name.as_ref()),
        runtime_class: filled(spec.runtime_class_name.as_ref()),
        restart_policy: spec.restart_policy.clone().unwrap_or_default(),
        termination_grace_period_seconds: spec.termination_grace_period_seconds,
        hostname: filled(spec.hostname.as_ref()),
        host_network: spec.host_network.unwrap_or(false),
        host_pid: spec.host_pid.unwrap_or(false),
        host_ipc: spec.host_ipc.unwrap_or(false),
        host_ip: filled(status.host_ip.as_ref()),
        pod_ips: primary_first(
            status.pod_ip.as_ref(),
            status.pod_ips.iter().flatten().map(|ip| ip.ip.clone()),
        ),
        started_at: status.start_time.as_ref().map(instant),
        conditions: conditions(status.conditions.as_ref()),
        requests: effective_request::requests(pod),
        limits: effective_request::limits(pod),
        overhead: kube_resources(spec.overhead.as_ref()),
        host_path_mounts: host_path_mounts(&spec),
        containers: containers(pod),
        ..record::Pod::default()
    };
    set_top_owner(&mut record, top);
    record
}

/// Says where the chain of owners ends, or the last reference in it that is known by name.
pub fn set_top_owner(record: &mut record::Pod, top: &TopOwner) {
    let (kind, name, uid) = match top {
        TopOwner::Known { kind, name, uid } | TopOwner::Unresolved { kind, name, uid } => {
            (Some(kind.clone()), Some(name.clone()), Some(uid.clone()))
        }
        TopOwner::None => (None, None, None),
    };
    record.workload_kind = kind;
    record.workload = name;
    record.workload_uid = uid;
    record.owner_resolved = !top.is_unresolved();
}

fn host_path_mounts(spec: &PodSpec) -> Vec<HostPathMount> {
    let mut mounts: BTreeMap<&str, HostPathMount> = BTreeMap::new();
    for volume in spec.volumes.iter().flatten() {
        if let Some(path) = &volume.host_path {
            let mount = HostPathMount {
                volume: volume.name.clone(),
                path: path.path.clone(),
                path_type: filled(path.type_.as_ref()),
                ..HostPathMount::default()
            };
            mounts.insert(&volume.name, mount);
        }
    }
    let mut visit = |container: &str, volume_mounts: Option<&Vec<VolumeMount>>| {
        for mounted in volume_mounts.into_iter().flatten() {
            if let Some(mount) = mounts.get_mut(mounted.name.as_str()) {
                mount.writable |= mounted.read_only != Some(true);
                if mount.containers.last().map(String::as_str) != Some(container) {
                    mount.containers.push(container.to_owned());
                }
            }
        }
    };
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        visit(&container.name, container.volume_mounts.as_ref());
    }
    for container in spec.ephemeral_containers.iter().flatten() {
        visit(&container.name, container.volume_mounts.as_ref());
    }
    mounts.into_values().collect()
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::{codec, record::ObjectRecord};
    use proptest::prelude::*;

    use super::{super::test_rules, *};

    fn sample() -> Pod {
        serde_json::from_value(serde_json::json!({
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "p1", "creationTimestamp": "2026-01-01T00:00:00Z",
                "deletionTimestamp": "2026-01-01T01:00:30Z", "deletionGracePeriodSeconds": 30,
                "labels": {"app": "web", "hidden": "x"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"SECRET\":1}", "note": "kept"},
                "managedFields": [{"manager": "kubectl"}],
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Other", "name": "not-the-controller", "uid": "o0"},
                    {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "a-b-c", "uid": "o1", "controller": true}]},
            "spec": {"nodeName": "n1", "restartPolicy": "Always", "serviceAccountName": "default",
                "volumes": [{"name": "root", "hostPath": {"path": "/"}}, {"name": "etc", "hostPath": {"path": "/etc", "type": "Directory"}}, {"name": "tmp", "emptyDir": {}}],
                "initContainers": [{"name": "mesh", "image": "mesh:1", "restartPolicy": "Always",
                    "volumeMounts": [{"name": "etc", "mountPath": "/host/etc", "readOnly": true}]}],
                "containers": [{"name": "app", "image": "web:1",
                    "env": [{"name": "PASSWORD", "value": "hunter2"}],
                    "resources": {"requests": {"cpu": "100m"}},
                    "volumeMounts": [{"name": "root", "mountPath": "/host"}, {"name": "root", "mountPath": "/host2", "readOnly": true}]}]},
            "status": {"phase": "Running", "qosClass": "Burstable", "podIPs": [{"ip": "10.0.0.1"}],
                "conditions": [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "True", "lastProbeTime": "2026-01-01T00:00:00Z"}],
                "containerStatuses": [{"name": "app", "image": "web:1", "imageID": "web@sha256:1", "ready": true, "started": true, "restartCount": 3,
                    "state": {"running": {"startedAt": "2026-01-01T00:10:00Z"}},
                    "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:09:00Z"}}}]},
        }))
        .unwrap()
    }

    fn top() -> TopOwner {
        TopOwner::Known {
            kind: "Deployment".into(),
            name: "z".into(),
            uid: "d1".into(),
        }
    }

    #[test]
    fn fields_land_where_their_documentation_says() {
        let record = pod(&sample(), &test_rules(), &top());
        assert_eq!(record.owner.as_deref(), Some("a-b-c"));
        assert_eq!(
            (record.workload_kind.as_deref(), record.workload.as_deref()),
            (Some("Deployment"), Some("z"))
        );
        assert!(record.owner_resolved);
        assert_eq!(
            record.deletion_requested_at.unwrap().to_string(),
            "2026-01-01T01:00:00.000000Z"
        );
        let [etc, root] = record.host_path_mounts.as_slice() else {
            panic!()
        };
        assert_eq!(
            (etc.volume.as_str(), etc.writable, etc.containers.as_slice()),
            ("etc", false, &["mesh".to_owned()][..])
        );
        assert_eq!(
            (root.path.as_str(), root.writable, root.containers.len()),
            ("/", true, 1)
        );
        let [mesh, app] = record.containers.as_slice() else {
            panic!()
        };
        assert_eq!(
            (mesh.container_type.as_str(), mesh.state.as_deref()),
            ("sidecar", None)
        );
        assert_eq!(
            (app.last_reason.as_deref(), app.restart_count),
            (Some("OOMKilled"), 3)
        );
    }

    #[test]
    fn no_environment_value_and_nothing_that_is_not_allow_listed_leaves() {
        let body = codec::encode(&pod(&sample(), &test_rules(), &top()).into_record()).unwrap();
        let text = String::from_utf8_lossy(&body);
        for secret in ["hunter2", "PASSWORD", "SECRET", "hidden", "kubectl"] {
            assert!(!text.contains(secret), "{secret}");
        }
        assert!(text.contains("kept"));
    }

    proptest! {
        #[test]
        fn order_that_means_nothing_changes_no_byte(swap_conditions: bool, swap_volumes: bool, version in "[0-9]{1,6}", probe in 0_i64..1_000_000) {
            let rules = test_rules();
            let expected = codec::encode(&pod(&sample(), &rules, &top()).into_record()).unwrap();
            let mut shuffled = sample();
            shuffled.metadata.resource_version = Some(version);
            shuffled.metadata.managed_fields = None;
            let conditions = shuffled.status.as_mut().unwrap().conditions.as_mut().unwrap();
            if swap_conditions {
                conditions.reverse();
            }
            for condition in conditions {
                let at = k8s_openapi::jiff::Timestamp::from_second(probe).unwrap();
                condition.last_probe_time = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at));
            }
            if swap_volumes {
                shuffled.spec.as_mut().unwrap().volumes.as_mut().unwrap().reverse();
            }
            prop_assert_eq!(codec::encode(&pod(&shuffled, &rules, &top()).into_record()).unwrap(), expected);
        }
    }
}
