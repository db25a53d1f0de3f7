//! The catalogue of a migrated database: keys, and functions that are replaced.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use std::collections::BTreeSet;

use fleetledger_schema::postgres::{MigrateError, migrate};
use tokio_postgres::Client;

/// Tables that belong to no cluster, and why.
const OF_NO_CLUSTER: &[(&str, &[&str])] = &[
    (
        "no rows: the table is the lock",
        &[
            "lock_migration",
            "lock_partition",
            "lock_cost_fill",
            "lock_cost_rating",
            "lock_cost_apply",
            "lock_rule_set",
        ],
    ),
    (
        "of the database",
        &["migration", "repeatable_set", "partitioned_table", "setting"],
    ),
    (
        "of the server's roles: a team is the fleet's",
        &["team_role", "owner_map"],
    ),
    ("a schema is the same wherever it is used", &["avro_schema"]),
    (
        "a partition of Kafka holds the logs of many clusters",
        &[
            "topic",
            "ingest_partition",
            "batch",
            "ingest_gap",
            "rollup_ingest",
        ],
    ),
    (
        "its record may name no cluster that is known",
        &["dead_letter", "quarantine"],
    ),
    (
        "a rule asks about the whole fleet, and an instance is what its labels say",
        &[
            "rule_set",
            "evaluator",
            "rule_group",
            "rule",
            "refused_rule",
            "rule_run",
            "alert_instance",
            "alert_event",
            "alert_ack",
            "snooze",
            "page_group",
            "outbox",
            "delivery",
            "rollup_window",
            "user_rollup",
        ],
    ),
    (
        "a price sheet, a budget, a default are of datacenters, teams and the fleet",
        &["price_sheet", "price_class", "cost_team", "cost_sharing"],
    ),
    (
        "the fleet is rated at once, an hour at a time",
        &["cost_run", "cost_hour", "cost_day", "cost_month", "usage_fold"],
    ),
    (
        "the cluster is the line's: ledger.cost_line",
        &["cost_hourly", "cost_daily", "cost_adjustment"],
    ),
];

/// Keys of tables of clusters that begin otherwise, and why.
const OTHER_KEYS: &[(&str, &[&str])] = &[
    (
        "the identity that cluster_id is a number for",
        &["cluster (cluster_uid)", "cluster_admission (cluster_uid)"],
    ),
    (
        "a period is written and read as a whole, so it comes before the cluster",
        &[
            "cost_namespace_daily (day_at, cluster_id, namespace, team, owner_source, node_class)",
            "cost_namespace_monthly (month_at, cluster_id, namespace, team, owner_source, node_class)",
            "cost_node_hourly (hour_at, cluster_id, node_uid, from_at)",
            "cost_node_daily (day_at, cluster_id, node_class, resource)",
            "cost_check (period, at, cluster_id)",
            "cost_failure (period, at, cluster_id)",
        ],
    ),
    (
        "likewise; these are filled by stored SQL, which knows clusters by their names",
        &[
            "rollup_cluster (window_at, datacenter, cluster)",
            "rollup_namespace (window_at, datacenter, cluster, namespace)",
        ],
    ),
    (
        "a number of the central site's own in place of eight columns, the cluster among them",
        &["cost_line (line_id)"],
    ),
    ("dead letters are numbered", &["dead_key (dead_letter_id)"]),
    (
        "a source of dead letters may be no cluster of the ledger",
        &[
            "dead_letter_day (datacenter, cluster, cluster_uid, day_on)",
            "dead_letter_overflow (datacenter, cluster, cluster_uid, day_on, topic, reason)",
        ],
    ),
];

async fn texts(client: &Client, query: &str) -> BTreeSet<String> {
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn listed(reasons: &[(&str, &[&str])]) -> BTreeSet<String> {
    let all = reasons.iter().flat_map(|(_, names)| names.iter());
    all.map(|name| (*name).to_owned()).collect()
}

/// Catches a key under which two clusters' objects would be one: a uid is unique in its cluster alone.
#[tokio::test]
async fn every_key_of_a_clusters_table_begins_with_the_cluster() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    let without = texts(
        &client,
        "select c.relname::text from pg_class as c
         where c.relnamespace = 'ledger'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
           and not exists (
               select from pg_attribute as a
               where a.attrelid = c.oid and not a.attisdropped and a.attname in ('cluster_id', 'cluster') and a.attnotnull
           )",
    )
    .await;
    let no_cluster = listed(OF_NO_CLUSTER);
    let unlisted: Vec<&String> = without.difference(&no_cluster).collect();
    assert!(unlisted.is_empty(), "no cluster and no reason: {unlisted:?}");
    let keys = texts(
        &client,
        "select c.relname || ' (' || string_agg(a.attname, ', ' order by k.place) || ')'
         from pg_constraint as o
         join pg_class as c on c.oid = o.conrelid
         cross join lateral unnest(o.conkey) with ordinality as k (number, place)
         join pg_attribute as a on a.attrelid = c.oid and a.attnum = k.number
         where c.relnamespace = 'ledger'::regnamespace and not c.relispartition and o.contype in ('p', 'u', 'f')
         group by o.oid, c.relname",
    )
    .await;
    let otherwise: BTreeSet<String> = keys
        .into_iter()
        .filter(|key| {
            let (table, columns) = key.split_once(" (").unwrap();
            !no_cluster.contains(table) && !columns.starts_with("cluster_id")
        })
        .collect();
    assert_eq!(otherwise, listed(OTHER_KEYS));
}

