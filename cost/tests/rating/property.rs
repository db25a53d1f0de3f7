//! Random fleets: the books add up, whatever there is; arrival and repetition change nothing; SQL splits as Rust does.

use fleetledger_cost::money::{CapacityShares, ResourceAmounts, split};
use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};

use crate::fleet::RatingFixture;

#[derive(Debug, Clone)]
struct NodeLife {
    cores: u32,
    gib: u32,
    gpus: u32,
    reserved_millicores: u32,
    begin: i32,
    end: Option<i32>,
    resized_at: Option<i32>,
}

#[derive(Debug, Clone)]
struct PodLife {
    machine: usize,
    namespace: usize,
    millicores: Option<u32>,
    mib: Option<u32>,
    gpu_millis: Option<u32>,
    begin: i32,
    length: i32,
    usage: Option<(u32, u32)>,
}

/// Seconds around the hour that is rated.
fn instant() -> impl Strategy<Value = i32> {
    -1_800..5_400_i32
}

fn machine() -> impl Strategy<Value = NodeLife> {
    let size = (1..130_u32, 1..900_u32, 0..9_u32, 0..900_u32);
    let life = (
        -9_000..3_600_i32,
        prop::option::of(3_600..7_200_i32),
        prop::option::of(1..3_600_i32),
    );
    (size, life).prop_map(
        |((cores, gib, gpus, reserved_millicores), (begin, end, resized_at))| NodeLife {
            cores,
            gib,
            gpus,
            reserved_millicores,
            begin,
            end,
            resized_at: resized_at.filter(|at| *at > begin),
        },
    )
}

fn life() -> impl Strategy<Value = PodLife> {
    let size = (
        prop::option::of(0..40_000_u32),
        prop::option::of(0..200_000_u32),
        prop::option::of(prop::sample::select(vec![100_u32, 460, 1000, 8000])),
    );
    let usage = prop::option::of((1..60_u32, 0..20_000_u32));
    (0..5_usize, 0..4_usize, size, instant(), 1..7_200_i32, usage).prop_map(
        |(machine, namespace, (millicores, mib, gpu_millis), begin, length, usage)| PodLife {
            machine,
            namespace,
            millicores,
            mib,
            gpu_millis,
            begin,
            length,
            usage,
        },
    )
}

const HOUR: &str = "timestamptz '2026-03-02 10:00Z'";

fn machine_sql(number: usize, machine: &NodeLife) -> String {
    let NodeLife {
        cores,
        gib,
        gpus,
        reserved_millicores,
        begin,
        end,
        resized_at,
    } = machine;
    let at = |seconds: &i32| format!("{HOUR} + interval '{seconds} seconds'");
    let end = end.as_ref().map_or("null".to_owned(), at);
    let created = format!(
        "jsonb_build_object('created_at', {}, 'uid', 'm{number}')",
        at(begin)
    );
    let reserved = f64::from(*reserved_millicores) / 1000.0;
    let one = |cores: u32, begin: String, end: String, reason: &str| {
        format!(
            "select test.node(1, 'n{number}', {begin}, {end}, {cores}, {gib}, {gpus}, {reserved}, {created}, '{reason}');\n"
        )
    };
    match resized_at {
        None => one(*cores, at(begin), end, "deleted"),
        Some(resized) => {
            one(*cores, at(begin), at(resized), "changed") + &one(cores * 2, at(resized), end, "deleted")
        }
    }
}

fn life_sql(number: usize, life: &PodLife) -> String {
    let text = |amount: Option<f64>| amount.map_or("null".to_owned(), |amount| amount.to_string());
    let mut sql = format!(
        "select test.pod(1, 'u{number}', 'ns{}', 'n{}', {HOUR} + interval '{} seconds', {HOUR} + interval '{} seconds', {}, {}, {});\n",
        life.namespace,
        life.machine,
        life.begin,
        life.begin + life.length,
        text(life.millicores.map(|thousandths| f64::from(thousandths) / 1000.0)),
        text(life.mib.map(|mib| f64::from(mib) / 1024.0)),
        text(life.gpu_millis.map(|thousandths| f64::from(thousandths) / 1000.0)),
    );
    if let Some((minutes, thousandths)) = life.usage {
        let request = life.millicores.unwrap_or(0);
        sql += &format!(
            "select test.usage(1, {HOUR}, 'u{number}', {minutes}, {thousandths} / 1000.0, {request} / 1000.0, now());\n"
        );
    }
    sql
}

/// The current state of the hour, without the numbers of runs and lines.
const RATED_DIGEST: &str = "select md5(coalesce(string_agg(concat_ws('/', i.namespace, i.workload, i.container, i.node_class, i.team, h.cpu_nanos,
    h.memory_nanos, h.gpu_nanos, h.cpu_charged_core_us, h.memory_charged_byte_seconds, h.gpu_charged_card_us, h.life_ms, h.usage_ms, h.unknown_ms, h.unpriced_ms),
    ';' order by i.namespace, i.workload, i.container, i.node_class), '')) from ledger.cost_hourly as h join ledger.cost_line as i using (line_id)";

const EMPTY: &str = "truncate ledger.node, ledger.node_history, ledger.pod, ledger.pod_history, ledger.container,
    ledger.container_history, ledger.usage_hourly, ledger.usage_window, ledger.cost_hourly, ledger.cost_node_hourly, ledger.cost_check";

