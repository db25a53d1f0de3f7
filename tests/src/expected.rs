//! What every row of `fleet.*` should say, straight from the API server's JSON. Written apart from `emit`'s
//! mapping and `schema`'s rows: it shares no code with either.

mod pod;
mod printed;
mod reservation;
mod workload;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use crate::{
    cluster::{ApiResourceKind, text},
    quantity::{thousandths, units},
};

/// Labels that emitters of these tests send, exact names and prefixes ending in `*`: the defaults but for those of clouds.
pub const LABELS: [&str; 14] = [
    "app",
    "k8s-app",
    "team",
    "owner",
    "pod-template-hash",
    "app.kubernetes.io/*",
    "topology.kubernetes.io/*",
    "node.kubernetes.io/instance-type",
    "node-role.kubernetes.io/*",
    "kubernetes.io/hostname",
    "kubernetes.io/arch",
    "kubernetes.io/os",
    "kubernetes.io/metadata.name",
    "fleetledger.io/*",
];
/// Annotations that they send.
pub const ANNOTATIONS: [&str; 1] = ["fleetledger.io/*"];
/// Label or annotation of a namespace that names its owner.
pub const TEAM: &str = "team";

/// What one column should hold.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpectedValue {
    /// Exactly this JSON.
    Same(Value),
    /// This instant, in microseconds since 1970; `None` is NULL.
    At(Option<i64>),
    /// This many thousandths, as a decimal number.
    Thousandths(Option<i64>),
}

/// One row of a view: its identity within the cluster, and its columns.
#[derive(Debug, Clone)]
pub struct ExpectedRow {
    /// The uid; for a container the pod's uid and the container's name.
    pub key: String,
    /// Columns by name.
    pub columns: BTreeMap<&'static str, ExpectedValue>,
}

/// Rows by view.
pub type ExpectedRows = BTreeMap<&'static str, Vec<ExpectedRow>>;

/// Columns the API server does not decide: where, when, and what only the central site knows.
pub const NOT_FROM_THE_API_SERVER: [&str; 5] =
    ["datacenter", "cluster", "valid_from", "observed_at", "landed_at"];

/// The rows that these objects should be.
#[must_use]
pub fn rows(objects: &[(ApiResourceKind, Vec<Value>)]) -> ExpectedRows {
    let fleet = FleetIndex::of(objects);
    let mut rows = ExpectedRows::new();
    for (resource, objects) in objects {
        for object in objects {
            match resource {
                ApiResourceKind::Namespace => push(&mut rows, "namespace", namespace(object, &fleet)),
                ApiResourceKind::Node => push(&mut rows, "node", node(object)),
                ApiResourceKind::Pod => {
                    push(&mut rows, "pod", pod::pod(object, &fleet));
                    for row in pod::containers(object, &fleet) {
                        push(&mut rows, "container", row);
                    }
                }
                ApiResourceKind::Watchdog => push(&mut rows, "watchdog", workload::watchdog(object)),
                ApiResourceKind::ReplicaSet if controller(object).is_some() => {}
                ApiResourceKind::Lease => {}
                _ => push(
                    &mut rows,
                    "workload",
                    workload::workload(*resource, object, &fleet),
                ),
            }
        }
    }
    rows
}

fn push(rows: &mut ExpectedRows, view: &'static str, row: ExpectedRow) {
    rows.entry(view).or_default().push(row);
}

/// What one object's row needs of others.
pub(crate) struct FleetIndex {
    teams: HashMap<String, String>,
    owners: HashMap<String, (String, String, Option<Value>)>,
}

impl FleetIndex {
    fn of(objects: &[(ApiResourceKind, Vec<Value>)]) -> Self {
        let mut index = Self {
            teams: HashMap::new(),
            owners: HashMap::new(),
        };
        for (resource, objects) in objects {
            for object in objects {
                let name = text(object, "/metadata/name");
                if *resource == ApiResourceKind::Namespace {
                    for place in ["annotations", "labels"] {
                        let team = object["metadata"][place][TEAM]
                            .as_str()
                            .filter(|team| !team.is_empty());
                        let sent = if place == "labels" {
                            &LABELS[..]
                        } else {
                            &ANNOTATIONS[..]
                        };
                        if let Some(team) = team.filter(|_| allowed(sent, TEAM)) {
                            index.teams.insert(name.clone(), team.to_owned());
                        }
                    }
                }
                let next = controller(object).cloned();
                index.owners.insert(
                    text(object, "/metadata/uid"),
                    (resource.kind().to_owned(), name, next),
                );
            }
        }
        index
    }

