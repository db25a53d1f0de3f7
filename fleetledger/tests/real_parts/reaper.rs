//! What readers leave running is ended, whatever their sessions set.

use std::time::{Duration, Instant};

use fleetledger_local::ports;
use tokio_postgres::error::SqlState;

use crate::{
    process::{RoleProcess, wait_for},
    support::{self, BinaryFixture},
};

/// How long a session beyond its limit of a second may live: a look comes every five.
const ENDED: Duration = Duration::from_secs(40);

/// Waits until a session is ended.
async fn await_session_end(session: &tokio_postgres::Client) {
    let waited = Instant::now();
    while !session.is_closed() {
        assert!(waited.elapsed() < ENDED, "the session lives on");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn a_reader_who_lifts_the_timeout_is_cancelled_all_the_same() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let as_role = |role: &str| url.replacen("fleetledger@", &format!("{role}@"), 1);
    let port = ports::free_port().unwrap();
    let setup = BinaryFixture::new(&format!(
        "[postgres]\nurl = \"{}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:{port}\"\n\
         [evaluate]\nrules = \"{}\"\nreader_limit_seconds = 1\n",
        as_role("fleetledger_evaluate"),
        concat!(env!("CARGO_MANIFEST_DIR"), "/../queries/reports"),
    ));
    let evaluator = RoleProcess::start(&setup, &["evaluate"]);
    wait_for(port, "/readyz", "evaluate: ok");

    let reader = support::client(&as_role("fleetledger_reader")).await;
    let lift = "set statement_timeout = 0; set idle_in_transaction_session_timeout = 0";
    reader.batch_execute(lift).await.unwrap();
    let asked = Instant::now();
    let slept = reader.query_one("select pg_sleep(600)::text", &[]).await;
    assert_eq!(slept.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));
    assert!(asked.elapsed() < ENDED, "{:?}", asked.elapsed());

    // So is a team, whose role is no member of the readers'.
    let owner = support::client(&url).await;
    owner
        .execute("select ledger.team_grant('red')", &[])
        .await
        .unwrap();
    let team = support::client(&as_role("fleetledger_team_red")).await;
    team.batch_execute(lift).await.unwrap();
    let slept = team.query_one("select pg_sleep(600)::text", &[]).await;
    assert_eq!(slept.unwrap_err().code(), Some(&SqlState::QUERY_CANCELED));

    // One that catches its cancellation and goes on is ended with its session.
    let stubborn = "do $$ begin loop begin perform pg_sleep(600); exception when query_canceled then null; end; end loop; end $$";
    assert!(reader.batch_execute(stubborn).await.is_err());
    await_session_end(&reader).await;

    // One that holds a transaction open and asks nothing.
    let idle = support::client(&as_role("fleetledger_reader")).await;
    idle.batch_execute(lift).await.unwrap();
    idle.batch_execute("begin; select 1").await.unwrap();
    await_session_end(&idle).await;

    // One that is never idle and never asks for long.
    let busy = support::client(&as_role("fleetledger_reader")).await;
    busy.batch_execute(lift).await.unwrap();
    busy.batch_execute("begin; select 1").await.unwrap();
    let waited = Instant::now();
    while busy.batch_execute("select pg_sleep(0.2)").await.is_ok() {
        assert!(waited.elapsed() < ENDED, "the transaction lives on");
    }

    // Writers are nobody's prey.
    let ingester = support::client(&as_role("fleetledger_ingest")).await;
    ingester.query_one("select pg_sleep(8)::text", &[]).await.unwrap();
    let (code, log) = evaluator.stop();
    assert_eq!(code, Some(0), "{log}");
    assert!(
        log.contains("a reader's query or transaction ran for too long"),
        "{log}"
    );
}

#[tokio::test]
async fn readers_are_limited_in_number_and_in_temporary_files() {
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let reader = support::client(&url.replacen("fleetledger@", "fleetledger_reader@", 1)).await;
    let setting = async |name: &str| {
        let row = reader.query_one(&format!("show {name}"), &[]).await.unwrap();
        row.get::<_, String>(0)
    };
    assert_eq!(setting("temp_file_limit").await, "10GB");
    assert_eq!(setting("work_mem").await, "16MB");
    assert_eq!(setting("statement_timeout").await, "1min");
    assert_eq!(setting("idle_in_transaction_session_timeout").await, "1min");
    let lifted = reader.batch_execute("set temp_file_limit = -1").await;
    assert_eq!(
        lifted.unwrap_err().code(),
        Some(&SqlState::INSUFFICIENT_PRIVILEGE)
    );
    let limit = "select rolconnlimit from pg_roles where rolname = 'fleetledger_reader'";
    assert_eq!(reader.query_one(limit, &[]).await.unwrap().get::<_, i32>(0), 65);
}

#[tokio::test]
async fn sql_opens_psql_as_the_reader_where_names_resolve() {
    if std::process::Command::new("psql")
        .arg("--version")
        .output()
        .is_err()
    {
        let missing: fleetledger_local::LocalResult<()> = Err(fleetledger_local::LocalError::Unavailable {
            part: "psql",
            reason: "it is not installed".to_owned(),
            remedy: "apt-get install postgresql-client".to_owned(),
        });
        fleetledger_local::skip::unless_available(
            "sql_opens_psql_as_the_reader_where_names_resolve",
            missing,
        )
        .unwrap();
        return;
    }
    let server = support::postgres().await;
    let url = support::migrated(&server, "ledger").await;
    let setup = BinaryFixture::new(&format!("[postgres]\nurl = \"{url}\"\ntls = \"off\"\n"));
    let ask = "select current_user, current_schema(), as_of() < '2026-01-02', count(*) from pod";
    let (code, output) = setup.run_to_text(&["sql", "--", "-X", "-A", "-t", "-c", ask]);
    assert!(
        code == 0 && output.contains("fleetledger_reader|fleet|f|0"),
        "{code} {output}"
    );
    let (code, said) = setup.run_to_text(&[
        "sql",
        "--as-of",
        "2026-01-01 14:00+00",
        "--",
        "-X",
        "-A",
        "-t",
        "-c",
        ask,
    ]);
    assert!(
        code == 0 && said.contains("fleetledger_reader|fleet_asof|t|0"),
        "{code} {said}"
    );
}
