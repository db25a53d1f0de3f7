//! Files → rows.

use fleetledger_queries::{
    InstanceLabels, RunError, StoredQuery,
    alert::RowStatus,
    cycle::{self, KnownInstances},
    freshness::SourceScope,
};

use crate::harness::{QueriesHarness, alert, at, read};

const NOW: &str = "2026-05-05T12:00:00Z";

/// These namespaces of dfw/a are known already.
struct KnownNamespaces(&'static [&'static str]);

impl KnownInstances for KnownNamespaces {
    fn instances(&self, _: &StoredQuery) -> Option<Vec<InstanceLabels>> {
        let labels = |namespace: &&str| {
            [("cluster", "a"), ("namespace", namespace)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        };
        Some(self.0.iter().map(labels).collect())
    }
}

#[tokio::test]
async fn rows_become_labels_value_and_annotations() {
    let place = QueriesHarness::new().await;
    place.fleet(2, at(NOW)).await;
    let query = alert(
        "columns: {value: seconds, labels: [cluster, namespace], annotations: [phase, created_at, nothing]}",
        "select cluster, namespace, phase, created_at, null as nothing,
            extract(epoch from as_of() - created_at) as seconds
         from namespace where namespace = 'ns1' order by cluster",
    );
    let runs = cycle::run_alerts(&place.reader, &[query], at(NOW), &()).await;
    let rows = runs[0].outcome.as_ref().unwrap();
    assert!(!rows.exceeded && !rows.has_status);
    assert_eq!(rows.rows.len(), 2);
    let row = &rows.rows[0];
    assert_eq!(row.labels["cluster"], "a");
    assert_eq!(row.value, Some(124.5 * 86_400.0));
    assert_eq!(row.annotations["created_at"], "2026-01-01T00:00:00.000000Z");
    assert_eq!((row.annotations["nothing"].as_str(), row.status), ("", None));
}

#[tokio::test]
async fn every_type_reads_as_postgres_means_it() {
    let place = QueriesHarness::new().await;
    let columns = [
        ("true", "true"),
        ("(-32768)::smallint", "-32768"),
        ("2147483647", "2147483647"),
        ("9223372036854775807::bigint", "9223372036854775807"),
        ("1.5::real", "1.5"),
        ("0.1::double precision", "0.1"),
        ("12345.678900::numeric", "12345.678900"),
        ("(-0.00012)::numeric", "-0.00012"),
        ("0::numeric", "0"),
        ("10000::numeric", "10000"),
        ("1e20::numeric", "100000000000000000000"),
        ("'Infinity'::numeric", "Infinity"),
        ("'x y'::text", "x y"),
        ("'x'::varchar(3)", "x"),
        (
            "'00000000-0000-0000-0000-0000000000ff'::uuid",
            "00000000-0000-0000-0000-0000000000ff",
        ),
        (
            "'2026-02-03 04:05:06.000007+00'::timestamptz",
            "2026-02-03T04:05:06.000007Z",
        ),
        ("'2026-02-03'::date", "2026-02-03"),
        ("'1 month 2 days 03:04:05.5'::interval", "1mon 2d 03:04:05.5"),
        ("interval '-90 seconds'", "-00:01:30"),
        ("'{\"a\": [1, null]}'::jsonb", "{\"a\":[1,null]}"),
        ("'{\"b\":2}'::json", "{\"b\":2}"),
        ("array['x', null, 'y']::text[]", "[\"x\",null,\"y\"]"),
        ("array[1, 2]", "[1,2]"),
        ("'{}'::integer[]", "[]"),
        ("null::bigint", ""),
    ];
    let named: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(number, (sql, _))| format!("{sql} as c{number}"))
        .collect();
    let names: Vec<String> = (0..columns.len()).map(|number| format!("c{number}")).collect();
    let query = alert(
        &format!("columns: {{annotations: [{}]}}", names.join(", ")),
        &format!("select {}", named.join(", ")),
    );
    let runs = cycle::run_alerts(&place.reader, &[query], at(NOW), &()).await;
    let rows = runs[0].outcome.as_ref().unwrap();
    for (name, (sql, expected)) in names.iter().zip(columns) {
        assert_eq!(rows.rows[0].annotations[name], expected, "{sql}");
    }
    let odd = alert("columns: {annotations: [c]}", "select point '(1,2)' as c");
    let runs = cycle::run_alerts(&place.reader, &[odd], at(NOW), &()).await;
    let error = runs[0].outcome.as_ref().unwrap_err().to_string();
    assert!(
        error.contains("type point is not supported; cast it to text"),
        "{error}"
    );
}

