//! What is not known resolves nothing: failed queries, silent sources, rows beyond the limit.

use crate::harness::{AlertsHarness, TROUBLE, minute};

const RULES: &[(&str, &str)] = &[("trouble.sql", TROUBLE)];

fn with_freshness(freshness: &str) -> String {
    TROUBLE.replace("freshness: none", freshness)
}

#[tokio::test]
async fn query_that_fails_holds_its_alerts_and_is_notified_after_three_runs() {
    let place = AlertsHarness::new().await;
    place.trouble("a").await;
    place.minutes(RULES, 0..3).await;
    place.broken(true).await;
    place.minutes(RULES, 3..6).await;
    assert_eq!(place.state("a").await, "firing held");
    let rule = "select state || ' ' || failures from fleet.rule where rule = 'trouble'";
    assert_eq!(place.one::<String>(rule).await, "error 3");
    assert_eq!(
        place
            .all("select outcome from fleet.rule_run where rule = 'trouble' order by slot")
            .await[2..],
        ["ok", "error", "error", "error"]
    );
    place.minutes(RULES, 6..8).await;
    let failing = "
        select labels ->> 'team' || ' ' || (labels ->> 'severity') || ' ' || receivers[1] from fleet.alert
        where alertname = 'RuleEvaluationFailing' and labels ->> 'rule' = 'trouble' and condition = 'firing'";
    // The labels and receivers of the rule that fails.
    assert_eq!(place.all(failing).await, ["red page pager"]);
    place.broken(false).await;
    place.minutes(RULES, 8..11).await;
    assert_eq!(place.state("a").await, "firing");
    assert_eq!(place.all(failing).await, Vec::<String>::new());
}

#[tokio::test]
async fn silent_source_holds_its_own_alerts_and_no_others() {
    let place = AlertsHarness::new().await;
    let rule = with_freshness("freshness: {by: [datacenter, cluster], max_age: 5m, kinds: [node]}");
    let rules: &[(&str, &str)] = &[("trouble.sql", &rule)];
    place.source("dc1", "a", 4).await;
    place.source("dc1", "b", 100).await;
    place.trouble("a").await;
    place.trouble("b").await;
    place.minutes(rules, 0..3).await;
    place.peace("a").await;
    place.peace("b").await;
    // At minute 10 nothing has been heard of a for longer than five minutes.
    place.minutes(rules, 10..12).await;
    assert_eq!(
        (place.state("a").await, place.state("b").await),
        ("firing held".into(), "resolved".into())
    );
    let why: String = place
        .one("select held_reason from fleet.alert where cluster = 'a'")
        .await;
    assert!(why.contains("dc1/a is stale"), "{why}");
    place.source("dc1", "a", 100).await;
    place.minutes(rules, 12..13).await;
    assert_eq!(place.state("a").await, "resolved");
}

#[tokio::test]
async fn aggregate_over_the_fleet_does_not_resolve_while_one_datacenter_is_silent() {
    let place = AlertsHarness::new().await;
    let rule = "\
/*---
alert: Trouble
interval: 1m
for: 1m
columns: {value: clusters, labels: []}
labels: {severity: page, team: red}
annotations: {summary: s, runbook: r}
freshness: {by: [datacenter, cluster], max_age: 5m, kinds: [node]}
receivers: [pager]
---*/
select count(*) as clusters from quarantine where released_at is null having count(*) >= 2";
    let rules: &[(&str, &str)] = &[("trouble.sql", rule)];
    for datacenter in ["dc1", "dc2", "dc3"] {
        place.source(datacenter, "a", 5).await;
    }
    place.trouble("a").await;
    place.trouble("b").await;
    place.minutes(rules, 0..2).await;
    let condition = "select condition from ledger.alert_instance where alertname = 'Trouble'";
    assert_eq!(place.one::<String>(condition).await, "firing");
    place.source("dc1", "a", 100).await;
    place.source("dc2", "a", 100).await;
    place.peace("a").await;
    place.peace("b").await;
    place.minutes(rules, 11..14).await;
    assert_eq!(place.one::<String>(condition).await, "firing");
    let why: String = place
        .one("select held_reason from fleet.alert where alertname = 'Trouble'")
        .await;
    assert!(why.contains("dc3/a"), "{why}");
    // A stale source holds the end, never the beginning.
    place.source("dc3", "a", 100).await;
    place.minutes(rules, 14..15).await;
    assert_eq!(place.one::<String>(condition).await, "resolved");
}

