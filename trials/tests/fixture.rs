//! What a test gives a column of a view is what the view shows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;

use fleetledger_schema::postgres::{PostgresConnector, documented_views};
use fleetledger_trials::{TestDatabase, database::TestSession, run_file};
use serde_json::{Value, json};

/// Views whose rows tests of shipped rules give.
const VIEWS: [&str; 17] = [
    "node",
    "pod",
    "container",
    "namespace",
    "workload",
    "watchdog",
    "dead_letter",
    "quarantine",
    "gap",
    "emitter",
    "ingest_partition",
    "balance",
    "cost_balance",
    "cost_daily",
    "cost_workload_daily",
    "cost_node_daily",
    "team_budget",
];

/// A value of a type, as a test writes it and as PostgreSQL shows it.
fn sample(column_type: &str) -> (Value, &'static str) {
    match column_type {
        "boolean" => (json!(true), "true"),
        "numeric" => (json!(1.5), "1.5"),
        "double precision" => (json!(2.5), "2.5"),
        "bigint" | "integer" | "smallint" => (json!(7), "7"),
        "timestamp with time zone" => (json!("-1h"), "2025-12-31 23:00:00+00"),
        "text[]" => (json!(["a", "b"]), "{a,b}"),
        "jsonb" => (json!({"a": "b"}), "{\"a\": \"b\"}"),
        "uuid" => {
            let uid = "9e1f0a2c-7e3c-4f0a-9a58-0123456789ab";
            (json!(uid), uid)
        }
        _ => (json!("sample"), "sample"),
    }
}

/// Runs a rule that shows a column over one row; what differs, or why it cannot be run.
async fn tried(
    session: &mut TestSession,
    view: &str,
    row: Value,
    shown: &str,
    expected: &str,
) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let rule = format!(
        "/*---\nalert: Shown\nlabels: {{severity: info}}\nannotations: {{summary: s, runbook: r}}\n\
         columns: {{labels: [shown]}}\n---*/\nselect {shown} as shown from {view}\n"
    );
    std::fs::write(folder.path().join("shown.sql"), rule).unwrap();
    let test = json!({"rule_files": ["shown.sql"], "tests": [{
        "name": "shown",
        "input_rows": [{"table": view, "row": row}],
        "alert_rule_test": [{"eval_time": "1m", "alertname": "Shown", "exp_alerts": [{"exp_labels": {"shown": expected}}]}],
    }]});
    let path = folder.path().join("shown.test.yaml");
    std::fs::write(&path, test.to_string()).unwrap();
    let report = run_file(session, Path::new(&path)).await;
    let report = report.map_err(|error| error.to_string())?;
    let differences = &report.tests[0].differences;
    match differences.is_empty() {
        true => Ok(()),
        false => Err(differences.join("\n")),
    }
}

async fn column_types(database: &TestDatabase) -> BTreeMap<(String, String), String> {
    let connector = PostgresConnector::new(database.url().parse().unwrap(), None);
    let client = connector.connect("test").await.unwrap();
    let types = "
        select c.relname::text, a.attname::text, format_type(a.atttypid, null)
        from pg_attribute as a join pg_class as c on c.oid = a.attrelid
        where c.relnamespace = 'fleet'::regnamespace and a.attnum > 0";
    let rows = client.query(types, &[]).await.unwrap();
    rows.iter()
        .map(|row| ((row.get(0), row.get(1)), row.get(2)))
        .collect()
}

#[tokio::test]
async fn every_column_shows_what_a_test_gives_it_or_says_what_to_give_instead() {
    let database = TestDatabase::start().await.unwrap();
    let types = column_types(&database).await;
    let mut session = database.session().await.unwrap();
    let (mut refused, mut wrong, mut shown) = (Vec::new(), Vec::new(), 0);
    for view in documented_views().unwrap() {
        if !VIEWS.contains(&view.name.as_str()) {
            continue;
        }
        for column in &view.columns {
            let name = column.name.as_str();
            let (value, text) = match (view.name.as_str(), name) {
                (_, "datacenter" | "cluster") => (json!("sample"), "sample"),
                // Each is one of a few words.
                (_, "kind") => (json!("node"), "node"),
                ("cost_node_daily", "resource") => (json!("memory"), "memory"),
                ("cost_balance", "period") => (json!("day"), "day"),
                ("dead_letter", "state") => (json!("discarded"), "discarded"),
                ("ingest_partition", "state") => (json!("halted"), "halted"),
                _ => sample(&types[&(view.name.clone(), name.to_owned())]),
            };
            let mut row = json!({ name: value });
            // What was used is shown where usage was seen.
            if name.contains("_used_") {
                row["usage_hours"] = json!(24);
            }
            let is_number = types[&(view.name.clone(), name.to_owned())] == "numeric";
            let as_text = match is_number {
                true => format!("trim_scale(\"{name}\")::text"),
                false => format!("\"{name}\"::text"),
            };
            match tried(&mut session, &view.name, row, &as_text, text).await {
                Ok(()) => shown += 1,
                Err(why) if why.contains("cannot be set") || why.contains("set `at`") => {
                    refused.push(format!(
                        "{}.{name}: {}",
                        view.name,
                        why.rsplit("; ").next().unwrap()
                    ));
                }
                Err(why) => wrong.push(format!("{}.{name}: {why}", view.name)),
            }
        }
    }
    println!("{shown} columns can be given");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown > 250, "{shown}");
    assert_eq!(refused.join("\n"), REFUSED.trim());
}

