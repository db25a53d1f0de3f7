//! Lives of pods and nodes, by the objects' own instants.

use crate::fleet::RatingFixture;

const NODE: &str = "select test.cluster('dfw', 'a'); select test.node(1, 'n1', '2026-03-01', null, 10, 10)";

async fn core_hours(fleet: &RatingFixture, namespace: &str) -> String {
    let sql = format!(
        "select trim_scale(sum(cpu_core_hours)) from fleet.cost_by_namespace('2026-03-02', '2026-03-04') where namespace = '{namespace}'"
    );
    fleet.text(&sql).await
}

#[tokio::test]
async fn pod_recreated_with_the_same_name() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 09:00Z', '2026-03-02 10:30Z', 2, 1, extra => '{{\"pod\": \"db-0\"}}');
             select test.pod(1, 'u2', 'shop', 'n1', '2026-03-02 10:40Z', null, 4, 1, extra => '{{\"pod\": \"db-0\"}}')"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    // Half an hour of 2 cores and a third of an hour of 4.
    assert_eq!(core_hours(&fleet, "shop").await, "2.333333");
    let of_pod = |uid: &str| format!("select sum(cpu_core_hours) from fleet.cost_of_pod(test.uid('{uid}'))");
    assert_eq!(fleet.text(&of_pod("u1")).await, "1.000000");
    assert_eq!(fleet.text(&of_pod("u2")).await, "1.333333");
}

#[tokio::test]
async fn succeeded_and_failed_cost_nothing_after_their_end() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             -- It ended at 10:15 and that was seen at 10:20; the row stands for days.
             select test.pod(1, 'u1', 'done', 'n1', '2026-03-02 10:00Z', '2026-03-02 10:20Z', 1, 1, reason => 'changed');
             select test.pod(1, 'u1', 'done', 'n1', '2026-03-02 10:00Z', null, 1, 1,
                extra => '{{\"valid_from\": \"2026-03-02 10:20Z\", \"phase\": \"Succeeded\", \"finished_at\": \"2026-03-02 10:15Z\"}}');
             -- Evicted: no container says when it ended.
             select test.pod(1, 'u2', 'evicted', 'n1', '2026-03-02 10:00Z', '2026-03-02 10:30Z', 1, 1, reason => 'changed');
             select test.pod(1, 'u2', 'evicted', 'n1', '2026-03-02 10:00Z', null, 1, 1,
                extra => '{{\"valid_from\": \"2026-03-02 10:30Z\", \"phase\": \"Failed\", \"reason\": \"Evicted\"}}')"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 3).await;
    assert_eq!(core_hours(&fleet, "done").await, "0.25");
    assert_eq!(core_hours(&fleet, "evicted").await, "0.5");
}