    pub(crate) fn team(&self, namespace: &str) -> Value {
        self.teams.get(namespace).map_or(Value::Null, |team| json!(team))
    }

    /// Kind, name and uid of the end of the chain that begins with reference `owner`, and whether it was followed there: an
    /// owner that is not to be seen is known by its reference.
    pub(crate) fn top(&self, owner: &Value) -> (String, String, String, bool) {
        let uid = text(owner, "/uid");
        match self.owners.get(&uid) {
            None => (text(owner, "/kind"), text(owner, "/name"), uid, false),
            Some((_, _, Some(next))) => self.top(next),
            Some((kind, name, None)) => (kind.clone(), name.clone(), uid, true),
        }
    }
}

/// The owner reference that controls the object.
pub(crate) fn controller(object: &Value) -> Option<&Value> {
    let owners = object["metadata"]["ownerReferences"].as_array()?;
    owners.iter().find(|owner| owner["controller"] == true)
}

/// Columns of every object.
pub(crate) fn common(object: &Value) -> BTreeMap<&'static str, ExpectedValue> {
    let meta = &object["metadata"];
    let grace = meta["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    BTreeMap::from([
        ("uid", same(&meta["uid"])),
        // An API server's uids are all of one form.
        ("uid_text", ExpectedValue::Same(Value::Null)),
        ("created_at", at(&meta["creationTimestamp"])),
        (
            "deletion_requested_at",
            ExpectedValue::At(micros(&meta["deletionTimestamp"]).map(|end| end - grace * 1_000_000)),
        ),
        ("labels", ExpectedValue::Same(select(&meta["labels"], &LABELS))),
        (
            "annotations",
            ExpectedValue::Same(select(&meta["annotations"], &ANNOTATIONS)),
        ),
        ("finalizers", ExpectedValue::Same(sorted(&meta["finalizers"]))),
        ("unknown_fields", ExpectedValue::Same(Value::Null)),
    ])
}

/// The row of `object` with these columns.
pub(crate) fn row(object: &Value, columns: BTreeMap<&'static str, ExpectedValue>) -> ExpectedRow {
    ExpectedRow {
        key: text(object, "/metadata/uid"),
        columns,
    }
}

fn namespace(object: &Value, fleet: &FleetIndex) -> ExpectedRow {
    let mut columns = common(object);
    let name = text(object, "/metadata/name");
    let finalizers = [&object["metadata"]["finalizers"], &object["spec"]["finalizers"]];
    let finalizers: Vec<&Value> = finalizers
        .iter()
        .flat_map(|list| list.as_array())
        .flatten()
        .collect();
    columns.insert("finalizers", ExpectedValue::Same(sorted(&json!(finalizers))));
    columns.insert("team", ExpectedValue::Same(fleet.team(&name)));
    columns.insert("namespace", ExpectedValue::Same(json!(name)));
    columns.insert("phase", same(&object["status"]["phase"]));
    columns.insert(
        "conditions",
        ExpectedValue::Same(conditions(&object["status"]["conditions"])),
    );
    row(object, columns)
}

/// True for a node that says that there is no machine behind it which others could use.
fn is_virtual(object: &Value) -> bool {
    let labels = &object["metadata"]["labels"];
    let by_label = matches!(
        labels["type"].as_str(),
        Some("virtual-kubelet" | "virtual-node" | "kwok")
    ) || labels["eks.amazonaws.com/compute-type"] == "fargate"
        || labels["node-role.kubernetes.io/virtual-node"].is_string();
    let by_taint = |taint: &Value| {
        let key = text(taint, "/key");
        let prefixes = ["virtual-kubelet.io/", "virtual-node.", "kwok.x-k8s.io/"];
        prefixes.iter().any(|prefix| key.starts_with(prefix))
            || key == "eks.amazonaws.com/compute-type" && text(taint, "/value") == "fargate"
    };
    by_label || list(&object["spec"]["taints"]).any(by_taint)
}

