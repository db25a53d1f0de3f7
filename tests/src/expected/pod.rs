//! Pods and their containers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Amounts, FleetIndex, Row, Want, at, common, conditions, controller, filled, list, message, micros,
    number, or_empty_list, row, same,
};
use crate::{
    cluster::text,
    quantity::{self, millis},
};

pub(super) fn pod(object: &Value, fleet: &FleetIndex) -> Row {
    let (spec, status) = (&object["spec"], &object["status"]);
    let mut columns = common(object);
    let namespace = text(object, "/metadata/namespace");
    columns.extend(owner(object, fleet));
    let condition = |kind: &str, state: &str| {
        let mut found = list(&status["conditions"]).filter(|c| c["type"] == kind && c["status"] == state);
        found.next().cloned().unwrap_or(Value::Null)
    };
    let statuses = || statuses(status);
    let ended = ["Succeeded", "Failed"]
        .iter()
        .any(|phase| status["phase"] == *phase);
    let last_end = statuses()
        .filter_map(|s| micros(&s["state"]["terminated"]["finishedAt"]))
        .max();
    let finished = last_end.or_else(|| micros(&condition("Ready", "False")["lastTransitionTime"]));
    columns.extend([
        ("namespace", Want::Same(json!(namespace))),
        ("pod", same(&object["metadata"]["name"])),
        ("team", Want::Same(fleet.team(&namespace))),
        (
            "deletion_grace_seconds",
            same(&object["metadata"]["deletionGracePeriodSeconds"]),
        ),
        ("node", Want::Same(filled(&spec["nodeName"]))),
        ("nominated_node", Want::Same(filled(&status["nominatedNodeName"]))),
        ("phase", Want::Same(json!(text(status, "/phase")))),
        ("reason", Want::Same(filled(&status["reason"]))),
        ("message", Want::Same(message(&status["message"]))),
        ("qos_class", Want::Same(filled(&status["qosClass"]))),
        ("priority", same(&spec["priority"])),
        ("priority_class", Want::Same(filled(&spec["priorityClassName"]))),
        ("service_account", Want::Same(filled(&spec["serviceAccountName"]))),
        ("scheduler", Want::Same(filled(&spec["schedulerName"]))),
        ("runtime_class", Want::Same(filled(&spec["runtimeClassName"]))),
        ("restart_policy", Want::Same(json!(text(spec, "/restartPolicy")))),
        ("host_network", Want::Same(json!(spec["hostNetwork"] == true))),
        ("host_pid", Want::Same(json!(spec["hostPID"] == true))),
        ("host_ipc", Want::Same(json!(spec["hostIPC"] == true))),
        ("host_ip", Want::Same(filled(&status["hostIP"]))),
        (
            "pod_ips",
            Want::Same(json!(
                list(&status["podIPs"])
                    .map(|ip| ip["ip"].clone())
                    .collect::<Vec<_>>()
            )),
        ),
        ("started_at", at(&status["startTime"])),
        ("conditions", Want::Same(conditions(&status["conditions"]))),
        (
            "scheduled_at",
            at(&condition("PodScheduled", "True")["lastTransitionTime"]),
        ),
        (
            "unschedulable_reason",
            Want::Same(filled(&condition("PodScheduled", "False")["reason"])),
        ),
        (
            "unschedulable_message",
            Want::Same(message(&condition("PodScheduled", "False")["message"])),
        ),
        ("ready", Want::Same(json!(!condition("Ready", "True").is_null()))),
        (
            "ready_since",
            at(&condition("Ready", "True")["lastTransitionTime"]),
        ),
        ("finished_at", Want::At(finished.filter(|_| ended))),
        (
            "restart_count",
            number(Some(
                statuses().map(|s| s["restartCount"].as_i64().unwrap()).sum(),
            )),
        ),
        ("host_path_mounts", Want::Same(host_path_mounts(spec))),
    ]);
    let (requests, limits, overhead) = (
        effective(spec, "requests"),
        effective(spec, "limits"),
        Amounts::of(&spec["overhead"]),
    );
    columns.extend([
        ("cpu_request_cores", Want::Millis(requests.cpu_millis)),
        ("memory_request_bytes", number(requests.memory)),
        (
            "ephemeral_storage_request_bytes",
            number(requests.ephemeral_storage),
        ),
        ("gpu_request", Want::Millis(requests.gpu_millis)),
        ("other_request", Want::Same(json!(requests.other))),
        ("cpu_limit_cores", Want::Millis(limits.cpu_millis)),
        ("memory_limit_bytes", number(limits.memory)),
        ("ephemeral_storage_limit_bytes", number(limits.ephemeral_storage)),
        ("gpu_limit", Want::Millis(limits.gpu_millis)),
        ("other_limit", Want::Same(json!(limits.other))),
        ("cpu_overhead_cores", Want::Millis(overhead.cpu_millis)),
        ("memory_overhead_bytes", number(overhead.memory)),
        (
            "ephemeral_storage_overhead_bytes",
            number(overhead.ephemeral_storage),
        ),
        ("gpu_overhead", Want::Millis(overhead.gpu_millis)),
        ("other_overhead", Want::Same(json!(overhead.other))),
    ]);
    row(object, columns)
}

