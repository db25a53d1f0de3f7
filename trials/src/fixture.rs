//! A row of a view, as a test gives it, as rows of the tables the view reads. Pure.
//!
//! Columns go back by [`ViewInverse`]; what a test leaves unsaid is [unremarkable](super::unremarkable), and what is never
//! NULL and nobody speaks of is empty.

mod draft;
mod value;

use fleetledger_schema::{object_uid::ObjectUid, postgres::literal};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::ledger_catalogue::{CatalogueTable, LedgerCatalogue};
use super::row::ClusterName;
use super::view_inverse::{NoInverse, ViewInverse};
use draft::FixtureDraft;
use value::empty;

/// Tables that a test fills by what it says of `freshness`, and by naming clusters.
const OF_SOURCES: [&str; 2] = ["cluster", "freshness"];

/// Where and when a row of a test stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowPlacement<'p> {
    /// Number of its cluster.
    pub(crate) cluster_id: i32,
    /// Its datacenter and cluster.
    pub(crate) source: &'p ClusterName,
    /// False for a record whose source cannot be read: `datacenter: null`.
    pub(crate) names_source: bool,
    /// Number of the row among those of the test.
    pub(crate) serial: usize,
    /// From when on it stands.
    pub(crate) at: Timestamp,
    /// Begin of the test, from which offsets count.
    pub(crate) start: Timestamp,
}

/// Rows of the ledger that one row of a view stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FixtureRow {
    /// Rows by table, the one the view is about first.
    pub(crate) rows: Vec<TableRow>,
}

/// A row of a table of the ledger, as far as a test or an unremarkable row speaks of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableRow {
    /// The table, within `ledger`.
    pub(crate) table: String,
    /// Values by column.
    pub(crate) values: Map<String, Value>,
}

/// Why a row of a view cannot be put into the ledger.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FixtureError {
    /// There is no such view.
    #[error("view `{0}` not found; docs/sql-reference.md lists the views")]
    NoView(String),
    /// A view is made of rows of others.
    #[error("rows of view `{view}` are computed; give rows of {instead} instead")]
    ComputedView {
        /// The view.
        view: String,
        /// The views whose rows it is made of.
        instead: String,
    },
    /// A view shows clusters, which a test names by giving rows of other views.
    #[error(
        "rows of view `{0}` are created for the clusters that other rows name; set with `freshness:` until \
         when they are known"
    )]
    OfSources(String),
    /// A view has no such column.
    #[error("view `{view}` has no column `{column}`; docs/sql-reference.md lists its columns")]
    NoColumn {
        /// The view.
        view: String,
        /// The column.
        column: String,
    },
    /// A column is computed from others.
    #[error("column `{column}` of view `{view}` is computed and cannot be set; {instead}")]
    ComputedColumn {
        /// The view.
        view: String,
        /// The column.
        column: String,
        /// What to set.
        instead: String,
    },
    /// A column says when the row began, which the row says itself.
    #[error("column `{0}` is the instant from which the row is valid; set `at` beside `row`")]
    RowInstant(String),
    /// A name is none of those that a view shows.
    #[error("{value} is not a `{column}`; write one of {load_known_labels}")]
    NoName {
        /// The column.
        column: String,
        /// What was given.
        value: String,
        /// What may be given.
        load_known_labels: String,
    },
    /// A value is no number.
    #[error("column `{column}`: {value} is not a number")]
    NoNumber {
        /// The column.
        column: String,
        /// What was given.
        value: String,
    },
    /// A text is no instant.
    #[error("`{0}` is neither an offset such as 14m or -3d nor an instant")]
    NoInstant(String),
}

impl FixtureRow {
    /// The rows behind a row of `view`.
    pub(crate) fn new(
        catalogue: &LedgerCatalogue,
        view: &str,
        given: &Map<String, Value>,
        placement: &RowPlacement<'_>,
    ) -> Result<Self, FixtureError> {
        let inverse = inverse_of(catalogue, view)?;
        let mut draft = FixtureDraft::new(catalogue, view, inverse, placement);
        draft.give_all(given)?;
        draft.add_unremarkable(given)?;
        Ok(draft.record_run())
    }

    /// The row of a table, if the test speaks of it.
    pub(crate) fn of(&self, table: &str) -> Option<&TableRow> {
        self.rows.iter().find(|row| row.table == table)
    }
}

