//! What a filter says of idle and system, and clusters and nodes that share a name.

use fleetledger_cost::allocation::{AllocationParameters, shape::AllocationResponse};
use fleetledger_queries::ReaderPool;

use crate::{allocation::ask, fleet::RatingFixture};

/// A node of B costs 268.80 a day and its pods 41.03 of it; A is larger, and keeps something for its system.
async fn two_clusters() -> (RatingFixture, ReaderPool) {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'A'), test.cluster('dfw', 'B');
             select test.node(1, 'a1', '2026-03-01', null, 500, 900, 0, 20), test.node(1, 'n', '2026-03-01', null, 100, 100);
             select test.node(2, 'b1', '2026-03-01', null, 280, 700), test.node(2, 'n', '2026-03-01', '2026-03-02', 1, 1);
             select test.pod(1, 'u1', 'shop', 'a1', '2026-03-01', null, 100, 300), test.pod(1, 'u2', 'data', 'a1', '2026-03-01', null, 50, 100);
             select test.pod(2, 'u3', 'shop', 'b1', '2026-03-01', null, 36, 50), test.pod(2, 'u4', 'data', 'b1', '2026-03-01', null, 12, 17.3979)",
        )
        .await;
    fleet.rate("2026-03-02T00:00:00Z", 48).await;
    let reader = ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap();
    (fleet, reader)
}

async fn day(reader: &ReaderPool, change: impl FnOnce(&mut AllocationParameters)) -> AllocationResponse {
    ask(reader, |p| {
        p.window = "2026-03-02T00:00:00Z,2026-03-03T00:00:00Z".to_owned();
        p.include_idle = Some(true);
        change(p);
    })
    .await
}

fn cost(answer: &AllocationResponse, name: &str) -> f64 {
    let cost = answer.data[0].get(name).map_or(0.0, |one| one.total_cost);
    (cost * 100.0).round() / 100.0
}

fn total(answer: &AllocationResponse) -> f64 {
    let all = answer.data.iter().flat_map(|set| set.values());
    all.map(|one| one.total_cost).sum()
}

