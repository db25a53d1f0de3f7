//! What the parser reads, and what it refuses, by line.

use std::collections::BTreeSet;

use super::*;
use crate::key::KEYS;
use crate::{
    alert::{AlertMode, OnMissing, OnStale, Severity},
    record::MetricType,
    rollup::RollupTable,
};

/// Every key an alert may have.
const ALERT: &str = r#"/*---
alert: NodeNotReporting
description: Nodes whose kubelet stopped renewing its lease.
group: node-health
interval: 2m
query_offset: 1m
timeout: 10s
for: 5m
keep_firing_for: 10m
cooldown: 1h30m
repeat_interval: 0
limit: 50
mode: shadow
columns: {value: silent_seconds, labels: [datacenter, cluster, node], annotations: [reason]}
labels: {severity: page, team: platform}
annotations:
  summary: "{{ labels.node }} silent for {{ value | duration }} ({{ annotations.reason }})"
  runbook: node-not-reporting
freshness: {by: [datacenter, cluster], max_age: 10m, kinds: [node]}
scope: {datacenter: [dfw, iad], cluster: a}
on_stale: resolve
on_missing: keep_state
receivers: [pagerduty, slack]
renamed_from: [node-silent]
inhibits:
  - target: {alertname: [PodStuck, PodSlow]}
    equal: [node]
---*/
select 1 as silent_seconds from node
"#;

const REPORT: &str = "/*---
report: Pods that wait longest
parameters:
  - {name: days, type: integer, default: 7, help: How many days back.}
  - name: team
    help: Which team.
---*/
select :'days'::integer, :'team'
";

const RECORD: &str = "/*---
record: fleet_pods
type: counter
help: Pods by phase.
columns: {values: [pods, containers], labels: [datacenter]}
staleness: 10m
freshness: {by: [datacenter], max_age: 5m}
---*/
select 1
";

const ROLLUP: &str = "/*---
rollup: requests_hourly
window: 1h
into: rollup_requests
lateness: 2d
history: 7d
kinds: [pod]
columns: {dimensions: [namespace], values: [cpu_core_seconds]}
---*/
select 1
";

fn read(text: &str) -> Result<StoredQuery, Vec<String>> {
    parse(Path::new("rule-x.sql"), "alerts", text)
        .map_err(|refusals| refusals.iter().map(ToString::to_string).collect())
}

/// `text` with one line changed must be refused with a line that begins so.
#[track_caller]
fn assert_refused(text: &str, line: &str, becomes: &str, expected: &str) {
    assert!(text.contains(line), "no line {line}");
    let changed = text.replacen(line, becomes, 1);
    let refusals = read(&changed).err().unwrap_or_default();
    assert!(
        refusals.iter().any(|refusal| refusal.starts_with(expected)),
        "{becomes}: {refusals:#?}"
    );
}

#[test]
fn every_key_of_an_alert_is_read() {
    let query = read(ALERT).unwrap();
    assert_eq!((query.id.as_str(), query.name()), ("rule-x", "NodeNotReporting"));
    assert_eq!((query.timeout, query.limit), (Period::from_secs(10), 50));
    assert_eq!(
        (query.sql.as_str(), query.sql_line),
        ("select 1 as silent_seconds from node", 29)
    );
    let rule = query.alert().unwrap();
    assert_eq!(rule.schedule.group, "node-health");
    assert_eq!(rule.schedule.interval, Period::from_mins(2));
    assert_eq!(rule.schedule.query_offset, Period::from_mins(1));
    assert_eq!(
        (rule.pending_for, rule.keep_firing_for),
        (Period::from_mins(5), Period::from_mins(10))
    );
    assert_eq!(
        (rule.cooldown, rule.repeat_interval),
        (Period::from_mins(90), Period::ZERO)
    );
    assert_eq!((rule.mode, rule.severity), (AlertMode::Shadow, Severity::Page));
    assert_eq!(rule.columns.labels, ["datacenter", "cluster", "node"]);
    assert_eq!(rule.annotations.runbook(), Some("node-not-reporting"));
    assert_eq!(rule.freshness.as_ref().unwrap().kinds, ["node"]);
    assert!(rule.scope.holds("dfw", "a") && !rule.scope.holds("dfw", "b") && !rule.scope.holds("lhr", "a"));
    assert_eq!(
        (rule.on_stale, rule.on_missing),
        (OnStale::Resolve, OnMissing::KeepState)
    );
    assert_eq!(rule.receivers, ["pagerduty", "slack"]);
    assert_eq!(rule.renamed_from[0].as_str(), "node-silent");
    assert_eq!(rule.inhibits[0].target["alertname"], ["PodStuck", "PodSlow"]);
    assert!(rule.knows_its_source());
}

