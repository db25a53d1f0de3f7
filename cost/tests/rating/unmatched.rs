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
        "class gke-spot of price sheet cloud: no node in the ledger has the label cloud.google.com/gke-spot; \
         an emitter sends only the labels that its emit.labels names",
        "cost.rollup_labels: no pod in the ledger has the label cost-unit; an emitter sends only the labels \
         that its emit.labels names",
    ];
    let empty = [
        "class spot of price sheet cloud: no node in the ledger matches it",
        "class typed of price sheet cloud: no node in the ledger matches it",
        "class never of price sheet cloud: every node that it matches belongs to an earlier class",
    ];
    for found in [
        unmatched::of_definitions(&fleet.client, &book).await.unwrap(),
        unmatched::of_ledger(&fleet.client).await.unwrap(),
    ] {
        assert_eq!(found.unsent, unsent);
        assert_eq!(found.empty, empty);
    }
    assert!(
        unmatched::of_ledger(&fleet.client)
            .await
            .unwrap()
            .uncounted
            .is_empty()
    );
    // A sheet of another datacenter is for nobody here.
    let elsewhere = SHEET.replace("currency", "datacenters = ['ams']\ncurrency");
    let book = CostDefinitions::parse(&[("test.toml", &elsewhere)]).unwrap();
    let found = unmatched::of_definitions(&fleet.client, &book).await.unwrap();
    assert_eq!(found.into_sentences().len(), 6);
}

/// What the components that make such nodes set on them by default.
const VIRTUAL: [(&str, &str, &str); 7] = [
    (
        "aci",
        "{\"type\": \"virtual-kubelet\", \"kubernetes.io/role\": \"agent\"}",
        "[]",
    ),
    (
        "eci",
        "{}",
        "[{\"key\": \"virtual-kubelet.io/provider\", \"value\": \"alibabacloud\", \"effect\": \"NoSchedule\"}]",
    ),
    ("kwok-0", "{\"type\": \"kwok\"}", "[]"),
    (
        "kwok-1",
        "{}",
        "[{\"key\": \"kwok.x-k8s.io/node\", \"value\": \"fake\", \"effect\": \"NoSchedule\"}]",
    ),
    ("oke", "{\"node-role.kubernetes.io/virtual-node\": \"\"}", "[]"),
    (
        "fargate-0",
        "{\"eks.amazonaws.com/compute-type\": \"fargate\"}",
        "[]",
    ),
    (
        "fargate-1",
        "{}",
        "[{\"key\": \"eks.amazonaws.com/compute-type\", \"value\": \"fargate\", \"effect\": \"NoSchedule\"}]",
    ),
];

#[tokio::test]
async fn virtual_nodes_and_accelerators_of_other_names_are_named_as_not_counted() {
    let fleet = RatingFixture::with(SHEET).await;
    fleet
        .run(
            "select test.cluster('dfw', 'a'), test.cluster('ams', 'b');
             select test.node(1, 'windows', '2026-03-01', null, 10, 40, extra => '{\"operating_system\": \"windows\", \"labels\": {\"kubernetes.io/os\": \"windows\"}}');
             select test.node(1, 'auto', '2026-03-01', null, 10, 40, extra => '{\"labels\": {\"eks.amazonaws.com/compute-type\": \"auto\", \"karpenter.sh/nodepool\": \"general\", \"type\": \"spot\"}}');
             select test.node(2, n, '2026-03-01', null, 10, 40, extra => '{\"allocatable_other\": {\"habana.ai/gaudi\": \"8\", \"nvidia.com/mig-1g.5gb\": \"7\", \"hugepages-2Mi\": \"2097152\", \"example.com/none\": \"0\"}}')
             from unnest(array['g1', 'g2']) as n",
        )
        .await;
    for (node, labels, taints) in VIRTUAL {
        fleet
            .run(&format!(
                "select test.node(1, '{node}', '2026-03-01', null, 10, 40, extra => jsonb_build_object('labels', '{labels}'::jsonb, 'taints', '{taints}'::jsonb))"
            ))
            .await;
    }
    let found = fleet
        .rows("select node from fleet.node where is_virtual order by node")
        .await;
    assert_eq!(
        found,
        ["aci", "eci", "fargate-0", "fargate-1", "kwok-0", "kwok-1", "oke"]
    );
    let found = unmatched::of_ledger(&fleet.client).await.unwrap();
    assert_eq!(
        found.uncounted,
        [
            "cluster dfw/a: virtual nodes (7) are priced by a declared capacity, not a real one; give them a class of \
             their own, or a price of 0",
            "cluster ams/b: habana.ai/gaudi (16 on 2 nodes) is not counted as a GPU, because its name does not end in \
             /gpu: it has no price of its own and is charged to nobody; the price of the node covers it",
            "cluster ams/b: nvidia.com/mig-1g.5gb (14 on 2 nodes) is not counted as a GPU, because its name does not \
             end in /gpu: it has no price of its own and is charged to nobody; the price of the node covers it",
        ]
    );
    let sentences = found.clone().into_sentences();
    assert!(found.uncounted.iter().all(|one| sentences.contains(one)));
}
