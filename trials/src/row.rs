//! A row of a public view as rows of the ledger's tables.
//!
//! The way back from `schema/postgres/views`: units become the ledger's, what is omitted gets a default that is
//! unremarkable, and an object's rows become its versions. Rows travel as JSON and `jsonb_populate_recordset`, so
//! that PostgreSQL knows the types.

use std::collections::BTreeMap;

use fleetledger_schema::{
    kind::RecordKind,
    postgres::literal,
    row::{ColumnType, LedgerColumn, LedgerTable, container_table, table},
};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::TestError;
use super::bookkeeping::{self, RowPlacement};
use super::file::{FreshnessSpan, InputRow, TestCase, TestOffset, first_datacenter};

/// A datacenter and a cluster of it.
pub(crate) type ClusterName = (String, String);

/// What a test puts into the ledger.
#[derive(Debug, Default)]
pub(crate) struct CaseLedger {
    /// Clusters and their small numbers.
    pub(crate) clusters: BTreeMap<ClusterName, i32>,
    /// Versions of objects by table and identity, in the order of their instants.
    objects: BTreeMap<(&'static str, String), Vec<InputVersion>>,
    /// Rows of the ingester's books.
    bookkeeping_rows: Vec<BookkeepingRow>,
    /// Owners of namespaces: cluster, namespace, team.
    teams: BTreeMap<(i32, String), String>,
    freshness: Vec<FreshnessSpan>,
    start: Timestamp,
}

#[derive(Debug)]
struct InputVersion {
    at: Timestamp,
    gone: bool,
    row: Map<String, Value>,
}

#[derive(Debug)]
struct BookkeepingRow {
    at: Timestamp,
    sql: String,
}

impl CaseLedger {
    /// The ledger of a test.
    pub(crate) fn of(case: &TestCase) -> Result<Self, TestError> {
        let mut ledger = Self {
            start: case.start_timestamp,
            freshness: case.freshness.clone(),
            ..Self::default()
        };
        for span in &case.freshness {
            ledger.cluster(&span.datacenter, &span.cluster);
        }
        for (number, input) in case.input_rows.iter().enumerate() {
            for index in 1..=input.repeat {
                let put = ledger.put(input, index);
                put.map_err(|why| {
                    TestError::Row(format!("test `{}`, input row {}: {why}", case.name, number + 1))
                })?;
            }
        }
        for versions in ledger.objects.values_mut() {
            versions.sort_by_key(|version| version.at);
        }
        Ok(ledger)
    }

    fn cluster(&mut self, datacenter: &str, cluster: &str) -> i32 {
        let next = i32::try_from(self.clusters.len())
            .unwrap_or(i32::MAX)
            .saturating_add(1);
        *self
            .clusters
            .entry((datacenter.to_owned(), cluster.to_owned()))
            .or_insert(next)
    }

    fn put(&mut self, input: &InputRow, index: u32) -> Result<(), String> {
        let mut row = input.row.clone();
        for value in row.values_mut() {
            if let Value::String(text) = value {
                *text = text.replace('#', &index.to_string());
            }
        }
        let names_source = row.get("datacenter") != Some(&Value::Null);
        let datacenter = take_text(&mut row, "datacenter").unwrap_or_else(first_datacenter);
        let cluster = take_text(&mut row, "cluster").unwrap_or_else(|| "a".to_owned());
        let at = input.at.after(self.start);
        let source = (datacenter, cluster);
        match table_of(&input.table) {
            Some(table) => self.put_object(table, &source, at, input, index, row),
            None => {
                let place = RowPlacement {
                    cluster_id: self.cluster(&source.0, &source.1),
                    source: &source,
                    names_source,
                    serial: self.bookkeeping_rows.len(),
                    at,
                    start: self.start,
                };
                let sql = bookkeeping::insert(&input.table, &place, row)?;
                self.bookkeeping_rows.push(BookkeepingRow { at, sql });
                Ok(())
            }
        }
    }