#[tokio::test]
async fn a_pod_that_its_kubelet_rejected_reserved_nothing() {
    let fleet = RatingFixture::new().await;
    let rejected = |reason: &str, seen: &str| {
        format!(
            "{{\"phase\": \"Failed\", \"reason\": \"{reason}\", \"valid_from\": \"2026-03-02 {seen}Z\", \"finished_at\": \"2026-03-02 10:00Z\"}}"
        )
    };
    fleet
        .run(&format!(
            "{NODE};
             -- A leftover that is seen hours later, and one whose binding was seen.
             select test.pod(1, 'u1', 'leftover', 'n1', '2026-03-02 10:00Z', null, 6, 1, extra => '{}');
             select test.pod(1, 'u2', 'bound', 'n1', '2026-03-02 10:00Z', '2026-03-02 10:05Z', 6, 1, extra => '{{\"phase\": \"Pending\"}}', reason => 'changed');
             select test.pod(1, 'u2', 'bound', 'n1', '2026-03-02 10:00Z', null, 6, 1, extra => '{}')",
            rejected("OutOfcpu", "12:10"),
            rejected("UnexpectedAdmissionError", "10:05")
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 3).await;
    assert_eq!(core_hours(&fleet, "leftover").await, "NULL");
    assert_eq!(core_hours(&fleet, "bound").await, "NULL");
    for uid in ["u1", "u2"] {
        let of_pod = format!("select sum(cpu_core_hours) from fleet.cost_of_pod(test.uid('{uid}'))");
        assert_eq!(fleet.text(&of_pod).await, "NULL");
    }
}

#[tokio::test]
async fn a_pod_that_ran_and_was_rejected_after_a_restart_of_its_kubelet_is_charged_until_then() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', '2026-03-02 11:30Z', 1, 1, reason => 'changed');
             -- Its status forgot that it ran.
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', null, 1, 1,
                extra => '{{\"valid_from\": \"2026-03-02 11:30Z\", \"phase\": \"Failed\", \"reason\": \"UnexpectedAdmissionError\", \"finished_at\": \"2026-03-02 10:00Z\"}}')"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 3).await;
    assert_eq!(core_hours(&fleet, "shop").await, "1.5");
    let of_pod = "select trim_scale(sum(cpu_core_hours)) from fleet.cost_of_pod(test.uid('u1'))";
    assert_eq!(fleet.text(of_pod).await, "1.5");
}

#[tokio::test]
async fn an_end_that_became_known_later_takes_the_place_of_the_first() {
    let fleet = RatingFixture::new().await;
    let over = |seen: &str, end: &str| {
        format!(
            "{{\"phase\": \"Failed\", \"reason\": \"Evicted\", \"valid_from\": \"2026-03-02 {seen}Z\", \"finished_at\": \"2026-03-02 {end}Z\"}}"
        )
    };
    fleet
        .run(&format!(
            "{NODE};
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', '2026-03-02 22:00Z', 2, 1, extra => '{}', reason => 'changed');
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', null, 2, 1, extra => '{}')",
            over("20:01", "10:00"),
            over("22:00", "20:00")
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 14).await;
    assert_eq!(core_hours(&fleet, "shop").await, "20", "ten hours of two cores");
}

#[tokio::test]
async fn a_pod_is_charged_from_when_it_was_scheduled_and_not_from_when_it_was_seen() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:30Z', null, 1, 1, extra => '{{\"valid_from\": \"2026-03-02 12:10Z\"}}')"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 3).await;
    assert_eq!(core_hours(&fleet, "shop").await, "2.5");
}

#[tokio::test]
async fn a_request_resized_in_place_is_charged_by_time() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', '2026-03-02 10:15Z', 1, 1, reason => 'changed');
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', null, 3, 1, extra => '{{\"valid_from\": \"2026-03-02 10:15Z\"}}')"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    assert_eq!(core_hours(&fleet, "shop").await, "2.5");
}

#[tokio::test]
async fn a_resize_that_was_refused_is_charged_what_runs() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             -- Six cores are asked for and can never be given; one runs. Its twin never asked.
             select test.pod(1, 'u1', 'refused', 'n1', '2026-03-02 10:00Z', null, 1, 1);
             update ledger.container set request_cpu_millicores = 6000, reserved_cpu_millicores = 1000;
             select test.pod(1, 'u2', 'twin', 'n1', '2026-03-02 10:00Z', null, 1, 1);
             select test.usage(1, '2026-03-02 10:00Z', 'u1', 30, 0.2, 1, now()),
                test.usage(1, '2026-03-02 10:00Z', 'u2', 30, 0.2, 1, now())"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select namespace, container, trim_scale(cpu_core_hours), cost from fleet.cost_by_container('2026-03-02', '2026-03-03')
        where namespace !~ '__' order by 1";
    assert_eq!(
        fleet.rows(sql).await,
        ["refused app 1 0.032000000", "twin app 1 0.032000000"]
    );
    for uid in ["u1", "u2"] {
        let of_pod =
            format!("select trim_scale(sum(cpu_core_hours)) from fleet.cost_of_pod(test.uid('{uid}'))");
        assert_eq!(fleet.text(&of_pod).await, "1");
    }
    let on_demand = "select namespace, sum(cpu_charged_core_us) from fleet.cost_pod_parts('2026-03-02 10:00Z', '2026-03-02 11:00Z')
        where namespace !~ '__' group by 1 order by 1";
    assert_eq!(
        fleet.rows(on_demand).await,
        ["refused 3600000000", "twin 3600000000"]
    );
    let shown =
        "select cpu_request_cores, cpu_reserved_cores from fleet.container where namespace = 'refused'";
    assert_eq!(fleet.rows(shown).await, ["6.000 1.000"]);
}

#[tokio::test]
async fn what_a_sidecar_reserves_while_it_is_resized_is_its_own_line() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', null, 1, 1);
             insert into ledger.container select (jsonb_populate_record(c, '{{\"container\": \"mesh\", \"container_type\": \"sidecar\",
                \"request_cpu_millicores\": 500, \"reserved_cpu_millicores\": 2000, \"request_memory_bytes\": 0}}')).* from ledger.container as c;
             -- What the scheduler reserves for the pod: one core, and two of the sidecar that still runs with them.
             update ledger.pod set request_cpu_millicores = 3000"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select container, trim_scale(cpu_core_hours) from fleet.cost_by_container('2026-03-02', '2026-03-03') where namespace = 'shop' order by 1";
    assert_eq!(fleet.rows(sql).await, ["app 1", "mesh 2"]);
}

#[tokio::test]
async fn what_a_pod_reserves_beyond_its_containers_is_a_line_of_its_own() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', null, 1, 1);
             update ledger.pod set request_cpu_millicores = 1500, overhead_cpu_millicores = 100"
        ))
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select container, trim_scale(cpu_core_hours), trim_scale(memory_gib_hours) from fleet.cost_by_container('2026-03-02', '2026-03-03') where namespace = 'shop' order by 1";
    assert_eq!(fleet.rows(sql).await, ["app 1 1", "pod-init 0.5 0"]);
}