#[tokio::test]
async fn beyond_the_limit_known_instances_go_on_and_the_first_others_begin() {
    let place = QueriesHarness::new().await;
    place.fleet(40, at(NOW)).await;
    let query = alert(
        "limit: 10\ncolumns: {labels: [cluster, namespace]}",
        "select cluster, namespace from namespace where cluster = 'a' order by uid",
    );
    let runs = cycle::run_alerts(&place.reader, std::slice::from_ref(&query), at(NOW), &()).await;
    let rows = runs[0].outcome.as_ref().unwrap();
    assert!(rows.exceeded && rows.rows.is_empty(), "{rows:?}");

    let known = KnownNamespaces(&["ns39", "ns3", "gone"]);
    let runs = cycle::run_alerts(&place.reader, std::slice::from_ref(&query), at(NOW), &known).await;
    let rows = runs[0].outcome.as_ref().unwrap();
    let mut found: Vec<&str> = rows
        .rows
        .iter()
        .map(|row| row.labels["namespace"].as_str())
        .collect();
    found.sort_unstable();
    assert!(rows.exceeded);
    // What is gone is seen to be gone; the other eight are the first by their labels.
    let expected = [
        "ns1", "ns10", "ns11", "ns12", "ns13", "ns14", "ns15", "ns16", "ns3", "ns39",
    ];
    assert_eq!(found, expected);
    let nothing = KnownNamespaces(&[]);
    for _ in 0..2 {
        let runs = cycle::run_alerts(&place.reader, std::slice::from_ref(&query), at(NOW), &nothing).await;
        let rows = &runs[0].outcome.as_ref().unwrap().rows;
        assert_eq!(rows.len(), 10, "as many as the limit, never none");
        assert!(rows.iter().all(|row| row.labels["namespace"].as_str() < "ns19"));
    }

    let exactly = alert(
        "limit: 40\ncolumns: {labels: [namespace]}",
        "select namespace from namespace where cluster = 'a'",
    );
    let runs = cycle::run_alerts(&place.reader, &[exactly], at(NOW), &()).await;
    let rows = runs[0].outcome.as_ref().unwrap();
    assert!(!rows.exceeded && rows.rows.len() == 40);
}

#[tokio::test]
async fn two_rows_with_equal_labels_are_an_error_at_their_line() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    let query = alert(
        "columns: {labels: [namespace]}",
        "select namespace from namespace",
    );
    let runs = cycle::run_alerts(&place.reader, &[query], at(NOW), &()).await;
    let error = runs[0].outcome.as_ref().unwrap_err().to_string();
    assert!(
        error.starts_with("a.sql:5: two rows with the labels {namespace=\"ns1\"}"),
        "{error}"
    );
}

