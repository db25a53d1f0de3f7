//! Owners, months and what is booked after they were closed.

use crate::fleet::RatingFixture;

#[tokio::test]
async fn owner_moves_mid_month() {
    let mut fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-02-20', null, 10, 10);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-02-20', null, 1, 0);
             select test.pod(1, 'u2', 'data', 'n1', '2026-02-20', null, 2, 0);
             select test.pod(1, 'u3', 'other', 'n1', '2026-02-20', null, 3, 0);
             select test.namespace(1, 'shop', 'red', '2026-02-20'), test.namespace(1, 'data', null, '2026-02-20');
             select ledger.apply_owners('{1}', '2026-02-20');
             update ledger.namespace set labels = '{\"team\": \"blue\"}' where namespace = 'shop';
             select ledger.apply_owners('{1}', '2026-03-02 10:20Z')",
        )
        .await;
    let entry = |team: &str, dates: &str| format!("[[owner]]\nnamespace = 'da*'\nteam = '{team}'\n{dates}\n");
    let map = entry(
        "green",
        "valid_from = 2026-01-01\nvalid_to = 2026-03-02T11:00:00Z",
    ) + &entry("grey", "valid_from = 2026-03-02T11:00:00Z");
    fleet.apply(&map).await;
    fleet.rate("2026-03-02T10:00:00Z", 2).await;
    // The hour within which it moved is its old owner's.
    let sql = "select to_char(hour_at, 'HH24'), namespace, team, owner_source, trim_scale(cpu_core_hours) from fleet.cost_hourly
        where namespace in ('shop', 'data', 'other') order by 1, 2";
    let expected = [
        "10 data green map 2",
        "10 other __unallocated__ none 3",
        "10 shop red label 1",
        "11 data grey map 2",
        "11 other __unallocated__ none 3",
        "11 shop blue label 1",
    ];
    assert_eq!(fleet.rows(sql).await, expected);
    let team = "select team, trim_scale(cost) from fleet.cost_by_team('2026-03-01', '2026-04-01') where team not like '\\_\\_%' order by 1";
    assert_eq!(
        fleet.rows(team).await,
        ["blue 0.03", "green 0.06", "grey 0.06", "red 0.03"]
    );
    // Who may see is who owns it now.
    let seen = "select namespace, team from fleet.namespace order by 1";
    assert_eq!(fleet.rows(seen).await, ["data grey", "shop blue"]);
}

/// A cluster is heard of at 10:20; its pods live since long before.
#[tokio::test]
async fn hours_before_a_namespace_was_known_are_its_first_owners() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-02-20', null, 10, 10);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-02-20', null, 1, 0);
             select test.pod(1, 'u2', 'late', 'n1', '2026-02-20', null, 2, 0);
             select test.namespace(1, 'shop', 'red', '2026-03-02 10:20Z'), test.namespace(1, 'late', null, '2026-03-02 09:00Z');
             select ledger.apply_owners('{1}', '2026-03-02 10:20Z');
             update ledger.namespace set labels = '{\"team\": \"blue\"}';
             select ledger.apply_owners('{1}', '2026-03-02 11:30Z')",
        )
        .await;
    fleet.rate("2026-03-02T09:00:00Z", 4).await;
    let sql = "select to_char(hour_at, 'HH24'), namespace, team, owner_source from fleet.cost_hourly
        where namespace in ('shop', 'late') order by 1, 2";
    let expected = [
        // It was known without an owner.
        "09 late __unallocated__ none",
        "09 shop red label",
        "10 late __unallocated__ none",
        "10 shop red label",
        "11 late __unallocated__ none",
        // It moved within this hour, which is its old owner's.
        "11 shop red label",
        "12 late blue label",
        "12 shop blue label",
    ];
    assert_eq!(fleet.rows(sql).await, expected);
}

#[tokio::test]
async fn a_pods_label_counts_where_its_namespaces_owner_allows_it() {
    let mut fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-02-20', null, 10, 10);
             select test.namespace(1, 'shop', 'red', '2026-02-20'), test.namespace(1, 'data', 'blue', '2026-02-20');
             select ledger.apply_owners('{1}', '2026-02-20');
             select test.pod(1, 'u1', 'shop', 'n1', '2026-02-20', null, 1, 0, extra => '{\"labels\": {\"pay\": \"green\"}}');
             select test.pod(1, 'u2', 'data', 'n1', '2026-02-20', null, 1, 0, extra => '{\"labels\": {\"pay\": \"green\"}}')",
        )
        .await;
    fleet
        .apply("[[team]]\nteam = 'red'\nallow_label_owner = 'pay'\nvalid_from = 2026-01-01\n")
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select namespace, team, owner_source from fleet.cost_hourly where namespace in ('shop', 'data') order by 1";
    assert_eq!(fleet.rows(sql).await, ["data blue label", "shop green pod_label"]);
}

