//! What a real server says when a session is at fault, and when it is not.

#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

mod server;

use fleetledger_schema::postgres::{PoolerMode, PostgresConnector, is_session_fault, pooler_mode};
use tokio_postgres::{Client, Error};

async fn refused(client: &Client, statements: &[&str]) -> Error {
    let (last, before) = statements.split_last().unwrap();
    for statement in before {
        // What fails before is how the session gets where it is wanted.
        let _ = client.batch_execute(statement).await;
    }
    client.batch_execute(last).await.unwrap_err()
}

#[tokio::test]
async fn a_real_server_names_faults_of_the_session_by_these_states() {
    let (_server, connector): (_, PostgresConnector) = server::migrated().await;
    let replan: &[&str] = &[
        "create table planned (a integer)",
        "prepare planned_one as select * from planned",
        "execute planned_one",
        "alter table planned alter a type text",
        "execute planned_one",
    ];
    for (state, statements, is_fault) in [
        ("0A000", replan, true),
        ("26000", &["execute nobody_prepared_it"][..], true),
        (
            "42P05",
            &["prepare twice as select 1", "prepare twice as select 1"],
            true,
        ),
        ("34000", &["begin", "fetch nobody_declared_it"], true),
        (
            "42P03",
            &[
                "begin",
                "declare c cursor for select 1",
                "declare c cursor for select 1",
            ],
            true,
        ),
        ("25P01", &["savepoint nowhere"], true),
        ("25P02", &["begin", "select 1/0", "select 1"], true),
        (
            "25006",
            &["begin read only", "create table written (a integer)"],
            true,
        ),
        ("57P01", &["select pg_terminate_backend(pg_backend_pid())"], true),
        // The same state for what no session can do.
        ("0A000", &["select * from elsewhere.other.place"], false),
        ("42P01", &["select * from nothing"], false),
        ("22012", &["select 1/0"], false),
    ] {
        let client = connector.connect("test").await.unwrap();
        let error = refused(&client, statements).await;
        let code = error.code().map(|code| code.code().to_owned());
        assert_eq!(code.as_deref(), Some(state), "{statements:?}: {error:?}");
        assert_eq!(is_session_fault(&error), is_fault, "{statements:?}: {error:?}");
    }
    let client = connector.connect("test").await.unwrap();
    let _ = client
        .batch_execute("select pg_terminate_backend(pg_backend_pid())")
        .await;
    let closed = client.batch_execute("select 1").await.unwrap_err();
    assert!(
        closed.as_db_error().is_none() && is_session_fault(&closed),
        "{closed:?}"
    );
    assert_eq!(pooler_mode(&connector).await.unwrap(), PoolerMode::Absent);
}