#[tokio::test]
async fn a_status_column_switches_to_control_mode() {
    let place = QueriesHarness::new().await;
    let sql = "select * from (values ('a', 'ok'), ('b', 'alarm'), ('c', 'skip')) as v (node, status)";
    let query = alert("columns: {labels: [node]}", sql);
    let runs = cycle::run_alerts(&place.reader, &[query], at(NOW), &()).await;
    let rows = runs[0].outcome.as_ref().unwrap();
    let statuses: Vec<Option<RowStatus>> = rows.rows.iter().map(|row| row.status).collect();
    assert!(rows.has_status);
    assert_eq!(
        statuses,
        [Some(RowStatus::Ok), Some(RowStatus::Alarm), Some(RowStatus::Skip)]
    );
    let named = alert("columns: {labels: [node, status]}", sql);
    let odd = alert(
        "columns: {labels: [node]}",
        "select 'a' as node, 'broken' as status",
    );
    let runs = cycle::run_alerts(&place.reader, &[named, odd], at(NOW), &()).await;
    assert!(!runs[0].outcome.as_ref().unwrap().has_status);
    let error = runs[1].outcome.as_ref().unwrap_err().to_string();
    assert!(error.contains("column `status` contains `broken`"), "{error}");
}

#[tokio::test]
async fn an_error_is_reported_with_file_line_and_column_and_never_as_no_rows() {
    let place = QueriesHarness::new().await;
    let query = read(
        "node.sql",
        "/*---\nalert: A\nlabels: {severity: info}\nannotations: {summary: s, runbook: r}\n---*/\nselect\n    n.nodd\nfrom node as n\n",
    );
    let runs = cycle::run_alerts(&place.reader, &[query], at(NOW), &()).await;
    let error = runs[0].outcome.as_ref().unwrap_err();
    assert!(matches!(error, RunError::Refused(_)));
    assert!(
        error
            .to_string()
            .starts_with("node.sql:7:5: column n.nodd does not exist"),
        "{error}"
    );
    let divides = alert("", "select 1 / (count(*) - count(*)) from node");
    let runs = cycle::run_alerts(&place.reader, &[divides], at(NOW), &()).await;
    assert!(
        runs[0]
            .outcome
            .as_ref()
            .unwrap_err()
            .to_string()
            .contains("division by zero")
    );
}

#[tokio::test]
async fn a_group_is_of_one_snapshot_with_the_freshness_of_its_sources() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    place
        .sql
        .batch_execute("update ledger.freshness set observed_at = '2026-05-05 11:50+00' where cluster_id = 2 and kind = 2")
        .await
        .unwrap();
    let query = alert("", "select count(*) as namespaces from namespace");
    let runs = cycle::run_alerts(&place.reader, &[query.clone(), query.clone()], at(NOW), &()).await;
    let sources = runs[1].sources.as_ref().unwrap();
    let rule = query.alert().unwrap();
    let stale = sources.stale(rule.freshness.as_ref().unwrap(), &SourceScope::default());
    assert_eq!(stale.len(), 1);
    assert_eq!(stale[0].labels["cluster"], "b");
    assert_eq!(stale[0].observed_at, at("2026-05-05T11:50:00Z"));
}

#[tokio::test]
async fn an_offset_asks_the_past_and_none_asks_the_present() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    place
        .sql
        .batch_execute("update ledger.namespace set valid_from = '2026-05-05 11:58+00'")
        .await
        .unwrap();
    let sql = "select as_of()::text as at, count(*)::integer as namespaces from namespace group by 1";
    let now = alert("columns: {labels: [at, namespaces]}", sql);
    let recent = alert("query_offset: 1m\ncolumns: {labels: [at, namespaces]}", sql);
    let before = alert("query_offset: 5m\ncolumns: {labels: [at, namespaces]}", sql);
    let runs = cycle::run_alerts(&place.reader, &[now, recent, before], at(NOW), &()).await;
    let label = |run: usize, name: &str| runs[run].outcome.as_ref().unwrap().rows[0].labels[name].clone();
    assert_eq!(
        (label(0, "at"), label(0, "namespaces")),
        ("2026-05-05 12:00:00+00".into(), "2".into())
    );
    assert_eq!(
        (label(1, "at"), label(1, "namespaces")),
        ("2026-05-05 11:59:00+00".into(), "2".into())
    );
    assert!(
        runs[2].outcome.as_ref().unwrap().rows.is_empty(),
        "they did not exist then"
    );
    assert_eq!(runs[2].as_of, at("2026-05-05T11:55:00Z"));
}
