//! The worked example of docs/cost.md, recomputed.

use crate::fleet::RatingFixture;

const PAGE: &str = include_str!("../../../docs/cost.md");

/// The current state between a mark and the end of the block behind it.
fn block<'p>(mark: &str, open: &str, close: &str) -> &'p str {
    let (_, rest) = PAGE
        .split_once(mark)
        .unwrap_or_else(|| panic!("docs/cost.md lacks {mark}"));
    let (_, rest) = rest.split_once(open).unwrap();
    rest.split_once(close).unwrap().0
}

#[tokio::test]
async fn the_worked_example_of_the_book_is_what_comes_out() {
    let fleet = RatingFixture::with(block("<!-- example: prices -->", "```toml\n", "```")).await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-04-01', null, 8, 32, 0, 0.5);
             select test.pod(1, 'shop-1', 'shop', 'n1', '2026-04-01', null, 3, 8);
             select test.pod(1, 'data-1', 'data', 'n1', '2026-04-10 14:30Z', null, 2, 12);
             select test.usage(1, '2026-04-10 14:00Z', 'shop-1', 30, 5, 3, now());
             update ledger.usage_hourly set memory_byte_seconds = 4::bigint * 1073741824 * 1800, memory_charged_byte_seconds = 8::bigint * 1073741824 * 1800",
        )
        .await;
    fleet.rate("2026-04-10T14:00:00Z", 1).await;
    let lines = "select namespace, round(cpu_core_hours, 2), round(memory_gib_hours, 2), round(cpu_cost, 6), round(memory_cost, 6), round(cost, 6)
        from fleet.cost_by_namespace('2026-04-10 14:00Z', '2026-04-10 15:00Z')
        order by array_position(array['shop', 'data', '__idle__', '__system__'], namespace)";
    let mut table = Vec::new();
    for row in fleet.rows(lines).await {
        let cells: Vec<&str> = row.split(' ').collect();
        table.push(format!("| `{}` | {} |", cells[0], cells[1..].join(" | ")));
    }
    let total = "select 'node', round(sum(capacity_hours) filter (where resource = 'cpu'), 2), round(sum(capacity_hours) filter (where resource = 'memory'), 2),
        round(sum(cost) filter (where resource = 'cpu'), 6), round(sum(cost) filter (where resource = 'memory'), 6), round(sum(cost), 6)
        from fleet.cost_node_hourly";
    table.push(format!("| {} |", fleet.rows(total).await[0].replace(' ', " | ")));
    let shown: Vec<&str> = block(
        "<!-- example: result -->",
        "| --- | --- | --- | --- | --- | --- |\n",
        "\n\n",
    )
    .lines()
    .collect();
    assert_eq!(shown, table, "docs/cost.md, left, is not what comes out");
}
