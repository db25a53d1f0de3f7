//! Classes and labels that nothing in the ledger can match are named.

use fleetledger_cost::{definitions::CostDefinitions, unmatched};

use crate::fleet::RatingFixture;

const SHEET: &str = "
[[sheet]]
sheet = 'cloud'
valid_from = 2025-01-01
currency = 'USD'
[[sheet.class]]
class = 'gke-spot'
labels = { 'cloud.google.com/gke-spot' = 'true' }
price_per_node_month = 10
[[sheet.class]]
class = 'spot'
labels = { 'karpenter.sh/capacity-type' = 'spot' }
price_per_node_month = 10
[[sheet.class]]
class = 'typed'
instance_types = ['m7.large']
price_per_node_month = 20
[[sheet.class]]
class = 'rest'
price_per_node_month = 30
[[sheet.class]]
class = 'never'
labels = { 'karpenter.sh/capacity-type' = 'on-demand' }
price_per_node_month = 40
";

#[tokio::test]
async fn classes_and_rollup_labels_that_no_object_can_match_are_named() {
    let fleet = RatingFixture::with(SHEET).await;
    fleet
        .run("insert into ledger.setting (name, value) values ('cost.rollup_labels', '[\"app\", \"cost-unit\"]') on conflict (name) do update set value = excluded.value")
        .await;
    // Before anything is known, nothing is missing.
    let empty = unmatched::of_ledger(&fleet.client).await.unwrap();
    assert_eq!(empty, unmatched::UnmatchedDefinitions::default());
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-03-01', null, 10, 40, extra => '{\"labels\": {\"karpenter.sh/capacity-type\": \"on-demand\"}}');
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 1, 1, extra => '{\"labels\": {\"app\": \"web\"}}')",
        )
        .await;
    let book = CostDefinitions::parse(&[("test.toml", SHEET)]).unwrap();
    let unsent = [
        "class gke-spot of price sheet cloud: no node of the ledger has the label cloud.google.com/gke-spot; an emitter sends the \
         labels that its emit.labels names",
        "cost.rollup_labels: no pod of the ledger has the label cost-unit; an emitter sends the labels that its emit.labels names",
    ];
    let empty = [
        "class spot of price sheet cloud: no node of the ledger matches it",
        "class typed of price sheet cloud: no node of the ledger matches it",
        "class never of price sheet cloud: every node that it matches is of a class before it",
    ];
    for found in [
        unmatched::of_definitions(&fleet.client, &book).await.unwrap(),
        unmatched::of_ledger(&fleet.client).await.unwrap(),
    ] {
        assert_eq!(found.unsent, unsent);
        assert_eq!(found.empty, empty);
    }
    // A sheet of another datacenter is for nobody here.
    let elsewhere = SHEET.replace("currency", "datacenters = ['ams']\ncurrency");
    let book = CostDefinitions::parse(&[("test.toml", &elsewhere)]).unwrap();
    let found = unmatched::of_definitions(&fleet.client, &book).await.unwrap();
    assert_eq!(found.into_sentences().len(), 6);
}
