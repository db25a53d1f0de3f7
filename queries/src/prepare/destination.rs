//! Where the rows of a rollup go: a table of its own must be there, with a column for each of its.

use std::collections::BTreeMap;

use tokio_postgres::types::Type;

use super::question;
use crate::{
    cell::{ResultCell, is_number},
    query::StoredQuery,
    refusal::QueryRefusal,
    rollup::{RollupRule, RollupTable},
    run::{QueryInvocation, ResultColumn, RunError, SnapshotSession},
};

/// Name, type and its number, whether a row must fill it, and whether it takes part in the primary key.
///
/// Everybody may read the catalogue, so the reader can ask of a table that it may not read.
const READ_TABLE_COLUMNS_TEMPLATE: &str = "
    select a.attname::text, format_type(a.atttypid, null), a.atttypid::bigint, a.attnotnull and not a.atthasdef and a.attidentity = '',
        coalesce(a.attnum = any (i.indkey), false)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join pg_catalog.pg_index as i on i.indrelid = c.oid and i.indisprimary
    where n.nspname = 'ledger' and c.relkind in ('r', 'p') and c.relname = '{table}'";

/// A column of the table.
struct DestinationColumn {
    type_name: String,
    is_number: bool,
    must_be_filled: bool,
    is_key: bool,
}

/// What is wrong with where a rollup's rows go; nothing for any other query.
pub(super) async fn check(
    session: &mut SnapshotSession<'_>,
    query: &StoredQuery,
    columns: &[ResultColumn],
) -> Result<Vec<QueryRefusal>, RunError> {
    let Some(rule) = query.rollup() else {
        return Ok(Vec::new());
    };
    let RollupTable::Own(table) = &rule.into else {
        return Ok(Vec::new());
    };
    let asked = QueryInvocation {
        // The name was checked when the file was read: letters, digits and _.
        sql: Some(READ_TABLE_COLUMNS_TEMPLATE.replace("{table}", table)),
        limit: Some(2_000),
        parameters: Vec::new(),
        ..question(query, false)
    };
    let found = session.ask(query, &asked).await?;
    let text =
        |cells: &[ResultCell], place: usize| cells.get(place).map(ResultCell::text).unwrap_or_default();
    let has: BTreeMap<String, DestinationColumn> = found
        .rows
        .iter()
        .map(|cells| {
            let has = DestinationColumn {
                type_name: text(cells, 1),
                is_number: text(cells, 2)
                    .parse()
                    .ok()
                    .and_then(Type::from_oid)
                    .is_some_and(|of| is_number(&of)),
                must_be_filled: text(cells, 3) == "true",
                is_key: text(cells, 4) == "true",
            };
            (text(cells, 0), has)
        })
        .collect();
    Ok(compare(query, rule, table, &has, columns))
}

fn compare(
    query: &StoredQuery,
    rule: &RollupRule,
    table: &str,
    has: &BTreeMap<String, DestinationColumn>,
    columns: &[ResultColumn],
) -> Vec<QueryRefusal> {
    if has.is_empty() {
        let what = format!("table ledger.{table} not found");
        let remedy = "a migration must create it; without `into`, rows are stored in fleet.user_rollup";
        return vec![query.refusal("into", what).fix(remedy)];
    }
    let mut refusals = Vec::new();
    if has
        .get("window_at")
        .is_none_or(|column| column.type_name != "timestamp with time zone")
    {
        let what = format!("ledger.{table} has no column window_at of type timestamptz");
        refusals.push(
            query
                .refusal("into", what)
                .fix("it must contain the start of each window"),
        );
    }
    let named = [
        ("columns.dimensions", &rule.dimensions),
        ("columns.values", &rule.values),
    ];
    for (key, names) in named {
        for name in names {
            match has.get(name.as_str()) {
                None => {
                    let own: Vec<&str> = has.keys().map(String::as_str).collect();
                    let what = format!("ledger.{table} has no column `{name}`");
                    let remedy = format!("it has {}; name one of them with `as`", own.join(", "));
                    refusals.push(query.refusal(key, what).fix(remedy));
                }
                Some(column) => refusals.extend(mismatch(query, key, name, table, column, columns)),
            }
        }
    }
    for (name, column) in has {
        let is_named = rule.dimensions.contains(name) || rule.values.contains(name);
        if column.must_be_filled && !is_named && name != "window_at" {
            let what =
                format!("column `{name}` of ledger.{table} must be filled, but the query has no such column");
            refusals.push(
                query
                    .refusal("columns.values", what)
                    .fix("select it, and name it here"),
            );
        }
        if column.is_key && rule.values.contains(name) {
            let what = format!("column `{name}` identifies a row of ledger.{table}, but is a value here");
            refusals.push(
                query
                    .refusal("columns.values", what)
                    .fix("list it as a dimension"),
            );
        }
    }
    refusals
}

/// A number goes into a column of numbers, and a name into one of names.
fn mismatch(
    query: &StoredQuery,
    key: &str,
    name: &str,
    table: &str,
    column: &DestinationColumn,
    columns: &[ResultColumn],
) -> Option<QueryRefusal> {
    let given = columns.iter().find(|given| given.name == name)?;
    if is_number(&given.column_type) == column.is_number {
        return None;
    }
    let what = format!(
        "`{name}` is of type {}, but its column of ledger.{table} is of type {}",
        given.column_type, column.type_name
    );
    Some(query.refusal(key, what).fix("cast it"))
}
