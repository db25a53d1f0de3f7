//! The table of keys that front matter may hold: what the parser accepts, and what the reference shows.

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct FrontMatterKey {
    /// Its name; a key of a section as `columns.value`, of an item of a list as `parameters[].name`.
    pub name: &'static str,
    /// Kinds of files it belongs to.
    pub kinds: &'static [&'static str],
    /// What it holds, with its unit.
    pub holds: &'static str,
    /// What counts where it is not written.
    pub default: &'static str,
    /// How it is written.
    pub example: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

impl FrontMatterKey {
    /// The current state before the last dot; empty at the top.
    pub(crate) fn section(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// True if it belongs to the items of `prefix`, or, without one, to no list's items.
    pub(crate) fn prefix_matches(&self, prefix: &str) -> bool {
        match prefix {
            "" => !self.name.contains("[]"),
            prefix => self.section() == prefix,
        }
    }

    /// True if it is this key, a section that holds it, or the free-form map above it.
    pub(crate) fn names(&self, full: &str) -> bool {
        self.name == full || self.name.starts_with(&format!("{full}."))
    }
}

const ALL: &[&str] = &["alert", "record", "rollup", "report"];
const ALERT: &[&str] = &["alert"];
const RECORD: &[&str] = &["record"];
const ROLLUP: &[&str] = &["rollup"];
const REPORT: &[&str] = &["report"];
const SCHEDULED: &[&str] = &["alert", "record", "rollup"];
const SAMPLED: &[&str] = &["alert", "record"];
const NUMBERED: &[&str] = &["record", "rollup"];

macro_rules! keys {
    ($($name:literal of $kinds:ident, $holds:literal, $default:literal, $example:literal, $meaning:literal;)*) => {
        &[$(FrontMatterKey { name: $name, kinds: $kinds, holds: $holds, default: $default, example: $example, meaning: $meaning }),*]
    };
}

/// All keys, in the order of the reference.
pub const KEYS: &[FrontMatterKey] = keys! {
    "alert" of ALERT, "name", "–", "alert: NodeNotReporting",
        "Makes the file an alert and names it; the name of a symptom. Exactly one of `alert`, `record`, `rollup`, `report`.";
    "record" of RECORD, "name", "–", "record: fleet_pods",
        "Makes the file a metric and names it; letters, digits and `_`.";
    "rollup" of ROLLUP, "name", "–", "rollup: namespace_requests_hourly",
        "Makes the file a rollup and names it; letters, digits and `_`.";
    "report" of REPORT, "title", "–", "report: Pods that wait longest",
        "Makes the file a report; its title.";
    "description" of ALL, "text", "none", "description: Nodes whose kubelet stopped renewing its lease.",
        "One sentence for lists.";
    "group" of SCHEDULED, "name", "the folder", "group: node-health",
        "Files of one group have one interval and are evaluated together, as of one slot.";
    "interval" of SCHEDULED, "duration, 1s to 1d", "1m", "interval: 1m",
        "Time between two evaluations; slots are its multiples since 1970.";
    "query_offset" of SAMPLED, "duration", "0s", "query_offset: 1m",
        "`as_of()` is the slot minus this. With `0s` the query runs on schema `fleet`, otherwise on \
         `fleet_asof`.";
    "timeout" of ALL, "duration, 10ms to 10m", "20s, a report 60s", "timeout: 20s",
        "How long the query may run; shorter than the interval.";
    "limit" of ALL, "rows, 1 to 100000", "500, a record 10000, a report 10000, a rollup 100000", "limit: 500",
        "How many rows the query may return. An alert with more continues for the instances it knows and \
         creates no new ones; the others fail.";
    "for" of ALERT, "duration, up to 30d", "0s", "for: 5m",
        "Warm-up: how long the condition must hold before it fires.";
    "keep_firing_for" of ALERT, "duration, up to 30d", "0s", "keep_firing_for: 10m",
        "How long it keeps firing after the condition is gone.";
    "cooldown" of ALERT, "duration, up to 30d", "30m", "cooldown: 30m",
        "Minimum time between two notifications of new episodes of one instance.";
    "repeat_interval" of ALERT, "duration, up to 30d", "4h", "repeat_interval: 4h",
        "Time after which a firing instance is notified again; `0` = never.";
    "mode" of ALERT, "`live`, `shadow` or `disabled`", "live", "mode: shadow",
        "`shadow` evaluates but notifies nobody; `disabled` does not evaluate, and resolves firing \
         instances.";
    "columns.value" of SAMPLED, "column", "none", "columns: {value: silent_seconds}",
        "The number that templates show as `value`; for a metric, the sample.";
    "columns.values" of NUMBERED, "columns", "none", "columns: {values: [pods, containers]}",
        "For a metric, instead of `columns.value`: several samples per row, each in the series \
         `<record>_<column>`. For a rollup, the row's numbers.";
    "columns.labels" of SAMPLED, "columns", "none", "columns: {labels: [datacenter, cluster, node]}",
        "Columns that identify an instance or a series: text, uuid, boolean or small integers, never a value or an instant.";
    "columns.annotations" of ALERT, "columns", "none", "columns: {annotations: [reason]}",
        "Columns that are shown but do not identify.";
    "columns.dimensions" of ROLLUP, "columns", "none", "columns: {dimensions: [datacenter, cluster, namespace]}",
        "Columns that identify a row within its window.";
    "labels" of ALERT, "texts by name", "–", "labels: {severity: page, team: platform}",
        "Labels of all its instances. `severity` is required: `page` (act now), `ticket` (act this week) or `info`.";
    "annotations" of ALERT, "templates by name", "–", "annotations: {summary: \"{{ labels.node }} is silent\", runbook: node-not-reporting}",
        "Templates over `labels`, `value`, `annotations`, `alertname`. `summary` and `runbook` (a file of docs/runbooks, without `.md`; or `runbook_url`, an address elsewhere) are required.";
    "freshness" of SAMPLED, "section or `none`", "by datacenter and cluster, 5m; a record `none`", "freshness: {by: [datacenter, cluster], max_age: 5m}",
        "Which sources must be fresh for a missing row to count; `none` for queries about the pipeline \
         itself.";
    "freshness.by" of SAMPLED, "columns", "[datacenter, cluster]", "freshness: {by: [datacenter]}",
        "Columns of view `freshness` that name a source: `datacenter`, `cluster`.";
    "freshness.max_age" of SAMPLED, "duration, 1m to 1d", "5m", "freshness: {max_age: 10m}",
        "A source whose state is known only up to an instant longer ago than this is stale.";
    "freshness.kinds" of SAMPLED, "kinds", "objects", "freshness: {kinds: [node, pod]}",
        "Kinds whose freshness counts: `node`, `pod`, `namespace`, `workload`, `watchdog`, `usage`.";
    "scope" of ALERT, "texts by name", "the fleet", "scope: {datacenter: [dfw, iad]}",
        "Sources a fleet-wide aggregate depends on: if the freshness columns are not all labels, a stale \
         source holds the resolution of all instances.";
    "on_stale" of ALERT, "`keep_state` or `resolve`", "keep_state", "on_stale: keep_state",
        "What happens to instances whose source is stale.";
    "on_missing" of ALERT, "`resolve` or `keep_state`", "resolve", "on_missing: resolve",
        "What happens to instances whose row is gone while their source is fresh.";
    "receivers" of ALERT, "names", "as routed", "receivers: [pagerduty, slack]",
        "Receivers that are notified.";
    "renamed_from" of ALERT, "ids", "none", "renamed_from: [node-silent]",
        "Former file names (without `.sql`), whose instances the rule takes over.";
    "inhibits" of ALERT, "list", "none", "inhibits: [{target: {alertname: NodeNotReporting}, equal: [datacenter]}]",
        "Instances of other alerts that are not notified while this one fires.";
    "inhibits[].target" of ALERT, "texts by name", "–", "target: {alertname: [NodeNotReporting, NodeNotReady]}",
        "Labels that an inhibited instance has; a list = any of them.";
    "inhibits[].equal" of ALERT, "label names", "none", "equal: [datacenter]",
        "Labels that must be equal on both sides.";
    "type" of RECORD, "`gauge` or `counter`", "gauge", "type: gauge",
        "The metric's Prometheus type.";
    "help" of RECORD, "text", "–", "help: Pods by phase.",
        "The metric's help text; required.";
    "staleness" of RECORD, "duration, up to 1d", "5m", "staleness: 5m",
        "How long series remain after the last successful evaluation.";
    "window" of ROLLUP, "duration, 1m to 1d", "1h", "window: 1h",
        "Length of a window; windows begin at its multiples since 1970. The SQL uses `window_from()` and \
         `window_to()`.";
    "into" of ROLLUP, "table", "user_rollup", "into: rollup_allocation",
        "`user_rollup`, or a table `ledger.rollup_…` that a migration created.";
    "lateness" of ROLLUP, "duration, up to 90d", "7d", "lateness: 7d",
        "How far back windows are filled again when more data for them arrives.";
    "history" of ROLLUP, "duration, up to 400d", "1d", "history: 30d",
        "How far back the first run starts.";
    "kinds" of ROLLUP, "kinds", "objects", "kinds: [pod]",
        "Kinds whose freshness decides up to which instant windows are complete.";
    "parameters" of REPORT, "list", "none", "parameters: [{name: days, type: integer, default: 7, help: How far back.}]",
        "Parameters that callers may set; the SQL writes `:'days'`, as psql does with `-v days=7`.";
    "parameters[].name" of REPORT, "name", "–", "name: days",
        "Its name.";
    "parameters[].type" of REPORT, "`text`, `integer`, `number`, `boolean`, `instant` or `duration`", "text", "type: integer",
        "Its type; a `duration` such as 30d is passed to SQL as text that an interval accepts.";
    "parameters[].default" of REPORT, "text", "must be given", "default: '7'",
        "Its value if none is given; `''` = empty.";
    "parameters[].help" of REPORT, "text", "–", "help: How many days back.",
        "What it means; required.";
};
