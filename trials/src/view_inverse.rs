//! The way back from a column of a view to the columns of the ledger it shows, read from the view's own SELECT. Pure.
//!
//! A select line that shows a column as it stands, in another unit, as the sum of some, or as the name of a number can be
//! turned round; so can what a view makes of it where a test has one row (`sum`, `max`) or leaves the rest unsaid
//! (`least`, `coalesce`, `case … when … then`). All else is computed: it is known what of, and the test sets that.

mod expression;
mod relation;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;
use sqlparser::{
    ast::{Query, Select, SelectItem, SetExpr, Statement},
    dialect::PostgreSqlDialect,
    parser::Parser,
};

use relation::{Relations, last_name};

/// What a view shows, and of which columns of the ledger.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ViewInverse {
    /// Tables the view reads, the one it is about first.
    pub(crate) tables: Vec<SourceTable>,
    /// Its columns by name.
    pub(crate) columns: BTreeMap<String, ColumnInverse>,
    /// Columns of different tables that are equal in every row of the view.
    pub(crate) equal: Vec<(LedgerPlace, LedgerPlace)>,
}

/// A table a view reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceTable {
    /// Its name within `ledger`.
    pub(crate) name: String,
    /// True if the view shows nothing where it has no row.
    pub(crate) is_needed: bool,
}

/// A column of one of the tables of a view.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LedgerPlace {
    /// Number of the table within [`ViewInverse::tables`].
    pub(crate) table: usize,
    /// Name of the column.
    pub(crate) column: String,
}

/// The way back from one column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ColumnInverse {
    /// It shows the sum of some columns, most often of one.
    Shown(ShownSum),
    /// It shows a name in place of a number that stands.
    AddressLabels {
        /// Where the number stands.
        harness: LedgerPlace,
        /// The numbers by name.
        numbers: BTreeMap<String, Value>,
    },
    /// It has no way back.
    Computed {
        /// The columns it is made of, as far as they are of the tables of the view.
        of: Vec<LedgerPlace>,
        /// The other tables of the ledger it is made of.
        from: Vec<String>,
    },
}

/// Columns that are added up and shown in a unit.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShownSum {
    /// The columns, and whether each is added or taken away.
    pub(crate) terms: Vec<SumTerm>,
    /// What one unit of the view is in the ledger: 1000 where cores are shown of thousandths.
    pub(crate) unit: f64,
}

/// A column within a sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SumTerm {
    /// The column.
    pub(crate) harness: LedgerPlace,
    /// True if it is taken away.
    pub(crate) is_negative: bool,
}

/// Why no row can be put behind a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoInverse {
    /// What it reads is made of rows of these tables of the ledger.
    MadeOf(Vec<String>),
    /// Its SELECT cannot be read.
    Unread(String),
}

impl ViewInverse {
    /// Reads the SELECT of a view.
    ///
    /// # Errors
    /// See [`NoInverse`].
    pub(crate) fn parse(sql: &str) -> Result<Self, NoInverse> {
        let statements = Parser::parse_sql(&PostgreSqlDialect {}, sql);
        let statements = statements.map_err(|error| NoInverse::Unread(error.to_string()))?;
        let made_of = || NoInverse::MadeOf(ledger_tables(sql));
        let Some(Statement::Query(query)) = statements.first() else {
            return Err(made_of());
        };
        let select = plain_select(query).ok_or_else(made_of)?;
        let relations = Relations::of(select).ok_or_else(made_of)?;
        let columns = select
            .projection
            .iter()
            .filter_map(|item| match item {
                SelectItem::ExprWithAlias { expr, alias } => {
                    Some((alias.value.clone(), relations.inverse(expr)))
                }
                SelectItem::UnnamedExpr(expr) => Some((last_name(expr)?, relations.inverse(expr))),
                _ => None,
            })
            .collect();
        let equal = relations.equal();
        Ok(Self {
            tables: relations.tables,
            columns,
            equal,
        })
    }
}

/// Tables of the ledger that a text names, for whoever has to give rows of them.
fn ledger_tables(sql: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for after in sql.split("ledger.").skip(1) {
        let name: String = after
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        // What is closed stands behind the same view as what is current.
        let name = name.strip_suffix("_history").map_or(name.clone(), str::to_owned);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn plain_select(query: &Query) -> Option<&Select> {
    match query.body.as_ref() {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => plain_select(query),
        _ => None,
    }
}
