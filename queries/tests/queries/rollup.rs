//! Rollups: windows are filled once, again when more is known, and the same whoever fills them.

use std::sync::Arc;

use fleetledger_queries::{RollupFiller, StoredQuery, prepare};
use fleetledger_schema::instant::Instant;
use serde_json::json;

use crate::harness::{QueriesHarness, at, read};

const ROLLUP: &str = "/*---
rollup: namespaces_hourly
window: 1h
history: 2h
lateness: 1d
columns: {dimensions: [cluster, phase], values: [namespaces, share]}
---*/
select cluster, phase, count(*) as namespaces, 0.5::numeric as share
from namespace_history
where valid_from < window_to() and (valid_to > window_from() or valid_to is null)
group by cluster, phase
";
const NOW: &str = "2026-05-05T12:10:00Z";

fn filler(place: &QueriesHarness) -> RollupFiller {
    RollupFiller::new(place.reader.clone(), place.pool("fleetledger_evaluate")).unwrap()
}

fn rollup() -> Arc<StoredQuery> {
    read("namespaces-hourly.sql", ROLLUP)
}

/// Windows as `hour complete fillings rows`.
async fn windows(place: &QueriesHarness) -> Vec<String> {
    let query = "select to_char(window_at at time zone 'utc', 'HH24') || ' ' || complete || ' ' || fillings || ' ' || row_count
        from fleet.rollup_window order by window_at";
    place
        .sql
        .query(query, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

async fn observe_cluster(place: &QueriesHarness, cluster: i32, until: &str) {
    let update = format!("update ledger.freshness set observed_at = '{until}' where cluster_id = {cluster}");
    place.sql.batch_execute(&update).await.unwrap();
}

#[tokio::test]
async fn windows_are_filled_behind_the_watermark_and_once() {
    let place = QueriesHarness::new().await;
    place.fleet(2, at(NOW)).await;
    let filler = filler(&place);
    assert_eq!(filler.fill_due(&rollup(), at(NOW)).await.unwrap(), 2);
    assert_eq!(windows(&place).await, ["10 true 1 2", "11 true 1 2"]);
    assert_eq!(filler.fill_due(&rollup(), at(NOW)).await.unwrap(), 0);
    let rows =
        "select dimensions, values from fleet.user_rollup where window_at = '2026-05-05 11:00+00' order by 1";
    let rows = place.sql.query(rows, &[]).await.unwrap();
    let (dimensions, values): (serde_json::Value, serde_json::Value) = (rows[0].get(0), rows[0].get(1));
    assert_eq!(dimensions, json!({"cluster": "a", "phase": "Active"}));
    assert_eq!(values, json!({"namespaces": 2, "share": 0.5}));

    // The next hour is over, and not yet known to its end.
    observe_cluster(&place, 1, "2026-05-05 12:59+00").await;
    observe_cluster(&place, 2, "2026-05-05 12:59+00").await;
    assert_eq!(
        filler
            .fill_due(&rollup(), at("2026-05-05T13:01:00Z"))
            .await
            .unwrap(),
        0
    );
    observe_cluster(&place, 1, "2026-05-05 13:01+00").await;
    observe_cluster(&place, 2, "2026-05-05 13:00+00").await;
    assert_eq!(
        filler
            .fill_due(&rollup(), at("2026-05-05T13:01:00Z"))
            .await
            .unwrap(),
        1
    );
}

#[tokio::test]
async fn a_silent_cluster_holds_nothing_back_and_its_windows_are_filled_again_when_it_is_back() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    observe_cluster(&place, 2, "2026-05-05 10:30+00").await;
    let filler = filler(&place);
    filler.fill_due(&rollup(), at(NOW)).await.unwrap();
    assert_eq!(windows(&place).await, ["10 false 1 2", "11 false 1 2"]);
    assert_eq!(
        filler.fill_due(&rollup(), at(NOW)).await.unwrap(),
        0,
        "no more is known than before"
    );

    let closed = "update ledger.namespace set phase = 'Terminating' where cluster_id = 2";
    place.sql.batch_execute(closed).await.unwrap();
    observe_cluster(&place, 2, "2026-05-05 12:10+00").await;
    assert_eq!(filler.fill_due(&rollup(), at(NOW)).await.unwrap(), 2);
    assert_eq!(windows(&place).await, ["10 true 2 2", "11 true 2 2"]);
    let phases = "select count(*) from fleet.user_rollup where dimensions ->> 'phase' = 'Terminating'";
    let count: i64 = place.sql.query_one(phases, &[]).await.unwrap().get(0);
    assert_eq!(count, 2, "rows are replaced, not added");
}

#[tokio::test]
async fn a_cluster_that_is_gone_for_days_does_not_hold_up_one_that_has_come_back() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    observe_cluster(&place, 1, "2026-05-05 10:30+00").await;
    observe_cluster(&place, 2, "2026-05-02 00:00+00").await;
    let filler = filler(&place);
    filler.fill_due(&rollup(), at(NOW)).await.unwrap();
    assert_eq!(windows(&place).await, ["10 false 1 2", "11 false 1 2"]);
    observe_cluster(&place, 1, "2026-05-05 11:30+00").await;
    assert_eq!(filler.fill_due(&rollup(), at(NOW)).await.unwrap(), 1);
    assert_eq!(windows(&place).await, ["10 false 2 2", "11 false 1 2"]);
    assert_eq!(filler.fill_due(&rollup(), at(NOW)).await.unwrap(), 0);
}