fn owner(object: &Value, fleet: &FleetIndex) -> BTreeMap<&'static str, Want> {
    let owner = controller(object).cloned().unwrap_or(Value::Null);
    let top = controller(object).map(|owner| fleet.top(&text(owner, "/uid")));
    let resolved = top != Some(None);
    let (kind, name, uid) = top
        .flatten()
        .map_or((None, None, None), |(k, n, u)| (Some(k), Some(n), Some(u)));
    BTreeMap::from([
        ("owner_kind", same(&owner["kind"])),
        ("owner", same(&owner["name"])),
        ("owner_uid", same(&owner["uid"])),
        ("workload_kind", Want::Same(json!(kind))),
        ("workload", Want::Same(json!(name))),
        ("workload_uid", Want::Same(json!(uid))),
        ("owner_resolved", Want::Same(json!(resolved))),
    ])
}

fn statuses(status: &Value) -> impl Iterator<Item = &Value> {
    [
        "initContainerStatuses",
        "containerStatuses",
        "ephemeralContainerStatuses",
    ]
    .into_iter()
    .flat_map(|field| list(&status[field]))
}

pub(super) fn containers(object: &Value, fleet: &FleetIndex) -> Vec<Row> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let of = |field: &'static str| list(&spec[field]).enumerate();
    let init = of("initContainers").map(|(position, container)| {
        let sidecar = container["restartPolicy"] == "Always";
        (if sidecar { "sidecar" } else { "init" }, position, container)
    });
    let app = of("containers").map(|(position, container)| ("app", position, container));
    let ephemeral = of("ephemeralContainers").map(|(position, container)| ("ephemeral", position, container));
    let all = init.chain(app).chain(ephemeral);
    all.map(|(kind, position, container)| {
        let reported = statuses(status).find(|reported| reported["name"] == container["name"]);
        container_row(
            object,
            fleet,
            kind,
            position,
            container,
            reported.unwrap_or(&Value::Null),
        )
    })
    .collect()
}

fn container_row(
    pod: &Value,
    fleet: &FleetIndex,
    kind: &str,
    position: usize,
    container: &Value,
    status: &Value,
) -> Row {
    let namespace = text(pod, "/metadata/namespace");
    let workload = owner(pod, fleet);
    let name = text(container, "/name");
    let state = ["waiting", "running", "terminated"]
        .into_iter()
        .find(|state| !status["state"][state].is_null());
    let now = state.map_or(&Value::Null, |state| &status["state"][state]);
    let last = &status["lastState"]["terminated"];
    let digest = text(status, "/imageID")
        .rsplit_once('@')
        .map(|(_, digest)| digest.to_owned());
    let nonzero = |value: &Value| {
        if *value == json!(0) {
            Value::Null
        } else {
            value.clone()
        }
    };
    let mut columns = BTreeMap::from([
        ("namespace", Want::Same(json!(namespace))),
        ("pod", same(&pod["metadata"]["name"])),
        ("container", Want::Same(json!(name))),
        ("uid", same(&pod["metadata"]["uid"])),
        ("team", Want::Same(fleet.team(&namespace))),
        ("workload_kind", workload["workload_kind"].clone()),
        ("workload", workload["workload"].clone()),
        ("phase", Want::Same(json!(text(pod, "/status/phase")))),
        ("node", Want::Same(filled(&pod["spec"]["nodeName"]))),
        ("container_type", Want::Same(json!(kind))),
        ("position", Want::Same(json!(position))),
        ("image", Want::Same(json!(text(container, "/image")))),
        ("image_id", Want::Same(filled(&status["imageID"]))),
        ("image_digest", Want::Same(json!(digest))),
        ("container_id", Want::Same(filled(&status["containerID"]))),
        ("ready", Want::Same(json!(status["ready"] == true))),
        ("started", same(&status["started"])),
        (
            "restart_count",
            number(Some(status["restartCount"].as_i64().unwrap_or(0))),
        ),
        ("state", Want::Same(json!(state))),
        ("reason", Want::Same(filled(&now["reason"]))),
        ("message", Want::Same(message(&now["message"]))),
        ("exit_code", same(&now["exitCode"])),
        ("signal", Want::Same(nonzero(&now["signal"]))),
        ("started_at", at(&now["startedAt"])),
        ("finished_at", at(&now["finishedAt"])),
        ("last_reason", Want::Same(filled(&last["reason"]))),
        ("last_message", Want::Same(message(&last["message"]))),
        ("last_exit_code", same(&last["exitCode"])),
        ("last_signal", Want::Same(nonzero(&last["signal"]))),
        ("last_started_at", at(&last["startedAt"])),
        ("last_finished_at", at(&last["finishedAt"])),
    ]);
    let (requests, limits) = (
        Amounts::of(&container["resources"]["requests"]),
        Amounts::of(&container["resources"]["limits"]),
    );
    columns.extend([
        ("cpu_request_cores", Want::Millis(requests.cpu_millis)),
        ("memory_request_bytes", number(requests.memory)),
        (
            "ephemeral_storage_request_bytes",
            number(requests.ephemeral_storage),
        ),
        ("gpu_request", Want::Millis(requests.gpu_millis)),
        ("other_request", Want::Same(json!(requests.other))),
        ("cpu_limit_cores", Want::Millis(limits.cpu_millis)),
        ("memory_limit_bytes", number(limits.memory)),
        ("ephemeral_storage_limit_bytes", number(limits.ephemeral_storage)),
        ("gpu_limit", Want::Millis(limits.gpu_millis)),
        ("other_limit", Want::Same(json!(limits.other))),
    ]);
    Row {
        key: format!("{}/{name}", text(pod, "/metadata/uid")),
        columns,
    }
}