#[tokio::test]
async fn cluster_retired() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(&format!(
            "{NODE};
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 09:00Z', null, 10, 10);
             update ledger.cluster set state = 'retired', retired_at = '2026-03-02 10:45Z'"
        ))
        .await;
    fleet.rate("2026-03-02T09:00:00Z", 4).await;
    let sql =
        "select to_char(hour_at, 'HH24'), cost from fleet.cost_node_hourly where resource = 'cpu' order by 1";
    assert_eq!(fleet.rows(sql).await, ["09 0.300000000", "10 0.225000000"]);
    assert_eq!(core_hours(&fleet, "shop").await, "17.5");
}

#[tokio::test]
async fn a_node_that_comes_back_under_its_name_costs_once() {
    let fleet = RatingFixture::new().await;
    fleet
        .run(
            "select test.cluster('dfw', 'a');
             -- That the first one is gone was only noticed at 10:40.
             select test.node(1, 'n1', '2026-03-01', '2026-03-02 10:40Z', 10, 10, reason => 'absent_from_sweep');
             select test.node(1, 'n1', '2026-03-02 10:30Z', null, 10, 10, extra => '{\"uid\": \"second\"}');
             select test.pod(1, 'u1', 'shop', 'n1', '2026-03-02 10:00Z', null, 4, 4)",
        )
        .await;
    fleet.rate("2026-03-02T10:00:00Z", 1).await;
    let sql = "select uid = test.uid('second'), cost, allocated_cost from fleet.cost_node_hourly where resource = 'cpu' order by from_at";
    assert_eq!(
        fleet.rows(sql).await,
        ["f 0.150000000 0.060000000", "t 0.150000000 0.060000000"]
    );
    assert_eq!(core_hours(&fleet, "shop").await, "4");
}