fn node(object: &Value) -> ExpectedRow {
    let (spec, status) = (&object["spec"], &object["status"]);
    let mut columns = common(object);
    let mut taints: Vec<Value> = list(&spec["taints"])
        .map(|taint| {
            json!({"key": taint["key"], "value": filled(&taint["value"]), "effect": taint["effect"], "added_at": micros(&taint["timeAdded"])})
        })
        .collect();
    taints.sort_by_key(|taint| (text(taint, "/key"), text(taint, "/effect"), text(taint, "/value")));
    let ready = list(&status["conditions"]).find(|condition| condition["type"] == "Ready");
    let ready = ready.cloned().unwrap_or(Value::Null);
    let mut addresses: Vec<Value> = list(&status["addresses"])
        .map(|address| json!({"type": address["type"], "address": address["address"]}))
        .collect();
    addresses.sort_by_key(|address| text(address, "/type"));
    columns.extend([
        ("node", same(&object["metadata"]["name"])),
        ("provider_id", ExpectedValue::Same(filled(&spec["providerID"]))),
        (
            "unschedulable",
            ExpectedValue::Same(json!(spec["unschedulable"] == true)),
        ),
        ("taints", ExpectedValue::Same(json!(taints))),
        (
            "conditions",
            ExpectedValue::Same(conditions(&status["conditions"])),
        ),
        ("is_virtual", ExpectedValue::Same(json!(is_virtual(object)))),
        ("ready_status", same(&ready["status"])),
        ("ready_reason", ExpectedValue::Same(filled(&ready["reason"]))),
        ("ready_since", at(&ready["lastTransitionTime"])),
        // No node of these tests is silent for two minutes, or has a Lease, unless the test says so.
        ("heartbeat_stale_since", ExpectedValue::At(None)),
        ("addresses", ExpectedValue::Same(json!(addresses))),
        ("pod_cidrs", ExpectedValue::Same(or_empty_list(&spec["podCIDRs"]))),
        (
            "swap_capacity_bytes",
            same(&status["nodeInfo"]["swap"]["capacity"]),
        ),
        (
            "runtime_handlers",
            ExpectedValue::Same(optional(&status["runtimeHandlers"], runtime_handlers)),
        ),
        (
            "features",
            ExpectedValue::Same(optional(&status["features"], features)),
        ),
        (
            "declared_features",
            ExpectedValue::Same(optional(&status["declaredFeatures"], sorted)),
        ),
    ]);
    for (column, field) in [
        ("kernel_version", "kernelVersion"),
        ("os_image", "osImage"),
        ("operating_system", "operatingSystem"),
        ("architecture", "architecture"),
        ("container_runtime_version", "containerRuntimeVersion"),
        ("kubelet_version", "kubeletVersion"),
        ("kube_proxy_version", "kubeProxyVersion"),
        ("boot_id", "bootID"),
        ("machine_id", "machineID"),
        ("system_uuid", "systemUUID"),
    ] {
        columns.insert(
            column,
            ExpectedValue::Same(json!(text(status, &format!("/nodeInfo/{field}")))),
        );
    }
    let capacity = ResourceQuantities::of(&status["capacity"]);
    let allocatable = ResourceQuantities::of(&status["allocatable"]);
    columns.extend([
        (
            "cpu_capacity_cores",
            ExpectedValue::Thousandths(capacity.millicores),
        ),
        ("memory_capacity_bytes", number(capacity.memory)),
        (
            "ephemeral_storage_capacity_bytes",
            number(capacity.ephemeral_storage),
        ),
        ("gpu_capacity", ExpectedValue::Thousandths(capacity.gpu_millis)),
        ("pods_capacity", number(capacity.pods)),
        ("other_capacity", ExpectedValue::Same(json!(capacity.other))),
        (
            "cpu_allocatable_cores",
            ExpectedValue::Thousandths(allocatable.millicores),
        ),
        ("memory_allocatable_bytes", number(allocatable.memory)),
        (
            "ephemeral_storage_allocatable_bytes",
            number(allocatable.ephemeral_storage),
        ),
        (
            "gpu_allocatable",
            ExpectedValue::Thousandths(allocatable.gpu_millis),
        ),
        ("pods_allocatable", number(allocatable.pods)),
        ("other_allocatable", ExpectedValue::Same(json!(allocatable.other))),
    ]);
    row(object, columns)
}

/// NULL for what is not there.
fn optional(value: &Value, read: impl Fn(&Value) -> Value) -> Value {
    if value.is_null() { Value::Null } else { read(value) }
}

fn runtime_handlers(handlers: &Value) -> Value {
    let mut handlers: Vec<Value> = list(handlers)
        .map(|handler| {
            let can = &handler["features"];
            json!({"name": text(handler, "/name"), "recursive_read_only_mounts": can["recursiveReadOnlyMounts"],
                "user_namespaces": can["userNamespaces"]})
        })
        .collect();
    handlers.sort_by_key(|handler| text(handler, "/name"));
    json!(handlers)
}

