//! Files that are made to stand.

use fleetledger_cost::{definitions::CostDefinitions, store};

use crate::fleet::{PRICES, RatingFixture};

#[tokio::test]
async fn applying_twice_changes_nothing_and_a_change_is_a_new_version() {
    let mut fleet = RatingFixture::with("[[team]]\nteam = 'red'\nvalid_from = 2026-01-01\n").await;
    let all = format!(
        "{PRICES}[[owner]]\nnamespace = 'a'\nteam = 'red'\nvalid_from = 2026-01-01\n[[team]]\nteam = 'red'\nbudget_per_month = 10.5\nvalid_from = 2026-01-01\n[[sharing]]\nnamespaces = ['kube-system']\nvalid_from = 2026-01-01\n"
    );
    let applied = fleet.apply(&all).await;
    assert!(
        applied.owners && applied.teams && applied.sharing && applied.sheets == ["all"],
        "{applied:?}"
    );
    assert!(fleet.apply(&all).await.is_nothing());
    let applied = fleet.apply(&PRICES.replace("0.03", "0.04")).await;
    assert_eq!(applied.sheets, ["all"]);
    assert!(!applied.owners, "what the files do not hold stays");
    let sql = "select superseded_at is null, core_price from fleet.price order by sheet_id";
    assert_eq!(fleet.rows(sql).await, ["f 0.03", "t 0.04"]);
    let budget = "select budget from fleet.team_budget where team = 'red'";
    assert_eq!(fleet.text(budget).await, "10.5");
}

#[tokio::test]
async fn another_currency_is_refused_once_hours_were_rated() {
    let mut fleet = RatingFixture::new().await;
    fleet
        .run("select test.cluster('dfw', 'a'); select test.node(1, 'n1', '2026-03-01', null, 10, 10)")
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let book = CostDefinitions::parse(&[("a.toml", &PRICES.replace("USD", "EUR"))]).unwrap();
    let refused = store::apply(&mut fleet.client, &book, "test").await.unwrap_err();
    assert!(refused.to_string().contains("rated in USD"), "{refused}");
    let applied = fleet.apply(&PRICES.replace("0.03", "0.04")).await;
    assert_eq!(
        applied.rated_before.as_deref(),
        Some("2026-03-02T10:00:00.000000Z")
    );
}

#[tokio::test]
async fn an_evaluator_may_apply_and_a_reader_may_not() {
    let fleet = RatingFixture::new().await;
    let book = CostDefinitions::parse(&[("a.toml", &PRICES.replace("0.03", "0.04"))]).unwrap();
    let mut evaluator = fleet
        .connector("fleetledger_evaluate")
        .connect("test")
        .await
        .unwrap();
    store::apply(&mut evaluator, &book, "alice").await.unwrap();
    let mut reader = fleet
        .connector("fleetledger_reader")
        .connect("test")
        .await
        .unwrap();
    assert!(store::apply(&mut reader, &book, "mallory").await.is_err());
    for refused in [
        "select ledger.cost_fill(now())",
        "select ledger.cost_close('2026-01-01', 'x')",
    ] {
        assert!(reader.batch_execute(refused).await.is_err(), "{refused}");
    }
}