#[test]
fn what_is_not_written_has_its_default() {
    let query = read(
        "/*---\nalert: A\nlabels: {severity: info}\nannotations: {summary: s, runbook: r}\n---*/\nselect 1;\n",
    )
    .unwrap();
    let rule = query.alert().unwrap();
    assert_eq!((query.timeout, query.limit), (Period::from_secs(20), 500));
    assert_eq!(rule.schedule.group, "alerts");
    assert_eq!(
        (rule.schedule.interval, rule.schedule.query_offset),
        (Period::from_mins(1), Period::ZERO)
    );
    assert_eq!(
        (rule.cooldown, rule.repeat_interval),
        (Period::from_mins(30), Period::from_hours(4))
    );
    assert_eq!(rule.freshness.as_ref().unwrap().by, ["datacenter", "cluster"]);
    // An aggregate without labels does not know which source it is about.
    assert!(!rule.knows_its_source());
    let none = ALERT.replacen(
        "freshness: {by: [datacenter, cluster], max_age: 10m, kinds: [node]}",
        "freshness: none",
        1,
    );
    assert_eq!(read(&none).unwrap().alert().unwrap().freshness, None);
}

#[test]
fn the_other_kinds_are_read() {
    let record = read(RECORD).unwrap();
    let record = record.record().unwrap();
    assert_eq!(
        (record.metric_type, record.staleness),
        (MetricType::Counter, Period::from_mins(10))
    );
    assert_eq!(record.values.columns(), ["pods", "containers"]);
    let rollup = read(ROLLUP).unwrap();
    let rollup = rollup.rollup().unwrap();
    assert_eq!(rollup.into, RollupTable::Own("rollup_requests".into()));
    assert_eq!(
        (rollup.window, rollup.history),
        (Period::from_hours(1), Period::from_days(7))
    );
    let report = read(REPORT).unwrap();
    let report = report.report().unwrap();
    assert_eq!(report.parameters[0].default.as_deref(), Some("7"));
    assert_eq!(report.parameters[1].default, None);
}

