//! The allocation API over rated hours, as the reader.

use fleetledger_cost::allocation::{
    AllocationParameters,
    question::SharingOptions,
    shape::AllocationResponse,
    store::{answer, default_share},
};
use fleetledger_queries::ReaderPool;

use crate::fleet::RatingFixture;

async fn fleet() -> (RatingFixture, ReaderPool) {
    let mut fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a'), test.cluster('ams', 'b');
             insert into ledger.setting (name, value) values ('cost.rollup_labels', '[\"app\"]') on conflict (name) do update set value = excluded.value;
             select test.node(1, 'n1', '2026-03-01', null, 10, 40, 0, 0.5), test.node(1, 'n2', '2026-03-01', null, 10, 40, 4);
             select test.node(2, 'n1', '2026-03-01', null, 10, 40);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 3, 5, extra => '{\"labels\": {\"app\": \"web\", \"tier\": \"x\"}}');
             select test.pod(1, 'u2', 'data', 'n2', '2026-03-01', null, 2, 9, 1, extra => '{\"annotations\": {\"note\": \"y\"}}');
             select test.pod(2, 'u3', 'shop', 'n1', '2026-03-01', null, 1, 1);
             select test.pod(1, 'u4', 'kube-system', 'n1', '2026-03-01', null, 1, 1)",
        )
        .await;
    fleet
        .apply("[[sharing]]\nnamespaces = ['kube-system']\nspread = 'even'\nidle = 'shared'\nvalid_from = 2026-01-01\n")
        .await;
    fleet.rate("2026-03-02T00:00:00Z", 30).await;
    let reader = ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap();
    (fleet, reader)
}

pub(crate) async fn ask(
    reader: &ReaderPool,
    change: impl FnOnce(&mut AllocationParameters),
) -> AllocationResponse {
    let mut parameters = AllocationParameters {
        window: "2026-03-02T00:00:00Z,2026-03-03T06:00:00Z".to_owned(),
        ..AllocationParameters::default()
    };
    change(&mut parameters);
    let now = "2026-03-11T14:25:00Z".parse().unwrap();
    let default = default_share(reader).await.unwrap();
    let question = parameters.read(now, &default).unwrap();
    answer(reader, &question).await.unwrap()
}

/// What 30 hours of three nodes cost, in millionths.
const TOTAL: f64 = 30.0 * (3.0 * (10.0 * 0.03 + 40.0 * 0.004) + 4.0 * 2.0);

fn total(answer: &AllocationResponse) -> f64 {
    answer
        .data
        .iter()
        .flat_map(|set| set.values())
        .map(|one| one.total_cost)
        .sum()
}

fn assert_total(answer: &AllocationResponse, what: &str) {
    assert!(
        (total(answer) - TOTAL).abs() < 1e-6,
        "{what}: {} is not {TOTAL}",
        total(answer)
    );
}

#[tokio::test]
async fn whatever_it_is_grouped_by_the_total_is_what_the_nodes_cost() {
    let (_fleet, reader) = fleet().await;
    for aggregate in [
        "namespace",
        "cluster",
        "datacenter",
        "team",
        "nodeClass",
        "controllerKind",
        "controller",
        "container",
        "namespace,controller",
        "label:app",
        "node",
        "pod",
        "label:tier",
        "annotation:note",
        "cluster,node,pod",
    ] {
        let answer = ask(&reader, |p| {
            p.aggregate = Some(aggregate.to_owned());
            p.include_idle = Some(true);
        })
        .await;
        assert_eq!(answer.currency.as_deref(), Some("USD"));
        assert_total(&answer, aggregate);
    }
    let by_label = ask(&reader, |p| p.aggregate = Some("label:app".to_owned())).await;
    let web = &by_label.data[0]["web"];
    assert_eq!(
        (web.cpu_core_hours, web.properties["namespace"].as_str()),
        (90.0, "shop")
    );
    let by_pod = ask(&reader, |p| p.aggregate = Some("cluster,pod".to_owned())).await;
    assert_eq!(by_pod.data[0]["a/u2"].gpu_hours, 30.0);
    assert!((by_pod.data[0]["a/u1"].total_cost - web.total_cost).abs() < 1e-6);
}

