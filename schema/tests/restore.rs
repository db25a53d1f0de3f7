//! A dump is restored into another database, and on newer servers: afterwards `migrate` makes up for what pg_restore leaves out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

mod server;

use std::{path::Path, process::Command};

use fleetledger_local::{ArtifactCache, postgres::LocalPostgres, skip::unless_available};
use fleetledger_schema::postgres::{MigrationStatus, PostgresConnector, migrate, migration_status};
use tokio_postgres::Client;

/// Servers beside the one that is installed.
const NEWER_VERSIONS: [u32; 2] = [17, 18];

/// Roles whose set-up in the current database is not what migrate makes it, with what differs.
const LIST_DIFFERENCES: &str = "
    select s.role_name || ' ' || s.setting from ledger.role_settings() as s
    where not exists (
        select from pg_db_role_setting as d
        join pg_database as b on b.oid = d.setdatabase and b.datname = current_database()
        join pg_roles as r on r.oid = d.setrole and r.rolname = s.role_name
        where s.setting || '=' || s.setting_value = any (d.setconfig)
    )
    union all
    select m.member || ' is no member of ' || m.granted
    from (values
        ('fleetledger_select', 'fleetledger_reader'), ('fleetledger_select', 'fleetledger_evaluate'),
        ('fleetledger_select', 'fleetledger_rules'), ('fleetledger_team', 'fleetledger_team_red')
    ) as m (granted, member)
    where not pg_has_role(m.member::name, m.granted::name, 'usage')";

const COUNT_WALLS: &str = "select (select count(*) from pg_policies where schemaname = 'ledger')
    + (select count(*) from information_schema.role_table_grants where grantee like 'fleetledger\\_%' and table_schema = 'fleet')";

fn connector(server: &LocalPostgres, database: &str) -> PostgresConnector {
    PostgresConnector::new(server.url_of(database).parse().unwrap(), None)
}

async fn differences(client: &Client) -> Vec<String> {
    let rows = client.query(LIST_DIFFERENCES, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn run(server: &LocalPostgres, program: &str, arguments: &[&str]) -> String {
    let path = server.program(program).unwrap();
    let output = Command::new(path).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// A ledger with a team, as `docs/operating.md` says: its dump and its server's roles.
async fn dumped(folder: &Path) -> (LocalPostgres, String) {
    let (source, connector) = server::migrated().await;
    let owner = connector.connect("owner").await.unwrap();
    owner
        .batch_execute("select ledger.team_grant('red')")
        .await
        .unwrap();
    assert_eq!(differences(&owner).await, Vec::<String>::new());
    let dump = folder.join("ledger.dump");
    run(
        &source,
        "pg_dump",
        &["-Fc", "-d", &source.url(), "-f", dump.to_str().unwrap()],
    );
    let roles = run(&source, "pg_dumpall", &["--roles-only", "-d", &source.url()]);
    (source, roles)
}

/// Restores it into a new database of `target`, then migrates.
async fn restore(source: &LocalPostgres, target: &LocalPostgres, folder: &Path) {
    target.create_database("restored").await.unwrap();
    let dump = folder.join("ledger.dump");
    let url = target.url_of("restored");
    run(
        source,
        "pg_restore",
        &["--exit-on-error", "-d", &url, dump.to_str().unwrap()],
    );
    let connector = connector(target, "restored");
    let owner = connector.connect("owner").await.unwrap();
    assert!(
        !differences(&owner).await.is_empty(),
        "pg_restore leaves settings of roles out"
    );
    let report = migrate(&connector, |_| {}).await.unwrap();
    assert_eq!((report.applied.len(), report.repeatables_replaced), (0, false));
    assert_eq!(differences(&owner).await, Vec::<String>::new());
    assert_eq!(migration_status(&owner).await.unwrap(), MigrationStatus::Current);
    let walls: i64 = owner.query_one(COUNT_WALLS, &[]).await.unwrap().get(0);
    let source = PostgresConnector::new(source.url().parse().unwrap(), None);
    let source = source.connect("owner").await.unwrap();
    let expected: i64 = source.query_one(COUNT_WALLS, &[]).await.unwrap().get(0);
    assert!(walls == expected && walls > 100, "{walls} of {expected}");
}

#[tokio::test]
async fn after_a_restore_into_another_database_migrate_sets_roles_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let (source, _) = dumped(folder.path()).await;
    restore(&source, &source, folder.path()).await;
}

#[tokio::test]
async fn a_dump_is_restored_on_newer_servers() {
    let folder = tempfile::tempdir().unwrap();
    let (source, roles) = dumped(folder.path()).await;
    for version in NEWER_VERSIONS {
        let started = newer(version).await;
        let test = format!("a_dump_is_restored_on_newer_servers ({version})");
        let Some(target) = unless_available(&test, started).unwrap() else {
            continue;
        };
        let client = connector(&target, "postgres").connect("roles").await.unwrap();
        for statement in roles.lines().filter(|line| !line.starts_with(['-', '\\'])) {
            // The superuser of the server is there.
            let done = client.batch_execute(statement).await;
            assert!(
                done.is_ok() || statement.starts_with("CREATE ROLE fleetledger;"),
                "{statement}: {done:?}"
            );
        }
        restore(&source, &target, folder.path()).await;
    }
}

#[tokio::test]
async fn grants_that_a_restore_lost_come_back_with_migrate() {
    let (_server, connector) = server::migrated().await;
    let owner = connector.connect("owner").await.unwrap();
    let lose = "revoke all on all tables in schema ledger, fleet from fleetledger_ingest, fleetledger_select";
    owner.batch_execute(lose).await.unwrap();
    let report = migrate(&connector, |_| {}).await.unwrap();
    assert!(report.repeatables_replaced);
    let restored = "select has_table_privilege('fleetledger_reader', 'fleet.pod', 'select')
        and has_table_privilege('fleetledger_ingest', 'ledger.pod', 'insert')";
    assert!(owner.query_one(restored, &[]).await.unwrap().get::<_, bool>(0));
}

#[tokio::test]
async fn every_version_takes_the_schema() {
    for version in NEWER_VERSIONS {
        let test = format!("every_version_takes_the_schema ({version})");
        let Some(target) = unless_available(&test, newer(version).await).unwrap() else {
            continue;
        };
        assert!(
            target.version().starts_with(&version.to_string()),
            "{}",
            target.version()
        );
        let connector = connector(&target, "postgres");
        migrate(&connector, |_| {}).await.unwrap();
        let again = migrate(&connector, |_| {}).await.unwrap();
        assert!(again.applied.is_empty() && !again.repeatables_replaced);
        let owner = connector.connect("owner").await.unwrap();
        owner
            .batch_execute("select ledger.team_grant('red')")
            .await
            .unwrap();
        assert_eq!(differences(&owner).await, Vec::<String>::new());
    }
}

async fn newer(version: u32) -> fleetledger_local::LocalResult<LocalPostgres> {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let server = LocalPostgres::builder().version(version).temporary().fast();
    server.start(&cache).await
}