#[tokio::test]
async fn a_range_is_rebuilt_and_two_fillers_agree() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    let (one, other) = (filler(&place), filler(&place));
    let query = rollup();
    let (a, b) = tokio::join!(one.fill_due(&query, at(NOW)), other.fill_due(&query, at(NOW)));
    a.unwrap();
    b.unwrap();
    let rows: i64 = place
        .sql
        .query_one("select count(*) from fleet.user_rollup", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(rows, 4);
    let (from, to) = (at("2026-05-05T08:30:00Z"), at("2026-05-05T11:00:00Z"));
    assert_eq!(one.rebuild(&query, from, to, at(NOW)).await.unwrap(), 3);
    let hours: Vec<String> = windows(&place)
        .await
        .iter()
        .map(|window| window[..2].to_owned())
        .collect();
    assert_eq!(hours, ["08", "09", "10", "11"]);
    let later = Instant(at(NOW).0 + 1);
    assert_eq!(one.fill_due(&query, later).await.unwrap(), 0);
}

#[tokio::test]
async fn a_window_that_fails_is_an_error_and_leaves_current_rows() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    let filler = filler(&place);
    filler.fill_due(&rollup(), at(NOW)).await.unwrap();
    let twice = read(
        "namespaces-hourly.sql",
        &ROLLUP.replace("dimensions: [cluster, phase]", "dimensions: [phase]"),
    );
    let (from, to) = (at("2026-05-05T11:00:00Z"), at("2026-05-05T12:00:00Z"));
    let error = filler
        .rebuild(&twice, from, to, at(NOW))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("two rows of one window with the dimensions {phase=\"Active\"}"),
        "{error}"
    );
    assert_eq!(windows(&place).await, ["10 true 1 2", "11 true 1 2"]);
}

#[tokio::test]
async fn a_table_of_its_own_gets_typed_columns() {
    let place = QueriesHarness::new().await;
    place.fleet(2, at(NOW)).await;
    // A migration makes such a table; the grant is the one that migrations end with.
    place
        .sql
        .batch_execute(
            "create table ledger.rollup_namespaces (
                 window_at timestamptz, cluster text, phase text, namespaces bigint, share numeric,
                 primary key (window_at, cluster, phase));
             grant select, insert, update, delete on ledger.rollup_namespaces to fleetledger_evaluate",
        )
        .await
        .unwrap();
    let own = read(
        "namespaces-hourly.sql",
        &ROLLUP.replace("window: 1h", "window: 1h\ninto: rollup_namespaces"),
    );
    let filler = filler(&place);
    filler.fill_due(&own, at(NOW)).await.unwrap();
    filler
        .rebuild(&own, at("2026-05-05T11:00:00Z"), at(NOW), at(NOW))
        .await
        .unwrap();
    let row = place
        .sql
        .query_one(
            "select count(*), sum(namespaces)::bigint, max(share)::text from ledger.rollup_namespaces",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        (
            row.get::<_, i64>(0),
            row.get::<_, i64>(1),
            row.get::<_, String>(2)
        ),
        (4, 8, "0.5".to_owned())
    );
}

#[tokio::test]
async fn the_destination_is_checked_before_any_window_is_filled() {
    let place = QueriesHarness::new().await;
    place
        .sql
        .batch_execute(
            "create table ledger.rollup_good (
                 window_at timestamptz, cluster text, phase text, namespaces bigint, share numeric, note text not null default '',
                 primary key (window_at, cluster, phase));
             create table ledger.rollup_bad (
                 cluster text, phase bigint, share numeric, team text not null, primary key (cluster, share));",
        )
        .await
        .unwrap();
    let refused = async |table: &str| -> Vec<String> {
        let text = ROLLUP.replace("window: 1h", &format!("window: 1h\ninto: {table}"));
        let outcome = prepare(&place.reader, &[read("r.sql", &text)])
            .await
            .unwrap()
            .remove(0);
        let refusals = outcome.err().unwrap_or_default();
        refusals.iter().map(ToString::to_string).collect()
    };
    assert_eq!(refused("rollup_good").await, Vec::<String>::new());
    assert_eq!(
        refused("rollup_none").await,
        [
            "r.sql:4: table ledger.rollup_none not found; a migration must create it; without `into`, rows \
             are stored in fleet.user_rollup"
        ]
    );
    let bad = refused("rollup_bad").await;
    for (line, part) in [
        ("r.sql:4: ", "no column window_at of type timestamptz"),
        (
            "r.sql:7: ",
            "`phase` is of type text, but its column of ledger.rollup_bad is of type bigint",
        ),
        ("r.sql:7: ", "ledger.rollup_bad has no column `namespaces`"),
        ("r.sql:7: ", "column `team` of ledger.rollup_bad must be filled"),
        (
            "r.sql:7: ",
            "column `share` identifies a row of ledger.rollup_bad, but is a value here",
        ),
    ] {
        assert!(
            bad.iter().any(|one| one.starts_with(line) && one.contains(part)),
            "{part}: {bad:#?}"
        );
    }
    assert_eq!(bad.len(), 5, "{bad:#?}");
}