fn filter(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::test]
async fn a_filter_of_a_cluster_reaches_idle_and_system() {
    let (_fleet, reader) = two_clusters().await;
    let of_b = day(&reader, |p| {
        p.aggregate = Some("cluster".to_owned());
        p.filter = filter(r#"cluster:"B""#);
    })
    .await;
    assert_eq!((cost(&of_b, "B"), cost(&of_b, "__idle__")), (41.03, 227.77));
    assert!(
        !of_b.data[0].contains_key("__system__"),
        "{:?}",
        of_b.data[0].keys()
    );
    assert!(of_b.csv().contains("__idle__") && !of_b.csv().contains("__system__"));
    let others = day(&reader, |p| p.filter = filter(r#"cluster!:"B""#)).await;
    let all = day(&reader, |_| {}).await;
    assert!((total(&others) + total(&of_b) - total(&all)).abs() < 1e-6);
    // Every set of several.
    let stepped = day(&reader, |p| {
        p.window = "2026-03-02T00:00:00Z,2026-03-04T00:00:00Z".to_owned();
        p.step = Some("1d".to_owned());
        p.filter = filter(r#"cluster:"B""#);
    })
    .await;
    let idle = stepped
        .data
        .iter()
        .map(|set| (set["__idle__"].total_cost * 100.0).round());
    assert_eq!(idle.collect::<Vec<_>>(), [22_777.0, 22_777.0]);
}

#[tokio::test]
async fn a_filter_of_nodes_reaches_the_idle_of_each() {
    let (_fleet, reader) = two_clusters().await;
    let by_node = day(&reader, |p| {
        p.idle_by_node = Some(true);
        p.filter = filter(r#"node:"b1""#);
    })
    .await;
    assert_eq!(cost(&by_node, "b1/__idle__"), 227.77);
    assert_eq!(by_node.data[0].len(), 3, "{:?}", by_node.data[0].keys());
    let together = day(&reader, |p| p.filter = filter(r#"node:"b1""#)).await;
    assert_eq!(cost(&together, "__idle__"), 227.77);
    let of_class = day(&reader, |p| p.filter = filter(r#"nodeClass:"none""#)).await;
    assert!(of_class.data[0].is_empty(), "{:?}", of_class.data[0].keys());
}

#[tokio::test]
async fn a_filter_of_namespaces_shows_the_idle_that_would_be_shared_with_them() {
    let (_fleet, reader) = two_clusters().await;
    for text in [
        r#"namespace:"shop""#,
        r#"namespace!:"shop""#,
        r#"namespace:"shop"+cluster:"B""#,
        r#"controller:"data-web"|cluster:"A""#,
        r#"pod:"u3""#,
        r#"team:"__unallocated__""#,
    ] {
        let apart = day(&reader, |p| p.filter = filter(text)).await;
        let shared = day(&reader, |p| {
            p.filter = filter(text);
            p.include_idle = None;
            p.share_idle = Some(true);
        })
        .await;
        // What would be shared with a pod of one node is what its cluster and class left idle.
        assert!(
            (total(&apart) - total(&shared)).abs() < 1e-6,
            "{text}: {} {}",
            total(&apart),
            total(&shared)
        );
        assert!(apart.data[0].contains_key("__idle__"), "{text}");
    }
    let nobody = day(&reader, |p| p.filter = filter(r#"namespace:"none""#)).await;
    assert!(nobody.data[0].is_empty(), "{:?}", nobody.data[0].keys());
    let idle = day(&reader, |p| {
        p.filter = filter(r#"namespace:"__idle__"+cluster:"B""#)
    })
    .await;
    assert_eq!((cost(&idle, "__idle__"), idle.data[0].len()), (227.77, 1));
}

#[tokio::test]
async fn clusters_and_nodes_of_one_name_are_never_merged() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a'), test.cluster('dfw', 'b');
             insert into ledger.cluster (datacenter, cluster, cluster_uid, first_seen_at) values ('ams', 'a', 'another-a', '2025-01-01');
             select test.node(1, 'n1', '2026-03-01', null, 10, 10), test.node(2, 'n1', '2026-03-01', null, 10, 20);
             select test.node(3, 'n1', '2026-03-01', null, 10, 30), test.node(3, 'n2', '2026-03-01', null, 10, 30);
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-01', null, 1, 0), test.pod(2, 'u2', 'shop', 'n1', '2026-03-01', null, 2, 0);
             select test.pod(3, 'u3', 'shop', 'n1', '2026-03-01', null, 3, 0), test.pod(3, 'u4', 'shop', 'n2', '2026-03-01', null, 4, 0)",
        )
        .await;
    fleet.rate("2026-03-02T00:00:00Z", 24).await;
    let reader = ReaderPool::new(&fleet.connector("fleetledger_reader"), 2).unwrap();
    let cores = async |aggregate: &str, filter: Option<&str>| {
        let answer = day(&reader, |p| {
            p.aggregate = Some(aggregate.to_owned());
            p.filter = filter.map(str::to_owned);
            p.include_idle = None;
        })
        .await;
        let set = answer.data[0].iter();
        set.map(|(name, one)| (name.clone(), one.cpu_cores.round() as u32))
            .collect::<Vec<_>>()
    };
    let named = |rows: &[(&str, u32)]| {
        let rows = rows.iter().map(|(name, cores)| ((*name).to_owned(), *cores));
        rows.collect::<Vec<_>>()
    };
    assert_eq!(
        cores("cluster", None).await,
        named(&[("ams:a", 7), ("b", 2), ("dfw:a", 1)])
    );
    // A filter changes no name, and takes the one that is shown.
    assert_eq!(
        cores("cluster", Some(r#"datacenter:"ams""#)).await,
        named(&[("ams:a", 7)])
    );
    assert_eq!(
        cores("cluster", Some(r#"cluster:"dfw:a""#)).await,
        named(&[("dfw:a", 1)])
    );
    assert_eq!(
        cores("datacenter,cluster", None).await,
        named(&[("ams/a", 7), ("dfw/a", 1), ("dfw/b", 2)])
    );
    assert_eq!(
        cores("node", None).await,
        named(&[("ams:a:n1", 3), ("b:n1", 2), ("dfw:a:n1", 1), ("n2", 4)])
    );
    assert_eq!(cores("namespace", None).await, named(&[("shop", 10)]));
    // Idle is shared within a cluster, and not with one that has its name.
    let shared = day(&reader, |p| {
        p.aggregate = Some("cluster".to_owned());
        p.share_idle = Some(true);
    })
    .await;
    let node = |gib: f64| 24.0 * (10.0 * 0.03 + gib * 0.004);
    let of = |name: &str| {
        let set = &shared.data[0];
        // Nobody requested memory: it stays idle.
        set[name].cpu_cost
    };
    assert!((of("ams:a") - 2.0 * 24.0 * 0.3).abs() < 1e-6 && (of("dfw:a") - 24.0 * 0.3).abs() < 1e-6);
    assert!((total(&shared) - node(10.0) - node(20.0) - 2.0 * node(30.0)).abs() < 1e-6);
}

/// What aggregates sum to: cost, core-hours, GiB-hours and card-hours.
const SUM_TEMPLATE: &str = "
    select round(sum(cost), 6)::text, round(sum(cpu_core_hours), 6)::text, round(sum(memory_gib_hours), 6)::text, round(sum(gpu_hours), 6)::text
    from {from}";

/// What the machines had, by the rows of each node.
const MACHINES: &str = "
    select round(sum(cost), 6)::text, sum(capacity_hours) filter (where resource = 'cpu')::text,
        sum(capacity_hours) filter (where resource = 'memory')::text, sum(capacity_hours) filter (where resource = 'gpu')::text
    from fleet.cost_node_hourly";

#[tokio::test]
async fn hours_and_cost_of_idle_and_of_what_runs_are_the_machines_in_every_aggregate() {
    let (fleet, reader) = two_clusters().await;
    fleet
        .run("select test.node(1, 'g', '2026-03-01', null, 16, 64, 4, 2), test.pod(1, 'u5', 'train', 'g', '2026-03-01', null, 10, 20, 3)")
        .await;
    // A whole day stands, and the other one is read hour by hour.
    fleet.rate("2026-03-02T06:00:00Z", 42).await;
    let texts = async |sql: &str| {
        let rows = fleet.client.query(sql, &[]).await.unwrap();
        let row = &rows[0];
        [0, 1, 2, 3].map(|place| row.get::<_, String>(place).parse::<f64>().unwrap())
    };
    let near = |left: [f64; 4], right: [f64; 4]| {
        let pairs = left.iter().zip(right);
        pairs
            .into_iter()
            .all(|(left, right)| (left - right).abs() <= 1e-4)
    };
    // A whole day, which is read as one, and some hours.
    let (from, to) = ("2026-03-02T00:00:00Z", "2026-03-03T18:00:00Z");
    let machines = texts(&format!(
        "{MACHINES} where hour_at >= '{from}' and hour_at < '{to}'"
    ))
    .await;
    println!("machines: {machines:?}");
    assert!(machines.iter().all(|sum| *sum > 0.0), "{machines:?}");
    let mut sources: Vec<String> = [
        "container",
        "workload",
        "namespace",
        "team",
        "cluster",
        "datacenter",
    ]
    .iter()
    .map(|what| format!("fleet.cost_by_{what}('{from}', '{to}')"))
    .collect();
    sources.push(format!(
        "fleet.cost_hourly where hour_at >= '{from}' and hour_at < '{to}'"
    ));
    for source in sources {
        let sum = texts(&SUM_TEMPLATE.replace("{from}", &source)).await;
        assert!(near(sum, machines), "{source}: {sum:?} {machines:?}");
    }
    for aggregate in [
        "namespace",
        "team",
        "cluster",
        "datacenter",
        "controller",
        "container",
        "node",
        "pod",
        "nodeClass",
        "label:app",
        "annotation:x",
        "cluster,node,namespace,pod,container",
    ] {
        let answer = ask(&reader, |p| {
            p.window = format!("{from},{to}");
            p.aggregate = Some(aggregate.to_owned());
            p.include_idle = Some(true);
        })
        .await;
        let mut sum = [0.0; 4];
        for one in answer.data.iter().flat_map(|set| set.values()) {
            let gib = f64::from(1 << 30);
            let parts = [
                one.total_cost,
                one.cpu_core_hours,
                one.ram_byte_hours / gib,
                one.gpu_hours,
            ];
            for (sum, part) in sum.iter_mut().zip(parts) {
                *sum += part;
            }
        }
        assert!(near(sum, machines), "{aggregate}: {sum:?} {machines:?}");
    }
    // The parts of each node, of each day and of a range say the same.
    for source in [
        format!("fleet.cost_node_hourly where hour_at >= '{from}' and hour_at < '{to}'"),
        format!("fleet.cost_idle('{from}', '{to}')"),
        format!("fleet.cost_node_daily where day_at = '{from}'"),
    ] {
        let parts = format!(
            "select round(max(abs(capacity_hours - allocated_hours - idle_hours - system_hours)), 4)::text, sum(allocated_hours)::text,
                 sum(idle_hours)::text, sum(system_hours)::text from {source}"
        );
        let [off, allocated, idle, system] = texts(&parts).await;
        println!("{source}: allocated {allocated}, idle {idle}, system {system}");
        assert!(
            off == 0.0 && allocated > 0.0 && idle > 0.0 && system > 0.0,
            "{source}: {off}"
        );
    }
}
