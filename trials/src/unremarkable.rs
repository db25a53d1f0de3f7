//! Rows that no rule minds: what a test does not say of a row of a view.
//!
//! Only what must not be empty stands here. A column that a view gains needs no line: where a test leaves it unsaid it is
//! NULL or empty.

use serde_json::{Value, json};

/// What a column holds where a test says nothing of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum DefaultValue {
    /// Always this.
    Value(Value),
    /// The instant from which the row holds.
    RowInstant,
    /// Number of the row within the test.
    Serial,
    /// A label that no other row has.
    SerialLabel,
    /// The datacenter of its cluster, if the row names one.
    Datacenter,
    /// Its cluster, if the row names one.
    Cluster,
    /// Uid of its cluster, if the row names one.
    ClusterUid,
    /// The same as another column of the view.
    SameAs(&'static str),
    /// What is left of a column less others.
    Rest {
        /// The whole.
        of: &'static str,
        /// Its other parts.
        less: &'static [&'static str],
    },
    /// One of two values, by whether a column of the view is given.
    IfGiven {
        /// The column.
        column: &'static str,
        /// Where it is given.
        then: Value,
        /// Where it is not.
        otherwise: Value,
    },
}

use DefaultValue::{Cluster, ClusterUid, Datacenter, IfGiven, Rest, RowInstant, SameAs, Serial, SerialLabel};

/// An unremarkable row of a view, column by column; `table.column` is a column of the ledger that the view does not show.
pub(crate) fn unremarkable(view: &str) -> Vec<(&'static str, DefaultValue)> {
    match view {
        "node" => vec![
            ("created_at", value("-30d")),
            ("node", value("n1")),
            ("ready_status", value("True")),
            ("ready_reason", value("KubeletReady")),
            ("ready_since", value("-30d")),
            ("kernel_version", value("6.8.0")),
            ("kubelet_version", value("v1.35.4")),
            ("boot_id", value("boot-1")),
        ],
        "pod" => vec![
            ("created_at", value("-30d")),
            ("namespace", value("shop")),
            ("pod", value("p1")),
            ("node", value("n1")),
            ("phase", value("Running")),
            ("ready", value(true)),
            ("restart_policy", value("Always")),
            ("owner_resolved", value(true)),
        ],
        "container" => vec![
            ("namespace", value("shop")),
            ("pod", value("p1")),
            ("node", value("n1")),
            ("container", value("app")),
            ("container_type", value("app")),
            ("image", value("registry.example/app:v1")),
            ("state", value("running")),
            ("ready", value(true)),
        ],
        "namespace" => vec![
            ("created_at", value("-30d")),
            ("namespace", value("shop")),
            ("phase", value("Active")),
        ],
        "workload" => vec![
            ("created_at", value("-30d")),
            ("namespace", value("shop")),
            ("workload_kind", value("Deployment")),
            ("workload", value("web")),
        ],
        "watchdog" => vec![
            ("created_at", value("-30d")),
            ("watchdog", value("disk")),
            ("scope", value("Node")),
            ("check_name", value("disk")),
            ("state", value("OK")),
            ("healthy_status", value("True")),
            ("reporting_status", value("True")),
        ],
        "dead_letter" | "quarantine" | "gap" | "emitter" | "ingest_partition" | "sweep" | "balance" => {
            of_ingest(view)
        }
        _ => of_cost(view),
    }
}