/// Truth values as the texts that the column has.
fn features(features: &Value) -> Value {
    let all = features.as_object().into_iter().flatten();
    all.map(|(name, value)| (name.clone(), json!(value.to_string())))
        .collect()
}

/// A list of resources, by the units of the columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ResourceQuantities {
    pub(crate) millicores: Option<i64>,
    pub(crate) memory: Option<i64>,
    pub(crate) ephemeral_storage: Option<i64>,
    pub(crate) gpu_millis: Option<i64>,
    pub(crate) pods: Option<i64>,
    pub(crate) other: BTreeMap<String, String>,
}

impl ResourceQuantities {
    pub(crate) fn of(list: &Value) -> Self {
        let mut amounts = Self::default();
        for (name, quantity) in list.as_object().into_iter().flatten() {
            let quantity = quantity.as_str().unwrap();
            if name == "cpu" {
                amounts.millicores = Some(thousandths(quantity));
            } else if name == "memory" {
                amounts.memory = Some(units(quantity));
            } else if name == "ephemeral-storage" {
                amounts.ephemeral_storage = Some(units(quantity));
            } else if name == "pods" {
                amounts.pods = Some(units(quantity));
            } else if name.ends_with("/gpu") {
                amounts.gpu_millis = Some(amounts.gpu_millis.unwrap_or(0) + 1000 * units(quantity));
            } else if name.ends_with("/gpu-milli") {
                amounts.gpu_millis = Some(amounts.gpu_millis.unwrap_or(0) + units(quantity));
            } else {
                amounts.other.insert(name.clone(), quantity.to_owned());
            }
        }
        amounts
    }
}

/// Conditions as the column keeps them: sorted by type, instants in microseconds.
pub(crate) fn conditions(conditions: &Value) -> Value {
    let mut kept: Vec<Value> = list(conditions)
        .map(|condition| {
            json!({
                "type": condition["type"], "status": condition["status"],
                "reason": filled(&condition["reason"]), "message": message(&condition["message"]),
                "last_transition_at": micros(&condition["lastTransitionTime"]), "heartbeat_stale_since": null,
            })
        })
        .collect();
    kept.sort_by_key(|condition| (text(condition, "/type"), text(condition, "/status")));
    json!(kept)
}

pub(crate) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// The value, NULL where it is absent or empty text.
pub(crate) fn filled(value: &Value) -> Value {
    if value == "" { Value::Null } else { value.clone() }
}

/// A message: at most 1024 bytes.
pub(crate) fn message(value: &Value) -> Value {
    let Some(text) = value.as_str().filter(|text| !text.is_empty()) else {
        return Value::Null;
    };
    let mut end = text.len().min(1024);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    json!(text[..end])
}

pub(crate) fn same(value: &Value) -> ExpectedValue {
    ExpectedValue::Same(value.clone())
}

pub(crate) fn number(value: Option<i64>) -> ExpectedValue {
    ExpectedValue::Same(json!(value))
}

pub(crate) fn at(value: &Value) -> ExpectedValue {
    ExpectedValue::At(micros(value))
}

/// An instant in microseconds since 1970.
pub(crate) fn micros(value: &Value) -> Option<i64> {
    let text = value.as_str()?;
    let instant: jiff::Timestamp = text.parse().unwrap_or_else(|_| panic!("instant {text}"));
    Some(instant.as_microsecond())
}

/// The names of a list in which each stands once, in order.
pub(crate) fn sorted(value: &Value) -> Value {
    let names: std::collections::BTreeSet<&str> = list(value).filter_map(Value::as_str).collect();
    json!(names)
}

/// The elements of a list that have a name, in its order.
pub(crate) fn by_name(value: &Value) -> Vec<&Value> {
    let mut named: Vec<&Value> = list(value).collect();
    named.sort_by_key(|element| text(element, "/name"));
    named
}

pub(crate) fn or_empty_list(value: &Value) -> Value {
    if value.is_null() { json!([]) } else { value.clone() }
}

pub(crate) fn or_empty_map(value: &Value) -> Value {
    if value.is_null() { json!({}) } else { value.clone() }
}

fn select(all: &Value, sent: &[&str]) -> Value {
    let all = all.as_object().cloned().unwrap_or_default();
    Value::Object(all.into_iter().filter(|(name, _)| allowed(sent, name)).collect())
}

fn allowed(sent: &[&str], name: &str) -> bool {
    let mut entries = sent.iter();
    entries.any(|entry| {
        entry
            .strip_suffix('*')
            .map_or(*entry == name, |prefix| name.starts_with(prefix))
    })
}