    fn put_object(
        &mut self,
        table: &'static LedgerTable,
        source: &ClusterName,
        at: Timestamp,
        input: &InputRow,
        index: u32,
        mut row: Map<String, Value>,
    ) -> Result<(), String> {
        let cluster_id = self.cluster(&source.0, &source.1);
        for (name, value) in defaults(table.name) {
            row.entry(name.to_owned()).or_insert(value);
        }
        if let Some(team) = take_text(&mut row, "team") {
            let namespace = row.get("namespace").and_then(Value::as_str).unwrap_or_default();
            self.teams.insert((cluster_id, namespace.to_owned()), team);
        }
        let text = |name: &str| {
            row.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let names = match table.name {
            // A container's identity begins with its pod's.
            "container" | "pod" => format!(
                "pod/{}/{}/{}/{}",
                source.0,
                source.1,
                text("namespace"),
                text("pod")
            ),
            name => format!(
                "{name}/{}/{}/{}/{}",
                source.0,
                source.1,
                text("namespace"),
                text(name)
            ),
        };
        let many = if input.repeat > 1 && !input.row.values().any(has_number) {
            format!("/{index}")
        } else {
            String::new()
        };
        let uid = take_text(&mut row, "uid").unwrap_or(format!("{names}{many}"));
        row.insert("uid".to_owned(), Value::String(uid.clone()));
        let mut key = uid;
        if table.name == "container" {
            self.put_pod_of(source, at, &mut row, &key)?;
            key = format!(
                "{key}/{}",
                row.get("container").and_then(Value::as_str).unwrap_or_default()
            );
        }
        let row = ledger_row(table, cluster_id, at, self.start, row)?;
        let versions = self.objects.entry((table.name, key)).or_default();
        versions.push(InputVersion {
            at,
            gone: input.gone,
            row,
        });
        Ok(())
    }

    /// The pod of a container that the test does not spell out: what the view `container` shows of it.
    fn put_pod_of(
        &mut self,
        source: &ClusterName,
        at: Timestamp,
        row: &mut Map<String, Value>,
        uid: &str,
    ) -> Result<(), String> {
        let mut pod = Map::new();
        for name in ["workload_kind", "workload", "phase"] {
            if let Some(value) = row.remove(name) {
                pod.insert(name.to_owned(), value);
            }
        }
        if self.objects.contains_key(&("pod", uid.to_owned())) {
            return Ok(());
        }
        for name in ["namespace", "pod", "node", "uid"] {
            if let Some(value) = row.get(name) {
                pod.insert(name.to_owned(), value.clone());
            }
        }
        for (name, value) in defaults("pod") {
            pod.entry(name.to_owned()).or_insert(value);
        }
        let cluster_id = self.cluster(&source.0, &source.1);
        let row = ledger_row(table(RecordKind::Pod), cluster_id, at, self.start, pod)?;
        let version = InputVersion { at, gone: false, row };
        self.objects.insert(("pod", uid.to_owned()), vec![version]);
        Ok(())
    }

    /// The current state before the first slot: clusters, owners, freshness; with `as_of` every version of every object.
    pub(crate) fn set_up(&self, as_of: bool) -> String {
        let mut sql = String::new();
        let long_ago = literal(&self.long_ago());
        for ((datacenter, cluster), id) in &self.clusters {
            sql += &format!(
                "insert into ledger.cluster (cluster_id, datacenter, cluster, cluster_uid, first_seen_at)
                 overriding system value values ({id}, {}, {}, {}, {long_ago});\n",
                literal(datacenter),
                literal(cluster),
                literal(&format!("uid-{datacenter}-{cluster}"))
            );
        }
        for ((id, namespace), team) in &self.teams {
            sql += &format!(
                "insert into ledger.namespace_team values ({id}, {}, {}, {long_ago});\n",
                literal(namespace),
                literal(team)
            );
        }
        for (source, id) in &self.clusters {
            for kind in RecordKind::TOPICS {
                let until = self.known_until(source, kind.as_str());
                let until =
                    until.map_or_else(|| "'infinity'".to_owned(), |until| literal(&until.to_string()));
                let number = kind.number();
                sql += &format!(
                    "insert into ledger.freshness values ({id}, {number}, {until}, {until});
                     insert into ledger.freshness_history values ({id}, {number}, {long_ago}, {until});\n"
                );
            }
        }
        if as_of {
            sql += &self.versions();
            self.bookkeeping_rows.iter().for_each(|row| sql += &row.sql);
        }
        sql
    }

    /// What changes after `from` (all that came before, without it) up to `to`, for a test on schema `fleet`.
    pub(crate) fn changes(&self, from: Option<Timestamp>, to: Timestamp) -> String {
        let due = |at: Timestamp| at <= to && from.is_none_or(|from| at > from);
        let mut sql = String::new();
        for ((table, _), versions) in &self.objects {
            for version in versions.iter().filter(|version| due(version.at)) {
                let uid = version.row.get("uid").and_then(Value::as_str).unwrap_or_default();
                let container = version.row.get("container").and_then(Value::as_str);
                let container = container.map(|name| format!(" and container = {}", literal(name)));
                sql += &format!(
                    "delete from ledger.{table} where uid = {}{};\n",
                    literal(uid),
                    container.unwrap_or_default()
                );
                if !version.gone {
                    sql += &insert(table, "", &[Value::Object(version.row.clone())]);
                }
            }
        }
        for row in self.bookkeeping_rows.iter().filter(|book| due(book.at)) {
            sql += &row.sql;
        }
        // Live views subtract it from the slot, which they cannot do with infinity.
        sql + &format!(
            "update ledger.freshness as f set observed_at = least(h.observed_at, {})
             from ledger.freshness_history as h where h.cluster_id = f.cluster_id and h.kind = f.kind;\n",
            literal(&to.to_string())
        )
    }

    fn versions(&self) -> String {
        let mut current: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        let mut closed: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for ((table, _), versions) in &self.objects {
            let ends = versions.iter().skip(1).map(Some).chain([None]);
            for (version, next) in versions.iter().zip(ends) {
                let mut row = version.row.clone();
                match next {
                    _ if version.gone => {}
                    None => current.entry(table).or_default().push(Value::Object(row)),
                    Some(next) => {
                        row.insert("valid_to".to_owned(), json!(next.at.to_string()));
                        let reason = if next.gone { "deleted" } else { "changed" };
                        row.insert("closed_reason".to_owned(), json!(reason));
                        closed.entry(table).or_default().push(Value::Object(row));
                    }
                }
            }
        }
        let mut sql = String::new();
        for (table, rows) in &current {
            sql += &insert(table, "", rows);
        }
        for (table, rows) in &closed {
            sql += &insert(table, "_history", rows);
        }
        sql
    }

    /// Up to when a source is known; `None` = throughout.
    pub(crate) fn known_until(&self, source: &ClusterName, kind: &str) -> Option<Timestamp> {
        let spans = self.freshness.iter().filter(|span| {
            span.datacenter == source.0
                && span.cluster == source.1
                && span.kind.as_deref().is_none_or(|k| k == kind)
        });
        spans.map(|span| span.until.after(self.start)).min()
    }

    fn long_ago(&self) -> String {
        let year = SignedDuration::from_hours(365 * 24);
        self.start.checked_sub(year).unwrap_or(self.start).to_string()
    }
}

fn insert(table: &str, suffix: &str, rows: &[Value]) -> String {
    let json = Value::from(rows.to_vec()).to_string();
    let target = format!("ledger.{table}{suffix}");
    format!(
        "insert into {target} select * from jsonb_populate_recordset(null::{target}, {});\n",
        literal(&json)
    )
}

/// A view's row in the ledger's columns and units.
fn ledger_row(
    table: &LedgerTable,
    cluster_id: i32,
    at: Timestamp,
    start: Timestamp,
    row: Map<String, Value>,
) -> Result<Map<String, Value>, String> {
    let mut out = Map::new();
    for column in table.columns.iter().filter(|column| column.not_null) {
        out.insert(column.name.to_owned(), empty(column, start));
    }
    for name in table.meta {
        let value = match *name {
            "valid_from" | "observed_at" | "landed_at" => json!(at.to_string()),
            "unknown" => Value::Null,
            "reader_version" => json!(1),
            _ => json!(0),
        };
        out.insert((*name).to_owned(), value);
    }
    for (name, value) in row {
        let (ledger_name, factor) = ledger_column(&name);
        let column = table.columns.iter().find(|column| column.name == ledger_name);
        let Some(column) = column else {
            return Err(format!(
                "view {} has no column `{name}` that can be given",
                table.name
            ));
        };
        out.insert(ledger_name, convert(column, factor, value, start)?);
    }
    out.insert("cluster_id".to_owned(), json!(cluster_id));
    Ok(out)
}

/// Column of the ledger behind a view's column, and what one unit of the view is there.
fn ledger_column(name: &str) -> (String, f64) {
    let resources = ["capacity", "allocatable", "request", "limit", "overhead"];
    for resource in resources {
        for (prefix, suffix, ledger, factor) in [
            ("cpu", "_cores", "cpu_millicores", 1000.0),
            ("memory", "_bytes", "memory_bytes", 1.0),
            ("ephemeral_storage", "_bytes", "ephemeral_storage_bytes", 1.0),
            ("gpu", "", "gpu_millis", 1000.0),
            ("pods", "", "pods", 1.0),
            ("other", "", "other", 1.0),
        ] {
            if name == format!("{prefix}_{resource}{suffix}") {
                return (format!("{resource}_{ledger}"), factor);
            }
        }
    }
    (name.to_owned(), 1.0)
}

fn convert(column: &LedgerColumn, factor: f64, value: Value, start: Timestamp) -> Result<Value, String> {
    Ok(match (column.column_type, value) {
        (ColumnType::Timestamptz, Value::String(text)) => json!(instant(&text, start)?.to_string()),
        (ColumnType::Timestamptz, Value::Number(number)) if number.as_i64() == Some(0) => {
            json!(start.to_string())
        }
        (ColumnType::Jsonb, mut value) => {
            convert_nested(&mut value, start)?;
            value
        }
        (_, Value::Number(number)) if factor > 1.0 => {
            let size = number.as_f64().unwrap_or_default() * factor;
            // Thousandths of a core or card: far within 2^53.
            Value::from(size.round() as i64)
        }
        (_, value) => value,
    })
}

/// Instants within conditions, taints and the like stand as microseconds.
fn convert_nested(value: &mut Value, start: Timestamp) -> Result<(), String> {
    match value {
        Value::Array(values) => values
            .iter_mut()
            .try_for_each(|value| convert_nested(value, start)),
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name.ends_with("_at") || name.ends_with("_since") => {
                        *value = json!(instant(text, start)?.as_microsecond());
                    }
                    value => convert_nested(value, start)?,
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// An offset from the start, or an instant.
pub(crate) fn instant(text: &str, start: Timestamp) -> Result<Timestamp, String> {
    match TestOffset::parse(text) {
        Some(offset) => Ok(offset.after(start)),
        None => text
            .parse()
            .map_err(|_| format!("`{text}` is neither an offset such as 14m or -3d nor an instant")),
    }
}

/// What a column that is never NULL holds where nothing is said.
fn empty(column: &LedgerColumn, start: Timestamp) -> Value {
    let lists = ["taints", "conditions", "addresses", "host_path_mounts", "failing"];
    match column.column_type {
        ColumnType::Text => json!(""),
        ColumnType::TextArray => json!([]),
        ColumnType::Jsonb if lists.contains(&column.name) => json!([]),
        ColumnType::Jsonb => json!({}),
        ColumnType::Bigint | ColumnType::Integer => json!(0),
        ColumnType::Boolean => json!(false),
        ColumnType::Timestamptz => {
            let month = SignedDuration::from_hours(30 * 24);
            json!(start.checked_sub(month).unwrap_or(start).to_string())
        }
    }
}

/// An unremarkable object of each view.
fn defaults(table: &str) -> Vec<(&'static str, Value)> {
    match table {
        "node" => vec![
            ("node", json!("n1")),
            ("ready_status", json!("True")),
            ("ready_reason", json!("KubeletReady")),
            ("ready_since", json!("-30d")),
            ("kernel_version", json!("6.8.0")),
            ("kubelet_version", json!("v1.35.4")),
            ("boot_id", json!("boot-1")),
        ],
        "pod" => vec![
            ("namespace", json!("shop")),
            ("pod", json!("p1")),
            ("node", json!("n1")),
            ("phase", json!("Running")),
            ("ready", json!(true)),
            ("restart_policy", json!("Always")),
            ("owner_resolved", json!(true)),
        ],
        "container" => vec![
            ("namespace", json!("shop")),
            ("pod", json!("p1")),
            ("node", json!("n1")),
            ("container", json!("app")),
            ("container_type", json!("app")),
            ("image", json!("registry.example/app:v1")),
            ("state", json!("running")),
            ("ready", json!(true)),
        ],
        "namespace" => vec![("namespace", json!("shop")), ("phase", json!("Active"))],
        "workload" => vec![
            ("namespace", json!("shop")),
            ("workload_kind", json!("Deployment")),
            ("workload", json!("web")),
        ],
        "watchdog" => vec![
            ("watchdog", json!("disk")),
            ("scope", json!("Node")),
            ("check_name", json!("disk")),
            ("state", json!("OK")),
            ("healthy_status", json!("True")),
            ("reporting_status", json!("True")),
        ],
        _ => Vec::new(),
    }
}

fn table_of(view: &str) -> Option<&'static LedgerTable> {
    match view {
        "container" => Some(container_table()),
        view => RecordKind::parse(view).map(table),
    }
}

fn has_number(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains('#'))
}

fn take_text(row: &mut Map<String, Value>, name: &str) -> Option<String> {
    match row.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