#[tokio::test]
async fn beyond_the_limit_known_alerts_go_on_and_the_first_new_ones_begin() {
    let place = AlertsHarness::new().await;
    for cluster in ["a", "b"] {
        place.trouble(cluster).await;
    }
    place.minutes(RULES, 0..3).await;
    for number in 0..10 {
        place.trouble(&format!("x{number}")).await;
    }
    place.peace("b").await;
    place.minutes(RULES, 3..5).await;
    let known = "select cluster || ' ' || condition from ledger.alert_instance where alertname = 'Trouble' order by 1";
    let expected = [
        "a firing",
        "b resolved",
        "x0 pending",
        "x1 pending",
        "x2 pending",
        "x3 pending",
    ];
    assert_eq!(
        place.all(known).await,
        expected,
        "five at a time, the first by their labels"
    );
    place.minutes(RULES, 5..6).await;
    let notified =
        "select count(*) from fleet.alert where alertname = 'RuleLimitExceeded' and condition = 'firing'";
    assert_eq!(place.one::<i64>(notified).await, 1);
}

#[tokio::test]
async fn alerts_of_a_retired_cluster_close_and_say_why() {
    let place = AlertsHarness::new().await;
    let rule = with_freshness("freshness: {by: [datacenter, cluster], max_age: 5m, kinds: [node]}");
    let rules: &[(&str, &str)] = &[("trouble.sql", &rule)];
    place.source("dc1", "a", 100).await;
    place.trouble("a").await;
    place.minutes(rules, 0..3).await;
    place
        .run(&format!(
            "update ledger.cluster set state = 'retired', retired_at = '{}'",
            minute(3)
        ))
        .await;
    place.minutes(rules, 3..4).await;
    let reason = "select resolved_reason from ledger.alert_instance where cluster = 'a'";
    assert_eq!(place.one::<String>(reason).await, "target_retired");
}

#[tokio::test]
async fn heartbeat_always_fires_and_goes_to_its_own_receivers_alone() {
    let place = AlertsHarness::new()
        .await
        .change(|settings| settings.heartbeat_receivers = vec!["hook".to_owned()]);
    place.minutes(&[], 0..12).await;
    let beat =
        "select condition || ' ' || receivers[1] from fleet.alert where alertname = 'FleetledgerHeartbeat'";
    assert_eq!(place.all(beat).await, ["firing hook"]);
    place
        .run("update ledger.outbox set state = 'sent', settled_at = now(), attempts = 1")
        .await;
    place.minutes(&[], 12..18).await;
    let queued = place.queued("hook").await;
    assert_eq!(queued[0], "10 trigger repeat 1", "{queued:?}");
    assert_eq!(queued[1], "15 trigger repeat 1", "{queued:?}");
}

#[tokio::test]
async fn stalled_ingestion_is_one_page_and_not_one_a_cluster() {
    let place = AlertsHarness::new().await;
    let stale = "\
/*---
alert: ClusterStale
group: pipeline
interval: 1m
columns: {labels: [datacenter, cluster]}
labels: {severity: page, team: red}
annotations: {summary: s, runbook: r}
freshness: none
receivers: [pager]
---*/
select datacenter, cluster from cluster where state = 'stale'";
    for cluster in ["a", "b", "c"] {
        place.source("dc1", cluster, 0).await;
    }
    place
        .run(&format!(
            "insert into ledger.topic (topic, kind, partitions, shards) values ('t', 1, 1, 1);
             insert into ledger.ingest_partition (topic, partition, next_offset, progressed_at) values ('t', 0, 0, '{}')",
            minute(0)
        ))
        .await;
    place.minutes(&[("cluster-stale.sql", stale)], 0..10).await;
    let firing = "select alertname || coalesce(' ' || cluster, '') || coalesce(' by ' || inhibited_by, '')
        from fleet.alert where alertname in ('ClusterStale', 'IngestStalled') and condition = 'firing' order by 1";
    assert_eq!(
        place.all(firing).await,
        [
            "ClusterStale a by IngestStalled",
            "ClusterStale b by IngestStalled",
            "ClusterStale c by IngestStalled",
            "IngestStalled"
        ]
    );
    assert_eq!(place.queued("pager").await, Vec::<String>::new());
}
