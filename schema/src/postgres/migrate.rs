//! Bringing a database to this version, once, whoever else tries at the same time.

use std::time::Duration;

use tokio_postgres::Client;

use super::{
    MigrateError, PostgresConnector,
    cost_column::expand,
    file::{MIGRATION_FILES, SqlFile},
    function,
    migration_lock::MigrationLock,
    repeatable,
};
use crate::codec::{KnownSchemas, SchemaSubject};

/// How long a migration waits for a table that somebody holds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(30);

/// What [`migrate`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrateReport {
    /// Names of the migrations that were applied.
    pub applied: Vec<String>,
    /// True if functions and views were made anew.
    pub repeatables_replaced: bool,
}

/// Where a database stands against this version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MigrationStatus {
    /// Nothing of ours is there.
    Empty,
    /// Migrations, or this version's functions and views, are missing.
    Behind {
        /// Migrations still to be applied.
        missing: Vec<String>,
    },
    /// At this version.
    Current,
    /// A migration was edited after it had been applied.
    Edited(String),
    /// It has a migration this version does not know.
    Ahead(String),
}

/// All migrations of this version, in order.
#[must_use]
pub fn migrations() -> &'static [SqlFile] {
    MIGRATION_FILES
}

/// Brings the database to this version. Safe to run twice and from several places at once.
///
/// # Errors
/// See [`MigrateError`].
pub async fn migrate(
    connector: &PostgresConnector,
    mut progress: impl FnMut(&str),
) -> Result<MigrateReport, MigrateError> {
    let mut client = connector.connect("fleetledger-migrate").await?;
    check_version(&client).await?;
    let lock = MigrationLock::take(connector, &mut progress).await?;
    let result = migrate_locked(&mut client, &mut progress).await;
    lock.release().await;
    result
}

/// Compares the database with this version, changing nothing.
///
/// # Errors
/// [`MigrateError::Statement`] if it cannot be read.
pub async fn migration_status(client: &Client) -> Result<MigrationStatus, MigrateError> {
    let Some(applied) = read_applied(client).await? else {
        return Ok(MigrationStatus::Empty);
    };
    match compare(MIGRATION_FILES, &applied) {
        Err(MigrateError::Edited { name }) => return Ok(MigrationStatus::Edited(name)),
        Err(MigrateError::Ahead { name }) => return Ok(MigrationStatus::Ahead(name)),
        Err(other) => return Err(other),
        Ok(missing) if !missing.is_empty() => {
            return Ok(MigrationStatus::Behind {
                missing: missing.iter().map(|m| m.name.to_owned()).collect(),
            });
        }
        Ok(_) => {}
    }
    let current = repeatable::are_current(client).await?;
    Ok(if current {
        MigrationStatus::Current
    } else {
        MigrationStatus::Behind {
            missing: vec!["functions and views".to_owned()],
        }
    })
}

async fn migrate_locked(
    client: &mut Client,
    progress: &mut impl FnMut(&str),
) -> Result<MigrateReport, MigrateError> {
    let bootstrap = include_str!("../../postgres/bootstrap.sql");
    client
        .batch_execute(bootstrap)
        .await
        .map_err(MigrateError::statement("create schemas and roles"))?;
    let applied = read_applied(client).await?.unwrap_or_default();
    let missing = compare(MIGRATION_FILES, &applied)?;
    for migration in &missing {
        progress(&format!("applying {}", migration.name));
        apply(client, migration).await?;
    }
    learn_schemas(client).await?;
    let force = !missing.is_empty() || are_grants_lost(client).await?;
    let repeatables_replaced = repeatable::replace(client, force, progress).await?;
    // A database that was copied, or restored without pg_restore --create, has none of them.
    client
        .batch_execute(APPLY_ROLE_SETTINGS)
        .await
        .map_err(MigrateError::statement("set roles up"))?;
    client
        .batch_execute(ENSURE_PARTITIONS)
        .await
        .map_err(MigrateError::statement("create partitions"))?;
    Ok(MigrateReport {
        applied: missing.iter().map(|m| m.name.to_owned()).collect(),
        repeatables_replaced,
    })
}

/// True for a database that was restored where our roles did not exist: nobody may read or write it.
async fn are_grants_lost(client: &Client) -> Result<bool, MigrateError> {
    let row = client.query_opt(ARE_GRANTS_LOST, &[]).await;
    let row = row.map_err(MigrateError::statement("read what roles may do"))?;
    Ok(row.is_some_and(|row| row.get(0)))
}

async fn check_version(client: &Client) -> Result<(), MigrateError> {
    let row = client.query_one(READ_MAJOR_VERSION, &[]).await;
    let major: i32 = row
        .map_err(MigrateError::statement("read the server's version"))?
        .get(0);
    if major < 15 {
        Err(MigrateError::TooOld(major))
    } else {
        Ok(())
    }
}

/// Names and texts that were applied; `None` where nothing of ours is there.
async fn read_applied(client: &Client) -> Result<Option<Vec<(String, String)>>, MigrateError> {
    let there = client.query_one(HAS_MIGRATION_TABLE, &[]).await;
    let there: bool = there
        .map_err(MigrateError::statement("look for ledger.migration"))?
        .get(0);
    if !there {
        return Ok(None);
    }
    let rows = client.query(READ_MIGRATIONS, &[]).await;
    let rows = rows.map_err(MigrateError::statement("read ledger.migration"))?;
    Ok(Some(rows.iter().map(|row| (row.get(0), row.get(1))).collect()))
}

