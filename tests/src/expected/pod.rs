//! Pods and their containers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    ExpectedRow, ExpectedValue, FleetIndex, ResourceQuantities, at, by_name, common, conditions, controller,
    filled, list, message, micros, number, or_empty_list, reservation, row, same,
};
use crate::{cluster::text, quantity::thousandths};

pub(super) fn pod(object: &Value, fleet: &FleetIndex) -> ExpectedRow {
    let (spec, status) = (&object["spec"], &object["status"]);
    let mut columns = common(object);
    let namespace = text(object, "/metadata/namespace");
    columns.extend(owner(object, fleet));
    columns.extend(super::printed::columns(object));
    let condition = |kind: &str, state: &str| {
        let mut found = list(&status["conditions"]).filter(|c| c["type"] == kind && c["status"] == state);
        found.next().cloned().unwrap_or(Value::Null)
    };
    // Once it is bound, whatever a stale condition says.
    let not_scheduled = if spec["nodeName"].is_null() {
        condition("PodScheduled", "False")
    } else {
        Value::Null
    };
    let statuses = || statuses(status);
    let ended = ["Succeeded", "Failed"]
        .iter()
        .any(|phase| status["phase"] == *phase);
    columns.extend([
        ("lives", ExpectedValue::Same(json!(!ended))),
        ("namespace", ExpectedValue::Same(json!(namespace))),
        ("pod", same(&object["metadata"]["name"])),
        ("team", ExpectedValue::Same(fleet.team(&namespace))),
        (
            "deletion_grace_seconds",
            same(&object["metadata"]["deletionGracePeriodSeconds"]),
        ),
        ("node", ExpectedValue::Same(filled(&spec["nodeName"]))),
        (
            "nominated_node",
            ExpectedValue::Same(filled(&status["nominatedNodeName"])),
        ),
        ("phase", ExpectedValue::Same(json!(text(status, "/phase")))),
        ("reason", ExpectedValue::Same(filled(&status["reason"]))),
        ("message", ExpectedValue::Same(message(&status["message"]))),
        ("qos_class", ExpectedValue::Same(filled(&status["qosClass"]))),
        ("priority", same(&spec["priority"])),
        (
            "priority_class",
            ExpectedValue::Same(filled(&spec["priorityClassName"])),
        ),
        (
            "preemption_policy",
            ExpectedValue::Same(filled(&spec["preemptionPolicy"])),
        ),
        (
            "service_account",
            ExpectedValue::Same(filled(&spec["serviceAccountName"])),
        ),
        ("scheduler", ExpectedValue::Same(filled(&spec["schedulerName"]))),
        (
            "runtime_class",
            ExpectedValue::Same(filled(&spec["runtimeClassName"])),
        ),
        (
            "restart_policy",
            ExpectedValue::Same(json!(text(spec, "/restartPolicy"))),
        ),
        (
            "termination_grace_period_seconds",
            same(&spec["terminationGracePeriodSeconds"]),
        ),
        ("hostname", ExpectedValue::Same(filled(&spec["hostname"]))),
        (
            "host_network",
            ExpectedValue::Same(json!(spec["hostNetwork"] == true)),
        ),
        ("host_pid", ExpectedValue::Same(json!(spec["hostPID"] == true))),
        ("host_ipc", ExpectedValue::Same(json!(spec["hostIPC"] == true))),
        ("host_ip", ExpectedValue::Same(filled(&status["hostIP"]))),
        (
            "pod_ips",
            ExpectedValue::Same(json!(
                list(&status["podIPs"])
                    .map(|ip| ip["ip"].clone())
                    .collect::<Vec<_>>()
            )),
        ),
        ("started_at", at(&status["startTime"])),
        (
            "conditions",
            ExpectedValue::Same(conditions(&status["conditions"])),
        ),
        (
            "scheduled_at",
            at(&condition("PodScheduled", "True")["lastTransitionTime"]),
        ),
        (
            "unschedulable_reason",
            ExpectedValue::Same(filled(&not_scheduled["reason"])),
        ),
        (
            "unschedulable_message",
            ExpectedValue::Same(message(&not_scheduled["message"])),
        ),
        (
            "ready",
            ExpectedValue::Same(json!(!condition("Ready", "True").is_null())),
        ),
        (
            "ready_since",
            at(&condition("Ready", "True")["lastTransitionTime"]),
        ),
        ("finished_at", ExpectedValue::At(finished_at(object))),
        (
            "restart_count",
            number(Some(
                statuses().map(|s| s["restartCount"].as_i64().unwrap()).sum(),
            )),
        ),
        ("host_path_mounts", ExpectedValue::Same(host_path_mounts(spec))),
    ]);
    let (requests, limits, overhead) = (
        reservation::effective(object, "requests"),
        reservation::effective(object, "limits"),
        ResourceQuantities::of(&spec["overhead"]),
    );
    columns.extend([
        (
            "cpu_request_cores",
            ExpectedValue::Thousandths(requests.millicores),
        ),
        ("memory_request_bytes", number(requests.memory)),
        (
            "ephemeral_storage_request_bytes",
            number(requests.ephemeral_storage),
        ),
        ("gpu_request", ExpectedValue::Thousandths(requests.gpu_millis)),
        ("other_request", ExpectedValue::Same(json!(requests.other))),
        ("cpu_limit_cores", ExpectedValue::Thousandths(limits.millicores)),
        ("memory_limit_bytes", number(limits.memory)),
        ("ephemeral_storage_limit_bytes", number(limits.ephemeral_storage)),
        ("gpu_limit", ExpectedValue::Thousandths(limits.gpu_millis)),
        ("other_limit", ExpectedValue::Same(json!(limits.other))),
        (
            "cpu_overhead_cores",
            ExpectedValue::Thousandths(overhead.millicores),
        ),
        ("memory_overhead_bytes", number(overhead.memory)),
        (
            "ephemeral_storage_overhead_bytes",
            number(overhead.ephemeral_storage),
        ),
        ("gpu_overhead", ExpectedValue::Thousandths(overhead.gpu_millis)),
        ("other_overhead", ExpectedValue::Same(json!(overhead.other))),
    ]);
    row(object, columns)
}

