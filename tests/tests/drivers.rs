//! Drivers that others wrote read every view, and look an object up by its uid as docs/sql.md says.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::sync::Arc;

use fleetledger_local::{LocalResult, skip::unless_available, sql_driver};
use fleetledger_tests::{
    database::LedgerDatabase,
    parts::{self, SharedServers},
};
use serde_json::Value;

/// Everything that views show, with closed versions and current ones.
const FLEET_TEMPLATE: &str = include_str!("../../dashboards/testdata/fleet.sql");

/// How each driver binds a uid, and whether the server takes it as it is.
const BINDINGS: [(&str, &str, bool); 21] = [
    ("psycopg2", "str", true),
    ("psycopg2", "uuid.UUID", true),
    ("psycopg2", "list of str", false),
    ("psycopg2", "list of str, cast", true),
    ("psycopg2", "list of uuid.UUID", true),
    ("psycopg 3", "str", true),
    ("psycopg 3", "str by %b", false),
    ("psycopg 3", "str by %b, cast", true),
    ("psycopg 3", "list of str", true),
    ("psycopg 3", "list of uuid.UUID", true),
    ("SQLAlchemy", "text(), str", true),
    ("SQLAlchemy", "column, uuid.UUID", true),
    ("SQLAlchemy", "column, str", true),
    ("asyncpg", "str", true),
    ("asyncpg", "list of str", true),
    ("pgx", "string", true),
    ("pgx", "[]string", true),
    ("pgx 5.13.0 cache statement", "[16]byte", true),
    ("pgx 5.13.0 exec", "[16]byte", false),
    ("PostgreSQL JDBC 42.7.14 stringtype", "setString", true),
    ("PostgreSQL JDBC", "setString, cast", true),
];

/// A filled ledger.
struct FilledLedger {
    _parts: Arc<SharedServers>,
    database: LedgerDatabase,
}

impl FilledLedger {
    async fn start(test: &str) -> Option<Self> {
        let parts = parts::shared(test).await?;
        let database = parts.database().await;
        let sizes = [
            ("{pods}", "60"),
            ("{clusters}", "3"),
            ("{days}", "3"),
            ("{versions}", "2"),
        ];
        let filled = sizes
            .iter()
            .fold(FLEET_TEMPLATE.to_owned(), |sql, (name, value)| {
                sql.replace(name, value)
            });
        // The test's databases say whose label names a team already.
        database.execute(&filled).await;
        Some(Self {
            _parts: parts,
            database,
        })
    }

    /// Runs a program as the reader; what it reports, an object a driver.
    async fn read(&self, test: &str, program: LocalResult<sql_driver::SqlDriverProgram>) -> Vec<Value> {
        let Some(program) = unless_available(test, program).unwrap() else {
            return Vec::new();
        };
        let server: tokio_postgres::Config = self.database.owner_url.parse().unwrap();
        let port = server.get_ports()[0].to_string();
        let database = server.get_dbname().unwrap();
        let uid = self
            .database
            .row("select min(uid::text) as uid from fleet.pod")
            .await;
        let uid = uid["uid"].as_str().unwrap();
        let arguments = ["127.0.0.1", port.as_str(), "fleetledger_reader", database, uid];
        let printed = program.run(&arguments).await.unwrap();
        let lines = printed.lines().filter(|line| line.starts_with('{'));
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Every view was read whole, and uids are taken as they are said to be.
fn assert_reads_everything(reports: &[Value]) {
    for report in reports {
        let driver = report["driver"].as_str().unwrap();
        println!(
            "{driver}: {} views, {} rows; uids: {}",
            report["views"], report["rows"], report["bound"]
        );
        assert_eq!(report["errors"], serde_json::json!({}), "{driver}");
        assert!(report["views"].as_u64() > Some(80), "{driver}");
        for (of, binding, taken) in BINDINGS {
            if driver.starts_with(of) && !report["bound"][binding].is_null() {
                assert_eq!(report["bound"][binding] == 1, taken, "{driver}: {binding}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn psycopg_sqlalchemy_and_asyncpg_read_every_view() {
    let test = "psycopg_sqlalchemy_and_asyncpg_read_every_view";
    let Some(ledger) = FilledLedger::start(test).await else {
        return;
    };
    let reports = ledger.read(test, sql_driver::python(&parts::cache()).await).await;
    assert_reads_everything(&reports);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pgx_reads_every_view() {
    let test = "pgx_reads_every_view";
    let Some(ledger) = FilledLedger::start(test).await else {
        return;
    };
    assert_reads_everything(&ledger.read(test, sql_driver::pgx(&parts::cache()).await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jdbc_reads_every_view() {
    let test = "jdbc_reads_every_view";
    let Some(ledger) = FilledLedger::start(test).await else {
        return;
    };
    assert_reads_everything(&ledger.read(test, sql_driver::jdbc(&parts::cache()).await).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_view_shows_an_instant_that_is_not_finite() {
    let test = "no_view_shows_an_instant_that_is_not_finite";
    let Some(ledger) = FilledLedger::start(test).await else {
        return;
    };
    let columns = "select n.nspname || '.' || c.relname as view, quote_ident(a.attname) as name
        from pg_attribute as a join pg_class as c on c.oid = a.attrelid join pg_namespace as n on n.oid = c.relnamespace
        where n.nspname in ('fleet', 'fleet_asof') and c.relkind = 'v' and a.atttypid = 'timestamptz'::regtype
        order by 1, 2";
    let columns = ledger.database.rows(columns, &[]).await;
    assert!(columns.len() > 100, "{}", columns.len());
    for column in &columns {
        let (view, name) = (column["view"].as_str().unwrap(), column["name"].as_str().unwrap());
        let infinite = format!("select count(*) from {view} where not isfinite({name})");
        assert_eq!(ledger.database.number(&infinite).await, 0, "{view}.{name}");
    }
    // A version without an end is the current one, in both forms.
    for kind in ["node", "pod", "container", "namespace", "workload", "watchdog"] {
        for schema in ["fleet", "fleet_asof"] {
            let current = format!(
                "select count(*) from {schema}.{kind}_history where valid_to is null and closed_reason is null"
            );
            let there = format!("select count(*) from {schema}.{kind}");
            let there = ledger.database.number(&there).await;
            assert!(there > 0, "{kind}");
            assert_eq!(
                ledger.database.number(&current).await,
                there,
                "{schema}.{kind}_history"
            );
        }
    }
}
