//! Metrics, evaluated on their schedule and shown in between.

use fleetledger_queries::{Catalogue, CurrentQueries, MetricRecorder, QueryGroup};
use fleetledger_schema::instant::Instant;
use prometheus::{Encoder, Registry, TextEncoder};
use tokio_util::sync::CancellationToken;

use crate::harness::{QueriesHarness, at, read};

const RECORD: &str = "/*---
record: fleet_namespaces
help: Namespaces of a cluster.
columns: {values: [all_of_them, odd], labels: [cluster]}
freshness: {by: [datacenter, cluster]}
---*/
select cluster, count(*) as all_of_them, avg(case when cluster = 'a' then 0.5 end) as odd from namespace group by cluster
";
const NOW: &str = "2026-05-05T12:00:00Z";

fn group(text: &str) -> QueryGroup {
    Catalogue::of(vec![read("r.sql", text)]).record_groups().remove(0)
}

fn shown(recorder: &MetricRecorder, now: Instant) -> String {
    let mut text = Vec::new();
    TextEncoder::new()
        .encode(&recorder.families(now), &mut text)
        .unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn rows_become_series_and_null_becomes_none() {
    let place = QueriesHarness::new().await;
    place.fleet(3, at(NOW)).await;
    let recorder = MetricRecorder::new(place.reader.clone()).unwrap();
    recorder.evaluate(&group(RECORD), at(NOW)).await;
    let expected = "# HELP fleet_namespaces_all_of_them Namespaces of a cluster.
# TYPE fleet_namespaces_all_of_them gauge
fleet_namespaces_all_of_them{cluster=\"a\"} 3
fleet_namespaces_all_of_them{cluster=\"b\"} 3
# HELP fleet_namespaces_odd Namespaces of a cluster.
# TYPE fleet_namespaces_odd gauge
fleet_namespaces_odd{cluster=\"a\"} 0.5
";
    assert_eq!(shown(&recorder, at(NOW)), expected);
}

#[tokio::test]
async fn series_outlive_a_failure_until_they_are_stale() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    let recorder = MetricRecorder::new(place.reader.clone()).unwrap();
    let one = "/*---\nrecord: x\nhelp: h\ntype: counter\nstaleness: 3m\ncolumns: {value: n}\n---*/\nselect count(*) as n from namespace\n";
    recorder.evaluate(&group(one), at(NOW)).await;
    let fails = one.replace("count(*)", "1 / (count(*) - 2)");
    recorder
        .evaluate(&group(&fails), at("2026-05-05T12:01:00Z"))
        .await;
    let before = shown(&recorder, at("2026-05-05T12:02:59Z"));
    assert_eq!(before, "# HELP x h\n# TYPE x counter\nx 2\n");
    assert_eq!(shown(&recorder, at("2026-05-05T12:03:00Z")), "");
    let registry = Registry::new();
    registry.register(Box::new(recorder)).unwrap();
    let runs = registry
        .gather()
        .into_iter()
        .find(|family| family.name() == "fleetledger_queries_record_runs_total")
        .unwrap();
    assert_eq!(runs.get_metric().len(), 2, "one ok, one error");
}

#[tokio::test]
async fn a_silent_source_and_too_many_rows_show_no_number() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    let by_source = "/*---\nrecord: x\nhelp: h\nlimit: 2\ncolumns: {value: n, labels: [datacenter, cluster]}\nfreshness: {by: [datacenter, cluster]}\n---*/\nselect datacenter, cluster, count(*) as n from namespace group by 1, 2\n";
    place
        .sql
        .batch_execute("update ledger.freshness set observed_at = '2026-05-05 11:00+00' where cluster_id = 2")
        .await
        .unwrap();
    let recorder = MetricRecorder::new(place.reader.clone()).unwrap();
    recorder.evaluate(&group(by_source), at(NOW)).await;
    assert_eq!(
        shown(&recorder, at(NOW)),
        "# HELP x h\n# TYPE x gauge\nx{cluster=\"a\",datacenter=\"dfw\"} 1\n"
    );
    let recorder = MetricRecorder::new(place.reader.clone()).unwrap();
    recorder
        .evaluate(&group(&by_source.replace("limit: 2", "limit: 1")), at(NOW))
        .await;
    assert_eq!(shown(&recorder, at(NOW)), "");
}

#[tokio::test]
async fn the_schedule_evaluates_each_slot_and_forgets_files_that_are_gone() {
    let place = QueriesHarness::new().await;
    place.fleet(1, at(NOW)).await;
    let recorder = MetricRecorder::new(place.reader.clone()).unwrap();
    let text = "/*---\nrecord: x\nhelp: h\ninterval: 1s\ntimeout: 1s\ncolumns: {value: n, labels: [at]}\n---*/\nselect 1 as n, as_of()::text as at\n";
    let catalogue = std::sync::Arc::new(Catalogue::of(vec![read("r.sql", text)]));
    let (sender, receiver) = tokio::sync::watch::channel(CurrentQueries {
        catalogue,
        refused: Vec::new(),
    });
    let stop = CancellationToken::new();
    let following = tokio::task::JoinSet::from_iter([recorder.clone().follow(receiver, stop.clone())]);
    let until = async |claim: &dyn Fn(&str) -> bool| {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        loop {
            ticks.tick().await;
            let text = shown(&recorder, Instant::now());
            if claim(&text) {
                return text;
            }
            assert!(std::time::Instant::now() < deadline, "{text}");
        }
    };
    let first = until(&|text| text.contains("x{at=")).await;
    until(&|text| text.contains("x{at=") && text != first).await;
    sender.send(CurrentQueries::default()).unwrap();
    until(&str::is_empty).await;
    stop.cancel();
    following.join_all().await;
}
