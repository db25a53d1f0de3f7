//! The rows of one window, written in one transaction.

use std::collections::BTreeSet;

use fleetledger_schema::instant::Instant;
use serde_json::{Map, Value};
use tokio_postgres::{Client, Transaction, types::Json};

use super::bookkeeping::SourceWatermarks;
use crate::{
    query::StoredQuery,
    rollup::{RollupRule, RollupTable},
    rows,
    run::{ResultTable, RunError},
};

/// Dimensions and values of each row.
pub(super) fn read_rows(
    query: &StoredQuery,
    rule: &RollupRule,
    table: &ResultTable,
) -> Result<Vec<(Value, Value)>, RunError> {
    if table.exceeded {
        let refusal = query.refusal("limit", format!("more than {} rows in a window", query.limit));
        return Err(RunError::Refused(
            refusal.fix("group by fewer dimensions, or raise `limit`"),
        ));
    }
    let dimensions = rows::column_positions(query, table, "columns.dimensions", &rule.dimensions)?;
    let values = rows::column_positions(query, table, "columns.values", &rule.values)?;
    let mut seen = BTreeSet::new();
    let mut found = Vec::with_capacity(table.rows.len());
    for cells in &table.rows {
        let names = rows::texts(cells, &dimensions);
        if !seen.insert(names.clone()) {
            let what = format!(
                "two rows of one window with the dimensions {}",
                rows::show(&names)
            );
            let refusal = query.refusal("columns.dimensions", what);
            return Err(RunError::Refused(
                refusal.fix("add columns, or group by those that are named"),
            ));
        }
        let json = |place: usize| {
            cells
                .get(place)
                .map_or(Value::Null, crate::cell::ResultCell::json)
        };
        // NULL stays NULL here: a row without a namespace is not one of a namespace without a name.
        let pick = |places: &[(&str, usize)]| {
            let pairs = places
                .iter()
                .map(|(name, place)| ((*name).to_owned(), json(*place)));
            Value::Object(pairs.collect::<Map<_, _>>())
        };
        found.push((pick(&dimensions), pick(&values)));
    }
    Ok(found)
}

/// Replaces a window's rows in one transaction. Whoever read later, and so knew more, wins.
pub(super) async fn write(
    writer: &mut Client,
    query: &StoredQuery,
    rule: &RollupRule,
    window: Instant,
    known: &SourceWatermarks,
    rows: &[(Value, Value)],
) -> Result<(), tokio_postgres::Error> {
    const CLAIM_WINDOW: &str = "
        insert into ledger.rollup_window as w
            (rollup, window_at, window_end_at, row_count, known_until, complete, version, filled_at, sources_behind)
        values ($1, $2, $3, $4, $5, $7 = 0, $6, now(), $7)
        on conflict (rollup, window_at) do update set
            window_end_at = excluded.window_end_at, row_count = excluded.row_count,
            known_until = excluded.known_until, complete = excluded.complete, version = excluded.version,
            filled_at = excluded.filled_at, sources_behind = excluded.sources_behind, fillings = w.fillings + 1
        where w.known_until <= excluded.known_until";
    let transaction = writer.transaction().await?;
    let count = i64::try_from(rows.len()).unwrap_or(i64::MAX);
    let end = window.plus_micros(rule.window.micros());
    let behind = i32::try_from(known.sources_behind(end)).unwrap_or(i32::MAX);
    let claimed = transaction
        .execute(
            CLAIM_WINDOW,
            &[
                &rule.rollup,
                &window,
                &end,
                &count,
                &known.all,
                &query.version,
                &behind,
            ],
        )
        .await?;
    if claimed == 0 {
        return transaction.rollback().await;
    }
    match &rule.into {
        RollupTable::User => replace_documents(&transaction, rule, window, rows).await?,
        RollupTable::Own(table) => replace_columns(&transaction, rule, table, window, rows).await?,
    }
    transaction.commit().await
}

/// The rows of a rollup that a user wrote.
async fn replace_documents(
    transaction: &Transaction<'_>,
    rule: &RollupRule,
    window: Instant,
    rows: &[(Value, Value)],
) -> Result<(), tokio_postgres::Error> {
    transaction
        .execute(DELETE_USER_ROWS, &[&rule.rollup, &window])
        .await?;
    let items: Vec<Value> = rows
        .iter()
        .map(|(names, values)| Value::Array(vec![names.clone(), values.clone()]))
        .collect();
    transaction
        .execute(INSERT_USER_ROWS, &[&rule.rollup, &window, &Json(items)])
        .await?;
    Ok(())
}

/// The rows of a rollup that has a table of its own.
async fn replace_columns(
    transaction: &Transaction<'_>,
    rule: &RollupRule,
    table: &str,
    window: Instant,
    rows: &[(Value, Value)],
) -> Result<(), tokio_postgres::Error> {
    // The name was checked when the file was read: letters, digits and _.
    let delete = DELETE_WINDOW_TEMPLATE.replace("{table}", table);
    transaction.execute(&delete, &[&window]).await?;
    let quoted: Vec<String> = rule
        .dimensions
        .iter()
        .chain(&rule.values)
        .map(|name| format!("\"{}\"", name.replace('"', "\"\"")))
        .collect();
    let insert = INSERT_WINDOW_TEMPLATE
        .replace("{table}", table)
        .replace("{columns}", &quoted.join(", "));
    transaction
        .execute(&insert, &[&window, &Json(flatten_rows(rows))])
        .await?;
    Ok(())
}

/// Rows as one object each.
fn flatten_rows(rows: &[(Value, Value)]) -> Vec<Value> {
    let join = |(names, values): &(Value, Value)| {
        let pairs = [names, values].into_iter().filter_map(Value::as_object).flatten();
        Value::Object(pairs.map(|(name, value)| (name.clone(), value.clone())).collect())
    };
    rows.iter().map(join).collect()
}

const DELETE_USER_ROWS: &str = "delete from ledger.user_rollup where rollup = $1 and window_at = $2";

const INSERT_USER_ROWS: &str = "
    insert into ledger.user_rollup (rollup, window_at, row_number, dimensions, \"values\")
    select $1::text, $2::timestamptz, r.number::integer, r.item -> 0, r.item -> 1
    from jsonb_array_elements($3::jsonb) with ordinality as r (item, number)";

const DELETE_WINDOW_TEMPLATE: &str = "delete from ledger.{table} where window_at = $1";

const INSERT_WINDOW_TEMPLATE: &str = "
    insert into ledger.{table} (window_at, {columns})
    select $1::timestamptz, {columns} from jsonb_populate_recordset(null::ledger.{table}, $2::jsonb)";
