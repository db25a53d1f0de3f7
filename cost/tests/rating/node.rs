//! What nodes cost, and what of it is allocated, idle and the system's.

use crate::fleet::RatingFixture;

/// A node of 4 cores, of which pods may request 3.8, with so much charged for an hour at 1 a core-hour.
async fn charged(cores: &str) -> Vec<String> {
    let prices = "[[sheet]]\nsheet = 'a'\nvalid_from = 2025-01-01\ncurrency = 'USD'\n[[sheet.class]]\nclass = 'a'\nprice_per_core_hour = 1\nprice_per_gib_hour = 0\nprice_per_gpu_hour = 0\n";
    let fleet = RatingFixture::with(prices).await;
    fleet
        .run(&format!(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-03-01', null, 4, 16, 0, 0.2);
             select test.pod(1, 'p1', 'shop', 'n1', '2026-03-01', null, {cores} - 1, 1);
             select test.pod(1, 'p2', 'data', 'n1', '2026-03-01', null, 1, 1)"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select trim_scale(cost), trim_scale(allocated_cost), trim_scale(idle_cost), trim_scale(system_cost), trim_scale(overcommit_factor)
        from fleet.cost_node_hourly where resource = 'cpu'";
    let mut rows = fleet.rows(sql).await;
    rows.extend(fleet.rows("select namespace, trim_scale(cost) from fleet.cost_by_namespace('2026-03-02 10:00Z', '2026-03-02 11:00Z') where namespace = 'data'").await);
    rows
}

#[tokio::test]
async fn overcommitted_node() {
    assert_eq!(charged("3.7").await, ["4 3.7 0.1 0.2 1", "data 1"]);
    assert_eq!(charged("3.95").await, ["4 3.95 0 0.05 1", "data 1"]);
    assert_eq!(charged("4.4").await, ["4 4 0 0 0.909090909", "data 0.909090909"]);
}

#[tokio::test]
async fn node_resized() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-03-01', '2026-03-02 10:15Z', 8, 32, reason => 'changed');
             select test.node(1, 'n1', '2026-03-02 10:15Z', null, 16, 32, extra => '{\"created_at\": \"2026-03-01\"}');
             select test.pod(1, 'p1', 'shop', 'n1', '2026-03-01', null, 10, 8)",
        )
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select to_char(from_at, 'MI'), trim_scale(cost), trim_scale(allocated_cost), trim_scale(idle_cost), trim_scale(overcommit_factor)
        from fleet.cost_node_hourly where resource = 'cpu' order by from_at";
    // A quarter of an hour of 8 cores, overcommitted, then three quarters of 16.
    assert_eq!(
        fleet.rows(sql).await,
        ["00 0.06 0.06 0 0.8", "15 0.36 0.225 0.135 1"]
    );
    // 8 cores for a quarter, 10 for three, at 0.03, and 8 GiB at 0.004.
    let shop = "select cost from fleet.cost_by_team('2026-03-02 10:00Z', '2026-03-02 11:00Z') where team = '__unallocated__'";
    assert_eq!(fleet.text(shop).await, "0.317000000");
}

#[tokio::test]
async fn price_changes_mid_hour() {
    let mut fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-03-01', null, 10, 10);
             select test.pod(1, 'p1', 'shop', 'n1', '2026-03-01', null, 5, 5)",
        )
        .await;
    let class = "[[sheet.class]]\nclass = 'all'\nprice_per_gib_hour = 0\nprice_per_gpu_hour = 0\n";
    let sheet = |from: &str, price: &str| {
        format!(
            "[[sheet]]\nsheet = 's'\nvalid_from = {from}\ncurrency = 'USD'\n{class}price_per_core_hour = {price}\n"
        )
    };
    fleet
        .apply(&(sheet("2025-01-01", "0.1") + &sheet("2026-03-02T10:20:00Z", "0.4")))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select to_char(from_at, 'MI'), sheet, trim_scale(cost), trim_scale(allocated_cost) from fleet.cost_node_hourly where resource = 'cpu' order by from_at";
    assert_eq!(
        fleet.rows(sql).await,
        ["00 s 0.333333333 0.166666667", "20 s 2.666666667 1.333333334"]
    );
    let shop =
        "select cost from fleet.cost_by_namespace('2026-03-02', '2026-03-03') where namespace = 'shop'";
    // Each half is rounded once, and a tie goes to what is allocated.
    assert_eq!(fleet.text(shop).await, "1.500000001");
}

#[tokio::test]
async fn a_node_without_price_or_capacity_is_unpriced_and_not_free() {
    let prices = "[[sheet]]\nsheet = 'a'\ndatacenters = ['dfw']\nvalid_from = 2025-01-01\ncurrency = 'USD'\n[[sheet.class]]\nclass = 'gpu'\nlabels = { pool = 'gpu' }\nprice_per_node_hour = 12\n";
    let fleet = RatingFixture::with(prices).await;
    fleet
        .run(
            "select test.cluster('dfw', 'a'), test.cluster('ams', 'b');
             select test.node(1, 'n1', '2026-03-01', null, 10, 10, 4, extra => '{\"labels\": {\"pool\": \"gpu\"}}');
             select test.node(1, 'n2', '2026-03-01', null, 10, 10);
             select test.node(1, 'n3', '2026-03-01', null, null, null, extra => '{\"labels\": {\"pool\": \"gpu\"}}');
             select test.node(2, 'n1', '2026-03-01', null, 10, 10, 4, extra => '{\"labels\": {\"pool\": \"gpu\"}}');
             select test.pod(1, 'p1', 'shop', 'n2', '2026-03-01', null, 1, 1);
             select test.pod(1, 'p2', 'lost', 'gone', '2026-03-01', null, 1, 1)",
        )
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select cluster, node, sum(cost) from fleet.cost_node_hourly group by 1, 2 order by 1, 2";
    assert_eq!(
        fleet.rows(sql).await,
        ["a n1 12.000000000", "a n2 NULL", "a n3 NULL", "b n1 NULL"]
    );
    let sql = "select namespace, cost, unpriced_hours from fleet.cost_by_namespace('2026-03-02', '2026-03-03') where namespace !~ '__' order by 1";
    assert_eq!(
        fleet.rows(sql).await,
        ["lost 0.000000000 1.000000", "shop 0.000000000 1.000000"]
    );
}

#[tokio::test]
async fn a_node_price_is_split_over_its_capacity() {
    // 730 hours: 730 a month is 1 an hour. 10 cores of 4 GiB, 40 GiB, 2 cards of 20 GiB: 120 GiB in all.
    let prices = "[[sheet]]\nsheet = 'a'\nvalid_from = 2025-01-01\ncurrency = 'USD'\nmonth_basis = '730h'\n[[sheet.class]]\nclass = 'gpu'\nprice_per_node_month = { amortisation = 1000, power = 460 }\ncpu_to_ram = 4\ngpu_to_ram = 20\ndiscount = 0.4\n";
    let fleet = RatingFixture::with(prices).await;
    fleet
        .run("select test.cluster('dfw', 'a'); select test.node(1, 'n1', '2026-03-01', null, 10, 40, 2)")
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select resource, cost, idle_cost from fleet.cost_node_hourly order by resource";
    assert_eq!(
        fleet.rows(sql).await,
        [
            "cpu 0.400000000 0.400000000",
            "gpu 0.400000000 0.400000000",
            "memory 0.400000000 0.400000000"
        ]
    );
}
