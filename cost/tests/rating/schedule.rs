//! What is rated when.

use fleetledger_cost::{RatingSettings, rating::CostRater};
use fleetledger_schema::instant::Instant;
use prometheus::Registry;

use crate::fleet::RatingFixture;

const SETTINGS: RatingSettings = RatingSettings {
    rollup_labels: Vec::new(),
    interval_seconds: 60,
    partial_minutes: 0,
    history_hours: 3,
    lateness_days: 7,
};

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

async fn rated(fleet: &RatingFixture) -> Vec<String> {
    let sql =
        "select to_char(hour_at, 'HH24'), complete, partial, fillings from ledger.cost_hour order by hour_at";
    fleet.rows(sql).await
}

async fn two_clusters() -> RatingFixture {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a'), test.cluster('ams', 'b');
             select test.node(1, 'n1', '2026-03-01', null, 10, 10), test.node(2, 'n1', '2026-03-01', null, 10, 10);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 1, 1);
             select test.known('2026-03-02 12:05Z')",
        )
        .await;
    fleet
}

#[tokio::test]
async fn hours_are_rated_once_they_are_over_and_known() {
    let fleet = two_clusters().await;
    let rating = CostRater::new(
        fleet.connector("fleetledger_evaluate"),
        SETTINGS,
        &Registry::new(),
    )
    .unwrap();
    assert_eq!(rating.round(at("2026-03-02T12:05:00Z")).await.unwrap(), 3);
    assert_eq!(rated(&fleet).await, ["09 t f 1", "10 t f 1", "11 t f 1"]);
    assert_eq!(rating.round(at("2026-03-02T12:06:00Z")).await.unwrap(), 0);
    // The next hour is over, and not known to its end.
    fleet.run("select test.known('2026-03-02 12:58Z')").await;
    assert_eq!(rating.round(at("2026-03-02T13:01:00Z")).await.unwrap(), 0);
    fleet.run("select test.known('2026-03-02 13:01Z')").await;
    assert_eq!(rating.round(at("2026-03-02T13:01:00Z")).await.unwrap(), 1);
    fleet.adds_up().await;
}

#[tokio::test]
async fn cluster_silent_for_an_hour() {
    let fleet = two_clusters().await;
    let rating = CostRater::new(
        fleet.connector("fleetledger_evaluate"),
        SETTINGS,
        &Registry::new(),
    )
    .unwrap();
    rating.round(at("2026-03-02T12:05:00Z")).await.unwrap();
    // b says nothing from 12:05 on: the hour is rated without it, and so labelled; its nodes still cost.
    fleet
        .run("select test.known('2026-03-02 13:02Z'); update ledger.freshness set observed_at = '2026-03-02 12:05Z' where cluster_id = 2")
        .await;
    assert_eq!(rating.round(at("2026-03-02T13:02:00Z")).await.unwrap(), 1);
    assert_eq!(rated(&fleet).await[3], "12 f f 1");
    let of_b = "select sum(cost) from fleet.cost_by_cluster('2026-03-02 12:00Z', '2026-03-02 13:00Z') where cluster = 'b'";
    assert_eq!(fleet.text(of_b).await, "0.340000000");
    // It is back, and tells of a pod that was scheduled meanwhile.
    fleet
        .run(
            "select test.pod(2, 'u2', 'data', 'n1', '2026-03-02 12:30Z', null, 2, 2, extra => '{\"valid_from\": \"2026-03-02 13:04Z\"}');
             select test.known('2026-03-02 13:05Z')",
        )
        .await;
    assert_eq!(rating.round(at("2026-03-02T13:05:00Z")).await.unwrap(), 1);
    assert_eq!(rated(&fleet).await[3], "12 t f 2");
    let data = "select cost from fleet.cost_by_namespace('2026-03-02 12:00Z', '2026-03-02 13:00Z') where namespace = 'data'";
    assert_eq!(fleet.text(data).await, "0.034000000");
    fleet.adds_up().await;
}