#[tokio::test]
async fn steps_sum_to_the_window() {
    let (_fleet, reader) = fleet().await;
    let stepped = ask(&reader, |p| {
        p.step = Some("1d".to_owned());
        p.include_idle = Some(true);
    })
    .await;
    assert_eq!(stepped.data.len(), 2);
    assert_total(&stepped, "steps");
    let accumulated = ask(&reader, |p| {
        p.step = Some("1d".to_owned());
        p.accumulate = Some("true".to_owned());
        p.include_idle = Some(true);
    })
    .await;
    assert_eq!(accumulated.data.len(), 1);
    assert_total(&accumulated, "accumulated");
}

#[tokio::test]
async fn idle_and_namespaces_are_shared_and_filters_come_after() {
    let (_fleet, reader) = fleet().await;
    let shared = ask(&reader, |p| p.sharing = Some("default".to_owned())).await;
    assert_total(&shared, "shared");
    let shop = shared.data[0]["shop"].clone();
    assert!(shop.shared_cost > 0.0 && shop.cpu_cost_idle > 0.0, "{shop:?}");
    assert!(!shared.data[0].contains_key("kube-system"));
    // Cards of a cluster where one was charged: the others are its idle ones.
    assert!((shared.data[0]["data"].gpu_cost - 30.0 * 8.0).abs() < 1e-6);
    let filtered = ask(&reader, |p| {
        p.sharing = Some("default".to_owned());
        p.filter = Some("namespace:shop".to_owned());
    })
    .await;
    assert_eq!(filtered.data[0]["shop"].total_cost, shop.total_cost);
    assert!(!filtered.data[0].contains_key("data"));
    let weighted = ask(&reader, |p| {
        p.share_namespaces = Some("kube-system".to_owned());
        p.include_idle = Some(true);
    })
    .await;
    assert_total(&weighted, "weighted");
    let by_node = ask(&reader, |p| p.idle_by_node = Some(true)).await;
    assert!(
        by_node.data[0].contains_key("n2/__idle__"),
        "{:?}",
        by_node.data[0].keys()
    );
    assert_total(&by_node, "idle by node");
}

#[tokio::test]
async fn more_pod_hours_than_are_rated_on_demand_are_refused_with_the_limit() {
    let (fleet, reader) = fleet().await;
    fleet.run("update ledger.cost_run set pods = 1000000").await;
    let parameters = AllocationParameters {
        window: "2026-03-02T00:00:00Z,2026-03-03T06:00:00Z".to_owned(),
        aggregate: Some("pod".to_owned()),
        ..AllocationParameters::default()
    };
    let question = parameters
        .read(
            "2026-03-11T14:25:00Z".parse().unwrap(),
            &SharingOptions::default(),
        )
        .unwrap();
    let refused = answer(&reader, &question).await.unwrap_err().to_string();
    assert!(
        refused.contains("30000000 pod-hours") && refused.contains("2000000"),
        "{refused}"
    );
}

#[tokio::test]
async fn functions_of_every_kind_agree_with_the_ledger() {
    let (fleet, _reader) = fleet().await;
    let span = "'2026-03-02', '2026-03-03 06:00Z'";
    let total = format!("{TOTAL:.6}");
    for function in [
        "container",
        "workload",
        "namespace",
        "team",
        "cluster",
        "datacenter",
    ] {
        let sql = format!("select round(sum(cost), 6) from fleet.cost_by_{function}({span})");
        assert_eq!(fleet.text(&sql).await, total, "{function}");
    }
    for sql in [
        format!("select round(sum(cost), 6) from fleet.cost_idle({span})"),
        format!(
            "select round(sum(allocated_cost + idle_cost + system_cost), 6) from fleet.cost_idle({span})"
        ),
        format!("select round(sum(\"BilledCost\"), 6) from fleet.cost_focus({span})"),
        "select round(sum(cost), 6) from fleet.cost_hourly".to_owned(),
        "select round(sum(cost), 6) from fleet.cost_workload_daily".to_owned(),
        "select round(sum(cost), 6) from fleet.cost_daily".to_owned(),
        "select round(sum(cost), 6) from fleet.cost_monthly".to_owned(),
    ] {
        assert_eq!(fleet.text(&sql).await, total, "{sql}");
    }
    let pods = "select round((select sum(c.cost) from ledger.pod as p, fleet.cost_of_pod(p.uid) as c)
        - (select sum(cost) from fleet.cost_hourly where namespace !~ '^__'), 6)";
    assert_eq!(fleet.text(pods).await, "0.000000", "pods against lines");
}