/// Books of the ingester.
fn of_ingest(view: &str) -> Vec<(&'static str, DefaultValue)> {
    match view {
        "dead_letter" => vec![
            ("datacenter", Datacenter),
            ("cluster", Cluster),
            ("dead_letter.cluster_uid", ClusterUid),
            ("kind", value("pod")),
            ("topic", value("fleetledger.pod")),
            ("record_offset", Serial),
            ("reason", value("bad_body")),
            ("detail", value("the body ends early")),
            ("dead_letter.record_headers", value(json!([]))),
            ("died_at", RowInstant),
            (
                "state",
                IfGiven {
                    column: "settled_at",
                    then: json!("replayed"),
                    otherwise: json!("open"),
                },
            ),
        ],
        "quarantine" => vec![
            ("datacenter", Datacenter),
            ("cluster", Cluster),
            ("cluster_uid", ClusterUid),
            ("reason", value("poisoned")),
            ("detail", value("its records cannot be read")),
            ("since", RowInstant),
        ],
        "gap" => vec![
            ("topic", value("fleetledger.pod")),
            ("to_offset", value(1)),
            ("reason", value("retention removed it")),
            ("policy", value("continue")),
            ("found_at", RowInstant),
        ],
        "emitter" => vec![
            ("kind", value("pod")),
            ("epoch", value(1)),
            ("sequence", value(1)),
            ("observed_at", RowInstant),
        ],
        "sweep" => vec![
            ("kind", value("pod")),
            ("sweep.sweep_id", value("1")),
            ("sweep.epoch", value(1)),
            ("sweep.begin_sequence", value(1)),
            ("sweep.begin_offset", value(1)),
            ("begin_at", RowInstant),
            ("state", value("complete")),
        ],
        "ingest_partition" => vec![
            ("topic", value("fleetledger.pod")),
            ("next_offset", value(1000)),
            ("lag", value(0)),
        ],
        // `in_cluster`, `in_ledger`, `in_table` and `unbalanced_since` say all there is; digests differ where it is set.
        _ => vec![
            ("kind", value("pod")),
            ("in_cluster", value(10)),
            ("in_ledger", SameAs("in_cluster")),
            ("checked_at", RowInstant),
            ("balance.fold_count", SameAs("in_ledger")),
            ("balance.mark_hi", value(0)),
            ("balance.mark_lo", value(0)),
            (
                "balance.fold_at_mark_hi",
                IfGiven {
                    column: "unbalanced_since",
                    then: json!(1),
                    otherwise: json!(0),
                },
            ),
            ("balance.fold_at_mark_lo", value(0)),
            ("table_sum.agrees", value(true)),
        ],
    }
}

/// Books of cost.
fn of_cost(view: &str) -> Vec<(&'static str, DefaultValue)> {
    match view {
        "cost_balance" => vec![
            ("period", value("hour")),
            ("at", RowInstant),
            ("cost", value(10)),
            ("allocated_cost", SameAs("cost")),
            ("difference", value(0)),
            ("checked_at", RowInstant),
        ],
        "cost_failure" => vec![
            ("period", value("hour")),
            ("at", RowInstant),
            ("error", value("numeric field overflow")),
            ("failed_since", RowInstant),
            ("failed_at", SameAs("failed_since")),
            ("attempts", value(1)),
            ("objects", value(json!([]))),
        ],
        "cost_daily" => vec![
            ("day_at", RowInstant),
            ("namespace", value("shop")),
            ("team", value("checkout")),
            ("owner_source", value("label")),
            ("hours", value(24)),
        ],
        "cost_workload_daily" => vec![
            ("day_at", RowInstant),
            ("namespace", value("shop")),
            ("team", value("checkout")),
            ("owner_source", value("label")),
            ("workload_kind", value("Deployment")),
            ("workload", value("web")),
            ("container", value("app")),
            ("node_class", value("general")),
            ("labels", SerialLabel),
            ("hours", value(24)),
            ("cost_daily.line_id", Serial),
            ("cost_daily.pods", value(1)),
        ],
        "cost_node_daily" => vec![
            ("day_at", RowInstant),
            ("resource", value("cpu")),
            ("cost", value(10)),
            ("idle_cost", value(0)),
            (
                "allocated_cost",
                Rest {
                    of: "cost",
                    less: &["idle_cost", "system_cost"],
                },
            ),
            ("node_hours", value(24)),
        ],
        "team_budget" => vec![
            ("team", value("checkout")),
            ("budget", value(100)),
            ("cost_team.valid_from", value("2020-01-01T00:00:00Z")),
            ("cost_team.applied_by", value("test")),
        ],
        _ => Vec::new(),
    }
}

fn value(value: impl Into<Value>) -> DefaultValue {
    DefaultValue::Value(value.into())
}