#[tokio::test]
async fn the_running_hour_is_partial_and_labelled_so() {
    let fleet = two_clusters().await;
    let settings = RatingSettings {
        partial_minutes: 10,
        ..SETTINGS
    };
    let rating = CostRater::new(
        fleet.connector("fleetledger_evaluate"),
        settings,
        &Registry::new(),
    )
    .unwrap();
    rating.round(at("2026-03-02T12:15:00Z")).await.unwrap();
    let row = "select cost, partial from fleet.cost_hourly where namespace = 'shop' and hour_at = '2026-03-02 12:00Z'";
    // A quarter of an hour of a core and a GiB.
    assert_eq!(fleet.rows(row).await, ["0.008500000 t"]);
    fleet.run("select test.known('2026-03-02 13:01Z')").await;
    rating.round(at("2026-03-02T13:01:00Z")).await.unwrap();
    let row = "select cost, partial from fleet.cost_hourly where namespace = 'shop' and hour_at = '2026-03-02 12:00Z'";
    assert_eq!(fleet.rows(row).await, ["0.034000000 f"]);
    fleet.adds_up().await;
}

#[tokio::test]
async fn without_a_price_sheet_nothing_is_rated() {
    let fleet = RatingFixture::with("[[team]]\nteam = 'red'\nvalid_from = 2026-01-01\n").await;
    fleet
        .run("select test.cluster('dfw', 'a'); select test.known('2026-03-02 12:05Z')")
        .await;
    let rating = CostRater::new(
        fleet.connector("fleetledger_evaluate"),
        SETTINGS,
        &Registry::new(),
    )
    .unwrap();
    assert_eq!(rating.round(at("2026-03-02T12:05:00Z")).await.unwrap(), 0);
}

#[tokio::test]
async fn an_object_that_ends_an_hour_is_set_aside_by_name_and_the_rest_goes_on() {
    let fleet = two_clusters().await;
    fleet
        .run("alter table ledger.cost_node_hourly add constraint cursed check (node <> 'cursed')")
        .await;
    let rating = CostRater::new(
        fleet.connector("fleetledger_evaluate"),
        SETTINGS,
        &Registry::new(),
    )
    .unwrap();
    rating.round(at("2026-03-02T11:05:00Z")).await.unwrap();
    fleet
        .run("select test.node(2, 'cursed', '2026-03-01', null, 10, 10); select test.known('2026-03-02 13:01Z')")
        .await;
    let costs = "select to_char(hour_at, 'HH24'), string_agg(distinct cluster, ',' order by cluster) from fleet.cost_node_hourly
        where hour_at >= '2026-03-02 10:00Z' group by 1 order by 1";
    let aside = "select period, to_char(at, 'HH24'), datacenter, cluster, attempts, error like '%cursed%', objects from fleet.cost_failure order by 2";
    assert_eq!(rating.round(at("2026-03-02T13:01:00Z")).await.unwrap(), 2);
    assert_eq!(fleet.rows(costs).await, ["10 a,b", "11 a,b", "12 a,b"]);
    assert_eq!(
        fleet.rows(aside).await,
        [
            "hour 11 ams b 1 t {\"node cursed\"}",
            "hour 12 ams b 1 t {\"node cursed\"}"
        ]
    );
    fleet.adds_up().await;
    // It is not tried every minute, and another round neither waits for it nor forgets it.
    assert_eq!(rating.round(at("2026-03-02T13:02:00Z")).await.unwrap(), 0);
    assert_eq!(rating.round(at("2026-03-02T13:17:00Z")).await.unwrap(), 2);
    assert_eq!(
        fleet.rows(aside).await,
        [
            "hour 11 ams b 2 t {\"node cursed\"}",
            "hour 12 ams b 2 t {\"node cursed\"}"
        ]
    );
    let closing = fleet
        .client
        .query_one(
            "select ledger.cost_close('2026-03-01', 'test', '2026-04-02')",
            &[],
        )
        .await;
    assert!(closing.is_err(), "a month with something set aside is not closed");
    // What was booked before stands while a cluster is set aside, and all of it is rated once it can be.
    fleet
        .run("select ledger.cost_fill_rest('2026-03-02 10:00Z', 'rerate', '2026-03-02 13:20Z')")
        .await;
    assert_eq!(fleet.rows(costs).await[0], "10 a,b");
    fleet
        .run("alter table ledger.cost_node_hourly drop constraint cursed")
        .await;
    assert_eq!(rating.round(at("2026-03-02T13:50:00Z")).await.unwrap(), 3);
    assert_eq!(fleet.rows(costs).await, ["10 a,b", "11 a,b", "12 a,b"]);
    assert_eq!(fleet.rows(aside).await, [""; 0]);
    fleet.adds_up().await;
}

