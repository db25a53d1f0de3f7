//! The schema on a real PostgreSQL: migrations, views, partitions, privileges.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

mod server;

use std::collections::BTreeSet;

use fleetledger_local::postgres::LocalPostgres;
use fleetledger_schema::{
    kind::RecordKind,
    postgres::{
        MigrateError, MigrationStatus, PostgresConnector, documented_views, migrate, migration_status,
    },
    row,
};
use tokio_postgres::Client;

struct MigratedDatabase {
    _server: LocalPostgres,
    connector: PostgresConnector,
    client: Client,
}

/// A server with one migrated database.
async fn database() -> MigratedDatabase {
    let (server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    MigratedDatabase {
        _server: server,
        connector,
        client,
    }
}

async fn texts(client: &Client, query: &str) -> Vec<String> {
    client
        .query(query, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[tokio::test]
async fn migrating_twice_changes_nothing_and_an_edited_migration_is_refused() {
    let database = database().await;
    assert_eq!(
        migration_status(&database.client).await.unwrap(),
        MigrationStatus::Current
    );
    let again = migrate(&database.connector, |_| {}).await.unwrap();
    assert!(again.applied.is_empty() && !again.repeatables_replaced);

    database
        .client
        .batch_execute("update ledger.migration set sha256 = 'x' where name like '0002%'")
        .await
        .unwrap();
    assert_eq!(
        migration_status(&database.client).await.unwrap(),
        MigrationStatus::Edited("0002_object_tables.sql".into())
    );
    let refused = migrate(&database.connector, |_| {}).await;
    assert!(matches!(refused, Err(MigrateError::Edited { name }) if name == "0002_object_tables.sql"));
}

#[tokio::test]
async fn a_migration_that_changes_types_runs_where_views_and_functions_name_its_columns() {
    let database = database().await;
    let earlier = "delete from ledger.migration where name = '0014_cost_numeric.sql'";
    database.client.batch_execute(earlier).await.unwrap();
    let report = migrate(&database.connector, |_| {}).await.unwrap();
    assert_eq!(report.applied, ["0014_cost_numeric.sql"]);
    assert!(report.repeatables_replaced);
    let money = "select distinct data_type::text from information_schema.columns
        where table_schema = 'ledger' and table_name like 'cost\\_%' and column_name like '%\\_nanos'";
    assert_eq!(texts(&database.client, money).await, ["numeric"]);
    // A user's view is not dropped with ours.
    let own = "create schema own; create view own.v as select cost from fleet.cost_node_hourly";
    database.client.batch_execute(own).await.unwrap();
    database.client.batch_execute(earlier).await.unwrap();
    let refused = migrate(&database.connector, |_| {}).await;
    assert!(matches!(refused, Err(MigrateError::Dependents { dependents }) if dependents.contains("own.v")));
}

#[tokio::test]
async fn several_migrations_at_once_apply_each_step_once() {
    let (_server, connector) = server::empty().await;
    let all = futures_of(&connector).await;
    let applied: usize = all.iter().map(|report| report.applied.len()).sum();
    assert_eq!(applied, fleetledger_schema::postgres::migrations().len());
}

async fn futures_of(connector: &PostgresConnector) -> Vec<fleetledger_schema::postgres::MigrateReport> {
    let (a, b, c) = tokio::join!(
        migrate(connector, |_| {}),
        migrate(connector, |_| {}),
        migrate(connector, |_| {})
    );
    vec![a.unwrap(), b.unwrap(), c.unwrap()]
}

#[tokio::test]
async fn databases_of_one_server_are_migrated_at_once_though_they_share_roles() {
    let (server, _) = server::empty().await;
    let mut migrations = tokio::task::JoinSet::new();
    for number in 0..6 {
        let name = format!("ledger{number}");
        server.create_database(&name).await.unwrap();
        let connector = PostgresConnector::new(server.url_of(&name).parse().unwrap(), None);
        migrations.spawn(async move { migrate(&connector, |_| {}).await });
    }
    for migrated in migrations.join_all().await {
        migrated.unwrap();
    }
}

#[tokio::test]
async fn a_users_view_on_ours_stops_the_replacement_by_name() {
    let database = database().await;
    database
        .client
        .batch_execute("create view public.mine as select pod from fleet.pod")
        .await
        .unwrap();
    database
        .client
        .batch_execute("update ledger.repeatable_set set sha256 = 'old'")
        .await
        .unwrap();
    let refused = migrate(&database.connector, |_| {}).await.unwrap_err();
    assert!(
        matches!(&refused, MigrateError::Dependents { dependents } if dependents.contains("mine")),
        "{refused}"
    );
    database
        .client
        .batch_execute("drop view public.mine")
        .await
        .unwrap();
    assert!(
        migrate(&database.connector, |_| {})
            .await
            .unwrap()
            .repeatables_replaced
    );
}

/// A column as the catalogue and the row module both know it: name, type, whether it is never null.
type ColumnFact = (String, String, bool);

async fn columns_of(client: &Client, table: &str) -> BTreeSet<ColumnFact> {
    let query = "select attname::text, format_type(atttypid, atttypmod), attnotnull
        from pg_attribute where attrelid = to_regclass('ledger.' || $1) and attnum > 0 and not attisdropped";
    let rows = client.query(query, &[&table]).await.unwrap();
    rows.iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// Catches a column added to a list in Rust and not to a migration, or the reverse. The order in a table is nobody's: a
/// column that a later migration adds comes last.
#[tokio::test]
async fn tables_have_the_columns_the_row_module_lists() {
    let database = database().await;
    let tables = RecordKind::ALL
        .into_iter()
        .map(row::table)
        .chain([row::container_table()]);
    for table in tables {
        let found = columns_of(&database.client, table.name).await;
        let own: BTreeSet<ColumnFact> = table
            .columns
            .iter()
            .map(|column| {
                let column_type = column.column_type.sql_name().to_owned();
                (column.name.to_owned(), column_type, column.not_null)
            })
            .collect();
        assert!(
            own.is_subset(&found),
            "{}: {:?}",
            table.name,
            own.difference(&found)
        );
        let beside: BTreeSet<&str> = found.difference(&own).map(|column| column.0.as_str()).collect();
        let meta = ["cluster_id"].into_iter().chain(table.meta.iter().copied());
        assert_eq!(beside, meta.collect(), "{}", table.name);

        let history = columns_of(&database.client, &format!("{}_history", table.name)).await;
        assert!(found.is_subset(&history), "{}", table.name);
        let beside: BTreeSet<&str> = history
            .difference(&found)
            .map(|column| column.0.as_str())
            .collect();
        assert_eq!(
            beside,
            BTreeSet::from(["closed_reason", "valid_to"]),
            "{}",
            table.name
        );
    }
}

#[tokio::test]
async fn no_full_index_but_the_primary_key_begins_with_the_cluster() {
    let database = database().await;
    for table in RecordKind::ALL
        .map(|kind| row::table(kind).name)
        .into_iter()
        .chain(["container"])
    {
        let query = format!(
            "select i.indexrelid::regclass::text from pg_index as i
            join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
            where i.indrelid = 'ledger.{table}'::regclass and a.attname = 'cluster_id' and i.indpred is null"
        );
        assert_eq!(
            texts(&database.client, &query).await,
            [format!("ledger.{table}_pkey")],
            "a plan of the merge made while {table} is empty may take another one and read whole clusters"
        );
    }
}

/// Catches a table, view, column or function that nobody can read about in psql.
#[tokio::test]
async fn everything_has_a_comment() {
    let database = database().await;
    let silent = texts(
        &database.client,
        "select n.nspname || '.' || c.relname || coalesce('.' || a.attname, '')
         from pg_class as c
         join pg_namespace as n on n.oid = c.relnamespace
         left join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
         where n.nspname in ('ledger', 'fleet', 'fleet_asof') and c.relkind in ('r', 'p', 'v') and not c.relispartition
           and (obj_description(c.oid, 'pg_class') is null or a.attnum is not null and col_description(c.oid, a.attnum) is null)
         union all
         select p.oid::regprocedure::text from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
         where n.nspname in ('ledger', 'fleet', 'fleet_asof') and obj_description(p.oid, 'pg_proc') is null",
    )
    .await;
    assert_eq!(silent, Vec::<String>::new());
}

#[tokio::test]
async fn both_schemas_have_the_same_columns_and_files_name_them_all() {
    let database = database().await;
    let columns = |schema: &str, view: &str| {
        let query = format!(
            "select attname::text || ' ' || format_type(atttypid, atttypmod) from pg_attribute
             where attrelid = '{schema}.{view}'::regclass and attnum > 0 order by attnum"
        );
        let client = &database.client;
        async move { texts(client, &query).await }
    };
    for view in documented_views().unwrap() {
        let live = columns("fleet", &view.name).await;
        let names: Vec<&str> = live
            .iter()
            .map(|column| column.split(' ').next().unwrap())
            .collect();
        let documented: Vec<&str> = view.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, documented, "{}", view.name);
        if view.forms.iter().any(|form| form == "asof") {
            assert_eq!(live, columns("fleet_asof", &view.name).await, "{}", view.name);
        }
    }
}

#[tokio::test]
async fn a_reader_reads_fleet_and_nothing_else() {
    let database = database().await;
    let mut config = database.connector.config().clone();
    config.user("fleetledger_reader");
    let reader = PostgresConnector::new(config, None)
        .connect("reader")
        .await
        .unwrap();
    for view in documented_views().unwrap() {
        reader
            .query(&format!("select * from {} limit 1", view.name), &[])
            .await
            .unwrap();
        for form in view.forms {
            let query = match form.as_str() {
                "at" => format!("select * from {}_at(now() - interval '1 hour')", view.name),
                "history" => format!("select * from {}_history limit 1", view.name),
                "asof" => format!("select * from fleet_asof.{} limit 1", view.name),
                _ => continue,
            };
            reader.query(&query, &[]).await.unwrap();
        }
    }
    for refused in [
        "select * from ledger.pod",
        "select record_value from ledger.dead_letter",
        "create table fleet.x ()",
    ] {
        assert!(reader.query(refused, &[]).await.is_err(), "{refused}");
    }
    assert_eq!(texts(&reader, "show jit").await, ["off"]);
}

#[tokio::test]
async fn an_ingester_writes_the_bookkeeping_and_changes_no_schema() {
    let database = database().await;
    let mut config = database.connector.config().clone();
    config.user("fleetledger_ingest");
    let ingester = PostgresConnector::new(config, None)
        .connect("ingester")
        .await
        .unwrap();
    ingester
        .batch_execute("select ledger.ensure_partitions(); create temp table stage (like ledger.pod)")
        .await
        .unwrap();
    ingester
        .batch_execute("select ledger.apply_owners(array[1], now())")
        .await
        .unwrap();
    for refused in [
        "alter table ledger.pod add column x text",
        "delete from ledger.migration",
        "create table ledger.x ()",
    ] {
        assert!(ingester.batch_execute(refused).await.is_err(), "{refused}");
    }
}

#[tokio::test]
async fn an_evaluator_writes_what_is_its_own_and_changes_no_past() {
    let database = database().await;
    database
        .client
        .batch_execute("alter role fleetledger_evaluate login")
        .await
        .unwrap();
    let mut config = database.connector.config().clone();
    config.user("fleetledger_evaluate");
    let evaluator = PostgresConnector::new(config, None)
        .connect("evaluator")
        .await
        .unwrap();
    evaluator
        .batch_execute(
            "select ledger.ensure_partitions();
             insert into ledger.alert_event (slot, rule, fingerprint, alertname, labels, event)
                 values (now(), 'r', 'f', 'A', '{}', 'firing');
             insert into ledger.snooze (kind, matchers, from_at, until_at, created_by, reason, created_at)
                 values ('snooze', '[]', now(), now() + interval '1 hour', 'alice', 'disk', now())",
        )
        .await
        .unwrap();
    for refused in [
        "update ledger.alert_event set event = 'resolved'",
        "delete from ledger.rule_run",
        "insert into ledger.setting (name, value) values ('x', 'y')",
        "delete from ledger.node",
        "create table ledger.x ()",
    ] {
        assert!(evaluator.batch_execute(refused).await.is_err(), "{refused}");
    }
    let two_months =
        "insert into ledger.snooze (kind, matchers, from_at, until_at, created_by, reason, created_at)
        values ('snooze', '[]', now(), now() + interval '60 days', 'alice', 'disk', now())";
    assert!(evaluator.batch_execute(two_months).await.is_err());
}

const NAMESPACE: &str = "insert into ledger.namespace values
    (1, md5('u1')::uuid, null, 'payments', '2026-01-01', null, '{\"team\": \"red\"}', '{}', '{}', 'Active', '[]', 1, 1, 1, 1, 1, 1, null,
     '2026-01-01', '2026-01-01', '2026-01-01')";

#[tokio::test]
async fn a_namespaces_team_is_its_label_now_and_as_of_then() {
    let database = database().await;
    let client = &database.client;
    client
        .batch_execute(&format!(
            "insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values ('dfw', 'a', 'u', '2026-01-01');
             insert into ledger.setting (name, value) values ('owners.namespace_label', 'team');
             {NAMESPACE};
             select ledger.apply_owners(array[1], '2026-01-01');
             update ledger.namespace set labels = '{{\"team\": \"blue\"}}';
             select ledger.apply_owners(array[1], '2026-02-01')"
        ))
        .await
        .unwrap();
    assert_eq!(texts(client, "select team from fleet.namespace").await, ["blue"]);
    client
        .batch_execute("set fleet.as_of = '2026-01-15'")
        .await
        .unwrap();
    assert_eq!(
        texts(client, "select team from fleet_asof.namespace").await,
        ["red"]
    );
    assert_eq!(
        texts(client, "select team from fleet.namespace_at('2026-02-02')").await,
        ["blue"]
    );
    let unchanged = texts(client, "select ledger.apply_owners(array[1], '2026-03-01')::text").await;
    assert_eq!(unchanged, ["0"]);
}

#[tokio::test]
async fn partitions_are_made_merged_and_dropped() {
    let database = database().await;
    let client = &database.client;
    let ensure = "select ledger.ensure_partitions()::text";
    assert_eq!(texts(client, ensure).await, ["0"]);
    let made = "select (ledger.ensure_partitions('2024-03-01', '2024-03-31'))::text";
    // They fall into pod_history_old and the like; only tables without such a partition gain days.
    let bounds =
        "select partition_name from ledger.partition_bounds('pod_history') where from_at = '-infinity'";
    assert_eq!(texts(client, bounds).await, ["pod_history_old"]);
    assert_eq!(texts(client, made).await, ["0"]);

    let future = "select (ledger.ensure_partitions('2031-03-01', '2031-03-31'))::text";
    let days_of_all = "select (31 * count(*))::text from ledger.partitioned_table";
    assert_eq!(texts(client, future).await, texts(client, days_of_all).await);
    // Days that are only appended to are analyzed when they have doubled, and nothing is known of their documents.
    let storage = "select array_to_string(reloptions, ' ') from pg_class where oid = 'ledger.pod_history_20310301'::regclass";
    assert_eq!(
        texts(client, storage).await,
        ["fillfactor=100 autovacuum_analyze_scale_factor=1 autovacuum_vacuum_insert_scale_factor=1"]
    );
    let without = "select string_agg(attname, ' ' order by attname) from pg_attribute
        where attrelid = 'ledger.pod_history_20310301'::regclass and attstattarget = 0
          and attname in ('labels', 'phase', 'node')";
    assert_eq!(texts(client, without).await, ["labels"]);
    let version = "insert into ledger.namespace_history values
        (1, md5('u1')::uuid, null, 'payments', '2026-01-01', null, '{}', '{}', '{}', 'Active', '[]', 1, 1, 1, 1, 1, 1, null,
         '2026-01-01', '2026-01-01', '2026-01-01', '2031-03-17', 'changed')";
    client.batch_execute(version).await.unwrap();
    let done = texts(client, "select * from ledger.maintain_partitions('2031-06-01')").await;
    assert!(
        done.contains(&"merged namespace_history_203103".to_owned()),
        "{done:?}"
    );
    assert!(
        done.iter().any(|line| line.starts_with("dropped batch_2031")),
        "{done:?}"
    );
    let kept = "select closed_reason from fleet.namespace_history where valid_to = '2031-03-17'";
    client
        .batch_execute("insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values ('dfw', 'a', 'u', '2026-01-01')")
        .await
        .unwrap();
    assert_eq!(texts(client, kept).await, ["changed"]);
}
