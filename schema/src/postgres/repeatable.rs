//! What is replaced as a whole whenever one of its texts changes: functions of schema `ledger` and everything of schemas
//! `fleet` and `fleet_asof`. They hold no data, so a database needs no history of them, only their newest text.
//!
//! One transaction drops all views and functions that it may, makes functions, then views, which may call them, and
//! stores the checksum of all texts. The last view file is the grants: what was dropped has lost them.

use tokio_postgres::{Client, Transaction, error::SqlState};

use super::{
    MigrateError,
    cost_column::expand,
    file::{FUNCTION_FILES, VIEW_FILES},
    function,
    migrate::{checksum, set_lock_timeout},
    view, view_columns,
};

/// Comments on the columns of object tables: said again with the views, so that a better one needs no migration.
const COLUMN_COMMENTS: &str = include_str!("../../postgres/comments.sql");

const READ_REPEATABLE_SET: &str = "select sha256 from ledger.repeatable_set";
const DELETE_REPEATABLE_SET: &str = "delete from ledger.repeatable_set";
const UPSERT_REPEATABLE_SET: &str = "insert into ledger.repeatable_set (sha256) values ($1)
    on conflict (only_row) do update set sha256 = excluded.sha256, replaced_at = now()";

/// True if functions and views were made from these very texts.
pub(super) async fn are_current(client: &Client) -> Result<bool, MigrateError> {
    let row = client.query_opt(READ_REPEATABLE_SET, &[]).await;
    let row = row.map_err(MigrateError::statement("read ledger.repeatable_set"))?;
    Ok(row.is_some_and(|row| row.get::<_, String>(0) == all_texts_checksum()))
}

/// Makes functions and views anew if any text changed, or `force`; true if it did.
pub(super) async fn replace(
    client: &mut Client,
    force: bool,
    progress: &mut impl FnMut(&str),
) -> Result<bool, MigrateError> {
    if !force && are_current(client).await? {
        return Ok(false);
    }
    progress("replacing functions and views");
    let step = || MigrateError::statement("replace functions and views");
    let mut transaction = client.transaction().await.map_err(step())?;
    set_lock_timeout(&transaction).await?;
    view::drop_all(&mut transaction).await?;
    function::replace_all(&mut transaction).await?;
    view::make_all(&transaction).await?;
    let commented = transaction.batch_execute(COLUMN_COMMENTS).await;
    commented.map_err(MigrateError::statement("comment on the columns"))?;
    transaction
        .execute(UPSERT_REPEATABLE_SET, &[&all_texts_checksum()])
        .await
        .map_err(step())?;
    transaction.commit().await.map_err(step())?;
    Ok(true)
}

/// Drops all views and functions that it may, and forgets that they were made.
pub(super) async fn drop_all(transaction: &mut Transaction<'_>) -> Result<(), MigrateError> {
    view::drop_all(transaction).await?;
    function::drop_all(transaction).await?;
    let forgotten = transaction.execute(DELETE_REPEATABLE_SET, &[]).await;
    forgotten
        .map(|_| ())
        .map_err(MigrateError::statement("forget the views"))
}

/// Runs statements in as many rounds as their dependencies need: one that fails with `waits_for` is tried again after
/// the others. Returns what is left when a round got none of them further, each with what the database said.
pub(super) async fn run_in_rounds<T>(
    transaction: &mut Transaction<'_>,
    mut left: Vec<T>,
    statement: impl Fn(&T) -> &str,
    step: impl Fn(&T) -> String,
    waits_for: &SqlState,
) -> Result<Vec<(T, tokio_postgres::Error)>, MigrateError> {
    loop {
        let before = left.len();
        let mut waiting = Vec::new();
        for one in left {
            let failed = |error| MigrateError::statement(step(&one))(error);
            let savepoint = transaction.transaction().await.map_err(failed)?;
            match savepoint.batch_execute(statement(&one)).await {
                Ok(()) => savepoint.commit().await.map_err(failed)?,
                Err(error) if error.code() == Some(waits_for) => {
                    savepoint.rollback().await.map_err(failed)?;
                    waiting.push((one, error));
                }
                Err(error) => return Err(failed(error)),
            }
        }
        if waiting.is_empty() || waiting.len() == before {
            return Ok(waiting);
        }
        left = waiting.into_iter().map(|(one, _)| one).collect();
    }
}

/// What depends on an object that could not be dropped, as the database lists it.
pub(super) fn dependents_of(error: &tokio_postgres::Error) -> String {
    let detail = error.as_db_error().and_then(|db| db.detail()).unwrap_or_default();
    detail.replace('\n', "; ")
}

fn all_texts_checksum() -> String {
    let texts: Vec<String> = FUNCTION_FILES
        .iter()
        .chain(VIEW_FILES)
        .map(|file| format!("{}\n{}", file.name, expand(file.text)))
        .chain(
            view_columns::LINES
                .iter()
                .map(|(table, lines)| format!("{table}\n{lines}")),
        )
        .chain([COLUMN_COMMENTS.to_owned()])
        .collect();
    checksum(&texts.join("\n"))
}