/// The migrations that are missing, in order.
fn compare<'m>(
    migrations: &'m [SqlFile],
    applied: &[(String, String)],
) -> Result<Vec<&'m SqlFile>, MigrateError> {
    for (name, sha256) in applied {
        match migrations.iter().find(|migration| migration.name == name) {
            None => return Err(MigrateError::Ahead { name: name.clone() }),
            Some(migration) if checksum(migration.text) != *sha256 => {
                return Err(MigrateError::Edited { name: name.clone() });
            }
            Some(_) => {}
        }
    }
    Ok(migrations
        .iter()
        .filter(|migration| applied.iter().all(|(name, _)| name != migration.name))
        .collect())
}

async fn apply(client: &mut Client, migration: &SqlFile) -> Result<(), MigrateError> {
    let name = migration.name;
    let step = || format!("apply migration {name}");
    let mut transaction = client
        .transaction()
        .await
        .map_err(MigrateError::statement(step()))?;
    set_lock_timeout(&transaction).await?;
    // They are all made anew once the migrations are through.
    if migration.text.starts_with(WITHOUT_VIEWS) {
        repeatable::drop_all(&mut transaction).await?;
    }
    for needed in function::needed_by(migration)? {
        transaction
            .batch_execute(&expand(needed.text))
            .await
            .map_err(MigrateError::statement(step()))?;
    }
    transaction
        .batch_execute(migration.text)
        .await
        .map_err(MigrateError::statement(step()))?;
    let recorded = transaction
        .execute(INSERT_MIGRATION, &[&name, &checksum(migration.text)])
        .await;
    recorded.map_err(MigrateError::statement(step()))?;
    transaction
        .commit()
        .await
        .map_err(MigrateError::statement(step()))
}

pub(super) async fn set_lock_timeout(
    transaction: &tokio_postgres::Transaction<'_>,
) -> Result<(), MigrateError> {
    let set = format!("set local lock_timeout = {}", LOCK_TIMEOUT.as_millis());
    transaction
        .batch_execute(&set)
        .await
        .map_err(MigrateError::statement("set the lock timeout"))
}

/// Stores this version's own Avro schemas, so that every reader of the database can read every record.
async fn learn_schemas(client: &Client) -> Result<(), MigrateError> {
    for (fingerprint, schema) in KnownSchemas::own().by_fingerprint() {
        let subject = match schema.subject() {
            SchemaSubject::Kind(kind) => kind.as_str(),
            SchemaSubject::Mark => "mark",
        };
        let stored = client
            .execute(
                INSERT_AVRO_SCHEMA,
                &[&fingerprint.cast_signed(), &subject, &schema.json()],
            )
            .await;
        stored.map_err(MigrateError::statement("store the avro schemas"))?;
    }
    Ok(())
}

pub(super) fn checksum(text: &str) -> String {
    let digest = openssl::sha::sha256(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Head of a migration that changes the type of a column: PostgreSQL changes none that a view or function names.
const WITHOUT_VIEWS: &str = "-- without views and functions\n";

const APPLY_ROLE_SETTINGS: &str = "select ledger.apply_role_settings()";

const ARE_GRANTS_LOST: &str = "
    select not has_table_privilege('fleetledger_ingest', t.oid, 'insert')
        or not has_table_privilege('fleetledger_select', t.oid, 'select')
    from (select to_regclass('ledger.pod')::oid as oid) as t where t.oid is not null";

const ENSURE_PARTITIONS: &str = "select ledger.ensure_partitions()";

const READ_MAJOR_VERSION: &str = "select current_setting('server_version_num')::integer / 10000";

const HAS_MIGRATION_TABLE: &str = "select to_regclass('ledger.migration') is not null";

const READ_MIGRATIONS: &str = "select name, sha256 from ledger.migration order by name";

const INSERT_MIGRATION: &str = "insert into ledger.migration (name, sha256) values ($1, $2)";

const INSERT_AVRO_SCHEMA: &str = "
    insert into ledger.avro_schema (fingerprint, subject, schema_json, learned_from)
    values ($1, $2, $3, 'release') on conflict (fingerprint) do nothing";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_and_an_unknown_migration_are_refused_by_name() {
        let ours = [
            SqlFile {
                name: "0001_a.sql",
                text: "select 1",
            },
            SqlFile {
                name: "0002_b.sql",
                text: "select 2",
            },
        ];
        let one = |name: &str, sql: &str| vec![(name.to_owned(), checksum(sql))];
        let missing = compare(&ours, &one("0001_a.sql", "select 1")).unwrap();
        assert_eq!(missing.iter().map(|m| m.name).collect::<Vec<_>>(), ["0002_b.sql"]);
        let edited = compare(&ours, &one("0001_a.sql", "select 3"));
        assert!(matches!(edited, Err(MigrateError::Edited { name }) if name == "0001_a.sql"));
        let ahead = compare(&ours, &one("0009_z.sql", "select 9"));
        assert!(matches!(ahead, Err(MigrateError::Ahead { name }) if name == "0009_z.sql"));
    }
}
