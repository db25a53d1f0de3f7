//! What a test puts into the ledger: rows of public views as versions of objects and rows of books.
//!
//! Which columns of which tables a row of a view stands for is found by [`FixtureRow`]; here an object's rows become its
//! versions. Rows travel as JSON and `jsonb_populate_recordset`, so that PostgreSQL knows the types.

use std::collections::BTreeMap;

use fleetledger_schema::{kind::RecordKind, postgres::literal};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::TestError;
use super::file::{FreshnessSpan, InputRow, TestCase, first_datacenter};
use super::fixture::{FixtureError, FixtureRow, RowPlacement, TableRow, cluster_uid};
use super::ledger_catalogue::{CatalogueTable, LedgerCatalogue};
use super::unremarkable::{DefaultValue, unremarkable};

/// A datacenter and a cluster of it.
pub(crate) type ClusterName = (String, String);

/// What a test puts into the ledger.
#[derive(Debug, Default)]
pub(crate) struct CaseLedger {
    /// Clusters and their small numbers.
    pub(crate) clusters: BTreeMap<ClusterName, i32>,
    /// Versions of objects by table and identity, in the order of their instants.
    objects: BTreeMap<(String, String), Vec<InputVersion>>,
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
    pub(crate) fn of(case: &TestCase, catalogue: &LedgerCatalogue) -> Result<Self, TestError> {
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
                let put = ledger.put(catalogue, input, index);
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

    fn put(&mut self, catalogue: &LedgerCatalogue, input: &InputRow, index: u32) -> Result<(), FixtureError> {
        let mut row = input.row.clone();
        for value in row.values_mut() {
            if let Value::String(text) = value {
                *text = text.replace('#', &index.to_string());
            }
        }
        let names_source = row.get("datacenter") != Some(&Value::Null);
        let datacenter = take_text(&mut row, "datacenter").unwrap_or_else(first_datacenter);
        let cluster = take_text(&mut row, "cluster").unwrap_or_else(|| "a".to_owned());
        let source = (datacenter, cluster);
        let placement = RowPlacement {
            cluster_id: self.cluster(&source.0, &source.1),
            source: &source,
            names_source,
            serial: self.bookkeeping_rows.len(),
            at: input.at.after(self.start),
            start: self.start,
        };
        match catalogue.table_of_objects(&input.table) {
            Some(table) => self.put_object(catalogue, table, &placement, input, index, row),
            None => {
                let fixture = FixtureRow::new(catalogue, &input.table, &row, &placement)?;
                self.put_book(catalogue, fixture, &placement);
                Ok(())
            }
        }
    }

    /// Books have no versions: a row takes the place of the one of the same key, from its instant on.
    fn put_book(&mut self, catalogue: &LedgerCatalogue, fixture: FixtureRow, placement: &RowPlacement<'_>) {
        let mut sql = String::new();
        for mut row in fixture.rows {
            if let Some(table) = catalogue.table(&row.table) {
                row.fill(table, placement.at, placement.start);
                sql += &row.sql(table);
            }
        }
        let at = placement.at;
        self.bookkeeping_rows.push(BookkeepingRow { at, sql });
    }

    fn put_object(
        &mut self,
        catalogue: &LedgerCatalogue,
        table: &CatalogueTable,
        placement: &RowPlacement<'_>,
        input: &InputRow,
        index: u32,
        mut row: Map<String, Value>,
    ) -> Result<(), FixtureError> {
        let view = input.table.as_str();
        for (name, default) in unremarkable(view) {
            if let DefaultValue::Value(value) = default {
                row.entry(name.to_owned()).or_insert(value);
            }
        }
        let text = |name: &str| {
            row.get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let (datacenter, cluster) = placement.source;
        let namespace = text("namespace");
        let names = match view {
            // A container's identity begins with its pod's.
            "container" | "pod" => format!("pod/{datacenter}/{cluster}/{namespace}/{}", text("pod")),
            name => format!("{name}/{datacenter}/{cluster}/{namespace}/{}", text(name)),
        };
        let many = if input.repeat > 1 && !input.row.values().any(has_number) {
            format!("/{index}")
        } else {
            String::new()
        };
        // A uid that is given by its text is of that text.
        let given = take_text(&mut row, "uid").or_else(|| take_text(&mut row, "uid_text"));
        let uid = given.unwrap_or(format!("{names}{many}"));
        row.insert("uid".to_owned(), Value::String(uid.clone()));
        let fixture = FixtureRow::new(catalogue, view, &row, placement)?;
        if let Some(owner) = fixture.of("namespace_team") {
            let team = owner
                .values
                .get("team")
                .and_then(Value::as_str)
                .unwrap_or_default();
            self.teams
                .insert((placement.cluster_id, namespace), team.to_owned());
        }
        let mut key = uid;
        if view == "container" {
            self.put_pod_of(catalogue, placement, &row, fixture.of("pod"), &key)?;
            key = format!(
                "{key}/{}",
                row.get("container").and_then(Value::as_str).unwrap_or_default()
            );
        }
        if let Some(own) = fixture.rows.into_iter().next() {
            self.put_version(table, placement, key, input.gone, own);
        }
        Ok(())
    }

    fn put_version(
        &mut self,
        table: &CatalogueTable,
        placement: &RowPlacement<'_>,
        key: String,
        gone: bool,
        mut row: TableRow,
    ) {
        let at = placement.at;
        row.fill(table, at, placement.start);
        let versions = self.objects.entry((row.table, key)).or_default();
        let row = row.values;
        versions.push(InputVersion { at, gone, row });
    }

    /// The pod of a container that the test does not spell out, with what the view `container` shows of it.
    fn put_pod_of(
        &mut self,
        catalogue: &LedgerCatalogue,
        placement: &RowPlacement<'_>,
        container: &Map<String, Value>,
        shown: Option<&TableRow>,
        uid: &str,
    ) -> Result<(), FixtureError> {
        let Some(table) = catalogue.table_of_objects("pod") else {
            return Err(FixtureError::NoView("pod".to_owned()));
        };
        if self.objects.contains_key(&("pod".to_owned(), uid.to_owned())) {
            return Ok(());
        }
        let mut pod = Map::new();
        for name in ["namespace", "pod", "node", "uid"] {
            if let Some(value) = container.get(name) {
                pod.insert(name.to_owned(), value.clone());
            }
        }
        let fixture = FixtureRow::new(catalogue, "pod", &pod, placement)?;
        if let Some(mut own) = fixture.rows.into_iter().next() {
            let of_container = shown.into_iter().flat_map(|shown| shown.values.clone());
            own.values.extend(of_container);
            self.put_version(table, placement, uid.to_owned(), false, own);
        }
        Ok(())
    }

    /// The current state before the first slot: clusters, owners, freshness; with `as_of` every version of every object.
    pub(crate) fn set_up(&self, as_of: bool) -> String {
        // The rows a test leaves out, such as a partition's topic, are not looked for.
        let mut sql = String::from("set local session_replication_role = replica;\n");
        let long_ago = literal(&self.long_ago());
        for (source, id) in &self.clusters {
            let ((datacenter, cluster), uid) = (source, &cluster_uid(source));
            sql += &format!(
                "insert into ledger.cluster (cluster_id, datacenter, cluster, cluster_uid, first_seen_at, source)
                 overriding system value values ({id}, {}, {}, {}, {long_ago}, {});\n",
                literal(datacenter),
                literal(cluster),
                literal(uid),
                self.origin(source).map_or_else(|| "null".to_owned(), literal)
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

    /// Where the objects of a cluster come from, if the test says it.
    fn origin(&self, source: &ClusterName) -> Option<&str> {
        let mut spans = self.freshness.iter();
        spans.find_map(|span| {
            let origin = span.source.as_deref();
            origin.filter(|_| (&span.datacenter, &span.cluster) == (&source.0, &source.1))
        })
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

fn has_number(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains('#'))
}

fn take_text(row: &mut Map<String, Value>, name: &str) -> Option<String> {
    match row.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}
