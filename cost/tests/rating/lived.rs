//! Allocations carry the time they lived, and averages over it.

use fleetledger_cost::allocation::shape::CostAllocation;
use fleetledger_queries::ReaderPool;

use crate::{allocation::ask, fleet::RatingFixture};

async fn allocation(reader: &ReaderPool, window: &str, aggregate: &str, name: &str) -> CostAllocation {
    let answer = ask(reader, |p| {
        p.window = window.to_owned();
        p.aggregate = Some(aggregate.to_owned());
        p.include_idle = Some(true);
    })
    .await;
    answer.data[0][name].clone()
}

const DAY: &str = "2026-03-02T00:00:00Z,2026-03-03T00:00:00Z";

#[tokio::test]
async fn thirty_minutes_of_two_cores_are_thirty_minutes_and_two_cores() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-03-01', null, 10, 10), test.node(1, 'late', '2026-03-02 18:00Z', null, 10, 10);
             select test.pod(1, 'short', 'batch', 'n1', '2026-03-02 10:15Z', '2026-03-02 10:45Z', 2, 4, 0, '{\"valid_from\": \"2026-03-02T10:15:00Z\"}');
             select test.pod(1, 'first', 'shop', 'n1', '2026-03-02 11:30Z', '2026-03-02 12:30Z', 1, 1, 0, '{\"valid_from\": \"2026-03-02T11:30:00Z\"}');
             select test.pod(1, 'second', 'shop', 'n1', '2026-03-02 13:30Z', '2026-03-02 14:30Z', 1, 1, 0, '{\"valid_from\": \"2026-03-02T13:30:00Z\"}');
             select test.pod(1, 'long', 'data', 'n1', '2026-03-01', null, 1, 1)",
        )
        .await;
    fleet.rate("2026-03-02T00:00:00Z", 24).await;
    let reader = ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap();
    // From days of namespaces, from days of lines, from hours of lines, and from pods.
    let part_of_day = "2026-03-02T01:00:00Z,2026-03-03T00:00:00Z";
    for (window, aggregate, name) in [
        (DAY, "namespace", "batch"),
        (DAY, "controller", "batch-web"),
        (part_of_day, "controller", "batch-web"),
        (DAY, "pod", "short"),
    ] {
        let short = allocation(&reader, window, aggregate, name).await;
        assert_eq!(
            (short.start.as_str(), short.end.as_str(), short.minutes),
            ("2026-03-02T10:15:00Z", "2026-03-02T10:45:00Z", 30.0),
            "{window} {aggregate}"
        );
        let averages = (short.cpu_cores, short.cpu_core_request_average, short.ram_bytes);
        assert_eq!(
            averages,
            (2.0, 2.0, f64::from(1 << 30) * 4.0),
            "{window} {aggregate}"
        );
        assert_eq!(
            (short.cpu_core_hours, short.window.start.as_str()),
            (1.0, &window[..20])
        );
    }
    // A sum lives from the begin of its first to the end of its last.
    let shop = allocation(&reader, DAY, "namespace", "shop").await;
    assert_eq!((shop.minutes, shop.cpu_core_hours), (180.0, 2.0));
    assert!((shop.cpu_cores - 2.0 / 3.0).abs() < 1e-9);
    let data = allocation(&reader, DAY, "namespace", "data").await;
    assert_eq!((data.minutes, data.cpu_cores), (1_440.0, 1.0));
    let steps = ask(&reader, |p| {
        p.window = "2026-03-02T10:00:00Z,2026-03-02T12:00:00Z".to_owned();
        p.step = Some("1h".to_owned());
    })
    .await;
    assert_eq!(steps.data[0]["batch"].minutes, 30.0);
    assert_eq!(
        (steps.data[1]["shop"].minutes, steps.data[1]["shop"].cpu_cores),
        (30.0, 1.0)
    );
    // Idle lives as long as its nodes.
    let late = ask(&reader, |p| {
        p.window = DAY.to_owned();
        p.idle_by_node = Some(true);
    })
    .await;
    let late = &late.data[0]["late/__idle__"];
    assert_eq!(
        (late.minutes, late.start.as_str()),
        (360.0, "2026-03-02T18:00:00Z")
    );
}

#[tokio::test]
async fn hours_that_were_rated_before_lives_were_kept_count_as_whole() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a'), test.node(1, 'n1', '2026-03-01', null, 10, 10);
             select test.pod(1, 'u', 'shop', 'n1', '2026-03-02 10:15Z', '2026-03-02 10:45Z', 2, 4, 0, '{\"valid_from\": \"2026-03-02T10:15:00Z\"}')",
        )
        .await;
    fleet.rate("2026-03-02T00:00:00Z", 24).await;
    fleet.run("update ledger.cost_hourly set first_at = null, last_at = null; select ledger.cost_fill_day('2026-03-02')").await;
    let reader = ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap();
    let shop = allocation(&reader, DAY, "namespace", "shop").await;
    assert_eq!((shop.minutes, shop.cpu_cores), (60.0, 1.0));
}