#[tokio::test]
async fn hours_of_days_that_are_rolled_up_are_not_read() {
    let fleet = RatingFixture::new().await;
    fleet
        .run("select test.cluster('dfw', 'a'); select test.node(1, 'n1', '2026-03-01', null, 10, 10)")
        .await;
    fleet.rate("2026-03-02T00:00:00Z", 24).await;
    let hourly = async |question: &str| {
        let plan = format!("explain (analyze, costs off, timing off) select * from fleet.{question}");
        let mut plan = fleet.rows(&plan).await;
        plan.retain(|line| line.contains(" on cost_hourly") || line.contains(" on cost_node_hourly"));
        plan
    };
    for what in ["cost_by_team", "cost_by_container", "cost_idle"] {
        let scans = hourly(&format!("{what}('2026-03-02', '2026-03-03')")).await;
        let read = scans.iter().filter(|line| !line.contains("never executed"));
        assert_eq!(read.count(), 0, "{what} of a day reads hours: {scans:?}");
        let scans = hourly(&format!("{what}('2026-03-02', '2026-03-02 23:00')")).await;
        let read = scans.iter().filter(|line| !line.contains("never executed"));
        assert!(
            read.count() > 0,
            "{what} of a part of a day reads no hours: {scans:?}"
        );
    }
}

#[tokio::test]
async fn pods_on_demand_are_those_of_the_window_and_add_up() {
    let fleet = RatingFixture::new().await;
    // A node that comes within the hour, and a pod that comes later still and uses more than it requests.
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             select test.node(1, 'n1', '2026-03-01', null, 10, 10), test.node(1, 'n2', '2026-03-02 11:20Z', null, 8, 16);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 1, 1);
             select test.pod(1, 'u2', 'data', 'n2', '2026-03-02 11:30Z', null, 1, 1);
             select test.usage(1, '2026-03-02 11:00Z', 'u2', 30, 3, 1, now())",
        )
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 4).await;
    let nodes =
        "select sum(cpu_cost_nanos + memory_cost_nanos + gpu_cost_nanos)::bigint from ledger.cost_node_hourly
        where hour_at >= '2026-03-02 11:00Z' and hour_at < '2026-03-02 12:00Z'";
    let parts = "select round(sum(cpu_nanos + memory_nanos + gpu_nanos))::bigint
        from fleet.cost_pod_parts('2026-03-02 11:00Z', '2026-03-02 12:00Z')";
    assert_eq!(fleet.number(parts).await, fleet.number(nodes).await);
    let charged = "select pod, trim_scale(round(sum(cpu_charged_core_us) / 3.6e9, 6)) from fleet.cost_pod_parts('2026-03-02 11:00Z',
        '2026-03-02 12:00Z') where uid is not null group by pod order by pod";
    assert_eq!(fleet.rows(charged).await, ["u1 1", "u2 1.5"]);
    let of_pod = "select count(*), trim_scale(sum(cpu_core_hours)) from fleet.cost_of_pod(test.uid('u2'), '2026-03-02 11:00Z', '2026-03-02 13:00Z')";
    assert_eq!(fleet.rows(of_pod).await, ["2 2.5"]);
    let idle = "select (sum(cost) * 1000000000)::bigint from fleet.cost_idle('2026-03-02 11:00Z', '2026-03-02 12:00Z')";
    assert_eq!(fleet.number(idle).await, fleet.number(nodes).await);
}
