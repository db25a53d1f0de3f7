//! What is reserved for pods and their containers, also while they are resized in place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    ExpectedValue, ResourceQuantities, list, number,
    pod::{limits_in_force, statuses},
};
use crate::quantity::{self, thousandths};

/// KEP-753 in its own words: containers and sidecars together, or the largest init container with the sidecars
/// started before it, whichever is more; pod-level resources instead; overhead on top. In thousandths throughout.
pub(super) fn effective(object: &Value, which: &str) -> ResourceQuantities {
    let (spec, status) = (&object["spec"], &object["status"]);
    let of = |container: &Value, name: &str| {
        let reported = reported(object, container);
        in_resize(object, container, reported.unwrap_or(&Value::Null), which, name)
    };
    let init: Vec<&Value> = list(&spec["initContainers"]).collect();
    let all: Vec<&Value> = init.iter().copied().chain(list(&spec["containers"])).collect();
    // What a kubelet reports counts also where nothing is asked for.
    let reports = all.iter().filter_map(|container| reported(object, container));
    let lists = reports.flat_map(|report| match which {
        "requests" if !report["resources"].is_null() => {
            vec![&report["resources"][which], &report["allocatedResources"]]
        }
        _ => vec![&report["resources"][which]],
    });
    let names: BTreeSet<String> = all
        .iter()
        .chain([&spec])
        .map(|holder| &holder["resources"][which])
        .chain(lists)
        .flat_map(|list| list.as_object().into_iter().flatten())
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
        if amount_of(&spec["resources"], which, &name).is_some() {
            amount = in_resize(object, spec, status, which, &name).or(Some(0));
        }
        let overhead = spec["overhead"][&name].as_str().map(thousandths);
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
    ResourceQuantities::of(&json!(result))
}

/// What is in force of a container, allocated and reserved, which are not what it asks for while it is resized.
pub(super) fn in_force(
    pod: &Value,
    container: &Value,
    status: &Value,
) -> BTreeMap<&'static str, ExpectedValue> {
    let cpu = |value: &Value| ExpectedValue::Thousandths(value["cpu"].as_str().map(thousandths));
    let memory = |value: &Value| number(value["memory"].as_str().map(quantity::units));
    let (in_force, allocated) = (&status["resources"], &status["allocatedResources"]);
    let limits = limits_in_force(&in_force["limits"]);
    let ephemeral = list(&pod["spec"]["ephemeralContainers"]).any(|one| one["name"] == container["name"]);
    let resized = reported(pod, container)
        .filter(|_| !ephemeral)
        .unwrap_or(&Value::Null);
    let reserved = |name: &str| {
        let asked = container["resources"]["requests"][name].is_string().then_some(0);
        in_resize(pod, container, resized, "requests", name).or(asked)
    };
    BTreeMap::from([
        ("cpu_request_in_force_cores", cpu(&in_force["requests"])),
        ("memory_request_in_force_bytes", memory(&in_force["requests"])),
        ("cpu_limit_in_force_cores", cpu(&limits)),
        ("memory_limit_in_force_bytes", memory(&limits)),
        ("cpu_allocated_cores", cpu(allocated)),
        ("memory_allocated_bytes", memory(allocated)),
        ("cpu_reserved_cores", ExpectedValue::Thousandths(reserved("cpu"))),
        (
            "memory_reserved_bytes",
            number(reserved("memory").map(|thousandths| thousandths / 1000)),
        ),
    ])
}

/// Status of a container that can be resized in place, which init containers other than sidecars cannot.
fn reported<'a>(object: &'a Value, container: &Value) -> Option<&'a Value> {
    let is_init = list(&object["spec"]["initContainers"]).any(|init| init["name"] == container["name"]);
    if is_init && container["restartPolicy"] != "Always" {
        return None;
    }
    statuses(&object["status"]).find(|one| one["name"] == container["name"])
}

/// The largest of what `holder` asks for, what is allocated and what is in force; what it asks for is left out once that
/// was refused as infeasible. In thousandths.
fn in_resize(object: &Value, holder: &Value, status: &Value, which: &str, name: &str) -> Option<i64> {
    let asked = amount_of(&holder["resources"], which, name);
    if status["resources"].is_null() {
        return asked;
    }
    let refused = list(&object["status"]["conditions"])
        .any(|one| one["type"] == "PodResizePending" && one["reason"] == "Infeasible");
    let in_force = amount_of(&status["resources"], which, name);
    let allocated = status["allocatedResources"][name]
        .as_str()
        .map(thousandths)
        .filter(|_| which == "requests");
    asked.filter(|_| !refused).max(in_force).max(allocated)
}

/// An amount among `requests` or `limits`, in thousandths.
fn amount_of(resources: &Value, which: &str, name: &str) -> Option<i64> {
    let list = match which {
        "limits" => limits_in_force(&resources[which]),
        _ => resources[which].clone(),
    };
    list[name].as_str().map(thousandths)
}
