//! The export in FOCUS: its columns, and what the validator of the specification's project says of it.

use std::collections::BTreeMap;

use fleetledger_cost::{
    allocation::window::CostWindow,
    focus::{self, FOCUS_COLUMNS},
};
use fleetledger_local::{ArtifactCache, focus_validator, skip::unless_available};
use fleetledger_queries::ReaderPool;

use crate::fleet::RatingFixture;

/// A cluster with a team, a node with a card, idle and system; a second class that no sheet prices; and a month that was
/// closed and is then corrected.
async fn fleet() -> RatingFixture {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             insert into ledger.setting (name, value) values ('cost.rollup_labels', '[\"app\"]') on conflict (name) do update set value = excluded.value;
             select test.namespace(1, 'shop', 'web', '2026-03-01');
             select test.node(1, 'n1', '2026-03-01', null, 10, 40, 4, 0.5);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 3, 5, 1, extra => '{\"labels\": {\"app\": \"web, \\\"1\\\"\"}}');
             select test.pod(1, 'u2', 'data', 'n1', '2026-03-01', null, 2, 7), test.pod(1, 'u3', 'data', 'gone', '2026-03-01', null, 1, 1)",
        )
        .await;
    fleet.rate("2026-03-02T00:00:00Z", 3).await;
    fleet
}

async fn export(fleet: &RatingFixture) -> String {
    let reader = ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap();
    let window = CostWindow {
        from: "2026-03-02T00:00:00Z".parse().unwrap(),
        to: "2026-03-02T03:00:00Z".parse().unwrap(),
    };
    let body = focus::csv(&reader, window).await.unwrap();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// The cells of a CSV text.
fn cells(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, quoted) {
            ('"', true) if letters.peek() == Some(&'"') => cell.extend(letters.next()),
            ('"', _) => quoted = !quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\n', false) => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            _ => cell.push(letter),
        }
    }
    rows
}

fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut rows = cells(text).into_iter();
    let head = rows.next().unwrap();
    assert_eq!(head, FOCUS_COLUMNS);
    rows.map(|row| head.iter().cloned().zip(row).collect()).collect()
}

#[tokio::test]
async fn charges_are_parts_of_what_nodes_cost_and_say_whom_for() {
    let fleet = fleet().await;
    let rows = rows(&export(&fleet).await);
    let mut ratios: BTreeMap<(String, String), f64> = BTreeMap::new();
    let mut seen = Vec::new();
    for row in &rows {
        let of = |name: &str| row[name].as_str();
        assert_eq!(
            (of("ServiceSubcategory"), of("InvoiceId")),
            ("Containers", "uid-a/2026-03")
        );
        assert_eq!(
            (of("BillingPeriodStart"), of("BillingPeriodEnd")),
            ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
        );
        assert!(of("SkuPriceDetails").contains("x_NodeClass") && !of("SkuPriceId").is_empty());
        let number = |name: &str| of(name).parse::<f64>().unwrap();
        let product = number("ListUnitPrice") * number("PricingQuantity");
        assert!((product - number("ListCost")).abs() < 1e-9, "{row:?}");
        if of("SkuId").starts_with("unpriced/") {
            // Nothing was split that has no price.
            assert_eq!(
                (
                    of("AllocatedMethodId"),
                    of("AllocatedResourceId"),
                    of("BilledCost")
                ),
                ("", "", "0.000000000")
            );
            continue;
        }
        assert_eq!(
            (of("ResourceId"), of("ResourceType")),
            ("uid-a/nodes/all", "Nodes")
        );
        let details: serde_json::Value = serde_json::from_str(of("AllocatedMethodDetails")).unwrap();
        let ratio = details["Elements"][0]["AllocatedRatio"].as_f64().unwrap();
        *ratios
            .entry((of("ChargePeriodStart").to_owned(), of("SkuId").to_owned()))
            .or_default() += ratio;
        seen.push((
            of("SubAccountName").to_owned(),
            of("AllocatedResourceName").to_owned(),
            of("AllocatedTags").to_owned(),
        ));
    }
    assert_eq!(ratios.len(), 9);
    assert!(
        ratios.values().all(|ratio| (ratio - 1.0).abs() < 1e-9),
        "{ratios:?}"
    );
    // Idle and system are the part of the nodes that is allocated to nobody.
    for nobodys in ["__idle__", "__system__"] {
        let all: Vec<_> = seen
            .iter()
            .filter(|(namespace, ..)| namespace == nobodys)
            .collect();
        assert!(
            !all.is_empty()
                && all
                    .iter()
                    .all(|(_, name, tags)| name.is_empty() && tags.is_empty()),
            "{all:?}"
        );
    }
    let shop = seen.iter().find(|(namespace, ..)| namespace == "shop").unwrap();
    assert_eq!(shop.1, "shop-web");
    assert!(
        shop.2.contains("web, \\\"1\\\"") && shop.2.contains("\"container\": \"app\""),
        "{}",
        shop.2
    );
}

#[tokio::test]
async fn a_correction_is_billed_in_the_month_in_which_it_is_booked() {
    let fleet = fleet().await;
    fleet
        .run(
            "insert into ledger.cost_month (month_at, closed_at, closed_by, cost_nanos) values ('2026-03-01', '2026-04-02', 'test', 0);
             select test.pod(1, 'late', 'data', 'n1', '2026-03-01', null, 1, 1);
             select ledger.cost_fill('2026-03-02 01:00Z');
             update ledger.cost_adjustment set booked_at = '2026-04-03'",
        )
        .await;
    let read = "select distinct \"ChargeClass\", \"BillingPeriodStart\"::date, \"InvoiceId\", \"ChargePeriodStart\"::timestamptz at time zone 'UTC'
        from fleet.cost_focus('2026-04-03', '2026-04-04')";
    assert_eq!(
        fleet.rows(read).await,
        ["Correction 2026-04-01 uid-a/2026-04 2026-03-02 01:00:00"]
    );
}

/// What the validator refuses whatever a file holds.
const CONTRADICTIONS: [&str; 1] = [
    // Its rules of the invoice ask at once that none is named and that one is: they have no condition in its model.
    "InvoiceId-C-004-C",
];

#[tokio::test]
async fn the_validator_of_the_specification_finds_nothing_wrong() {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let validator = focus_validator::fetch(&cache).await;
    let test = "the_validator_of_the_specification_finds_nothing_wrong";
    let Some(validator) = unless_available(test, validator).unwrap() else {
        return;
    };
    let fleet = fleet().await;
    let file = std::env::temp_dir().join(format!("focus-{}.csv", std::process::id()));
    std::fs::write(&file, export(&fleet).await).unwrap();
    let checked = validator.check(&file).await;
    std::fs::remove_file(&file).unwrap();
    let (passed, failed) = checked.unwrap();
    assert!(passed > 250, "only {passed} rules were passed: {failed:#?}");
    let failed: Vec<_> = failed
        .iter()
        .filter(|line| !CONTRADICTIONS.iter().any(|rule| line.contains(rule)))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}
