//! Nothing that a login can make stands between a function of ours and what the function means.

use fleetledger_tests::parts;

use crate::login::{login, refused, team};

/// What fills a disk, or stands before a name that somebody else looks up.
const MAKES_SOMETHING: &[&str] = &[
    "create temporary table namespace_team (x integer)",
    "create temporary view pod as select 1 as x",
    "create table public.pod (x integer)",
    "create table fleet.mine (x integer)",
    "create table ledger.mine (x integer)",
    "create function public.as_of() returns timestamptz language sql as 'select now()'",
    "create function fleet.as_of(x integer) returns timestamptz language sql as 'select now()'",
    "create schema mine",
    "create type public.mine as (x integer)",
    "create extension pg_trgm",
    "select lo_create(0)",
    "select lo_creat(-1)",
    "select lo_from_bytea(0, 'x')",
];

#[tokio::test]
async fn readers_and_teams_make_nothing() {
    let Some(parts) = parts::shared("readers_and_teams_make_nothing").await else {
        return;
    };
    let database = parts.database().await;
    let attackers = [
        team(&database, "red").await,
        login(&database, "fleetledger_reader").await,
        login(&database, "fleetledger_evaluate").await,
    ];
    for attacker in &attackers {
        for statement in MAKES_SOMETHING {
            refused(attacker, statement).await;
        }
    }
    println!(
        "{} attempts, nothing made",
        attackers.len() * MAKES_SOMETHING.len()
    );
}

/// The ingester has temporary tables. One that is named like a table of ours is never what a function of the owner's reads
/// or writes, nor does its trigger run as the owner.
#[tokio::test]
async fn a_function_of_the_owner_sees_no_temporary_table_of_its_caller() {
    let Some(parts) = parts::shared("a_function_of_the_owner_sees_no_temporary_table_of_its_caller").await
    else {
        return;
    };
    let database = parts.database().await;
    let tables = database
        .rows(
            "select c.relname as name from pg_class as c
             where c.relnamespace = 'ledger'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
               and has_table_privilege('fleetledger_ingest', c.oid, 'select')",
            &[],
        )
        .await;
    let caller = database.ingester.connect("ingest").await.unwrap();
    caller
        .batch_execute(
            "create function pg_temp.trap() returns trigger language plpgsql as
             'begin raise exception ''a trap was sprung by %'', current_user; end'",
        )
        .await
        .unwrap();
    for table in &tables {
        let name = table["name"].as_str().unwrap();
        let shadow = format!(
            "create temporary table \"{name}\" (like ledger.\"{name}\");
             create trigger trap before insert or update or delete on pg_temp.\"{name}\"
             for each statement execute function pg_temp.trap()"
        );
        caller.batch_execute(&shadow).await.unwrap();
    }
    let calls = [
        "select ledger.ensure_partitions()",
        "select ledger.maintain_partitions()",
        "select ledger.apply_owners(array(select cluster_id from ledger.cluster), now())",
    ];
    for call in calls {
        caller.batch_execute(call).await.unwrap();
    }
    println!(
        "{} tables shadowed, {} functions called",
        tables.len(),
        calls.len()
    );
}
