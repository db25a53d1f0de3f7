//! A fleet to fill an API server with: the machines and pods of a production trace, or made-up ones of the same
//! number. Namespaces, teams, owners, placement and everything a kubelet would report are made up from a seed.

use std::{collections::BTreeMap, path::Path};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use crate::{
    cluster::{ApiResourceKind, DesiredObject},
    trace::{FleetTrace, TraceMachine, TracePod},
};

/// Namespaces the fleet's pods live in.
const NAMESPACES: usize = 40;
/// Teams that own them; every eighth namespace has no owner.
const TEAMS: [&str; 7] = ["search", "ads", "vision", "speech", "data", "platform", "risk"];
/// A text no record may carry: every pod has it in its environment, and in what `kubectl apply` keeps.
pub const SECRET: &str = "hunter2-must-not-travel";

/// A fleet, in an order in which it can be created.
#[derive(Debug, Clone)]
pub struct FleetObjects {
    /// Where its machines and pods come from.
    pub origin: String,
    /// Its objects.
    pub objects: Vec<DesiredObject>,
}

impl FleetObjects {
    /// The trace in the folder that `FLEETLEDGER_TRACE_DIR` names, else a generated fleet of that size.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the test runner speaks to tests through the environment"
    )]
    pub fn from_environment(seed: u64) -> Self {
        let trace = match std::env::var_os("FLEETLEDGER_TRACE_DIR") {
            Some(folder) => FleetTrace::read(Path::new(&folder)),
            None => FleetTrace::generate(seed, 1_523, 8_152),
        };
        Self::of(&trace, seed)
    }

    /// A small generated fleet.
    #[must_use]
    pub fn small(seed: u64, machines: usize, pods: usize) -> Self {
        Self::of(&FleetTrace::generate(seed, machines, pods), seed)
    }

    /// The fleet that `seed` makes of a trace.
    #[must_use]
    pub fn of(trace: &FleetTrace, seed: u64) -> Self {
        let mut maker = FleetBuilder {
            random: StdRng::seed_from_u64(seed),
            objects: Vec::new(),
        };
        let namespaces = maker.namespaces();
        let nodes = maker.nodes(&trace.machines);
        let workloads = maker.workloads(&namespaces, trace.pods.len());
        for pod in &trace.pods {
            maker.trace_pod(pod, &nodes, &workloads);
        }
        Self {
            origin: trace.origin.clone(),
            objects: maker.objects,
        }
    }

    /// How many objects of a resource it has.
    #[must_use]
    pub fn count(&self, resource: ApiResourceKind) -> usize {
        self.objects
            .iter()
            .filter(|object| object.resource == resource)
            .count()
    }
}

/// A workload that pods can belong to: the object that owns them directly.
#[derive(Debug, Clone)]
struct FleetWorkload {
    namespace: String,
    name: String,
    owner: Option<(ApiResourceKind, String)>,
}

struct FleetBuilder {
    random: StdRng,
    objects: Vec<DesiredObject>,
}

impl FleetBuilder {
    fn namespaces(&mut self) -> Vec<String> {
        let names: Vec<String> = (0..NAMESPACES).map(|n| format!("team-space-{n:02}")).collect();
        for (index, name) in names.iter().enumerate() {
            let mut labels = BTreeMap::from([("hidden.example.com/ticket", format!("T-{index}"))]);
            if index % 8 != 7 {
                labels.insert("team", TEAMS[index % TEAMS.len()].to_owned());
            }
            self.objects.push(DesiredObject {
                resource: ApiResourceKind::Namespace,
                namespace: None,
                name: name.clone(),
                owner: None,
                body: json!({"metadata": {"labels": labels, "annotations": {"fleetledger.io/cost-center": format!("cc-{}", index % 5), "note": "stays"}}}),
                status: None,
            });
        }
        names
    }

    fn nodes(&mut self, machines: &[TraceMachine]) -> Vec<TraceMachine> {
        for machine in machines {
            let node = self.node(machine);
            self.objects.push(node);
        }
        machines.to_vec()
    }