/// When a pod that is over ended. Its containers say so, unless some of them never ran: then the eviction does, or the last
/// of the kubelet's conditions to become False after its first look at the pod. What a kubelet rejected ended as it came.
fn finished_at(object: &Value) -> Option<i64> {
    let status = &object["status"];
    if status["phase"] != "Succeeded" && status["phase"] != "Failed" {
        return None;
    }
    let since = |kind: &str, state: &str| {
        let mut found = list(&status["conditions"]).filter(|c| c["type"] == kind && c["status"] == state);
        found.next().and_then(|c| micros(&c["lastTransitionTime"]))
    };
    let started = micros(&status["startTime"]);
    let begin = since("PodScheduled", "True")
        .or(started)
        .or_else(|| micros(&object["metadata"]["creationTimestamp"]));
    let evicted = since("DisruptionTarget", "True");
    let ran = statuses(status).any(|one| {
        one["restartCount"].as_i64().unwrap_or(0) > 0
            || !filled(&one["containerID"]).is_null()
            || !one["state"]["running"].is_null()
            || !one["state"]["terminated"]["startedAt"].is_null()
            || !one["state"]["terminated"]["finishedAt"].is_null()
            || !one["lastState"]["terminated"]["finishedAt"].is_null()
    });
    let (reason, message) = (text(status, "/reason"), text(status, "/message"));
    let refused = message.starts_with("Pod was rejected")
        || reason.starts_with("OutOf")
        || matches!(
            reason.as_str(),
            "UnexpectedAdmissionError"
                | "TopologyAffinityError"
                | "SMTAlignmentError"
                | "NodeAffinity"
                | "NodeName"
                | "NodePorts"
                | "AppArmor"
                | "SysctlForbidden"
                | "PodOSNotSupported"
        )
        || (reason == "Evicted" && message.starts_with("The node had condition"));
    let bound = !filled(&object["spec"]["nodeName"]).is_null();
    if status["phase"] == "Failed" && bound && refused && !ran && evicted.is_none() {
        return begin;
    }
    let end = |one: &Value| micros(&one["state"]["terminated"]["finishedAt"]);
    let sidecar = |one: &&Value| {
        list(&object["spec"]["initContainers"])
            .any(|init| init["name"] == one["name"] && init["restartPolicy"] == "Always")
    };
    let apps: Vec<Option<i64>> = list(&object["spec"]["containers"])
        .map(|app| {
            let mut found = list(&status["containerStatuses"]).filter(|one| one["name"] == app["name"]);
            found.next().and_then(end)
        })
        .collect();
    let failed = |one: &&Value| one["state"]["terminated"]["exitCode"] != json!(0);
    let init = list(&status["initContainerStatuses"]).filter(|one| sidecar(one) || failed(one));
    let last = init.filter_map(end).chain(apps.iter().copied().flatten()).max();
    if last.is_some() && apps.iter().all(Option::is_some) {
        return last;
    }
    let first_look = started.max(begin).map(|begin| begin + 10_000_000);
    let kubelet = ["Ready", "ContainersReady", "PodReadyToStartContainers"];
    let stopped = kubelet.into_iter().filter_map(|kind| since(kind, "False"));
    last.max(evicted)
        .or_else(|| stopped.filter(|at| Some(*at) > first_look).max())
}

