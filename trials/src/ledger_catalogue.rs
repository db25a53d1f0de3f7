//! What trials assume of the schema, all in one place: tables and views of the throw-away database, as PostgreSQL
//! describes them once they are made, and what [`fleetledger_schema`] says of the tables that records fill.
//!
//! Nothing here names a column of a kind: a column that a migration, a record's schema or a view gains is known to
//! tests of rules as soon as it is there.

use std::collections::BTreeMap;

use fleetledger_schema::{
    codec::{SchemaSubject, own_schema},
    kind::RecordKind,
    postgres::documented_views,
    row::{self, container_table, table},
};
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::TestError;
use super::database::database_error;
use super::view_inverse::{NoInverse, ViewInverse};

/// Columns of every table of the ledger, with those of its primary key by number.
const TABLES: &str = "
select c.relname::text, a.attname::text, format_type(a.atttypid, null), a.attnotnull,
    a.atthasdef or a.attidentity <> '', a.attnum = any (coalesce(i.indkey::int2[], '{}'))
from pg_class as c
join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_index as i on i.indrelid = c.oid and i.indisprimary
where c.relnamespace = 'ledger'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
order by c.oid, a.attnum";

/// The SELECT of every view of the public contract.
const VIEWS: &str = "
select c.relname::text, pg_get_viewdef(c.oid, true)
from pg_class as c
where c.relnamespace = 'fleet'::regnamespace and c.relkind = 'v'";

/// Tables and views of the throw-away database.
#[derive(Debug, Default)]
pub(crate) struct LedgerCatalogue {
    tables: BTreeMap<String, CatalogueTable>,
    views: BTreeMap<String, Result<ViewInverse, NoInverse>>,
}

/// A table of the ledger.
#[derive(Debug, Default)]
pub(crate) struct CatalogueTable {
    /// Columns, in order.
    pub(crate) columns: Vec<CatalogueColumn>,
    /// What records fill it with; `None` for the ingester's and the rating's own books.
    pub(crate) of_records: Option<RecordTable>,
}

/// A column of a table of the ledger.
#[derive(Debug, Clone)]
pub(crate) struct CatalogueColumn {
    /// Its name.
    pub(crate) name: String,
    /// Its type, as the catalogue prints it.
    pub(crate) column_type: String,
    /// True if it is never NULL.
    pub(crate) is_not_null: bool,
    /// True if PostgreSQL fills it where nothing is said.
    pub(crate) has_default: bool,
    /// True if it is part of the primary key.
    pub(crate) is_key: bool,
}

/// A table that records fill, and of which it has the history.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecordTable {
    /// As the schema describes it.
    pub(crate) table: &'static row::LedgerTable,
    /// The kind whose record fills it.
    kind: RecordKind,
}

impl LedgerCatalogue {
    /// Asks a migrated database.
    pub(crate) async fn read(client: &Client) -> Result<Self, TestError> {
        let rows = client.query(TABLES, &[]).await;
        let rows = rows.map_err(database_error("read the tables of the throw-away database"))?;
        let mut tables: BTreeMap<String, CatalogueTable> = BTreeMap::new();
        for row in rows {
            let name: String = row.get(0);
            let table = tables.entry(name.clone()).or_insert_with(|| CatalogueTable {
                of_records: RecordTable::named(&name),
                ..CatalogueTable::default()
            });
            table.columns.push(CatalogueColumn {
                name: row.get(1),
                column_type: row.get(2),
                is_not_null: row.get(3),
                has_default: row.get(4),
                is_key: row.get(5),
            });
        }
        let rows = client.query(VIEWS, &[]).await;
        let rows = rows.map_err(database_error("read the views of the throw-away database"))?;
        let documented = documented_views().map_err(database_error("read the views' files"))?;
        let views = rows.iter().filter_map(|row| {
            let name: String = row.get(0);
            let is_documented = documented.iter().any(|view| view.name == name);
            is_documented.then(|| (name, ViewInverse::parse(row.get(1))))
        });
        Ok(Self {
            views: views.collect(),
            tables,
        })
    }

    /// The way back from a view to the ledger; `None` if there is no such view.
    pub(crate) fn view(&self, name: &str) -> Option<&Result<ViewInverse, NoInverse>> {
        self.views.get(name)
    }

    /// Views whose rows are rows of a table.
    pub(crate) fn views_about<'c>(&'c self, table: &'c str) -> impl Iterator<Item = &'c str> {
        let views = self.views.iter().filter(move |(_, view)| {
            let first = view.as_ref().ok().and_then(|view| view.tables.first());
            first.is_some_and(|first| first.name == table)
        });
        views.map(|(name, _)| name.as_str())
    }

    /// The table of objects, with versions, that a view of the same name is about.
    pub(crate) fn table_of_objects(&self, view: &str) -> Option<&CatalogueTable> {
        self.table(view).filter(|table| table.of_records.is_some())
    }

    /// A table of the ledger.
    pub(crate) fn table(&self, name: &str) -> Option<&CatalogueTable> {
        self.tables.get(name)
    }
}

impl CatalogueTable {
    /// A column of it.
    pub(crate) fn column(&self, name: &str) -> Option<&CatalogueColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns of its primary key.
    pub(crate) fn key(&self) -> impl Iterator<Item = &str> {
        let key = self.columns.iter().filter(|column| column.is_key);
        key.map(|column| column.name.as_str())
    }
}

impl RecordTable {
    fn named(name: &str) -> Option<Self> {
        if name == container_table().name {
            return Some(Self {
                table: container_table(),
                kind: RecordKind::Pod,
            });
        }
        // Usage is added up and has no versions.
        let mut kinds = RecordKind::TOPICS
            .into_iter()
            .filter(|kind| *kind != RecordKind::Usage);
        let kind = kinds.find(|kind| table(*kind).name == name)?;
        Some(Self {
            table: table(kind),
            kind,
        })
    }

    /// `[]` or `{}`: what a column of JSON holds where nothing is said, which is the default of the field of its name
    /// in what travels; columns of other names hold one member of a field, and those are maps.
    pub(crate) fn empty_json(&self, column: &str) -> Value {
        let schema = own_schema(SchemaSubject::Kind(self.kind));
        let schema: Value = serde_json::from_str(schema.json()).unwrap_or_default();
        let fields = schema.get("fields").and_then(Value::as_array);
        let mut fields = fields.into_iter().flatten();
        let own = fields.find(|field| field.get("name").and_then(Value::as_str) == Some(column));
        let default = own.and_then(|field| field.get("default"));
        default
            .filter(|default| default.is_array())
            .cloned()
            .unwrap_or_else(|| json!({}))
    }
}

impl CatalogueColumn {
    /// True if it holds an instant.
    pub(crate) fn is_instant(&self) -> bool {
        self.column_type == "timestamp with time zone"
    }

    /// True if it holds JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.column_type == "jsonb"
    }
}
