//! The `Watchdog` custom resource. Its CRD, `deploy/kubernetes/watchdog-crd.yaml`, is generated from these types
//! (`cargo run -p fleetledger-emit --example watchdog_crd`), and a test here says when it is not current.
//!
//! Every field that a later version may drop is optional when read: one odd object must not stop the watch.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The checks that ship with fleetledger; `exec` runs any script.
pub const CHECKS: [&str; 15] = [
    "sysctl",
    "hairpin",
    "etcd",
    "admission",
    "apiserver",
    "skew",
    "mount",
    "certificate",
    "dns",
    "http",
    "tcp",
    "disk",
    "clock",
    "kubelet",
    "exec",
];

/// A watchdog watches one piece of the infrastructure and pages by itself; its state stands in its status.
#[allow(
    clippy::duplicated_attributes,
    reason = "the macro takes one `derive` a trait"
)]
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "watchdogs.fleetledger.io",
    version = "v1alpha1",
    kind = "Watchdog",
    shortname = "wd",
    status = "WatchdogStatus",
    derive = "Default",
    derive = "PartialEq",
    printcolumn(
        name = "HEALTHY",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Healthy\")].status"
    ),
    printcolumn(name = "STATE", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "FAILING", type_ = "integer", json_path = ".status.nodes.failing"),
    printcolumn(name = "AGE", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct WatchdogSpec {
    /// Whether it runs on every selected node or once in the cluster.
    #[serde(default)]
    pub scope: WatchdogScope,
    /// Labels of the nodes it runs on; all nodes where empty.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Time between two runs, such as 60s.
    pub interval: Option<String>,
    /// Longest time a run may take; less than the interval.
    pub timeout: Option<String>,
    /// Random part of the interval, so that nodes do not run at once.
    pub jitter: Option<String>,
    /// How long it must fail before it pages.
    #[serde(rename = "for")]
    pub failing_for: Option<String>,
    /// How long after an episode no other begins.
    pub cooldown: Option<String>,
    /// Runs that must succeed before it counts as healthy again.
    pub success_threshold: Option<i32>,
    /// Severity of its page, such as critical or warning.
    pub severity: Option<String>,
    /// Runbook: what to do when it pages.
    pub runbook: Option<String>,
    /// True if it does not run.
    #[serde(default)]
    pub suspend: bool,
    /// No page until then.
    pub snooze: Option<WatchdogSnooze>,
    /// Receivers of its page; the default ones where empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub receivers: Vec<String>,
    /// The check it runs, exactly one, with its parameters.
    #[schemars(required, schema_with = "check_schema")]
    pub check: Option<BTreeMap<String, serde_json::Value>>,
}

/// Where a watchdog runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum WatchdogScope {
    /// On every selected node.
    #[default]
    Node,
    /// Once in the cluster.
    Cluster,
}

impl WatchdogScope {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            WatchdogScope::Node => "Node",
            WatchdogScope::Cluster => "Cluster",
        }
    }
}

/// A time without pages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WatchdogSnooze {
    /// When it ends.
    pub until: Option<Time>,
    /// Who asked for it.
    pub by: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

/// What a watchdog reports; written by one writer, on a transition or every 5 minutes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WatchdogStatus {
    /// Healthy (Unknown until the first run), Reporting and Accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// Generation of the spec this status is about.
    pub observed_generation: Option<i64>,
    /// Unknown, OK, Pending, Firing, Cooldown or Snoozed.
    pub state: Option<String>,
    /// Number of the current or last episode.
    pub episode: Option<i64>,
    /// Number of the current or last incident within the pager.
    pub incarnation: Option<i64>,
    /// Dedup key of the page.
    pub dedup_key: Option<String>,
    /// End of the last run that succeeded.
    pub last_success_time: Option<Time>,
    /// End of the last run that failed.
    pub last_failure_time: Option<Time>,
    /// Runs that failed since the last success.
    pub consecutive_failures: Option<i64>,
    /// Counts of nodes.
    pub nodes: Option<NodeCounts>,
    /// The worst nodes, 20 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failing: Vec<NodeCheckFailure>,
}

/// How many nodes report what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeCounts {
    /// Nodes that should report.
    pub desired: Option<i32>,
    /// Nodes that report.
    pub reporting: Option<i32>,
    /// Nodes whose check passes.
    pub ok: Option<i32>,
    /// Nodes whose check fails.
    pub failing: Option<i32>,
    /// Nodes whose check gave no answer.
    pub unknown: Option<i32>,
}

/// One node on which the check fails.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeCheckFailure {
    /// Node name.
    pub node: String,
    /// What the check said.
    pub message: Option<String>,
    /// Since when it fails there.
    pub since: Option<Time>,
}

/// The definition that a cluster is given.
#[must_use]
pub fn watchdog_crd()
-> k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition {
    <Watchdog as kube::CustomResourceExt>::crd()
}

fn check_schema(_: &mut SchemaGenerator) -> Schema {
    let parameters = serde_json::json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let properties: serde_json::Map<_, _> = CHECKS
        .iter()
        .map(|check| ((*check).to_owned(), parameters.clone()))
        .collect();
    json_schema!({
        "type": "object",
        "description": "The check it runs, exactly one, with its parameters.",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": properties,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_definition_is_current() {
        let shipped: serde_json::Value =
            serde_yaml_ng::from_str(include_str!("../../deploy/kubernetes/watchdog-crd.yaml")).unwrap();
        assert_eq!(
            shipped,
            serde_json::to_value(watchdog_crd()).unwrap(),
            "run: cargo run -p fleetledger-emit --example watchdog_crd > deploy/kubernetes/watchdog-crd.yaml"
        );
    }

    #[test]
    fn a_resource_with_nothing_but_a_check_is_read() {
        let watchdog: Watchdog = serde_json::from_value(serde_json::json!({
            "apiVersion": "watchdogs.fleetledger.io/v1alpha1", "kind": "Watchdog", "metadata": {"name": "w"},
            "spec": {"check": {"sysctl": {"expected": {"net.ipv4.ip_forward": "1"}}}},
        }))
        .unwrap();
        assert_eq!(watchdog.spec.check.unwrap().keys().next().unwrap(), "sysctl");
    }
}