#[tokio::test]
async fn an_hour_that_nobody_is_at_fault_for_is_set_aside_as_a_whole_and_later_ones_are_rated() {
    let fleet = two_clusters().await;
    let guard = "create function test.guard() returns trigger language plpgsql as $$
        begin
            if new.hour_at = '2026-03-02 10:00Z' then raise exception 'no such hour' using errcode = '22023'; end if;
            return new;
        end $$;
        create trigger guard before insert on ledger.cost_run for each row execute function test.guard()";
    fleet.run(guard).await;
    let rating = CostRater::new(
        fleet.connector("fleetledger_evaluate"),
        SETTINGS,
        &Registry::new(),
    )
    .unwrap();
    assert_eq!(rating.round(at("2026-03-02T12:05:00Z")).await.unwrap(), 2);
    assert_eq!(rated(&fleet).await, ["09 t f 1", "11 t f 1"]);
    let aside = "select to_char(at, 'HH24'), cluster, error from fleet.cost_failure where cluster is null";
    assert_eq!(fleet.rows(aside).await, ["10 NULL no such hour"]);
}

#[tokio::test]
async fn pods_that_end_an_hour_are_found_among_many_and_too_many_set_their_cluster_aside() {
    let fleet = two_clusters().await;
    let guard = "create function test.guard() returns trigger language plpgsql as $$
        begin
            if new.workload like 'cursed%' then raise exception 'cursed' using errcode = '22003'; end if;
            return new;
        end $$;
        create trigger guard before insert on ledger.cost_line for each row execute function test.guard();
        select test.pod(2, 'p' || i, 'shop', 'n1', '2026-03-01', null, 0.01, 0.01,
            extra => jsonb_build_object('workload', case when i in (7, 23) then 'cursed-' || i else 'fine' end)) from generate_series(1, 40) as i";
    fleet.run(guard).await;
    let rate = "select ledger.cost_fill_rest('2026-03-02 10:00Z', 'first', '2026-03-02 11:05Z')";
    fleet.run(rate).await;
    let aside = "select cluster, objects, error from fleet.cost_failure";
    assert_eq!(
        fleet.rows(aside).await,
        ["b {\"pod shop/p23\",\"pod shop/p7\"} cursed"]
    );
    let lines = "select count(distinct cluster), count(distinct workload) filter (where workload like 'cursed%') from fleet.cost_hourly";
    assert_eq!(fleet.rows(lines).await, ["2 0"]);
    fleet.adds_up().await;
    fleet
        .run("select test.pod(2, 'q' || i, 'shop', 'n1', '2026-03-01', null, 0.01, 0.01, extra => '{\"workload\": \"cursed\"}') from generate_series(1, 9) as i")
        .await;
    fleet.run(rate).await;
    assert_eq!(fleet.rows(aside).await, ["b {} cursed"]);
    // What was booked of it before stands.
    assert_eq!(fleet.rows(lines).await, ["2 0"]);
    fleet.adds_up().await;
}