/// The way back from a view whose rows can be given.
fn inverse_of<'c>(catalogue: &'c LedgerCatalogue, view: &str) -> Result<&'c ViewInverse, FixtureError> {
    let inverse = match catalogue.view(view) {
        None => return Err(FixtureError::NoView(view.to_owned())),
        Some(Ok(inverse)) => inverse,
        Some(Err(NoInverse::Unread(why))) => {
            return Err(FixtureError::ComputedView {
                view: view.to_owned(),
                instead: format!("other views, since its SELECT cannot be read: {why}"),
            });
        }
        Some(Err(NoInverse::MadeOf(tables))) => {
            return Err(FixtureError::ComputedView {
                view: view.to_owned(),
                instead: views_about(catalogue, tables.iter().map(String::as_str))
                    .unwrap_or_else(|| "the views it is made of".to_owned()),
            });
        }
    };
    let is_of_sources = |table: &str| OF_SOURCES.contains(&table);
    if inverse
        .tables
        .first()
        .is_some_and(|first| is_of_sources(&first.name))
    {
        return Err(FixtureError::OfSources(view.to_owned()));
    }
    Ok(inverse)
}

/// Views whose rows are rows of some tables, for a message.
fn views_about<'t>(catalogue: &LedgerCatalogue, tables: impl Iterator<Item = &'t str>) -> Option<String> {
    let mut views: Vec<String> = Vec::new();
    for table in tables.filter(|table| !OF_SOURCES.contains(table)) {
        views.extend(catalogue.views_about(table).map(|view| format!("`{view}`")));
    }
    views.dedup();
    (!views.is_empty()).then(|| views.join(" or "))
}

impl TableRow {
    /// Empty values for what is never NULL and nobody speaks of.
    pub(crate) fn fill(&mut self, table: &CatalogueTable, at: Timestamp, start: Timestamp) {
        self.spell_uids(table);
        for column in table.columns.iter().filter(|column| column.is_not_null) {
            // Rows of records are written with all of their columns.
            if column.has_default && table.of_records.is_none() {
                continue;
            }
            let values = &mut self.values;
            values
                .entry(column.name.clone())
                .or_insert_with(|| empty(table, column, at, start));
        }
    }

    /// Any text may be a uid in a test: it becomes the uuid that the ingester would make of it, and is kept beside it.
    fn spell_uids(&mut self, table: &CatalogueTable) {
        for column in table.columns.iter().filter(|column| column.column_type == "uuid") {
            let Some(Value::String(text)) = self.values.get(&column.name) else {
                continue;
            };
            let (uid, kept) = (ObjectUid::of(text).to_string(), ObjectUid::kept_text(text));
            let kept = kept.map(|text| Value::String(text.to_owned()));
            self.values.insert(column.name.clone(), Value::String(uid));
            let beside = format!("{}_text", column.name);
            if let Some(kept) = kept.filter(|_| table.columns.iter().any(|column| column.name == beside)) {
                self.values.insert(beside, kept);
            }
        }
    }

    /// The statement that writes it, in place of the row of the same key.
    pub(crate) fn sql(&self, table: &CatalogueTable) -> String {
        let name = &self.table;
        let mut conditions = Vec::new();
        for key in table.key() {
            match self.values.get(key) {
                None | Some(Value::Null) => {
                    conditions.clear();
                    break;
                }
                Some(Value::String(text)) => conditions.push(format!("{key} = {}", literal(text))),
                Some(value) => conditions.push(format!("{key} = {value}")),
            }
        }
        let before = match conditions.is_empty() {
            true => String::new(),
            false => format!("delete from ledger.{name} where {};\n", conditions.join(" and ")),
        };
        let columns: Vec<&str> = self.values.keys().map(String::as_str).collect();
        let columns = columns.join(", ");
        let values = literal(&Value::Object(self.values.clone()).to_string());
        format!(
            "{before}insert into ledger.{name} ({columns}) overriding system value
             select {columns} from jsonb_populate_record(null::ledger.{name}, {values});\n"
        )
    }
}

/// Uid of a cluster of a test.
pub(crate) fn cluster_uid((datacenter, cluster): &ClusterName) -> String {
    format!("uid-{datacenter}-{cluster}")
}
