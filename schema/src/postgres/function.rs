//! Functions of schema `ledger`, made from `postgres/functions/<name>.sql`: one function a file, under the file's name, with
//! its comment and, where not everybody may call it, a `revoke … from public`.
//!
//! A file says `create or replace function`. All functions that nothing else depends on are dropped first, so that one may
//! change its arguments or what it returns, and one whose file is gone goes too. What triggers, policies, defaults and
//! checks of tables depend on cannot be dropped and is replaced in place.

use tokio_postgres::{Transaction, error::SqlState};

use super::{
    MigrateError,
    cost_column::expand,
    file::{FUNCTION_FILES, SqlFile},
    repeatable::{dependents_of, run_in_rounds},
};

/// Replaces every function by what its file says.
///
/// # Errors
/// [`MigrateError::Dependents`] if one that no file makes any more is still needed; [`MigrateError::Statement`].
pub(super) async fn replace_all(transaction: &mut Transaction<'_>) -> Result<(), MigrateError> {
    let held = drop_all(transaction).await?;
    let files: Vec<(&SqlFile, String)> = FUNCTION_FILES
        .iter()
        .map(|file| (file, expand(file.text)))
        .collect();
    let unmade = run_in_rounds(
        transaction,
        files,
        |(_, text)| text.as_str(),
        |(file, _)| format!("create function {}", file.stem()),
        &SqlState::UNDEFINED_FUNCTION,
    )
    .await?;
    if let Some(((file, _), error)) = unmade.into_iter().next() {
        return Err(MigrateError::statement(format!(
            "create function {}",
            file.stem()
        ))(error));
    }
    // Whatever is there beside one function a file is an old one that something holds.
    const STRAY: &str = "
        select exists (
            select from (
                select p.proname, count(*) over (partition by p.proname) as signatures
                from pg_proc as p where p.pronamespace = 'ledger'::regnamespace
            ) as f
            where f.proname <> all ($1) or f.signatures > 1
        )";
    let names: Vec<&str> = FUNCTION_FILES.iter().map(|file| file.stem()).collect();
    let stray = transaction
        .query_one(STRAY, &[&names])
        .await
        .map_err(MigrateError::statement("look for functions that no file makes"))?;
    if stray.get(0) {
        let dependents: Vec<String> = held.iter().map(|(_, error)| dependents_of(error)).collect();
        return Err(MigrateError::Dependents {
            dependents: dependents.join("; "),
        });
    }
    Ok(())
}

/// Drops every function that nothing else depends on; what is left, each with what the database said.
pub(super) async fn drop_all(
    transaction: &mut Transaction<'_>,
) -> Result<Vec<(String, tokio_postgres::Error)>, MigrateError> {
    let step = || MigrateError::statement("drop the functions");
    const LIST: &str = "
        select format('drop routine %s', p.oid::regprocedure)
        from pg_proc as p where p.pronamespace = 'ledger'::regnamespace order by p.oid desc";
    let rows = transaction.query(LIST, &[]).await.map_err(step())?;
    let drops: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    run_in_rounds(
        transaction,
        drops,
        String::as_str,
        |_| "drop the functions".to_owned(),
        &SqlState::DEPENDENT_OBJECTS_STILL_EXIST,
    )
    .await
}

/// The functions that a migration calls, or its triggers do, and so are made before it: it says so in its head, a line
/// `-- needs function: <name>` each.
///
/// # Errors
/// [`MigrateError::NoFunction`] if there is no such file.
pub(super) fn needed_by(migration: &SqlFile) -> Result<Vec<&'static SqlFile>, MigrateError> {
    let names = migration
        .text
        .lines()
        .map_while(|line| line.strip_prefix("-- needs function: "));
    names
        .map(|name| {
            let file = FUNCTION_FILES.iter().find(|file| file.stem() == name);
            file.ok_or_else(|| MigrateError::NoFunction {
                migration: migration.name,
                function: name.to_owned(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::file::MIGRATION_FILES;

    #[test]
    fn a_file_makes_one_function_of_its_name_with_a_comment() {
        for file in FUNCTION_FILES {
            let made: Vec<&str> = file
                .text
                .lines()
                .filter(|line| line.starts_with("create "))
                .collect();
            let begin = format!("create or replace function ledger.{}(", file.stem());
            assert!(
                matches!(made.as_slice(), [one] if one.starts_with(&begin)),
                "{}: {made:?}",
                file.name
            );
            let comment = format!("\ncomment on function ledger.{} is '", file.stem());
            assert!(file.text.contains(&comment), "{}", file.name);
        }
    }

    #[test]
    fn functions_that_migrations_need_have_a_file() {
        let needed = MIGRATION_FILES.iter().map(|file| needed_by(file).unwrap().len());
        assert!(needed.sum::<usize>() > 0);
        let unknown = SqlFile {
            name: "0001_a.sql",
            text: "-- needs function: nobody\nselect 1",
        };
        assert!(
            matches!(needed_by(&unknown), Err(MigrateError::NoFunction { function, .. }) if function == "nobody")
        );
    }
}
