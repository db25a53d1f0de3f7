//! The same answers for clients that were written for OpenCost and Kubecost: kubectl-cost, opencost-ui and exporters ask
//! other paths, leave out other parameters, and read an answer into types that have numbers everywhere.

use serde_json::{Map, Value, json};

use super::{
    question::AllocationParameters,
    shape::{AllocationResponse, CostAllocation},
};

/// Where these clients look for allocations.
pub const PATHS: [&str; 4] = [
    "/allocation",
    "/allocation/compute",
    "/model/allocation",
    "/model/allocation/compute",
];

/// What one allocation of the clients is where no other is asked for.
const EACH_CONTAINER: &str = "cluster,node,namespace,pod,container";

/// Numbers that the clients' types have, of what is not in it (storage, network, load balancers) or is never kept apart
/// (adjustments of a bill).
const ABSENT: [&str; 17] = [
    "cpuCostAdjustment",
    "gpuCostAdjustment",
    "ramCostAdjustment",
    "networkTransferBytes",
    "networkReceiveBytes",
    "networkCost",
    "networkCrossZoneCost",
    "networkCrossRegionCost",
    "networkInternetCost",
    "networkNatGatewayCost",
    "networkCostAdjustment",
    "loadBalancerCost",
    "loadBalancerCostAdjustment",
    "pvBytes",
    "pvByteHours",
    "pvCost",
    "pvCostAdjustment",
];

/// The parameters with what these clients leave out.
#[must_use]
pub fn with_defaults(mut parameters: AllocationParameters) -> AllocationParameters {
    if parameters
        .aggregate
        .as_deref()
        .is_none_or(|names| names.trim().is_empty())
    {
        parameters.aggregate = Some(EACH_CONTAINER.to_owned());
    }
    parameters
}

/// An answer as these clients read it.
#[must_use]
pub fn response(answer: &AllocationResponse) -> Value {
    let set = |set: &std::collections::BTreeMap<String, CostAllocation>| {
        let all = set.iter().map(|(name, one)| (name.clone(), allocation(one)));
        Value::Object(all.collect())
    };
    json!({
        "code": answer.code,
        "status": "success",
        "data": answer.data.iter().map(set).collect::<Vec<_>>(),
        "currency": answer.currency,
    })
}

/// Usage that was not seen and an efficiency that is not known are 0 for them, as OpenCost has them: their types have no
/// null.
fn allocation(one: &CostAllocation) -> Value {
    let mut value = json!(one);
    if let Value::Object(fields) = &mut value {
        for field in fields.values_mut().filter(|field| field.is_null()) {
            *field = json!(0.0);
        }
        fields.extend(ABSENT.map(|name| (name.to_owned(), json!(0.0))));
        fields.insert("pvs".to_owned(), Value::Null);
        fields.insert("lbAllocations".to_owned(), Value::Null);
        fields.insert("properties".to_owned(), properties(one));
    }
    value
}

/// Labels and annotations are maps of their own for them.
fn properties(one: &CostAllocation) -> Value {
    let mut properties = Map::new();
    let mut maps =
        [("label:", "labels"), ("annotation:", "annotations")].map(|(begin, name)| (begin, name, Map::new()));
    for (name, value) in &one.properties {
        let map = maps
            .iter_mut()
            .find_map(|(begin, _, map)| Some((name.strip_prefix(*begin)?, map)));
        match map {
            Some((label, map)) => map.insert(label.to_owned(), json!(value)),
            None => properties.insert(name.clone(), json!(value)),
        };
    }
    for (_, name, map) in maps {
        if !map.is_empty() {
            properties.insert(name.to_owned(), Value::Object(map));
        }
    }
    Value::Object(properties)
}
