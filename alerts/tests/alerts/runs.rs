//! Metrics and rollups stand in `fleet.rule` and `fleet.rule_run` beside alerts, and one that fails is an alert.

use fleetledger_alerts::runs;
use fleetledger_queries::{Catalogue, MetricRecorder, ReaderPool, parse};
use tokio::{sync::mpsc::unbounded_channel, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::harness::{AlertsHarness, TROUBLE, minute};

const METRIC: &str = "/*---\nrecord: put_aside\nhelp: h\ncolumns: {value: n}\n---*/\n\
    select count(*) / (1 - count(*)) as n from quarantine\n";
const ROLLUP: &str = "/*---\nrollup: put_aside_hourly\nwindow: 1h\nhistory: 2h\ncolumns: {values: [n]}\n---*/\n\
    select 1 / (1 - count(*)) as n from quarantine\n";
const RULES: &[(&str, &str)] = &[
    ("put-aside.sql", METRIC),
    ("put-aside-hourly.sql", ROLLUP),
    ("trouble.sql", TROUBLE),
];

/// Metrics of those files at one minute, written down as an evaluator does.
async fn metrics(place: &AlertsHarness, reader: &ReaderPool, n: i64) {
    let (sender, evaluated) = unbounded_channel();
    let recorder = MetricRecorder::new(reader.clone()).unwrap().with_listener(sender);
    let query = parse(std::path::Path::new("put-aside.sql"), "alerts", METRIC).unwrap();
    let group = Catalogue::of(vec![query.into()]).record_groups().remove(0);
    recorder.evaluate(&group, minute(n)).await;
    drop(recorder);
    let mut task = JoinSet::new();
    task.spawn(runs::record_runs(
        place.pool(),
        "one".to_owned(),
        evaluated,
        CancellationToken::new(),
    ));
    // It ends with what it is told.
    task.join_next().await.unwrap().unwrap();
}

async fn rule_state(place: &AlertsHarness, rule: &str) -> String {
    place
        .one(&format!(
            "select concat_ws(' ', kind, state, failures, last_rows, last_error) from fleet.rule where rule = '{rule}'"
        ))
        .await
}

#[tokio::test]
async fn a_metric_and_a_rollup_say_how_they_fare_and_one_that_fails_is_an_alert() {
    let place = AlertsHarness::new().await;
    place.source("dc1", "a", 200).await;
    let reader = place.evaluator("one", RULES).reader;
    place.minutes(RULES, 0..1).await;
    assert_eq!(rule_state(&place, "put-aside").await, "record new 0");
    metrics(&place, &reader, 0).await;
    assert_eq!(rule_state(&place, "put-aside").await, "record ok 0 1");
    let rollup = rule_state(&place, "put-aside-hourly").await;
    assert_eq!(rollup, "rollup ok 0 2", "two windows were filled");

    place.trouble("a").await;
    for n in 120..123 {
        metrics(&place, &reader, n).await;
        // Written down once, whoever else evaluates it.
        metrics(&place, &reader, n).await;
        place.minutes(RULES, n..=n).await;
    }
    place.minutes(RULES, 123..125).await;
    let failed = rule_state(&place, "put-aside").await;
    assert!(
        failed.starts_with("record error 3 0 ") && failed.contains("division by zero"),
        "{failed}"
    );
    let failed = rule_state(&place, "put-aside-hourly").await;
    assert!(
        failed.starts_with("rollup error ") && failed.contains("division by zero"),
        "{failed}"
    );
    let runs = "select string_agg(outcome, ' ' order by slot) from fleet.rule_run where rule = 'put-aside'";
    assert_eq!(place.one::<String>(runs).await, "ok error error error");
    let notified =
        "select labels ->> 'rule' from fleet.alert where alertname = 'RuleEvaluationFailing' order by 1";
    assert_eq!(place.all(notified).await, ["put-aside", "put-aside-hourly"]);

    // Its file is gone, and with it the alert.
    place.minutes(&RULES[2..], 125..127).await;
    assert_eq!(place.all(notified).await, Vec::<String>::new());
    let gone =
        "select string_agg(rule || ' ' || state, ', ' order by rule) from fleet.rule where kind <> 'alert'";
    assert_eq!(
        place.one::<String>(gone).await,
        "put-aside removed, put-aside-hourly removed"
    );
}
