//! What a new query begins as runs as it stands.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

use std::{collections::BTreeMap, sync::Arc};

use fleetledger_queries::{QueryId, ReaderPool, parse, prepare, report_run};
use fleetledger_schema::postgres::PostgresConnector;
use fleetledger_trials::{
    TestDatabase, run_file,
    scaffold::{self, NewKind},
};

#[tokio::test]
async fn what_a_new_query_begins_as_runs() {
    let database = TestDatabase::start().await.unwrap();
    let mut config: tokio_postgres::Config = database.url().parse().unwrap();
    config.user("fleetledger_reader");
    let reader = ReaderPool::new(&PostgresConnector::new(config, None), 1).unwrap();
    let id = QueryId::parse("my-query").unwrap();
    for kind in [NewKind::Alert, NewKind::Record, NewKind::Rollup, NewKind::Report] {
        let file = &scaffold::files(&id, kind)[0];
        let query = Arc::new(parse(&file.path, "new", &file.text).unwrap());
        let prepared = prepare(&reader, std::slice::from_ref(&query)).await.unwrap();
        assert_eq!(prepared[0].as_ref().err(), None, "{kind:?}");
        let answer = report_run::run_with_parameters(&reader, &query, &BTreeMap::new(), None).await;
        assert!(answer.unwrap().rows.is_empty());
    }
}

#[tokio::test]
async fn the_test_of_a_new_alert_passes() {
    let folder = tempfile::tempdir().unwrap();
    let id = QueryId::parse("my-query").unwrap();
    for file in scaffold::files(&id, NewKind::Alert) {
        let path = folder.path().join(file.path.file_name().unwrap());
        std::fs::write(path, file.text).unwrap();
    }
    let database = TestDatabase::start().await.unwrap();
    let mut session = database.session().await.unwrap();
    let report = run_file(&mut session, &folder.path().join("my-query.test.yaml")).await;
    let report = report.unwrap();
    assert_eq!(report.tests.len(), 3);
    assert!(report.passed(), "{report:#?}");
}

#[tokio::test]
async fn an_expectation_of_an_alert_that_no_file_has_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let id = QueryId::parse("my-query").unwrap();
    for file in scaffold::files(&id, NewKind::Alert) {
        let path = folder.path().join(file.path.file_name().unwrap());
        // Of what is misspelt nothing ever fires: a test of silence would pass.
        let text = file.text.replacen("alertname: MyQuery", "alertname: MyQuerry", 1);
        std::fs::write(path, text).unwrap();
    }
    let database = TestDatabase::start().await.unwrap();
    let mut session = database.session().await.unwrap();
    let refused = run_file(&mut session, &folder.path().join("my-query.test.yaml")).await;
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("expects alert `MyQuerry`, which no file of rule_files has; did you mean `MyQuery`? they have MyQuery"),
        "{refused}"
    );
}