#[tokio::test]
async fn costs_of_random_fleets_add_up_whatever_the_order_of_arrival() {
    let prices = "[[sheet]]\nsheet = 'a'\nvalid_from = 2025-01-01\ncurrency = 'USD'\n[[sheet.class]]\nclass = 'a'\nprice_per_node_month = 4321.123\ncpu_to_ram = 7.3\ngpu_to_ram = 311\n\
        [[sheet]]\nsheet = 'a'\nvalid_from = 2026-03-02T10:42:17Z\ncurrency = 'USD'\n[[sheet.class]]\nclass = 'b'\nprice_per_core_hour = 0.0311\nprice_per_gib_hour = 0.0047\nprice_per_gpu_hour = 1.9\n";
    let fleet = RatingFixture::with(prices).await;
    fleet.run("select test.cluster('dfw', 'a')").await;
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let strategy = (
        prop::collection::vec(machine(), 5),
        prop::collection::vec(life(), 0..40),
    );
    for round in 0..25 {
        let (machines, lives) = strategy.new_tree(&mut runner).unwrap().current();
        let mut statements: Vec<String> = machines
            .iter()
            .enumerate()
            .map(|(n, one)| machine_sql(n, one))
            .collect();
        statements.extend(lives.iter().enumerate().map(|(n, one)| life_sql(n, one)));
        fleet.run(&format!("{EMPTY};{}", statements.concat())).await;
        fleet.rate("2026-03-02T10:00:00Z", 1).await;
        let first = fleet.text(RATED_DIGEST).await;
        fleet.rate("2026-03-02T10:00:00Z", 1).await;
        assert_eq!(fleet.text(RATED_DIGEST).await, first, "round {round}: again");
        statements.reverse();
        fleet.run(&format!("{EMPTY};{}", statements.concat())).await;
        fleet.rate("2026-03-02T10:00:00Z", 1).await;
        assert_eq!(
            fleet.text(RATED_DIGEST).await,
            first,
            "round {round}: in another order\n{machines:?}\n{lives:?}"
        );
        equals_rust(&fleet).await;
    }
}

/// Every segment is split as `money` splits it.
async fn equals_rust(fleet: &RatingFixture) {
    for resource in ["cpu", "memory", "gpu"] {
        let sql = format!(
            "select {resource}_capacity::bigint, {resource}_allocatable::bigint, {resource}_charged::bigint, {resource}_cost_nanos::bigint,
                {resource}_allocated_nanos::bigint, {resource}_idle_nanos::bigint, {resource}_system_nanos::bigint
             from ledger.cost_node_hourly"
        );
        for row in fleet.client.query(&sql, &[]).await.unwrap() {
            let amount = |place: usize| u64::try_from(row.get::<_, i64>(place)).unwrap();
            let stretch = ResourceAmounts {
                capacity: amount(0),
                allocatable: amount(1),
                charged: amount(2),
            };
            let nanos = |place: usize| i128::from(row.get::<_, i64>(place));
            let expected = CapacityShares {
                allocated: nanos(4),
                idle: nanos(5),
                system: nanos(6),
            };
            assert_eq!(stretch.costs(nanos(3)), expected, "{resource} of {stretch:?}");
        }
    }
}

#[tokio::test]
async fn splitting_a_life_at_any_instant_changes_no_total() {
    let fleet = RatingFixture::new().await;
    fleet
        .run("select test.cluster('dfw', 'a'); select test.node(1, 'n1', '2026-03-01', null, 7, 13)")
        .await;
    let rate = async |pods: &str| {
        fleet
            .run(&format!(
                "truncate ledger.pod, ledger.pod_history, ledger.container, ledger.container_history; {pods}"
            ))
            .await;
        fleet.rate("2026-03-02T10:00:00Z", 1).await;
        fleet
            .rows(
                "select namespace, cost from fleet.cost_by_namespace('2026-03-02', '2026-03-03') order by 1",
            )
            .await
    };
    let rest = "select test.pod(1, 'o1', 'other', 'n1', '2026-03-01', null, 1.37, 2.11);";
    let whole = rate(&format!(
        "{rest} select test.pod(1, 'p', 'shop', 'n1', '2026-03-02 10:07:11Z', null, 2.3, 4.7)"
    ))
    .await;
    for second in [1, 59, 600, 1733, 3100] {
        let cut = format!("timestamptz '2026-03-02 10:07:11Z' + interval '{second} seconds'");
        let parts = rate(&format!(
            "{rest} select test.pod(1, 'p', 'shop', 'n1', '2026-03-02 10:07:11Z', {cut}, 2.3, 4.7);
             select test.pod(1, 'q', 'shop', 'n1', {cut}, null, 2.3, 4.7)"
        ))
        .await;
        let cost = |rows: &[String], name: &str| -> i64 {
            let row = rows
                .iter()
                .find_map(|row| row.strip_prefix(&format!("{name} ")))
                .unwrap();
            row.replace('.', "").parse().unwrap()
        };
        for name in ["shop", "other", "__idle__", "__system__"] {
            let moved = (cost(&whole, name) - cost(&parts, name)).abs();
            assert!(moved <= 2, "{name} by {moved} nanos, cut after {second} s");
        }
    }
}

#[test]
fn split_is_what_sql_does_with_three_parts() {
    assert_eq!(split(11, &[1, 1, 1]), [4, 4, 3]);
}
