//! Reports, with parameters.

use std::collections::BTreeMap;

use fleetledger_queries::{
    ResultCell,
    report_run::{AskError, run_with_parameters},
};

use crate::harness::{QueriesHarness, at, read};

const REPORT: &str = "/*---
report: Namespaces
limit: 3
parameters:
- {name: cluster, help: Which cluster.}
- {name: age, type: duration, default: 1d, help: How old at least.}
- {name: rows, type: integer, default: 2, help: How many.}
- {name: like, default: '', help: Part of the name.}
---*/
select namespace, uid
from namespace
where cluster = :'cluster' and created_at < as_of() - :'age'::interval and namespace like '%' || :'like' || '%'
order by namespace
limit :'rows'
";

fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn parameters_are_bound_and_never_part_of_the_text() {
    let place = QueriesHarness::new().await;
    place.fleet(4, at("2026-05-05T12:00:00Z")).await;
    let report = read("namespaces.sql", REPORT);
    let table = run_with_parameters(&place.reader, &report, &values(&[("cluster", "a")]), None)
        .await
        .unwrap();
    let names: Vec<String> = table.rows.iter().map(|row| row[0].text()).collect();
    assert_eq!(names, ["ns1", "ns2"]);
    assert_eq!(table.columns[1].name, "uid");

    let evil = values(&[("cluster", "a' or true --")]);
    assert!(
        run_with_parameters(&place.reader, &report, &evil, None)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let found = values(&[("cluster", "b"), ("like", "3"), ("rows", "10")]);
    let table = run_with_parameters(&place.reader, &report, &found, None)
        .await
        .unwrap();
    assert_eq!(
        table.rows,
        [[
            ResultCell::Text("ns3".into()),
            ResultCell::Text("00000000-0000-0000-0000-000000020003".into())
        ]]
    );
    let all = values(&[("cluster", "b"), ("rows", "10")]);
    let table = run_with_parameters(&place.reader, &report, &all, None)
        .await
        .unwrap();
    assert!(table.exceeded && table.rows.len() == 3, "its own limit");
}

#[tokio::test]
async fn a_report_can_be_asked_as_of_an_instant() {
    let place = QueriesHarness::new().await;
    place.fleet(4, at("2026-05-05T12:00:00Z")).await;
    let report = read("namespaces.sql", REPORT);
    let cluster = values(&[("cluster", "a")]);
    let before = Some(at("2025-12-31T00:00:00Z"));
    assert!(
        run_with_parameters(&place.reader, &report, &cluster, before)
            .await
            .unwrap()
            .rows
            .is_empty()
    );
    let then = Some(at("2026-03-01T00:00:00Z"));
    assert_eq!(
        run_with_parameters(&place.reader, &report, &cluster, then)
            .await
            .unwrap()
            .rows
            .len(),
        2
    );
}

#[tokio::test]
async fn a_wrong_value_is_the_askers_fault_and_is_named() {
    let place = QueriesHarness::new().await;
    let report = read("namespaces.sql", REPORT);
    for (given, says) in [
        (values(&[]), "parameter `cluster` must be given: Which cluster."),
        (
            values(&[("cluster", "a"), ("rows", "many")]),
            "parameter `rows`: `many` is not a whole number",
        ),
        (
            values(&[("cluster", "a"), ("age", "old")]),
            "parameter `age`: `old` is not a duration",
        ),
        (
            values(&[("cluster", "a"), ("colour", "red")]),
            "parameter `colour` not found; namespaces has cluster, age, rows, like",
        ),
    ] {
        let error = run_with_parameters(&place.reader, &report, &given, None)
            .await
            .unwrap_err();
        assert!(matches!(error, AskError::Question(_)));
        assert!(error.to_string().starts_with(says), "{error}");
    }
}