    fn node(&mut self, machine: &TraceMachine) -> DesiredObject {
        let zone = format!("zone-{}", self.random.random_range(0..3));
        let mut labels = json!({
            "kubernetes.io/hostname": machine.name, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
            "topology.kubernetes.io/zone": zone, "hidden.example.com/rack": "r1",
            "node.kubernetes.io/instance-type": if machine.gpus > 0 { "gpu" } else { "cpu" },
        });
        let mut spec = json!({"providerID": format!("made://{}", machine.name), "podCIDRs": ["10.1.0.0/24"], "podCIDR": "10.1.0.0/24"});
        let mut taints = Vec::new();
        if machine.gpus > 0 {
            labels["fleetledger.io/gpu-model"] = json!(machine.model);
            taints.push(json!({"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}));
        }
        let ready = !self.random.random_bool(0.01);
        if !ready {
            taints.push(
                json!({"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "timeAdded": past(600)}),
            );
        }
        if self.random.random_bool(0.02) {
            spec["unschedulable"] = json!(true);
            taints.push(json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}));
        }
        spec["taints"] = json!(taints);
        let mut capacity = json!({
            "cpu": format!("{}m", machine.millicores), "memory": format!("{}Mi", machine.memory_mib),
            "ephemeral-storage": "500Gi", "pods": "110", "hugepages-2Mi": "0",
        });
        if machine.gpus > 0 {
            capacity["nvidia.com/gpu"] = json!(machine.gpus.to_string());
        }
        let mut allocatable = capacity.clone();
        allocatable["memory"] = json!(format!("{}Mi", machine.memory_mib - 1024));
        let address = format!(
            "10.{}.{}.{}",
            self.random.random_range(64..128),
            self.random.random_range(0..256),
            self.random.random_range(1..255)
        );
        let condition = |kind: &str, status: &str, reason: &str| {
            json!({"type": kind, "status": status, "reason": reason, "message": format!("{kind} is {status}"),
                "lastHeartbeatTime": past(0), "lastTransitionTime": past(3600)})
        };
        let status = json!({
            "capacity": capacity, "allocatable": allocatable,
            "conditions": [
                condition("MemoryPressure", "False", "KubeletHasSufficientMemory"),
                condition("DiskPressure", "False", "KubeletHasNoDiskPressure"),
                condition("Ready", if ready { "True" } else { "Unknown" }, if ready { "KubeletReady" } else { "NodeStatusUnknown" }),
            ],
            "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": machine.name}],
            "nodeInfo": {
                "kernelVersion": "6.1.0", "osImage": "Debian GNU/Linux 12", "operatingSystem": "linux", "architecture": "amd64",
                "containerRuntimeVersion": "containerd://2.0.5", "kubeletVersion": "v1.35.4", "kubeProxyVersion": "",
                "bootID": self.hex(), "machineID": self.hex(), "systemUUID": self.hex(),
            },
        });
        DesiredObject {
            resource: ApiResourceKind::Node,
            namespace: None,
            name: machine.name.clone(),
            owner: None,
            body: json!({"metadata": {"labels": labels, "annotations": {"fleetledger.io/rack": "r1", "node.alpha.kubernetes.io/ttl": "0"}}, "spec": spec}),
            status: Some(status),
        }
    }

    /// About one workload for ten pods: half are Deployments with their ReplicaSets, the rest of every kind.
    fn workloads(&mut self, namespaces: &[String], pods: usize) -> Vec<FleetWorkload> {
        let mut workloads = Vec::new();
        for number in 0..(pods / 10).max(8) {
            let namespace = namespaces.choose(&mut self.random).unwrap().clone();
            let name = format!("app-{number:04}");
            let owner = match number % 8 {
                0..4 => {
                    self.add(
                        ApiResourceKind::Deployment,
                        &namespace,
                        &name,
                        None,
                        replicated(&name, 3),
                        deployment_status(3),
                    );
                    // Nothing in the name of the set says whose it is.
                    let set = format!("x-{number}-{}", self.random.random_range(1000..9999));
                    let owner = Some((ApiResourceKind::Deployment, name.clone()));
                    self.add(ApiResourceKind::ReplicaSet, &namespace, &set, owner, replicated(&name, 3), json!({"replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "observedGeneration": 1}));
                    Some((ApiResourceKind::ReplicaSet, set))
                }
                4 => {
                    let mut body = replicated(&name, 2);
                    body["spec"]["serviceName"] = json!(name);
                    self.add(ApiResourceKind::StatefulSet, &namespace, &name, None, body, json!({"replicas": 2, "readyReplicas": 1, "availableReplicas": 1, "updatedReplicas": 2, "observedGeneration": 1}));
                    Some((ApiResourceKind::StatefulSet, name.clone()))
                }
                5 => {
                    let mut body = replicated(&name, 0);
                    body["spec"].as_object_mut().unwrap().remove("replicas");
                    let status = json!({"desiredNumberScheduled": 5, "currentNumberScheduled": 4, "numberReady": 3, "numberAvailable": 3, "numberUnavailable": 2, "numberMisscheduled": 1, "updatedNumberScheduled": 4, "observedGeneration": 1});
                    self.add(ApiResourceKind::DaemonSet, &namespace, &name, None, body, status);
                    Some((ApiResourceKind::DaemonSet, name.clone()))
                }
                6 => Some(self.job(&namespace, &name, number)),
                _ if number % 16 == 7 => {
                    self.add(
                        ApiResourceKind::ReplicaSet,
                        &namespace,
                        &name,
                        None,
                        replicated(&name, 1),
                        json!({"replicas": 1, "observedGeneration": 1}),
                    );
                    Some((ApiResourceKind::ReplicaSet, name.clone()))
                }
                _ => None,
            };
            workloads.push(FleetWorkload {
                namespace,
                name,
                owner,
            });
        }
        workloads
    }

    /// A Job, every other one made by a CronJob.
    fn job(&mut self, namespace: &str, name: &str, number: usize) -> (ApiResourceKind, String) {
        let spec = json!({"parallelism": 2, "completions": 4, "template": template(name, "OnFailure")});
        let owner = (number % 16 == 6).then(|| {
            let body = json!({"metadata": {"labels": {"app": name}}, "spec": {"schedule": "*/5 * * * *", "timeZone": "Etc/UTC", "jobTemplate": {"spec": spec}}});
            let status = json!({"lastScheduleTime": past(300), "lastSuccessfulTime": past(900)});
            self.add(ApiResourceKind::CronJob, namespace, name, None, body, status);
            (ApiResourceKind::CronJob, name.to_owned())
        });
        let job = format!("{name}-{}", 29_000_000 + number);
        let body = json!({"metadata": {"labels": {"app": name}}, "spec": spec});
        let status = json!({"active": 2, "ready": 1, "succeeded": 1, "failed": 1, "startTime": past(240), "uncountedTerminatedPods": {}});
        self.add(ApiResourceKind::Job, namespace, &job, owner, body, status);
        (ApiResourceKind::Job, job)
    }

    fn add(
        &mut self,
        resource: ApiResourceKind,
        namespace: &str,
        name: &str,
        owner: Option<(ApiResourceKind, String)>,
        body: Value,
        status: Value,
    ) {
        self.objects.push(DesiredObject {
            resource,
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
            owner,
            body,
            status: Some(status),
        });
    }

    fn trace_pod(&mut self, pod: &TracePod, nodes: &[TraceMachine], workloads: &[FleetWorkload]) {
        let workload = workloads.choose(&mut self.random).unwrap().clone();
        let node = pod.scheduled.then(|| {
            let mut fits = (0..64).map(|_| nodes.choose(&mut self.random).unwrap());
            let fit = fits.find(|node| node.gpus >= pod.gpus && node.millicores >= pod.millicores);
            fit.or_else(|| nodes.iter().max_by_key(|node| node.gpus))
                .unwrap()
                .name
                .clone()
        });
        let desired = self.pod(pod, &workload, node);
        self.objects.push(desired);
    }

    fn pod(&mut self, pod: &TracePod, workload: &FleetWorkload, node: Option<String>) -> DesiredObject {
        let mut requests =
            json!({"cpu": format!("{}m", pod.millicores), "memory": format!("{}Mi", pod.memory_mib)});
        let mut limits = json!({"memory": format!("{}Mi", pod.memory_mib)});
        if pod.gpus > 0 {
            // A share of one card has a resource of its own.
            let (name, quantity) = if pod.gpu_millis < 1000 {
                ("alibabacloud.com/gpu-milli", pod.gpu_millis)
            } else {
                ("nvidia.com/gpu", pod.gpus)
            };
            requests[name] = json!(quantity.to_string());
            limits[name] = json!(quantity.to_string());
        }
        let mut containers = vec![json!({
            "name": "main", "image": format!("registry.example.com/{}:1.{}", workload.name, self.random.random_range(0..9)),
            "resources": {"requests": requests, "limits": limits}, "env": [{"name": "PASSWORD", "value": SECRET}],
        })];
        let mut init = Vec::new();
        if self.random.random_bool(0.2) {
            containers.push(json!({"name": "proxy", "image": "proxy:2", "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"cpu": "200m"}}}));
        }
        if self.random.random_bool(0.1) {
            init.push(json!({"name": "mesh", "image": "mesh:1", "restartPolicy": "Always", "resources": {"requests": {"cpu": "250m", "memory": "128Mi"}}}));
        }
        if self.random.random_bool(0.15) {
            init.push(json!({"name": "setup", "image": "setup:1", "resources": {"requests": {"cpu": "16", "memory": "32Mi"}}}));
        }
        let mut spec =
            json!({"containers": containers, "initContainers": init, "terminationGracePeriodSeconds": 30});
        if self.random.random_bool(0.05) {
            let read_only = self.random.random_bool(0.5);
            spec["volumes"] =
                json!([{"name": "logs", "hostPath": {"path": "/var/log", "type": "Directory"}}]);
            spec["containers"][0]["volumeMounts"] =
                json!([{"name": "logs", "mountPath": "/logs", "readOnly": read_only}]);
            spec["hostNetwork"] = json!(!read_only);
        }
        if workload
            .owner
            .as_ref()
            .is_some_and(|(kind, _)| *kind == ApiResourceKind::Job)
        {
            spec["restartPolicy"] = json!("OnFailure");
        }
        let status = self.pod_status(pod, &spec, node.is_some());
        if let Some(node) = &node {
            spec["nodeName"] = json!(node);
        }
        let labels = json!({"app": workload.name, "app.kubernetes.io/component": pod.qos.to_lowercase(), "alibabacloud.com/qosClass": pod.qos});
        let annotations = json!({
            "fleetledger.io/gpu-spec": pod.gpu_spec, "example.com/hidden": "x",
            "kubectl.kubernetes.io/last-applied-configuration": format!("{{\"env\":\"{SECRET}\"}}"),
        });
        DesiredObject {
            resource: ApiResourceKind::Pod,
            namespace: Some(workload.namespace.clone()),
            name: pod.name.clone(),
            owner: workload.owner.clone(),
            body: json!({"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}),
            status: Some(status),
        }
    }

    fn pod_status(&mut self, pod: &TracePod, spec: &Value, bound: bool) -> Value {
        if !bound {
            return json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1523 nodes are available: 1523 Insufficient nvidia.com/gpu.", "lastTransitionTime": past(1200)}]});
        }
        let running = pod.phase == "Running";
        let scheduled = past(self.random.random_range(600..90_000));
        let names = |list: &str| -> Vec<String> {
            spec[list]
                .as_array()
                .into_iter()
                .flatten()
                .map(|container| container["name"].as_str().unwrap().to_owned())
                .collect()
        };
        let restarts = if self.random.random_bool(0.1) {
            self.random.random_range(1..20)
        } else {
            0
        };
        let status_of =
            |name: &String, init: bool| container_status(name, &pod.phase, init && name != "mesh", restarts);
        let condition = |kind: &str, status: bool| json!({"type": kind, "status": if status { "True" } else { "False" }, "lastProbeTime": null, "lastTransitionTime": scheduled});
        let mut status = json!({
            "phase": pod.phase, "hostIP": "10.64.0.1", "hostIPs": [{"ip": "10.64.0.1"}],
            "podIP": "10.1.0.7", "podIPs": [{"ip": "10.1.0.7"}, {"ip": "fd00::7"}], "startTime": scheduled,
            "conditions": [condition("PodScheduled", true), condition("Initialized", true), condition("ContainersReady", running), condition("Ready", running)],
            "containerStatuses": names("containers").iter().map(|name| status_of(name, false)).collect::<Vec<_>>(),
            "initContainerStatuses": names("initContainers").iter().map(|name| status_of(name, true)).collect::<Vec<_>>(),
        });
        let more = match (pod.phase.as_str(), self.random.random_range(0..10)) {
            ("Failed", 0..3) => {
                status["reason"] = json!("Evicted");
                status["message"] = json!(format!(
                    "The node was low on resource: memory. {}",
                    "long ".repeat(300)
                ));
                condition("DisruptionTarget", true)
            }
            // The kubelet did not take it: no container has a status.
            ("Failed", 3) => {
                status["reason"] = json!("UnexpectedAdmissionError");
                status["containerStatuses"] = json!([]);
                status["initContainerStatuses"] = json!([]);
                return status;
            }
            ("Running", 0..2) => {
                resize(&mut status["containerStatuses"]);
                json!({"type": "PodResizePending", "status": "True", "reason": "Infeasible", "lastTransitionTime": scheduled})
            }
            ("Running", 2..4) => {
                resize(&mut status["containerStatuses"]);
                return status;
            }
            _ => return status,
        };
        status["conditions"].as_array_mut().unwrap().push(more);
        status
    }

    fn hex(&mut self) -> String {
        format!("{:032x}", self.random.random::<u128>())
    }
}

/// Another amount runs than is asked for, and yet another is allocated.
fn resize(statuses: &mut Value) {
    for status in statuses.as_array_mut().into_iter().flatten() {
        status["resources"] = json!({
            "requests": {"cpu": "1300m", "memory": "3Gi"}, "limits": {"cpu": "1500m", "memory": "4Gi"},
        });
        status["allocatedResources"] = json!({"cpu": "1700m", "memory": "2Gi"});
    }
}

/// What a kubelet reports of one container of a pod in `phase`.
fn container_status(name: &str, phase: &str, finished_init: bool, restarts: i32) -> Value {
    let digest = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let mut status = json!({
        "name": name, "image": format!("{name}:1"), "imageID": format!("registry.example.com/{name}@sha256:{digest}"),
        "containerID": format!("containerd://{name}"), "ready": phase == "Running" && !finished_init, "started": phase == "Running" && !finished_init,
        "restartCount": restarts,
    });
    let terminated = |code: i32, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason, "message": "", "startedAt": past(1200), "finishedAt": past(300), "containerID": format!("containerd://{name}")}});
    status["state"] = match phase {
        _ if finished_init => terminated(0, "Completed"),
        "Running" => json!({"running": {"startedAt": past(500)}}),
        "Succeeded" => terminated(0, "Completed"),
        "Failed" => terminated(137, "OOMKilled"),
        _ => json!({"waiting": {"reason": "ContainerCreating"}}),
    };
    if restarts > 0 {
        status["lastState"] = terminated(1, "Error");
    }
    status
}

fn replicated(name: &str, replicas: i32) -> Value {
    json!({
        "metadata": {"labels": {"app": name, "hidden.example.com/x": "y"}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template(name, "Always")},
    })
}

fn template(name: &str, restart_policy: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {
            "restartPolicy": restart_policy,
            "initContainers": [{"name": "setup", "image": "setup:1"}],
            "containers": [{"name": "main", "image": format!("registry.example.com/{name}:1")}],
        },
    })
}

fn deployment_status(replicas: i32) -> Value {
    json!({
        "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas, "observedGeneration": 1,
        "conditions": [{"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable", "message": "ok",
            "lastUpdateTime": past(60), "lastTransitionTime": past(600)}],
    })
}

/// RFC 3339 text of `seconds` ago, to the second as Kubernetes keeps it.
#[must_use]
pub fn past(seconds: i64) -> String {
    let at = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