#[tokio::test]
async fn february() {
    let prices = "[[sheet]]\nsheet = 'a'\nvalid_from = 2025-01-01\ncurrency = 'USD'\n[[sheet.class]]\nclass = 'a'\nprice_per_node_month = 1000\n";
    let fleet = RatingFixture::with(prices).await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-01-01', null, 16, 64);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-01-01', null, 3, 7)",
        )
        .await;
    fleet.rate("2026-02-01T00:00:00Z", 672).await;
    fleet.rate("2026-03-01T00:00:00Z", 1).await;
    // 28 days cost a month's price, each hour rounded once for each resource.
    let month = "select sum(cost) from fleet.cost_monthly where month_at = '2026-02-01'";
    let cost: f64 = fleet.text(month).await.parse().unwrap();
    assert!((cost - 1000.0).abs() < 672.0 * 3.0 * 0.5e-9, "{cost}");
    assert_eq!(
        fleet
            .text("select sum(cost) from fleet.cost_by_cluster('2026-02-01', '2026-03-01')")
            .await,
        fleet.text(month).await
    );
    // An hour of March is cheaper than one of February: it has 744.
    let hour = "select round(sum(cost), 8) from fleet.cost_node_hourly where hour_at = '2026-03-01'";
    assert_eq!(fleet.text(hour).await, "1.34408602");
}

#[tokio::test]
async fn a_closed_month_does_not_change_and_what_comes_later_is_a_dated_adjustment() {
    let mut fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-01-31 20:00Z', null, 10, 10);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-01-31 20:00Z', null, 1, 0)",
        )
        .await;
    fleet.rate("2026-01-31T20:00:00Z", 4).await;
    let client = &fleet.client;
    let early = fleetledger_cost::store::close(client, "2027-01", "alice")
        .await
        .unwrap_err();
    assert!(early.to_string().contains("is not over"), "{early}");
    let closed = fleetledger_cost::store::close(client, "2026-01", "alice")
        .await
        .unwrap();
    assert_eq!(
        (closed.cost.as_str(), closed.currency.as_deref()),
        ("1.360000000", Some("USD"))
    );
    let again = fleetledger_cost::store::close(client, "2026-01", "bob")
        .await
        .unwrap_err();
    assert!(again.to_string().contains("closed already"), "{again}");

    let frozen = "select md5(string_agg(h::text, '/' order by hour_at, line_id)) from ledger.cost_hourly as h where hour_at < '2026-02-01'";
    let before = fleet.text(frozen).await;
    // A price that was wrong, and usage that came late.
    fleet.apply(&crate::fleet::PRICES.replace("0.03", "0.05")).await;
    fleet
        .run("select test.usage(1, '2026-01-31 22:00Z', 'u1', 60, 4, 1, now())")
        .await;
    fleet.rate_closed("2026-01-31T20:00:00Z", 4).await;
    assert_eq!(fleet.text(frozen).await, before);
    let sum = "select trim_scale(sum(cost)) from fleet.cost_adjustment";
    // 10 cores, 4 hours, 0.02 more each.
    assert_eq!(fleet.text(sum).await, "0.8");
    let shop = "select trim_scale(sum(cost)) from fleet.cost_adjustment where namespace = 'shop'";
    // Three hours of 1 core dearer by 0.02, one of 4 cores at 0.05 instead of 1 at 0.03.
    assert_eq!(fleet.text(shop).await, "0.23");
    fleet.rate_closed("2026-01-31T20:00:00Z", 4).await;
    assert_eq!(fleet.text(sum).await, "0.8", "booked once");
    let shown = "select trim_scale(sum(cost)), trim_scale(sum(adjustment_cost)) from fleet.cost_by_namespace(date_trunc('hour', now()), now() + interval '1 hour')";
    assert_eq!(fleet.rows(shown).await, ["0 0.8"]);
}