#[test]
fn the_table_of_keys_is_what_the_parser_reads() {
    let mut asked = BTreeSet::new();
    for (name, text) in [
        ("alert", ALERT),
        ("record", RECORD),
        ("rollup", ROLLUP),
        ("report", REPORT),
    ] {
        let path = Path::new("rule-x.sql");
        let parts = split(path, text).unwrap();
        let mut front = FrontMatter::read(path, &parts).unwrap();
        read_query(path, "alerts", text, &parts, &mut front).unwrap();
        for key in front.asked_keys() {
            let known = KEYS.iter().find(|known| known.name == key).unwrap();
            assert!(known.kinds.contains(&name), "{key} is read for {name}");
        }
        asked.extend(front.asked_keys().iter().map(|key| (name, key.clone())));
    }
    for key in KEYS {
        for kind in key.kinds {
            // `freshness` is asked for as a whole and by its parts; a section is asked for by its parts.
            assert!(
                asked.contains(&(*kind, key.name.to_owned())),
                "{} is never read for {kind}",
                key.name
            );
        }
    }
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion() {
    assert_refused(
        ALERT,
        "for: 5m",
        "fro: 5m",
        "rule-x.sql:8: unknown key `fro`; did you mean `for`?",
    );
    assert_refused(
        ALERT,
        "cooldown: 1h30m",
        "cool_down: 1h",
        "rule-x.sql:10: unknown key `cool_down`; did you mean `cooldown`?",
    );
    assert_refused(
        ALERT,
        "value: silent_seconds",
        "vlaue: x",
        "rule-x.sql:14: unknown key `columns.vlaue`; did you mean `columns.value`?",
    );
    assert_refused(
        ALERT,
        "max_age: 10m",
        "maxage: 10m",
        "rule-x.sql:19: unknown key `freshness.maxage`; did you mean",
    );
    assert_refused(
        ALERT,
        "    equal: [node]",
        "    equals: [node]",
        "rule-x.sql:27: unknown key `inhibits[].equals`; did you mean `inhibits[].equal`?",
    );
    assert_refused(
        ALERT,
        "mode: shadow",
        "window: 1h",
        "rule-x.sql:13: key `window` does not belong to a file with `alert`; it belongs to rollup",
    );
    assert_refused(
        REPORT,
        "    help: Which team.",
        "    hlep: x",
        "rule-x.sql:6: unknown key `parameters[].hlep`",
    );
    assert_refused(
        ALERT,
        "alert: NodeNotReporting",
        "alrt: X",
        "rule-x.sql:2: unknown key `alrt`; did you mean `alert`?",
    );
    assert_refused(
        RECORD,
        "record: fleet_pods",
        "record: x\nreport: y",
        "rule-x.sql:3: `record` and `report` are present",
    );
}

#[test]
fn wrong_values_are_refused_at_their_line() {
    assert_refused(
        ALERT,
        "for: 5m",
        "for: 5",
        "rule-x.sql:8: `for`: a duration needs a unit",
    );
    assert_refused(
        ALERT,
        "for: 5m",
        "for: soon",
        "rule-x.sql:8: `for`: `soon` is not a duration",
    );
    assert_refused(
        ALERT,
        "for: 5m",
        "for: 31d",
        "rule-x.sql:8: `for` is 31d, but must be from 0s to 30d",
    );
    assert_refused(
        ALERT,
        "timeout: 10s",
        "timeout: 5m",
        "rule-x.sql:7: `timeout` of 5m is longer than the interval",
    );
    assert_refused(
        ALERT,
        "limit: 50",
        "limit: 0",
        "rule-x.sql:12: `limit` is not a whole number from 1 to 100000",
    );
    assert_refused(
        ALERT,
        "mode: shadow",
        "mode: off",
        "rule-x.sql:13: `mode` is not one of live, shadow, disabled",
    );
    assert_refused(ALERT, "for: 5m", "for: 5m\nfor: 6m", "rule-x.sql:");
    assert_refused(ALERT, "for: 5m", "for: [5m", "rule-x.sql:");
    assert_refused(
        ALERT,
        "labels: {severity: page, team: platform}",
        "labels: {severity: page, tier: 1}",
        "rule-x.sql:15: `labels` is not texts by name",
    );
    assert_refused(
        ALERT,
        "kinds: [node]",
        "kinds: [nodes]",
        "rule-x.sql:19: kind `nodes` not found",
    );
    assert_refused(
        ALERT,
        "by: [datacenter, cluster]",
        "by: [region]",
        "rule-x.sql:19: view freshness has no source column `region`",
    );
    assert_refused(
        REPORT,
        "default: 7",
        "default: seven",
        "rule-x.sql:4: the default: `seven` is not a whole number",
    );
    assert_refused(
        RECORD,
        "help: Pods by phase.",
        "description: x",
        "rule-x.sql:2: `help` is missing",
    );
    assert_refused(
        RECORD,
        "fleet_pods",
        "fleetledger_pods",
        "rule-x.sql:2: `fleetledger_pods` cannot be the name of a metric",
    );
    assert_refused(
        ROLLUP,
        "into: rollup_requests",
        "into: pod",
        "rule-x.sql:4: rows cannot go into `pod`",
    );
    let name = parse(Path::new("Rule_X.sql"), "alerts", ALERT).unwrap_err();
    assert!(
        name[0]
            .to_string()
            .starts_with("Rule_X.sql:1: `Rule_X` cannot be the name of a query")
    );
}

#[test]
fn severity_summary_and_runbook_are_required() {
    assert_refused(
        ALERT,
        "severity: page, ",
        "",
        "rule-x.sql:15: label `severity` is missing",
    );
    assert_refused(
        ALERT,
        "severity: page",
        "severity: critical",
        "rule-x.sql:15: severity `critical` is unknown",
    );
    assert_refused(
        ALERT,
        "  summary:",
        "  summery:",
        "rule-x.sql:16: annotation `summary` is missing",
    );
    assert_refused(
        ALERT,
        "  runbook: node-not-reporting\n",
        "",
        "rule-x.sql:16: annotation `runbook` is missing",
    );
}

#[test]
fn a_runbook_elsewhere_is_named_as_prometheus_names_it() {
    let elsewhere = ALERT.replace(
        "runbook: node-not-reporting",
        "runbook_url: https://wiki.example.com/runbooks/node",
    );
    let query = read(&elsewhere).unwrap();
    assert_eq!(query.alert().unwrap().annotations.runbook(), None);
}

#[test]
fn a_value_is_no_label_and_a_template_speaks_of_what_is_there() {
    assert_refused(
        ALERT,
        "labels: [datacenter",
        "labels: [silent_seconds",
        "rule-x.sql:14: the value `silent_seconds` is a label",
    );
    assert_refused(
        ALERT,
        "team: platform",
        "node: x",
        "rule-x.sql:15: label `node` is also a column",
    );
    assert_refused(
        ALERT,
        "team: platform",
        "alertname: x",
        "rule-x.sql:15: `alertname` cannot be a label",
    );
    assert_refused(
        ALERT,
        "{{ labels.node }}",
        "{{ labels.nod }}",
        "rule-x.sql:17: template `summary` uses `labels.nod`, which does not exist; did you mean `labels.node`? there are \
         alertname, value, labels.alertname, ",
    );
    assert_refused(
        ALERT,
        "| duration",
        "| durations",
        "rule-x.sql:17: template `summary`",
    );
    assert_refused(
        ALERT,
        "annotations: [reason]",
        "annotations: [reason, node]",
        "rule-x.sql:14: column `node` is named twice",
    );
}

#[test]
fn everything_that_is_wrong_is_reported_at_once_in_order() {
    let text = ALERT
        .replacen("for: 5m", "fro: 5m", 1)
        .replacen("limit: 50", "limit: many", 1)
        .replacen("from node", "from ledger.node where now() > x", 1);
    let lines: Vec<u32> = parse(Path::new("rule-x.sql"), "alerts", &text)
        .unwrap_err()
        .iter()
        .map(|r| r.line)
        .collect();
    assert_eq!(lines, [8, 12, 29, 29]);
}
