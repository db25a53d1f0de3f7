//! What a server says of a query before it is used.

use std::{path::Path, sync::Arc};

use fleetledger_queries::{StoredQuery, catalogue, prepare};

use crate::harness::{QueriesHarness, alert};

async fn refusal(place: &QueriesHarness, query: Arc<StoredQuery>) -> String {
    let outcomes = prepare(&place.reader, &[query]).await.unwrap();
    let refusals = outcomes[0].as_ref().err().cloned().unwrap_or_default();
    refusals
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n")
}

#[tokio::test]
async fn names_that_do_not_exist_are_refused_where_they_stand() {
    let place = QueriesHarness::new().await;
    let column = refusal(&place, alert("", "select\n  nodd\nfrom node")).await;
    assert!(
        column.starts_with("a.sql:8:3: column \"nodd\" does not exist"),
        "{column}"
    );
    let view = refusal(&place, alert("", "select 1 from nodes")).await;
    assert!(
        view.starts_with("a.sql:7:15: relation \"nodes\" does not exist"),
        "{view}"
    );
    let function = refusal(&place, alert("", "select asof()")).await;
    assert!(
        function.starts_with("a.sql:7:8: function asof() does not exist"),
        "{function}"
    );
}

#[tokio::test]
async fn a_value_or_an_instant_as_a_label_is_refused() {
    let place = QueriesHarness::new().await;
    let sql =
        "select node, created_at, count(*) as pods, memory_capacity_bytes, labels, 1 as shard, 'x' as other
        from node group by 1, 2, 4, 5";
    for (label, says) in [
        (
            "created_at",
            "an instant as a label: `created_at` is of type timestamptz",
        ),
        ("pods", "a value as a label: `pods` is of type int8"),
        ("memory_capacity_bytes", "a value as a label"),
        ("labels", "a document as a label: `labels` is of type jsonb"),
        (
            "nothing",
            "the query has no column `nothing`; it has node, created_at, pods",
        ),
    ] {
        let text = refusal(
            &place,
            alert(&format!("columns: {{labels: [node, {label}]}}"), sql),
        )
        .await;
        assert!(text.starts_with(&format!("a.sql:5: {says}")), "{label}: {text}");
    }
    assert_eq!(
        refusal(
            &place,
            alert("columns: {value: pods, labels: [node, shard]}", sql)
        )
        .await,
        ""
    );
    let value = refusal(&place, alert("columns: {value: created_at, labels: [node]}", sql)).await;
    assert!(
        value.starts_with("a.sql:5: `created_at` is of type timestamptz, but a value must be a number"),
        "{value}"
    );
    let twice = refusal(
        &place,
        alert("columns: {labels: [a]}", "select '1' as a, '2' as a"),
    )
    .await;
    assert!(
        twice.starts_with("a.sql:5: the query has several columns `a`"),
        "{twice}"
    );
    let status = refusal(&place, alert("", "select created_at as status from node")).await;
    assert!(
        status.starts_with("a.sql:2: column `status` is of type timestamptz"),
        "{status}"
    );
}

#[tokio::test]
async fn views_without_a_past_serve_queries_without_an_offset() {
    let place = QueriesHarness::new().await;
    let live = alert("", "select 1 from balance");
    let past = alert("query_offset: 1m", "select 1 from balance");
    let outcomes = prepare(&place.reader, &[live]).await.unwrap();
    assert!(outcomes[0].as_ref().unwrap().is_live_only);
    let text = refusal(&place, past).await;
    assert!(
        text.starts_with("a.sql:7:15: on schema fleet_asof: relation \"balance\" does not exist"),
        "{text}"
    );
}

#[tokio::test]
async fn every_shipped_query_is_prepared_and_explained_on_both_schemas() {
    let place = QueriesHarness::new().await;
    let catalogue = catalogue::load(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap_or_else(|refusals| {
        let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
        panic!("{}", lines.join("\n"))
    });
    let queries: Vec<Arc<StoredQuery>> = catalogue.iter().cloned().collect();
    let outcomes = prepare(&place.reader, &queries).await.unwrap();
    let lines: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .flatten()
        .map(ToString::to_string)
        .collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
    assert!(queries.len() >= 60, "{} files", queries.len());
}