/// What cannot be set, and what can in its place.
const REFUSED: &str = "
node.is_virtual: set `labels`, `taints`
node.valid_from: set `at` beside `row`
pod.lives: set `phase`
pod.valid_from: set `at` beside `row`
container.lives: set `phase`, or give rows of `pod`
container.ended_at: set `state`, `finished_at`, `last_finished_at`
container.end_started_at: set `state`, `started_at`, `last_started_at`
container.end_reason: set `state`, `reason`, `last_reason`
container.end_exit_code: set `state`, `exit_code`, `last_exit_code`
container.valid_from: set `at` beside `row`
namespace.valid_from: set `at` beside `row`
workload.lives: set `completed_at`, `conditions`
workload.wanted: set `workload_kind`, `desired`, `suspended`, `completed_at`, `conditions`, `completions`, `succeeded`, `active`
workload.valid_from: set `at` beside `row`
watchdog.valid_from: set `at` beside `row`
balance.balanced: set `in_cluster`, `in_ledger`
cost_balance.balanced: set `unbalanced_since`
cost_daily.currency: give rows of `price`
cost_daily.charge_basis: set `usage_hours`, `container_hours`
cost_node_daily.currency: give rows of `price`
cost_node_daily.capacity_hours: a test cannot set it
cost_node_daily.allocatable_hours: a test cannot set it
cost_node_daily.charged_hours: a test cannot set it
cost_node_daily.allocated_hours: give rows of `cost_daily`
cost_node_daily.idle_hours: set `resource`, or give rows of `cost_daily`
cost_node_daily.system_hours: set `resource`, or give rows of `cost_daily`
cost_workload_daily.currency: give rows of `price`
cost_workload_daily.charge_basis: set `usage_hours`, `container_hours`
team_budget.month_at: a test cannot set it
team_budget.cost: give rows of `cost_daily`
team_budget.spent: set `budget`, or give rows of `cost_daily`
team_budget.currency: give rows of `price`
";

#[tokio::test]
async fn what_no_view_has_is_refused_by_name() {
    let database = TestDatabase::start().await.unwrap();
    let mut session = database.session().await.unwrap();
    for (view, row, said) in [
        (
            "pod",
            json!({"colour": "red"}),
            "view `pod` has no column `colour`",
        ),
        (
            "pod",
            json!({"request_cpu_millicores": 1}),
            "has no column `request_cpu_millicores`",
        ),
        (
            "node_request",
            json!({}),
            "rows of view `node_request` are computed; give rows of `pod` instead",
        ),
        ("freshness", json!({}), "set with `freshness:`"),
        (
            "emitter",
            json!({"kind": "house"}),
            "\"house\" is not a `kind`; write one of namespace, node,",
        ),
        (
            "pod",
            json!({"cpu_request_cores": "many"}),
            "column `cpu_request_cores`: many is not a number",
        ),
        (
            "pod",
            json!({"created_at": "soon"}),
            "`soon` is neither an offset",
        ),
    ] {
        let why = tried(&mut session, view, row, "1", "1").await.unwrap_err();
        assert!(why.contains(said), "{why}");
    }
}

#[tokio::test]
async fn sums_leave_to_one_column_what_the_others_do_not_say() {
    let database = TestDatabase::start().await.unwrap();
    let mut session = database.session().await.unwrap();
    for (view, row, shown, expected) in [
        (
            "ingest_partition",
            json!({"lag": 3, "next_offset": 5}),
            "high_watermark::text",
            "8",
        ),
        (
            "cost_daily",
            json!({"cost": 5, "cpu_cost": 2}),
            "trim_scale(memory_cost)::text",
            "3",
        ),
        (
            "cost_balance",
            json!({"cost": 4, "difference": -1}),
            "trim_scale(booked_cost)::text",
            "3",
        ),
        (
            "cost_node_daily",
            json!({"cost": 4, "idle_cost": 1}),
            "trim_scale(allocated_cost)::text",
            "3",
        ),
        (
            "container",
            json!({"workload": "api", "team": "t"}),
            "workload || '/' || team",
            "api/t",
        ),
    ] {
        let tried = tried(&mut session, view, row, shown, expected).await;
        assert_eq!(tried, Ok(()), "{view}");
    }
}
