//! What a query cannot do, even where the static check is passed by: the walls behind it.

use std::{sync::Arc, time::Duration};

use fleetledger_queries::{Period, ReaderError, ReaderPool, RunError, StoredQuery, cycle};
use fleetledger_schema::instant::Instant;

use crate::harness::{QueriesHarness, alert, at};

/// A query whose text no check has seen.
pub(crate) fn unchecked(sql: &str) -> Arc<StoredQuery> {
    let mut query = StoredQuery::clone(&alert("", "select 1"));
    query.sql = sql.to_owned();
    Arc::new(query)
}

async fn error(place: &QueriesHarness, sql: &str) -> String {
    let runs = cycle::run_alerts(&place.reader, &[unchecked(sql)], Instant::now(), &()).await;
    runs[0]
        .outcome
        .as_ref()
        .err()
        .map(ToString::to_string)
        .unwrap_or_default()
}

#[tokio::test]
async fn the_reader_role_reads_and_does_nothing_else() {
    let place = QueriesHarness::new().await;
    for (sql, says) in [
        ("delete from fleet.pod", "a.sql:"),
        ("insert into public.x values (1)", "a.sql:"),
        ("create table public.x ()", "read-only transaction"),
        ("create temp table x as select 1", "a.sql:"),
        ("select * from ledger.pod", "permission denied for schema ledger"),
        ("select 1; select 2", "multiple commands"),
        ("set role fleetledger_evaluate", "permission denied"),
        ("set session authorization fleetledger", "permission denied"),
        ("select pg_read_file('/etc/passwd')", "permission denied"),
        ("copy (select 1) to program 'true'", "must be superuser"),
        ("select record_value from ledger.dead_letter", "permission denied"),
    ] {
        let error = error(&place, sql).await;
        assert!(error.contains(says), "{sql}: {error}");
    }
    let made: bool = place
        .sql
        .query_one("select to_regclass('public.x') is not null", &[])
        .await
        .unwrap()
        .get(0);
    assert!(!made);
}

#[tokio::test]
async fn a_query_cannot_leave_its_instant_or_time_behind_for_the_next_one() {
    let place = QueriesHarness::new().await;
    let mighty = unchecked(
        "select set_config('statement_timeout', '0', false), set_config('fleet.as_of', '2000-01-01', false)",
    );
    let asks = alert(
        "columns: {labels: [at, patience]}",
        "select as_of()::text as at, current_setting('statement_timeout') as patience",
    );
    let slot = at("2026-05-05T12:00:00Z");
    let runs = cycle::run_alerts(&place.reader, &[mighty, asks.clone()], slot, &()).await;
    assert!(runs[0].outcome.is_ok());
    let labels = &runs[1].outcome.as_ref().unwrap().rows[0].labels;
    assert_eq!(
        (labels["at"].as_str(), labels["patience"].as_str()),
        ("2026-05-05 12:00:00+00", "20s")
    );
    // And on the same connection later.
    let runs = cycle::run_alerts(&place.reader, &[asks], slot, &()).await;
    assert_eq!(runs[0].outcome.as_ref().unwrap().rows[0].labels, *labels);
}

#[tokio::test]
async fn a_slow_query_is_cancelled_by_the_server_and_the_group_goes_on() {
    let place = QueriesHarness::new().await;
    let mut slow = StoredQuery::clone(&unchecked("select pg_sleep(60)"));
    slow.timeout = Period::from_ms(200);
    let fast = alert("", "select 1");
    let begun = std::time::Instant::now();
    let runs = cycle::run_alerts(&place.reader, &[Arc::new(slow), fast], Instant::now(), &()).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    let error = runs[0].outcome.as_ref().unwrap_err();
    assert!(matches!(error, RunError::Timeout { .. }), "{error}");
    assert_eq!(error.to_string(), "a.sql: cancelled after its timeout of 200ms");
    assert_eq!(runs[1].outcome.as_ref().unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_query_that_lifts_its_own_timeout_is_cancelled_from_outside() {
    let place = QueriesHarness::new().await;
    // An immutable function is run by the planner, one message before the execution that it frees of its timer.
    place
        .sql
        .batch_execute(
            "create function public.lift() returns boolean immutable language plpgsql as
             $$ begin perform set_config('statement_timeout', '0', true); return true; end $$",
        )
        .await
        .unwrap();
    let mut stubborn = StoredQuery::clone(&unchecked("select pg_sleep(60) where public.lift()"));
    stubborn.timeout = Period::from_ms(300);
    let begun = std::time::Instant::now();
    let runs = cycle::run_alerts(
        &place.reader,
        &[Arc::new(stubborn), alert("", "select 1")],
        Instant::now(),
        &(),
    )
    .await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(
        begun.elapsed() > Duration::from_millis(1_300),
        "only then is it cancelled from outside"
    );
    assert!(matches!(runs[0].outcome, Err(RunError::Timeout { .. })));
    assert_eq!(runs[1].outcome.as_ref().unwrap().rows.len(), 1);
}

#[tokio::test]
async fn stored_sql_runs_as_nobody_mightier_than_a_reader() {
    let place = QueriesHarness::new().await;
    place.reader.check_role().await.unwrap();
    for (user, why) in [
        ("fleetledger", "is a superuser"),
        ("fleetledger_evaluate", "may use schema ledger"),
    ] {
        let reader = ReaderPool::new(&place.connector(user), 1).unwrap();
        let error = reader.check_role().await.unwrap_err();
        assert!(
            matches!(&error, ReaderError::TooMighty { why: found, .. } if found == why),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_database_that_is_away_is_an_error_of_every_query() {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(1).user("nobody").dbname("x");
    let reader = ReaderPool::new(
        &fleetledger_schema::postgres::PostgresConnector::new(config, None),
        1,
    )
    .unwrap();
    let queries = [alert("", "select 1"), alert("", "select 2")];
    let runs = cycle::run_alerts(&reader, &queries, Instant::now(), &()).await;
    assert_eq!(runs.len(), 2);
    for run in runs {
        let error = run.outcome.unwrap_err();
        assert!(
            matches!(&error, RunError::Unavailable(what) if what.contains("127.0.0.1:1/x")),
            "{error}"
        );
    }
}
