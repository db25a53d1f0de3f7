//! A row of a view over the ingester's books as a statement that writes it.

use fleetledger_schema::{kind::RecordKind, postgres::literal};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cost;
use super::row::{ClusterName, instant};

/// Where and when a row stands.
pub(crate) struct RowPlacement<'p> {
    pub(crate) cluster_id: i32,
    pub(crate) source: &'p ClusterName,
    /// False for a record whose source cannot be read: `datacenter: null`.
    pub(crate) names_source: bool,
    /// Number of the row among those of the test.
    pub(crate) serial: usize,
    pub(crate) at: Timestamp,
    pub(crate) start: Timestamp,
}

/// The statement that writes a row of `view`; one of a book without history takes the place of its predecessor.
pub(crate) fn insert(
    view: &str,
    place: &RowPlacement<'_>,
    mut row: Map<String, Value>,
) -> Result<String, String> {
    let kind = take_kind(&mut row)?;
    let at = place.at.to_string();
    let (datacenter, cluster) = place.source;
    let own = if place.names_source {
        json!({"datacenter": datacenter, "cluster": cluster, "cluster_uid": format!("uid-{datacenter}-{cluster}")})
    } else {
        json!({})
    };
    match view {
        "dead_letter" => {
            let defaults = json!({"topic": "fleetledger.pod", "partition": 0, "record_offset": place.serial, "kind": kind,
                "reason": "bad_body", "detail": "the body ends early", "record_headers": [], "died_at": at,
                "state": if row.contains_key("settled_at") { "replayed" } else { "open" }});
            write("dead_letter", &[&own, &defaults], row, place)
        }
        "gap" => {
            let defaults = json!({"topic": "fleetledger.pod", "partition": 0, "from_offset": 0, "to_offset": 1,
                "reason": "retention removed it", "policy": "continue", "found_at": at});
            write("ingest_gap", &[&defaults], row, place)
        }
        "quarantine" => {
            let defaults = json!({"reason": "poisoned", "detail": "its records cannot be read", "since": at});
            write("quarantine", &[&own, &defaults], row, place)
        }
        "emitter" => {
            let key = json!({"cluster_id": place.cluster_id, "kind": kind, "shard": 0});
            let defaults = json!({"epoch": 1, "sequence": 1, "observed_at": at});
            Ok(delete_predecessor("emitter_state", &key)
                + &write("emitter_state", &[&key, &defaults], row, place)?)
        }
        "ingest_partition" => partition(row, place),
        "balance" => balance(row, kind, place),
        "cost_balance" | "cost_daily" | "cost_workload_daily" | "cost_node_daily" | "team_budget" => {
            cost::insert(view, place, row)
        }
        other => Err(format!("no row of `{other}` can be given")),
    }
}

fn partition(mut row: Map<String, Value>, place: &RowPlacement<'_>) -> Result<String, String> {
    let lag = row.remove("lag").and_then(|lag| lag.as_i64()).unwrap_or(0);
    let text = |name: &str, default: &str| {
        row.get(name)
            .and_then(Value::as_str)
            .unwrap_or(default)
            .to_owned()
    };
    let number = row.get("partition").and_then(Value::as_i64).unwrap_or(0);
    let key = json!({"topic": text("topic", "fleetledger.pod"), "partition": number});
    let defaults = json!({"next_offset": 1000, "high_watermark": 1000 + lag});
    let topic = format!(
        "insert into ledger.topic values ({}, 2, 12, 1) on conflict do nothing;\n",
        literal(&text("topic", "fleetledger.pod"))
    );
    Ok(topic
        + &delete_predecessor("ingest_partition", &key)
        + &write("ingest_partition", &[&key, &defaults], row, place)?)
}

/// `in_cluster`, `in_ledger`, `in_table` and `unbalanced_since` say all there is; digests differ where it is set.
fn balance(mut row: Map<String, Value>, kind: i16, place: &RowPlacement<'_>) -> Result<String, String> {
    let key = json!({"cluster_id": place.cluster_id, "kind": kind, "shard": 0});
    let in_cluster = row.remove("in_cluster").unwrap_or(json!(10));
    let in_ledger = row.remove("in_ledger").unwrap_or(in_cluster.clone());
    let since = row.remove("unbalanced_since").unwrap_or(Value::Null);
    let digest = i32::from(!since.is_null());
    row.insert("mismatch_since".to_owned(), since);
    let numbers = json!({"mark_count": in_cluster, "mark_hi": 0, "mark_lo": 0, "fold_at_mark_count": in_ledger,
        "fold_at_mark_hi": digest, "fold_at_mark_lo": 0, "fold_count": in_ledger, "fold_hi": digest, "fold_lo": 0,
        "mark_at": place.at.to_string()});
    let in_table = row.remove("in_table");
    let mut sql = delete_predecessor("balance", &key) + &write("balance", &[&key, &numbers], row, place)?;
    if let Some(count) = in_table {
        let key = json!({"cluster_id": place.cluster_id, "kind": kind});
        let sums = json!({"table_count": count, "fold_count": in_ledger, "dead_count": 0, "agrees": true,
            "checked_at": place.at.to_string()});
        sql += &delete_predecessor("table_sum", &key);
        sql += &write("table_sum", &[&key, &sums], Map::new(), place)?;
    }
    Ok(sql)
}

fn take_kind(row: &mut Map<String, Value>) -> Result<i16, String> {
    match row.remove("kind") {
        None => Ok(RecordKind::Pod.number()),
        Some(value) => value
            .as_str()
            .and_then(RecordKind::parse)
            .map(RecordKind::number)
            .ok_or_else(|| format!("{value} is no kind")),
    }
}

fn delete_predecessor(table: &str, key: &Value) -> String {
    let conditions: Vec<String> = key
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| match value {
            Value::String(text) => format!("{name} = {}", literal(text)),
            value => format!("{name} = {value}"),
        })
        .collect();
    format!("delete from ledger.{table} where {};\n", conditions.join(" and "))
}

/// Later values win; columns are checked by PostgreSQL.
pub(super) fn write(
    table: &str,
    defaults: &[&Value],
    row: Map<String, Value>,
    place: &RowPlacement<'_>,
) -> Result<String, String> {
    let mut all = Map::new();
    for (name, value) in defaults.iter().filter_map(|value| value.as_object()).flatten() {
        all.insert(name.clone(), value.clone());
    }
    for (name, value) in row {
        let value = match value {
            Value::String(text) if name.ends_with("_at") || name.ends_with("since") => {
                json!(instant(&text, place.start)?.to_string())
            }
            value => value,
        };
        all.insert(name, value);
    }
    let names: Vec<&str> = all.keys().map(String::as_str).collect();
    let names = names.join(", ");
    Ok(format!(
        "insert into ledger.{table} ({names}) overriding system value
         select {names} from jsonb_populate_record(null::ledger.{table}, {});\n",
        literal(&Value::Object(all.clone()).to_string())
    ))
}
