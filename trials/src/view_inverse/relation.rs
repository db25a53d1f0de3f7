//! What a SELECT reads: tables of the ledger, lists of names, and what is neither, by alias.

use std::collections::BTreeMap;

use serde_json::Value;
use sqlparser::ast::{
    BinaryOperator, Expr, Ident, Join, JoinConstraint, JoinOperator, ObjectName, ObjectNamePart, Query,
    Select, SelectItem, SetExpr, TableFactor, TableWithJoins,
};

use super::expression::{constant, strip_parentheses};
use super::{LedgerPlace, SourceTable, ledger_tables, plain_select};

/// The current state behind an alias.
#[derive(Debug)]
pub(super) enum Relation {
    /// A table, or a subquery that only chooses among its rows, with the columns it renames.
    Table(usize),
    /// A list of numbers and names: the columns' names, and the rows.
    List(Vec<String>, Vec<Vec<Value>>),
    /// Anything else, made of these tables of the ledger.
    Other(Vec<String>),
}

/// What a SELECT reads, by alias.
#[derive(Debug, Default)]
pub(super) struct Relations {
    pub(super) tables: Vec<SourceTable>,
    pub(super) by_alias: BTreeMap<String, Relation>,
    /// Aliases in order, for what `using` joins.
    pub(super) order: Vec<String>,
    /// Equalities of joins, each of two columns by alias and name.
    pub(super) joined: Vec<((String, String), (String, String))>,
}

impl Relations {
    /// `None` if what comes first is no table of the ledger.
    pub(super) fn of(select: &Select) -> Option<Self> {
        let mut relations = Self::default();
        for from in &select.from {
            relations.add_all(from, true);
        }
        let first = relations.order.first()?;
        matches!(relations.by_alias.get(first), Some(Relation::Table(0))).then_some(relations)
    }

    fn add_all(&mut self, from: &TableWithJoins, is_needed: bool) {
        self.add(&from.relation, is_needed);
        for join in &from.joins {
            self.add_join(join);
        }
    }

    fn add_join(&mut self, join: &Join) {
        let (constraint, is_needed) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => (Some(constraint), true),
            JoinOperator::CrossJoin(_) => (None, true),
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => (Some(constraint), false),
            _ => (None, false),
        };
        let before: Vec<String> = self.order.clone();
        self.add(&join.relation, is_needed);
        let Some(alias) = self.order.get(before.len()).cloned() else {
            return;
        };
        match constraint {
            Some(JoinConstraint::On(condition)) => self.add_equalities(condition),
            Some(JoinConstraint::Using(names)) => {
                for name in names.iter().filter_map(simple_name) {
                    for other in &before {
                        let pair = ((other.clone(), name.clone()), (alias.clone(), name.clone()));
                        self.joined.push(pair);
                    }
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, factor: &TableFactor, is_needed: bool) {
        match factor {
            TableFactor::NestedJoin { table_with_joins, .. } => self.add_all(table_with_joins, is_needed),
            TableFactor::Table { name, alias, .. } => {
                let table = ledger_name(name);
                let alias = alias.as_ref().map(|alias| alias.name.value.clone());
                let alias = alias
                    .or_else(|| name.0.last().and_then(part_name))
                    .unwrap_or_default();
                let relation = match table {
                    Some(table) => self.table(table, is_needed),
                    None => Relation::Other(Vec::new()),
                };
                self.put(alias, relation);
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let Some(alias) = alias else { return };
                let names = alias.columns.iter().map(|column| column.name.value.clone());
                let relation = match subquery.body.as_ref() {
                    SetExpr::Values(values) => {
                        let rows = values.rows.iter();
                        let rows = rows.map(|row| row.iter().map(constant).collect()).collect();
                        Relation::List(names.collect(), rows)
                    }
                    _ => match chosen_table(subquery) {
                        Some(table) => self.table(table, is_needed),
                        None => Relation::Other(ledger_tables(&subquery.to_string())),
                    },
                };
                self.put(alias.name.value.clone(), relation);
            }
            _ => {}
        }
    }

    fn table(&mut self, name: String, is_needed: bool) -> Relation {
        self.tables.push(SourceTable { name, is_needed });
        Relation::Table(self.tables.len() - 1)
    }

    fn put(&mut self, alias: String, relation: Relation) {
        self.order.push(alias.clone());
        self.by_alias.insert(alias, relation);
    }

    fn add_equalities(&mut self, condition: &Expr) {
        match condition {
            Expr::Nested(inner) => self.add_equalities(inner),
            Expr::BinaryOp {
                left,
                op: BinaryOperator::And,
                right,
            } => {
                self.add_equalities(left);
                self.add_equalities(right);
            }
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Eq,
                right,
            } => {
                if let (Some(left), Some(right)) = (self.alias_and_name(left), self.alias_and_name(right)) {
                    self.joined.push((left, right));
                }
            }
            _ => {}
        }
    }

    /// Equal columns of tables. What `using` pairs with tables that lack the column is left to whoever knows the tables.
    pub(super) fn equal(&self) -> Vec<(LedgerPlace, LedgerPlace)> {
        let pairs = self.joined.iter();
        pairs
            .filter_map(|(left, right)| Some((self.harness(left)?, self.harness(right)?)))
            .collect()
    }

    pub(super) fn harness(&self, (alias, column): &(String, String)) -> Option<LedgerPlace> {
        match self.by_alias.get(alias)? {
            Relation::Table(table) => Some(LedgerPlace {
                table: *table,
                column: column.clone(),
            }),
            _ => None,
        }
    }

    /// `p.node`, or `node` where there is only one it can be of.
    pub(super) fn alias_and_name(&self, expr: &Expr) -> Option<(String, String)> {
        match strip_parentheses(expr) {
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [alias, name] => Some((alias.value.clone(), name.value.clone())),
                _ => None,
            },
            Expr::Identifier(name) => match self.order.as_slice() {
                [only] => Some((only.clone(), name.value.clone())),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The table whose rows a subquery chooses, if it shows their columns as they stand.
fn chosen_table(query: &Query) -> Option<String> {
    let select = plain_select(query)?;
    let [from] = select.from.as_slice() else {
        return None;
    };
    let TableFactor::Table { name, .. } = &from.relation else {
        return None;
    };
    let is_unchanged = |item: &SelectItem| match item {
        SelectItem::UnnamedExpr(expr) => last_name(expr).is_some(),
        SelectItem::ExprWithAlias { expr, alias } => last_name(expr).as_ref() == Some(&alias.value),
        _ => false,
    };
    let is_plain = from.joins.is_empty() && select.projection.iter().all(is_unchanged);
    is_plain.then(|| ledger_name(name))?
}

fn ledger_name(name: &ObjectName) -> Option<String> {
    match name.0.as_slice() {
        [schema, table] if part_name(schema).as_deref() == Some("ledger") => part_name(table),
        _ => None,
    }
}

pub(super) fn part_name(part: &ObjectNamePart) -> Option<String> {
    part.as_ident().map(|ident: &Ident| ident.value.clone())
}

fn simple_name(name: &ObjectName) -> Option<String> {
    name.0.last().and_then(part_name)
}

/// Name of a column that is shown as it stands.
pub(super) fn last_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()),
        _ => None,
    }
}
