//! The order of lists whose elements have a key.
//!
//! Whoever applies an object may order such a list anew, and the API server keeps that without a conflict: the order says
//! nothing, and a record that kept it would be another one each time two writers disagree. So records hold these lists in
//! the order of their key. What has a meaning keeps its place: init containers run in theirs, and the first address of a
//! kind is the one that others are to use.

use k8s_openapi::api::core::v1::{Pod, PodSpec};

/// The pod with its app containers and ephemeral containers by name.
pub(super) fn pod_in_key_order(pod: &Pod) -> Pod {
    let mut pod = pod.clone();
    if let Some(spec) = &mut pod.spec {
        sort_containers(spec);
    }
    pod
}

/// Sorts app containers and ephemeral containers by name.
pub(super) fn sort_containers(spec: &mut PodSpec) {
    spec.containers.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(ephemeral) = &mut spec.ephemeral_containers {
        ephemeral.sort_by(|a, b| a.name.cmp(&b.name));
    }
}

/// A list of addresses or ranges whose first one is named apart as well: that one, then the others sorted.
pub(super) fn primary_first(primary: Option<&String>, all: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = all.collect();
    let primary = primary.filter(|primary| all.contains(primary));
    // Where nothing is named apart, the list's own first one is what others take.
    let fixed = usize::from(primary.is_none()).min(all.len());
    if let Some(rest) = all.get_mut(fixed..) {
        rest.sort_by(|a, b| (Some(a) != primary, a).cmp(&(Some(b) != primary, b)));
    }
    all
}

