//! The central site against the API server, object by object and field by field.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use serde_json::Value;

use crate::{
    cluster::TestCluster,
    database::LedgerDatabase,
    expected::{self, ExpectedRows, ExpectedValue, NOT_FROM_THE_API_SERVER},
};

/// Differences that are printed of each sort; all are counted.
const SHOWN: usize = 3;

/// What a comparison found.
#[derive(Debug, Clone, Default)]
pub struct ViewComparison {
    /// Objects by view.
    pub objects: BTreeMap<&'static str, usize>,
    /// Fields compared.
    pub fields: usize,
    /// How many differ.
    pub differences: usize,
    sorts: BTreeMap<String, (usize, Vec<String>)>,
}

/// Which rows are read.
#[derive(Debug, Clone, Copy)]
pub enum ViewSelection<'a> {
    /// `fleet.<view>`: now.
    Live,
    /// `fleet_asof.<view>` with `fleet.as_of` at this instant (text that PostgreSQL reads).
    AsOf(&'a str),
    /// `fleet.<view>_at(instant)`.
    At(&'a str),
}

/// Compares the current state of a cluster with what its API server says now.
pub async fn compare(cluster: &TestCluster, database: &LedgerDatabase, name: &str) -> ViewComparison {
    let expected = expected::rows(&cluster.list_all().await);
    compare_rows(&expected, database, name, ViewSelection::Live).await
}

/// Compares the current state, or stood, of the cluster called `name` with these rows.
pub async fn compare_rows(
    expected: &ExpectedRows,
    database: &LedgerDatabase,
    name: &str,
    asked: ViewSelection<'_>,
) -> ViewComparison {
    let mut comparison = ViewComparison::default();
    for view in ["namespace", "node", "workload", "pod", "container", "watchdog"] {
        let found = found_rows(database, view, name, asked).await;
        let wanted = expected.get(view).map(Vec::as_slice).unwrap_or_default();
        comparison.objects.insert(view, wanted.len());
        let mut found: HashMap<String, Value> = found.into_iter().map(|row| (key(view, &row), row)).collect();
        for row in wanted {
            match found.remove(&row.key) {
                Some(actual) => comparison.compare_row(view, row, &actual),
                None => comparison.differ(&format!("{view} is missing"), || row.key.clone()),
            }
        }
        for (key, row) in found {
            comparison.differ(&format!("{view} stands and should not"), || {
                format!("{key}: {row}")
            });
        }
    }
    comparison
}

/// The rows of one view; the connection's settings are as before afterwards.
async fn found_rows(
    database: &LedgerDatabase,
    view: &str,
    name: &str,
    asked: ViewSelection<'_>,
) -> Vec<Value> {
    match asked {
        ViewSelection::Live => {
            database
                .rows(
                    &format!("select * from fleet.{view} where cluster = $1"),
                    &[&name],
                )
                .await
        }
        ViewSelection::At(instant) => {
            let query = format!("select * from fleet.{view}_at('{instant}') where cluster = $1");
            database.rows(&query, &[&name]).await
        }
        ViewSelection::AsOf(instant) => {
            database
                .execute(&format!(
                    "set search_path = fleet_asof; set fleet.as_of = '{instant}'"
                ))
                .await;
            let rows = database
                .rows(&format!("select * from {view} where cluster = $1"), &[&name])
                .await;
            database.execute("reset search_path; reset fleet.as_of").await;
            rows
        }
    }
}

fn key(view: &str, row: &Value) -> String {
    let text = |column: &str| row[column].as_str().unwrap_or_default().to_owned();
    if view == "container" {
        format!("{}/{}", text("uid"), text("container"))
    } else {
        text("uid")
    }
}

impl ViewComparison {
    /// Panics unless everything is equal.
    #[track_caller]
    pub fn assert_equal(&self) {
        assert_eq!(self.differences, 0, "{self}");
    }

    /// `Ok` if everything is equal.
    ///
    /// # Errors
    /// Itself, for [`crate::deadline::eventually`].
    pub fn equal(self) -> Result<Self, Self> {
        if self.differences == 0 {
            Ok(self)
        } else {
            Err(self)
        }
    }

    /// Objects of all views; containers are parts of pods, not objects.
    #[must_use]
    pub fn object_count(&self) -> usize {
        self.objects
            .iter()
            .filter(|(view, _)| **view != "container")
            .map(|(_, count)| count)
            .sum()
    }

    fn compare_row(&mut self, view: &str, wanted: &expected::ExpectedRow, actual: &Value) {
        let actual = actual.as_object().unwrap();
        let judged: BTreeSet<&str> = wanted
            .columns
            .keys()
            .copied()
            .chain(NOT_FROM_THE_API_SERVER)
            .collect();
        for column in actual.keys().filter(|column| !judged.contains(column.as_str())) {
            self.differ(&format!("{view}.{column} has no oracle"), String::new);
        }
        for (column, want) in &wanted.columns {
            self.fields += 1;
            let found = actual.get(*column);
            if !found.is_some_and(|found| holds(want, found)) {
                self.differ(&format!("{view}.{column}"), || {
                    format!("{} should be {want:?} and is {found:?}", wanted.key)
                });
            }
        }
    }

    fn differ(&mut self, sort: &str, what: impl FnOnce() -> String) {
        self.differences += 1;
        let (count, shown) = self.sorts.entry(sort.to_owned()).or_default();
        *count += 1;
        if shown.len() < SHOWN {
            shown.push(what());
        }
    }
}

fn holds(want: &ExpectedValue, found: &Value) -> bool {
    match want {
        ExpectedValue::Same(value) => value == found,
        ExpectedValue::At(micros) => expected::micros(found) == *micros,
        ExpectedValue::Thousandths(None) => found.is_null(),
        ExpectedValue::Thousandths(Some(thousandths)) => found
            .as_f64()
            .is_some_and(|found| (found * 1000.0).round() == *thousandths as f64),
    }
}

impl fmt::Display for ViewComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let objects: Vec<String> = self
            .objects
            .iter()
            .map(|(view, count)| format!("{count} {view}"))
            .collect();
        write!(
            f,
            "{} objects ({}), {} fields, {} differences",
            self.object_count(),
            objects.join(", "),
            self.fields,
            self.differences
        )?;
        for (sort, (count, shown)) in &self.sorts {
            write!(f, "\n  {count} x {sort}, such as {}", shown.join("; "))?;
        }
        Ok(())
    }
}