/// KEP-753 in its own words: containers and sidecars together, or the largest init container with the sidecars
/// started before it, whichever is more; pod-level resources instead; overhead on top. In thousandths throughout.
fn effective(spec: &Value, which: &str) -> Amounts {
    let of = |container: &Value, name: &str| container["resources"][which][name].as_str().map(millis);
    let init: Vec<&Value> = list(&spec["initContainers"]).collect();
    let all: Vec<&Value> = init.iter().copied().chain(list(&spec["containers"])).collect();
    let names: BTreeSet<String> = all
        .iter()
        .chain([&spec])
        .flat_map(|holder| holder["resources"][which].as_object().into_iter().flatten())
        .map(|(name, _)| name.clone())
        .collect();
    let overhead_names = spec["overhead"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.clone());
    let mut result = BTreeMap::new();
    for name in names.into_iter().chain(overhead_names).collect::<BTreeSet<_>>() {
        let set = all
            .iter()
            .filter(|container| of(container, &name).is_some())
            .count();
        let is_sidecar = |container: &Value| container["restartPolicy"] == "Always";
        let app: i64 = list(&spec["containers"])
            .filter_map(|container| of(container, &name))
            .sum();
        let mut sidecars = 0;
        let mut starting = 0;
        for container in &init {
            let own = of(container, &name).unwrap_or(0);
            if is_sidecar(container) {
                sidecars += own;
                starting = starting.max(sidecars);
            } else {
                starting = starting.max(sidecars + own);
            }
        }
        let complete = if which == "limits" {
            set == all.len()
        } else {
            set > 0
        };
        let mut amount = complete.then(|| (app + sidecars).max(starting));
        if let Some(whole) = of(spec, &name) {
            amount = Some(whole);
        }
        let overhead = spec["overhead"][&name].as_str().map(millis);
        let total = match (amount, overhead) {
            (Some(amount), Some(overhead)) if which == "requests" || amount > 0 => Some(amount + overhead),
            (None, Some(overhead)) if which == "requests" => Some(overhead),
            (amount, _) => amount,
        };
        if let Some(total) = total {
            let like = all
                .iter()
                .chain([&spec])
                .find_map(|holder| holder["resources"][which][&name].as_str())
                .unwrap_or_default();
            let written = json!(quantity::text(total, like));
            result.insert(name, written);
        }
    }
    Amounts::of(&json!(result))
}

fn host_path_mounts(spec: &Value) -> Value {
    let mut volumes: Vec<&Value> = list(&spec["volumes"])
        .filter(|volume| !volume["hostPath"].is_null())
        .collect();
    volumes.sort_by_key(|volume| text(volume, "/name"));
    let containers = || {
        let fields = ["initContainers", "containers", "ephemeralContainers"];
        fields.into_iter().flat_map(|field| list(&spec[field]))
    };
    let mounted = volumes.into_iter().map(|volume| {
        let mounts = |container: &Value| {
            let of_volume = list(&container["volumeMounts"]).filter(|mount| mount["name"] == volume["name"]);
            of_volume.cloned().collect::<Vec<_>>()
        };
        let users: Vec<&Value> = containers().filter(|container| !mounts(container).is_empty()).collect();
        let writable = users.iter().flat_map(|user| mounts(user)).any(|mount| mount["readOnly"] != true);
        json!({
            "volume": volume["name"], "path": volume["hostPath"]["path"], "path_type": filled(&volume["hostPath"]["type"]),
            "writable": writable, "containers": users.iter().map(|user| user["name"].clone()).collect::<Vec<_>>(),
        })
    });
    or_empty_list(&json!(mounted.collect::<Vec<_>>()))
}