fn owner(object: &Value, fleet: &FleetIndex) -> BTreeMap<&'static str, ExpectedValue> {
    let owner = controller(object).cloned().unwrap_or(Value::Null);
    let top = controller(object).map(|owner| fleet.top(owner));
    let resolved = top.as_ref().is_none_or(|(_, _, _, resolved)| *resolved);
    let (kind, name, uid) = top.map_or((None, None, None), |(k, n, u, _)| (Some(k), Some(n), Some(u)));
    BTreeMap::from([
        ("owner_kind", same(&owner["kind"])),
        ("owner", same(&owner["name"])),
        ("owner_uid", same(&owner["uid"])),
        ("workload_kind", ExpectedValue::Same(json!(kind))),
        ("workload", ExpectedValue::Same(json!(name))),
        ("workload_uid", ExpectedValue::Same(json!(uid))),
        ("owner_resolved", ExpectedValue::Same(json!(resolved))),
    ])
}

pub(super) fn statuses(status: &Value) -> impl Iterator<Item = &Value> {
    [
        "initContainerStatuses",
        "containerStatuses",
        "ephemeralContainerStatuses",
    ]
    .into_iter()
    .flat_map(|field| list(&status[field]))
}

pub(super) fn containers(object: &Value, fleet: &FleetIndex) -> Vec<ExpectedRow> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let of = |field: &'static str| by_name(&spec[field]).into_iter().enumerate();
    let init = list(&spec["initContainers"])
        .enumerate()
        .map(|(position, container)| {
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
) -> ExpectedRow {
    let namespace = text(pod, "/metadata/namespace");
    let workload = owner(pod, fleet);
    let name = text(container, "/name");
    let state = ["waiting", "running", "terminated"]
        .into_iter()
        .find(|state| !status["state"][state].is_null())
        .or_else(|| (!status.is_null()).then_some("waiting"));
    let now = state.map_or(&Value::Null, |state| &status["state"][state]);
    let last = &status["lastState"]["terminated"];
    let end = if state == Some("terminated") { now } else { last };
    let ended = ["Succeeded", "Failed"].map(|phase| json!(phase));
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
        ("namespace", ExpectedValue::Same(json!(namespace))),
        ("pod", same(&pod["metadata"]["name"])),
        ("container", ExpectedValue::Same(json!(name))),
        ("uid", same(&pod["metadata"]["uid"])),
        ("team", ExpectedValue::Same(fleet.team(&namespace))),
        ("workload_kind", workload["workload_kind"].clone()),
        ("workload", workload["workload"].clone()),
        ("phase", ExpectedValue::Same(json!(text(pod, "/status/phase")))),
        ("node", ExpectedValue::Same(filled(&pod["spec"]["nodeName"]))),
        ("container_type", ExpectedValue::Same(json!(kind))),
        ("position", ExpectedValue::Same(json!(position))),
        ("image", ExpectedValue::Same(json!(text(container, "/image")))),
        ("image_id", ExpectedValue::Same(filled(&status["imageID"]))),
        ("image_digest", ExpectedValue::Same(json!(digest))),
        (
            "container_id",
            ExpectedValue::Same(filled(&status["containerID"])),
        ),
        ("ready", ExpectedValue::Same(json!(status["ready"] == true))),
        ("started", same(&status["started"])),
        (
            "restart_count",
            number(Some(status["restartCount"].as_i64().unwrap_or(0))),
        ),
        ("state", ExpectedValue::Same(json!(state))),
        ("reason", ExpectedValue::Same(filled(&now["reason"]))),
        ("message", ExpectedValue::Same(message(&now["message"]))),
        ("exit_code", same(&now["exitCode"])),
        ("signal", ExpectedValue::Same(nonzero(&now["signal"]))),
        ("started_at", at(&now["startedAt"])),
        ("finished_at", at(&now["finishedAt"])),
        ("last_reason", ExpectedValue::Same(filled(&last["reason"]))),
        ("last_message", ExpectedValue::Same(message(&last["message"]))),
        ("last_exit_code", same(&last["exitCode"])),
        ("last_signal", ExpectedValue::Same(nonzero(&last["signal"]))),
        ("last_started_at", at(&last["startedAt"])),
        ("last_finished_at", at(&last["finishedAt"])),
        ("ended_at", at(&end["finishedAt"])),
        ("end_started_at", at(&end["startedAt"])),
        ("end_reason", ExpectedValue::Same(filled(&end["reason"]))),
        ("end_exit_code", same(&end["exitCode"])),
        (
            "lives",
            ExpectedValue::Same(json!(!ended.contains(&pod["status"]["phase"]))),
        ),
    ]);
    let (requests, limits) = (
        ResourceQuantities::of(&container["resources"]["requests"]),
        ResourceQuantities::of(&limits_in_force(&container["resources"]["limits"])),
    );
    columns.extend([
        (
            "cpu_request_cores",
            ExpectedValue::Thousandths(requests.millicores),
        ),
        ("memory_request_bytes", number(requests.memory)),
        (
            "ephemeral_storage_request_bytes",
            number(requests.ephemeral_storage),
        ),
        ("gpu_request", ExpectedValue::Thousandths(requests.gpu_millis)),
        ("other_request", ExpectedValue::Same(json!(requests.other))),
        ("cpu_limit_cores", ExpectedValue::Thousandths(limits.millicores)),
        ("memory_limit_bytes", number(limits.memory)),
        ("ephemeral_storage_limit_bytes", number(limits.ephemeral_storage)),
        ("gpu_limit", ExpectedValue::Thousandths(limits.gpu_millis)),
        ("other_limit", ExpectedValue::Same(json!(limits.other))),
    ]);
    columns.extend(reservation::in_force(pod, container, status));
    ExpectedRow {
        key: format!("{}/{name}", text(pod, "/metadata/uid")),
        columns,
    }
}

/// Limits without those of 0 for what containers share, which are none.
pub(super) fn limits_in_force(limits: &Value) -> Value {
    let mut limits = limits.clone();
    for name in ["cpu", "memory", "ephemeral-storage"] {
        if limits[name].as_str().is_some_and(|text| thousandths(text) == 0) {
            limits.as_object_mut().unwrap().remove(name);
        }
    }
    limits
}

fn host_path_mounts(spec: &Value) -> Value {
    let mut volumes: Vec<&Value> = list(&spec["volumes"])
        .filter(|volume| !volume["hostPath"].is_null())
        .collect();
    volumes.sort_by_key(|volume| text(volume, "/name"));
    let containers = || {
        let others = ["containers", "ephemeralContainers"].map(|field| by_name(&spec[field]));
        list(&spec["initContainers"]).chain(others.into_iter().flatten())
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