/// Catches a replacement that drops a table's trigger with its function, leaves what no file makes, or keeps what was
/// changed by hand.
#[tokio::test]
async fn functions_are_replaced_as_a_whole_and_a_triggers_in_place() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    let number = "select 'ledger.note_fold()'::regprocedure::oid::text";
    let before = texts(&client, number).await;
    client
        .batch_execute(
            "create function ledger.gone(at timestamptz) returns text language sql return ledger.partition_name('x', at::date, true);
             create function ledger.cost_overcommit_factor(charged bigint) returns bigint language sql return charged;
             create or replace function ledger.note_fold() returns trigger language plpgsql as 'begin return null; end';
             drop function ledger.maintain_partitions;
             create function ledger.maintain_partitions(at timestamptz) returns integer language sql return 1;
             update ledger.repeatable_set set sha256 = 'old'",
        )
        .await
        .unwrap();
    assert!(migrate(&connector, |_| {}).await.unwrap().repeatables_replaced);
    assert_eq!(texts(&client, number).await, before);
    let functions = texts(
        &client,
        "select p.oid::regprocedure || ' ' || pg_get_function_result(p.oid) from pg_proc as p
         where p.pronamespace = 'ledger'::regnamespace
           and (p.proname in ('gone', 'cost_overcommit_factor', 'maintain_partitions') or p.prosrc like '%ledger.price_sheet%' and p.proname = 'note_fold')",
    )
    .await;
    assert_eq!(
        functions.iter().map(String::as_str).collect::<Vec<_>>(),
        [
            "ledger.cost_overcommit_factor(numeric,numeric) numeric",
            "ledger.maintain_partitions(timestamp with time zone) SETOF text",
            "ledger.note_fold() trigger"
        ]
    );
    // Privileges are those of a database that was migrated once.
    let privileges = "select p.oid::regprocedure || ' ' || coalesce(p.proacl::text, '') from pg_proc as p
        where p.pronamespace in ('ledger'::regnamespace, 'fleet'::regnamespace)";
    let (_other, fresh) = server::migrated().await;
    let fresh = fresh.connect("test").await.unwrap();
    assert_eq!(texts(&client, privileges).await, texts(&fresh, privileges).await);
}

#[tokio::test]
async fn a_function_that_is_gone_and_still_needed_is_reported_by_who_needs_it() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    client
        .batch_execute(
            "create function ledger.gone() returns text language sql return 'x';
             create table public.mine (word text default ledger.gone());
             update ledger.repeatable_set set sha256 = 'old'",
        )
        .await
        .unwrap();
    let refused = migrate(&connector, |_| {}).await.unwrap_err();
    assert!(
        matches!(&refused, MigrateError::Dependents { dependents } if dependents.contains("mine")),
        "{refused}"
    );
}

/// Of a function that runs as the owner, every name must mean what its author meant, whoever calls it.
#[tokio::test]
async fn functions_that_run_as_the_owner_look_into_no_schema_of_their_callers() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    let definers = texts(
        &client,
        "select p.proname::text from pg_proc as p
         where p.pronamespace in ('ledger'::regnamespace, 'fleet'::regnamespace, 'fleet_asof'::regnamespace) and p.prosecdef",
    )
    .await;
    assert!(definers.len() >= 10, "{definers:?}");
    let open = texts(
        &client,
        "select p.proname::text from pg_proc as p
         where p.pronamespace in ('ledger'::regnamespace, 'fleet'::regnamespace, 'fleet_asof'::regnamespace) and p.prosecdef
           and not coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false)",
    )
    .await;
    assert_eq!(
        open,
        BTreeSet::new(),
        "set search_path = pg_catalog, pg_temp is missing"
    );
}

/// PUBLIC is every login of the server: nothing of ours is given to it.
#[tokio::test]
async fn public_has_no_right_on_anything_of_ours() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    let given = texts(
        &client,
        "select format('function %s: %s', p.oid::regprocedure, a.privilege_type)
         from pg_proc as p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
         where p.pronamespace in ('ledger'::regnamespace, 'fleet'::regnamespace, 'fleet_asof'::regnamespace) and a.grantee = 0
         union all
         select format('relation %s: %s', c.oid::regclass, a.privilege_type)
         from pg_class as c, aclexplode(c.relacl) as a
         where c.relnamespace in ('ledger'::regnamespace, 'fleet'::regnamespace, 'fleet_asof'::regnamespace) and a.grantee = 0
         union all
         select format('schema %s: %s', n.nspname, a.privilege_type)
         from pg_namespace as n, aclexplode(n.nspacl) as a
         where n.nspname in ('ledger', 'fleet', 'fleet_asof') and a.grantee = 0
         union all
         select format('database: %s', a.privilege_type)
         from pg_database as d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) as a
         where d.datname = current_database() and a.grantee = 0 and a.privilege_type <> 'CONNECT'",
    )
    .await;
    assert_eq!(given, BTreeSet::new());
}
