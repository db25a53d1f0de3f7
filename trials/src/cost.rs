//! A row of a view of cost as a statement that writes it: amounts become billionths, hours what they are stored in.

use fleetledger_schema::postgres::literal;
use serde_json::{Map, Value, json};

use super::bookkeeping::{RowPlacement, write};
use super::row::instant;

/// Columns of a view, the ledger's, and what one unit of the view is there.
const AMOUNTS: [(&str, &str, f64); 12] = [
    ("cost", "cpu_nanos", 1e9),
    ("cpu_core_hours", "cpu_charged_core_us", 3.6e9),
    ("cpu_request_core_hours", "cpu_requested_core_us", 3.6e9),
    ("cpu_used_core_hours", "cpu_used_core_us", 3.6e9),
    (
        "memory_gib_hours",
        "memory_charged_byte_seconds",
        3_865_470_566_400.0,
    ),
    (
        "memory_request_gib_hours",
        "memory_requested_byte_seconds",
        3_865_470_566_400.0,
    ),
    (
        "memory_used_gib_hours",
        "memory_used_byte_seconds",
        3_865_470_566_400.0,
    ),
    ("container_hours", "life_ms", 3.6e6),
    ("usage_hours", "usage_ms", 3.6e6),
    ("unknown_hours", "unknown_ms", 3.6e6),
    ("unpriced_hours", "unpriced_ms", 3.6e6),
    ("gpu_hours", "gpu_charged_card_us", 3.6e9),
];
const MEASURES: [&str; 15] = [
    "cpu_nanos",
    "memory_nanos",
    "gpu_nanos",
    "cpu_charged_core_us",
    "memory_charged_byte_seconds",
    "gpu_charged_card_us",
    "cpu_requested_core_us",
    "memory_requested_byte_seconds",
    "cpu_used_core_us",
    "memory_used_byte_seconds",
    "gpu_used_card_us",
    "life_ms",
    "usage_ms",
    "unknown_ms",
    "unpriced_ms",
];

pub(super) fn insert(
    view: &str,
    place: &RowPlacement<'_>,
    mut row: Map<String, Value>,
) -> Result<String, String> {
    let source = json!({ "cluster_id": place.cluster_id });
    match view {
        "cost_balance" => {
            let nanos =
                |amount: Option<Value>| amount.as_ref().and_then(Value::as_f64).map(|amount| amount * 1e9);
            let cost = nanos(row.remove("cost")).unwrap_or(10e9);
            let booked = cost + nanos(row.remove("difference")).unwrap_or(0.0);
            let defaults = json!({"period": "hour", "at": place.at.to_string(), "node_nanos": cost, "allocated_nanos": cost,
                "idle_nanos": 0, "system_nanos": 0, "line_allocated_nanos": booked, "line_idle_nanos": 0,
                "line_system_nanos": 0, "unpriced_ms": 0, "checked_at": place.at.to_string()});
            if let Some(Value::String(at)) = row.remove("at") {
                row.insert("at".to_owned(), json!(instant(&at, place.start)?.to_string()));
            }
            let gone = format!(
                "delete from ledger.cost_check where cluster_id = {};\n",
                place.cluster_id
            );
            Ok(gone + &write("cost_check", &[&source, &defaults], row, place)?)
        }
        "team_budget" => {
            let budget = row.remove("budget").unwrap_or(json!(100));
            let team = row
                .get("team")
                .and_then(Value::as_str)
                .unwrap_or("checkout")
                .to_owned();
            let defaults = json!({"cost_team_id": place.serial + 1, "team": team, "budget_per_month": budget,
                "valid_from": "2020-01-01T00:00:00Z", "applied_at": place.at.to_string(), "applied_by": "test"});
            write("cost_team", &[&defaults], row, place)
        }
        "cost_node_daily" => {
            let amount = |row: &mut Map<String, Value>, name: &str, default: f64| {
                row.remove(name)
                    .and_then(|amount| amount.as_f64())
                    .unwrap_or(default)
            };
            let (cost, idle) = (amount(&mut row, "cost", 10.0), amount(&mut row, "idle_cost", 0.0));
            let defaults = json!({"resource": "cpu", "capacity": 0, "allocatable": 0, "charged": 0, "node_ms": 86_400_000,
                "unpriced_ms": 0, "system_nanos": 0, "cost_nanos": (cost * 1e9).round() as i64,
                "idle_nanos": (idle * 1e9).round() as i64, "allocated_nanos": ((cost - idle) * 1e9).round() as i64});
            write("cost_node_daily", &[&source, &defaults], row, place)
        }
        _ => daily(view, place, row, &source),
    }
}

/// A day of a namespace, or of a workload, whose line is written first.
fn daily(
    view: &str,
    place: &RowPlacement<'_>,
    mut row: Map<String, Value>,
    source: &Value,
) -> Result<String, String> {
    let mut defaults: Map<String, Value> = MEASURES
        .iter()
        .map(|name| ((*name).to_owned(), json!(0)))
        .collect();
    for (name, ledger, unit) in AMOUNTS {
        if let Some(amount) = row.remove(name).and_then(|amount| amount.as_f64()) {
            defaults.insert(ledger.to_owned(), json!((amount * unit).round() as i64));
        }
    }
    let day = match row.get("day_at") {
        Some(Value::String(text)) => instant(text, place.start)?,
        _ => place.at,
    };
    let mut sql = format!(
        "insert into ledger.cost_day values ({}, 24, {}) on conflict do nothing;\n",
        literal(&day.to_string()),
        literal(&place.at.to_string())
    );
    defaults.insert("day_at".to_owned(), json!(day.to_string()));
    row.remove("day_at");
    let names = json!({"namespace": "shop", "team": "checkout", "owner_source": "label"});
    if view == "cost_daily" {
        return Ok(sql
            + &write(
                "cost_namespace_daily",
                &[source, &names, &Value::Object(defaults)],
                row,
                place,
            )?);
    }
    let line = json!({"line_id": place.serial + 1, "workload_kind": "Deployment", "workload": "web", "container": "app",
        "node_class": "general", "labels": {"row": place.serial}});
    sql += &write("cost_line", &[source, &names, &line], row, place)?;
    defaults.insert("line_id".to_owned(), json!(place.serial + 1));
    defaults.insert("pods".to_owned(), json!(1));
    Ok(sql + &write("cost_daily", &[&Value::Object(defaults)], Map::new(), place)?)
}
