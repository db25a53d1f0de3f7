//! Usage where it was seen, the request where it was not.

use crate::fleet::RatingFixture;

async fn fleet() -> RatingFixture {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-03-01', null, 10, 10);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 1, 1);
             select test.pod(1, 'u2', 'data', 'n1', '2026-03-01', null, null, null)",
        )
        .await;
    fleet
}

async fn hours(fleet: &RatingFixture, namespace: &str) -> Vec<String> {
    let sql = format!(
        "select charge_basis, trim_scale(sum(cpu_core_hours)), trim_scale(sum(unknown_hours)) from fleet.cost_hourly
         where namespace = '{namespace}' group by 1 order by 1"
    );
    fleet.rows(&sql).await
}

#[tokio::test]
async fn usage_beyond_the_request_is_charged_where_it_was_seen() {
    let fleet = fleet().await;
    // Half of the hour is covered: 3 cores used there, 1 requested.
    fleet
        .run(
            "select test.usage(1, '2026-03-02 10:00Z', 'u1', 30, 3, 1, '2026-03-02 11:01Z');
             select test.usage(1, '2026-03-02 10:00Z', 'u2', 60, 0.5, 0, '2026-03-02 11:01Z')",
        )
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    assert_eq!(hours(&fleet, "shop").await, ["mixed 2 0"]);
    assert_eq!(hours(&fleet, "data").await, ["usage 0.5 0"]);
    let of_pod = "select sum(cpu_core_hours) from fleet.cost_of_pod(test.uid('u1'))";
    assert_eq!(fleet.text(of_pod).await, "2.000000");
}

#[tokio::test]
async fn usage_missing_for_a_day() {
    let fleet = fleet().await;
    fleet.rate("2026-03-02T00:00:00Z", 24).await;
    assert_eq!(hours(&fleet, "shop").await, ["request 24 0"]);
    // Neither request nor usage: charged nothing, and said so.
    assert_eq!(hours(&fleet, "data").await, ["request 0 24"]);
    let coverage = "select usage_coverage from fleet.cost_by_namespace('2026-03-02', '2026-03-03') where namespace = 'shop'";
    assert_eq!(fleet.text(coverage).await, "0.0000");
    let efficiency = "select cpu_efficiency from fleet.cost_by_namespace('2026-03-02', '2026-03-03') where namespace = 'shop'";
    assert_eq!(fleet.text(efficiency).await, "NULL", "unknown is not zero");
}

#[tokio::test]
async fn late_usage() {
    let fleet = fleet().await;
    fleet.run("select test.known('2026-03-02 12:00Z')").await;
    fleet.rate("2026-03-02T10:00:00Z", 2).await;
    let total = "select sum(cost) from fleet.cost_node_hourly";
    let before = fleet.text(total).await;
    assert_eq!(hours(&fleet, "shop").await, ["request 2 0"]);
    fleet
        .run("select test.usage(1, '2026-03-02 10:00Z', 'u1', 60, 4, 1, now() + interval '1 second')")
        .await;
    let due = "select hour_at at time zone 'UTC', reason from ledger.cost_due('2026-03-02 12:00Z')";
    assert_eq!(fleet.rows(due).await, ["2026-03-02 10:00:00 usage"]);
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    assert_eq!(hours(&fleet, "shop").await, ["request 1 0", "usage 4 0"]);
    assert_eq!(
        fleet.text(total).await,
        before,
        "what nodes cost is no matter of usage"
    );
    let fillings = "select fillings from ledger.cost_hour where hour_at = '2026-03-02 10:00Z'";
    assert_eq!(fleet.text(fillings).await, "2");
}

#[tokio::test]
async fn usage_that_commits_while_its_hour_is_rated_is_rated_later() {
    let fleet = fleet().await;
    fleet.run("select test.known('2026-03-02 12:00Z')").await;
    let ingester = fleet.connector("fleetledger").connect("test").await.unwrap();
    let fold = "begin; select test.usage(1, '2026-03-02 10:00Z', 'u1', 60, 4, 1, now())";
    ingester.batch_execute(fold).await.unwrap();
    fleet.rate("2026-03-02T10:00:00Z", 2).await;
    ingester.batch_execute("commit").await.unwrap();
    let due = "select hour_at at time zone 'UTC', reason from ledger.cost_due('2026-03-02 12:00Z')";
    assert_eq!(fleet.rows(due).await, ["2026-03-02 10:00:00 usage"]);
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    assert_eq!(hours(&fleet, "shop").await, ["request 1 0", "usage 4 0"]);
    assert_eq!(fleet.rows(due).await, [""; 0], "what was read is not due again");
}

#[tokio::test]
async fn a_window_sent_twice() {
    let fleet = fleet().await;
    let send = "select test.usage(1, '2026-03-02 10:00Z', 'u1', 60, 4, 1, now())";
    fleet.run(send).await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let all = "select md5(string_agg(h::text, '/' order by line_id)) from ledger.cost_hourly as h";
    let before = fleet.text(all).await;
    fleet.run(send).await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    assert_eq!(fleet.text(all).await, before);
}