/// A list of names in which each stands once, such as finalizers.
pub(super) fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job},
        core::v1::{Namespace, Node},
    };
    use serde_json::{Value, json};

    use super::{
        super::{
            NodeHeartbeat, TopOwner, cron_job, daemon_set, deployment, job, namespace, node, pod,
            replica_set, stateful_set, test_rules, watchdog,
        },
        *,
    };
    use crate::watchdog_resource::Watchdog;

    /// Lists whose order means something: what runs first, and what a command is made of.
    const ORDERED: [&str; 3] = ["initContainers", "command", "args"];

    /// The object with every keyed list turned round, wherever it is.
    fn turned(value: &Value) -> Value {
        match value {
            Value::Array(items) => json!(items.iter().rev().map(turned).collect::<Vec<_>>()),
            Value::Object(members) => {
                let turn = |(name, member): (&String, &Value)| {
                    let member = match member {
                        Value::Array(items) if ORDERED.contains(&name.as_str()) => {
                            json!(items.iter().map(turned).collect::<Vec<_>>())
                        }
                        member => turned(member),
                    };
                    (name.clone(), member)
                };
                members.iter().map(turn).collect()
            }
            value => value.clone(),
        }
    }

    fn assert_same<T, R>(object: &Value, record: impl Fn(&T) -> R)
    where
        T: serde::de::DeserializeOwned,
        R: PartialEq + std::fmt::Debug,
    {
        let other = turned(object);
        assert_ne!(&other, object);
        let read = |json: &Value| serde_json::from_value::<T>(json.clone()).unwrap();
        assert_eq!(record(&read(object)), record(&read(&other)));
    }

    fn condition(name: &str) -> Value {
        json!({"type": name, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"})
    }

    fn metadata() -> Value {
        json!({"name": "a", "namespace": "n", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z",
            "finalizers": ["b/z", "a/y"],
            "ownerReferences": [
                {"apiVersion": "v1", "kind": "Other", "name": "o", "uid": "o0"},
                {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "o1", "controller": true}]})
    }

    fn container(name: &str) -> Value {
        json!({"name": name, "image": format!("{name}:1"),
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "ports": [{"containerPort": 80, "name": "http"}, {"containerPort": 443, "name": "https"}],
            "resources": {"requests": {"cpu": "100m", "example.com/disk": if name == "web" { "1Gi" } else { "1000M" }}},
            "volumeMounts": [{"name": "data", "mountPath": "/b"}, {"name": "data", "mountPath": "/a", "readOnly": true},
                {"name": "etc", "mountPath": "/etc", "readOnly": true}]})
    }

    fn pod_spec() -> Value {
        json!({"restartPolicy": "Always",
            "initContainers": [container("second"), container("first")],
            "containers": [container("web"), container("proxy"), container("agent")],
            "ephemeralContainers": [{"name": "debug-2", "image": "d"}, {"name": "debug-1", "image": "d"}],
            "volumes": [{"name": "etc", "hostPath": {"path": "/etc"}}, {"name": "data", "hostPath": {"path": "/"}}],
            "tolerations": [{"key": "b"}, {"key": "a"}],
            "topologySpreadConstraints": [], "imagePullSecrets": [{"name": "b"}, {"name": "a"}]})
    }

    fn container_status(name: &str) -> Value {
        json!({"name": name, "image": "i", "imageID": "i@sha256:1", "ready": true, "restartCount": 1,
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}})
    }

    #[test]
    fn the_order_of_keyed_lists_of_a_pod_says_nothing() {
        let object = json!({"metadata": metadata(), "spec": pod_spec(), "status": {
            "phase": "Running", "podIP": "10.0.0.9", "podIPs": [{"ip": "10.0.0.9"}, {"ip": "fd00::9"}, {"ip": "10.1.0.1"}],
            "hostIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
            "conditions": [condition("Ready"), condition("ContainersReady"), condition("PodScheduled")],
            "initContainerStatuses": [container_status("first"), container_status("second")],
            "containerStatuses": [container_status("agent"), container_status("proxy"), container_status("web")],
            "ephemeralContainerStatuses": [container_status("debug-1"), container_status("debug-2")]}});
        assert_same(&object, |read: &Pod| pod(read, &test_rules(), &TopOwner::None));
        let record = pod(
            &serde_json::from_value(object).unwrap(),
            &test_rules(),
            &TopOwner::None,
        );
        let names: Vec<(&str, i32)> = record
            .containers
            .iter()
            .map(|c| (c.container.as_str(), c.position))
            .collect();
        assert_eq!(
            names,
            [
                ("second", 0),
                ("first", 1),
                ("agent", 0),
                ("proxy", 1),
                ("web", 2),
                ("debug-1", 0),
                ("debug-2", 1)
            ]
        );
        assert_eq!(record.pod_ips, ["10.0.0.9", "10.1.0.1", "fd00::9"]);
        assert_eq!(record.finalizers, ["a/y", "b/z"]);
    }

    #[test]
    fn the_order_of_init_containers_is_kept() {
        let mut object = json!({"metadata": metadata(), "spec": pod_spec()});
        let read = |json: &Value| {
            let read: Pod = serde_json::from_value(json.clone()).unwrap();
            pod(&read, &test_rules(), &TopOwner::None)
        };
        let one = read(&object);
        object["spec"]["initContainers"].as_array_mut().unwrap().reverse();
        assert_ne!(read(&object), one);
    }

    #[test]
    fn the_order_of_keyed_lists_of_a_node_and_a_namespace_says_nothing() {
        let object = json!({"metadata": metadata(),
            "spec": {"podCIDR": "10.1.0.0/24", "podCIDRs": ["10.1.0.0/24", "fd00::/64"],
                "taints": [{"key": "b", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}]},
            "status": {"conditions": [condition("Ready"), condition("DiskPressure")],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": "n"}]}});
        assert_same(&object, |read: &Node| {
            node(read, &test_rules(), &NodeHeartbeat::default())
        });
        let object = json!({"metadata": metadata(), "spec": {"finalizers": ["kubernetes", "a"]},
            "status": {"phase": "Active", "conditions": [condition("B"), condition("A")]}});
        assert_same(&object, |read: &Namespace| namespace(read, &test_rules()));
    }

    #[test]
    fn the_first_of_several_addresses_of_one_type_stays_first() {
        let object = json!({"metadata": metadata(), "status": {"addresses": [
            {"type": "InternalIP", "address": "fd00::1"}, {"type": "InternalIP", "address": "10.0.0.1"},
            {"type": "Hostname", "address": "n"}]}});
        let read: Node = serde_json::from_value(object).unwrap();
        let record = node(&read, &test_rules(), &NodeHeartbeat::default());
        let addresses: Vec<&str> = record.addresses.iter().map(|a| a.address.as_str()).collect();
        assert_eq!(addresses, ["n", "fd00::1", "10.0.0.1"]);
    }

    #[test]
    fn the_order_of_keyed_lists_of_a_workload_says_nothing() {
        let template = json!({"metadata": {}, "spec": pod_spec()});
        let conditions = json!([condition("Progressing"), condition("Available")]);
        let mut bare = metadata();
        bare["ownerReferences"] = json!([
            {"apiVersion": "v1", "kind": "A", "name": "a", "uid": "o0"},
            {"apiVersion": "v1", "kind": "B", "name": "b", "uid": "o1"}]);
        let object = json!({"metadata": bare,
            "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "a"}}, "template": template},
            "status": {"replicas": 3, "conditions": conditions}});
        let rules = test_rules();
        assert_same(&object, |read: &Deployment| deployment(read, &rules));
        assert_same(&object, |read: &ReplicaSet| replica_set(read, &rules));
        let mut stateful = object.clone();
        stateful["spec"]["serviceName"] = json!("s");
        assert_same(&stateful, |read: &StatefulSet| stateful_set(read, &rules));
        let mut daemon = object.clone();
        daemon["status"] = json!({"conditions": conditions, "currentNumberScheduled": 1, "desiredNumberScheduled": 1,
            "numberMisscheduled": 0, "numberReady": 1});
        assert_same(&daemon, |read: &DaemonSet| daemon_set(read, &rules));
        assert_same(&object, |read: &Job| job(read, &rules));
        let scheduled = json!({"metadata": bare,
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}},
            "status": {"active": [{"name": "b"}, {"name": "a"}]}});
        assert_same(&scheduled, |read: &CronJob| cron_job(read, &rules));
        let record = deployment(&serde_json::from_value(object).unwrap(), &rules);
        assert_eq!(
            record.images,
            ["second:1", "first:1", "agent:1", "proxy:1", "web:1"]
        );
    }

    #[test]
    fn the_order_of_keyed_lists_of_a_watchdog_says_nothing() {
        let condition = |name: &str| json!({"type": name, "status": "True", "reason": "r", "message": "m", "lastTransitionTime": "2026-01-01T00:00:00Z"});
        let object = json!({"apiVersion": "watchdogs.fleetledger.io/v1alpha1", "kind": "Watchdog", "metadata": metadata(),
            "spec": {"check": {"sysctl": {}}},
            "status": {"conditions": [condition("Reporting"), condition("Healthy")],
                "failing": [{"node": "n2"}, {"node": "n1"}]}});
        assert_same(&object, |read: &Watchdog| watchdog(read, &test_rules()));
    }
}
