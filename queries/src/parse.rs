//! One file's text → a [`Query`], or everything that is wrong with it.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};

use crate::{
    alert::{AlertColumns, AlertRule, Inhibit, Mode, OnMissing, OnStale, Severity},
    freshness::{Freshness, KINDS, SOURCE_COLUMNS, Scope},
    front_matter::{Front, Parts, split},
    period::Period,
    query::{Kind, Query, QueryId, Schedule},
    record::{MetricType, RecordRule, RecordValues},
    refusal::{Place, Refusal},
    report::ReportRule,
    rollup::{RollupRule, RollupTable},
    statement,
    template::{Annotations, Subject},
};

/// The longest that `for`, `cooldown` and their like may be.
const MAX_WAIT: Period = Period::from_days(30);
/// Labels that every rule must have or that are ours to set.
const RESERVED_LABELS: [&str; 1] = ["alertname"];

/// Reads one file. `folder` is the folder it lies in, as the catalogue names it: the default group.
///
/// # Errors
/// Everything that is wrong with it, by line.
pub fn parse(path: &Path, folder: &str, text: &str) -> Result<Query, Vec<Refusal>> {
    let parts = split(path, text).map_err(|refusal| vec![refusal])?;
    let mut front = Front::read(path, &parts).map_err(|refusal| vec![refusal])?;
    let id = read_id(path, &mut front);
    let query = read_query(path, folder, text, &parts, &mut front);
    let refusals = std::mem::take(&mut front.refusals);
    match (id, query) {
        (Some(id), Some(query)) if refusals.is_empty() => Ok(Query { id, ..query }),
        _ => Err(in_order(refusals)),
    }
}

fn in_order(mut refusals: Vec<Refusal>) -> Vec<Refusal> {
    refusals.sort_by_key(|refusal| (refusal.line, refusal.column));
    refusals.dedup();
    refusals
}

fn read_id(path: &Path, front: &mut Front<'_>) -> Option<QueryId> {
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let id = QueryId::parse(stem);
    if id.is_none() {
        let refusal = Refusal::new(
            path,
            Place::line(1),
            format!("`{stem}` cannot be the name of a query"),
        );
        front.refusals.push(
            refusal.fix("name the file in lowercase words with hyphens, such as node-not-reporting.sql"),
        );
    }
    id
}

fn read_query(
    path: &Path,
    folder: &str,
    text: &str,
    parts: &Parts<'_>,
    front: &mut Front<'_>,
) -> Option<Query> {
    let kind_name = read_kind_name(front)?;
    front.refuse_unknown(kind_name);
    let description = front.text("description");
    let (timeout, limit) = match kind_name {
        "alert" => (Period::from_secs(20), 500),
        "record" => (Period::from_secs(20), 10_000),
        "rollup" => (Period::from_secs(20), 100_000),
        _ => (Period::from_secs(60), 10_000),
    };
    let timeout = front.period_within(
        "timeout",
        timeout,
        Period::from_millis(10)..=Period::from_mins(10),
    );
    let limit = front.number("limit", limit, 1..=100_000);
    let kind = match kind_name {
        "alert" => read_alert(folder, front).map(|rule| Kind::Alert(Arc::new(rule))),
        "record" => read_record(folder, front).map(|rule| Kind::Record(Arc::new(rule))),
        "rollup" => read_rollup(folder, front).map(|rule| Kind::Rollup(Arc::new(rule))),
        _ => read_report(front).map(|rule| Kind::Report(Arc::new(rule))),
    };
    let parameters = match &kind {
        Some(Kind::Report(report)) => report
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect(),
        _ => Vec::new(),
    };
    let sql = match statement::check(path, parts.sql, parts.sql_line, &parameters) {
        Ok(sql) => Some(sql),
        Err(mut refusals) => {
            front.refusals.append(&mut refusals);
            None
        }
    };
    let query = Query {
        id: QueryId::parse("unnamed")?,
        path: path.to_owned(),
        version: sha256(text),
        description,
        timeout,
        limit,
        sql: sql?,
        sql_line: parts.sql_line,
        kind: kind?,
        lines: front.lines(),
    };
    if let Some(schedule) = query.schedule()
        && timeout > schedule.interval
    {
        let what = format!(
            "`timeout` of {timeout} is longer than the interval of {}",
            schedule.interval
        );
        front.refuse("timeout", what, "a slot must be over when the next one comes");
    }
    Some(query)
}

fn read_kind_name(front: &mut Front<'_>) -> Option<&'static str> {
    let kinds = ["alert", "record", "rollup", "report"];
    let found: Vec<&'static str> = kinds.into_iter().filter(|kind| front.has(kind)).collect();
    match found.as_slice() {
        [kind] => Some(kind),
        [] => {
            // A misspelt `alert` is named as such.
            front.refuse_unknown("");
            front.refuse(
                "",
                "none of `alert`, `record`, `rollup`, `report` is there",
                "say what the query is for",
            );
            None
        }
        [_, second, ..] => {
            let what = format!(
                "{} are there",
                found
                    .iter()
                    .map(|kind| format!("`{kind}`"))
                    .collect::<Vec<_>>()
                    .join(" and ")
            );
            front.refuse(second, what, "a file is one of them");
            None
        }
    }
}

fn read_schedule(folder: &str, front: &mut Front<'_>, with_offset: bool) -> Schedule {
    let group = front.text("group").unwrap_or_else(|| folder.to_owned());
    let interval = front.period_within(
        "interval",
        Period::from_mins(1),
        Period::from_secs(1)..=Period::from_days(1),
    );
    let query_offset = match with_offset {
        true => front.period("query_offset", Period::ZERO),
        false => Period::ZERO,
    };
    Schedule {
        group,
        interval,
        query_offset,
    }
}

fn read_alert(folder: &str, front: &mut Front<'_>) -> Option<AlertRule> {
    let alert = front.required_text("alert");
    if let Some(name) = &alert
        && !is_name(name)
    {
        front.refuse(
            "alert",
            format!("`{name}` is no name"),
            "write letters and digits, such as NodeNotReporting",
        );
    }
    let schedule = read_schedule(folder, front, true);
    let mut wait = |key, default| front.period_within(key, default, Period::ZERO..=MAX_WAIT);
    let pending_for = wait("for", Period::ZERO);
    let keep_firing_for = wait("keep_firing_for", Period::ZERO);
    let cooldown = wait("cooldown", Period::from_mins(30));
    let repeat_interval = wait("repeat_interval", Period::from_hours(4));
    let modes = [
        ("live", Mode::Live),
        ("shadow", Mode::Shadow),
        ("disabled", Mode::Disabled),
    ];
    let mode = front.choice("mode", &modes).unwrap_or_default();
    let columns = AlertColumns {
        value: front.text("columns.value"),
        labels: front.names("columns.labels"),
        annotations: front.names("columns.annotations"),
    };
    check_columns(front, &columns);
    let labels = front.text_map("labels");
    let severity = read_severity(front, &labels, &columns);
    let annotations = read_annotations(front, alert.as_deref().unwrap_or_default(), &labels, &columns);
    let default = Freshness {
        by: SOURCE_COLUMNS.map(str::to_owned).to_vec(),
        max_age: Period::from_mins(5),
        kinds: Vec::new(),
    };
    let freshness = read_freshness(front, Some(default));
    let scope = Scope {
        columns: front.values_map("scope"),
    };
    if let Some(column) = scope
        .columns
        .keys()
        .find(|column| !SOURCE_COLUMNS.contains(&column.as_str()))
    {
        front.refuse(
            "scope",
            format!("`scope` names `{column}`"),
            "it may name datacenter and cluster",
        );
    }
    let on_stale = [("keep_state", OnStale::KeepState), ("resolve", OnStale::Resolve)];
    let on_stale = front.choice("on_stale", &on_stale).unwrap_or_default();
    let on_missing = [
        ("resolve", OnMissing::Resolve),
        ("keep_state", OnMissing::KeepState),
    ];
    let on_missing = front.choice("on_missing", &on_missing).unwrap_or_default();
    Some(AlertRule {
        alert: alert?,
        schedule,
        pending_for,
        keep_firing_for,
        cooldown,
        repeat_interval,
        mode,
        columns,
        labels,
        severity: severity?,
        annotations: annotations?,
        freshness,
        on_stale,
        on_missing,
        scope,
        receivers: front.names("receivers"),
        renamed_from: read_renamed_from(front),
        inhibits: read_inhibits(front),
    })
}

fn check_columns(front: &mut Front<'_>, columns: &AlertColumns) {
    let mut seen: Vec<&str> = Vec::new();
    let named = columns
        .labels
        .iter()
        .map(|column| ("columns.labels", column))
        .chain(
            columns
                .annotations
                .iter()
                .map(|column| ("columns.annotations", column)),
        );
    for (key, column) in named {
        if columns.value.as_ref() == Some(column) && key == "columns.labels" {
            front.refuse(
                key,
                format!("the value `{column}` is a label"),
                "an instance would be a new one whenever its number changes; take it out of the labels",
            );
        } else if seen.contains(&column.as_str()) {
            front.refuse(key, format!("column `{column}` is named twice"), "name it once");
        }
        if key == "columns.labels" {
            check_label_name(front, key, column);
        }
        seen.push(column);
    }
}

fn check_label_name(front: &mut Front<'_>, key: &str, name: &str) {
    if !is_name(name) || name.starts_with("__") || RESERVED_LABELS.contains(&name) {
        let remedy =
            "write letters, digits and _, not beginning with a digit or __; alertname is set by itself";
        front.refuse(key, format!("`{name}` cannot be a label"), remedy);
    }
}

fn read_severity(
    front: &mut Front<'_>,
    labels: &BTreeMap<String, String>,
    columns: &AlertColumns,
) -> Option<Severity> {
    for name in labels.keys() {
        check_label_name(front, "labels", name);
        if columns.labels.contains(name) {
            front.refuse(
                "labels",
                format!("label `{name}` is a column as well"),
                "give it in one place",
            );
        }
    }
    match labels.get("severity").map(String::as_str) {
        Some("page") => Some(Severity::Page),
        Some("ticket") => Some(Severity::Ticket),
        Some("info") => Some(Severity::Info),
        Some(other) => {
            front.refuse(
                "labels.severity",
                format!("severity `{other}` is unknown"),
                "write page, ticket or info",
            );
            None
        }
        None => {
            front.refuse(
                "labels",
                "label `severity` is missing",
                "write `labels: {severity: page}` (or ticket, info)",
            );
            None
        }
    }
}

/// Compiles the templates and renders each once, so that a misspelt label is found now and not at three in the morning.
fn read_annotations(
    front: &mut Front<'_>,
    alert: &str,
    labels: &BTreeMap<String, String>,
    columns: &AlertColumns,
) -> Option<Annotations> {
    let sources = front.text_map("annotations");
    for (name, remedy) in [
        (
            "summary",
            "say in one line what is wrong, such as `summary: \"{{ labels.node }} is silent\"`",
        ),
        (
            "runbook",
            "name a file of docs/runbooks, such as `runbook: node-not-reporting`",
        ),
    ] {
        if sources.get(name).is_none_or(|text| text.trim().is_empty()) {
            front.refuse("annotations", format!("annotation `{name}` is missing"), remedy);
        }
    }
    if let Some(name) = sources.get("runbook").filter(|name| !name.is_empty())
        && QueryId::parse(name).is_none()
    {
        let what = format!("`{name}` cannot be the name of a run book");
        front.refuse(
            "annotations.runbook",
            what,
            "name a file of docs/runbooks without .md",
        );
    }
    let annotations = match Annotations::compile(sources) {
        Ok(annotations) => annotations,
        Err(errors) => {
            for error in errors {
                front.refuse(&format!("annotations.{}", error.name), error.to_string(), "");
            }
            return None;
        }
    };
    let sample = |names: &[String]| {
        names
            .iter()
            .map(|name| (name.clone(), "1".to_owned()))
            .collect::<BTreeMap<_, _>>()
    };
    let mut all_labels = sample(&columns.labels);
    all_labels.extend(labels.clone());
    all_labels.insert("alertname".to_owned(), alert.to_owned());
    let subject = Subject {
        alertname: alert,
        labels: &all_labels,
        value: Some(1.0),
        annotations: &sample(&columns.annotations),
    };
    for name in annotations.sources().keys() {
        if let Err(error) = annotations.render(name, &subject) {
            let remedy = "a template may speak of alertname, value, labels.<name> and annotations.<column>";
            front.refuse(&format!("annotations.{name}"), error.to_string(), remedy);
        }
    }
    Some(annotations)
}

fn read_freshness(front: &mut Front<'_>, default: Option<Freshness>) -> Option<Freshness> {
    if !front.has("freshness") {
        return default;
    }
    if front.is_text("freshness", "none") {
        return None;
    }
    let mut by = front.names("freshness.by");
    if by.is_empty() {
        by = SOURCE_COLUMNS.map(str::to_owned).to_vec();
    }
    if let Some(column) = by
        .iter()
        .find(|column| !SOURCE_COLUMNS.contains(&column.as_str()))
    {
        front.refuse(
            "freshness.by",
            format!("view freshness has no source column `{column}`"),
            "name datacenter and cluster",
        );
    }
    let bounds = Period::from_mins(1)..=Period::from_days(1);
    let max_age = front.period_within("freshness.max_age", Period::from_mins(5), bounds);
    let kinds = read_kinds(front, "freshness.kinds");
    Some(Freshness { by, max_age, kinds })
}

fn read_kinds(front: &mut Front<'_>, key: &str) -> Vec<String> {
    let kinds = front.names(key);
    if let Some(kind) = kinds.iter().find(|kind| !KINDS.contains(&kind.as_str())) {
        front.refuse(
            key,
            format!("there is no kind `{kind}`"),
            format!("name some of {}", KINDS.join(", ")),
        );
    }
    kinds
}

fn read_renamed_from(front: &mut Front<'_>) -> Vec<QueryId> {
    let names = front.names("renamed_from");
    let mut ids = Vec::new();
    for name in names {
        match QueryId::parse(&name) {
            Some(id) => ids.push(id),
            None => front.refuse(
                "renamed_from",
                format!("`{name}` is no id"),
                "write the former file name without .sql",
            ),
        }
    }
    ids
}

fn read_inhibits(front: &mut Front<'_>) -> Vec<Inhibit> {
    front.each("inhibits", "inhibits[]", |item| {
        let target = item.values_map("target");
        let equal = item.names("equal");
        if target.is_empty() {
            let remedy = "say whom it silences, such as `target: {alertname: NodeNotReporting}`";
            item.refuse("target", "an inhibition without a target", remedy);
        }
        Some(Inhibit { target, equal })
    })
}

fn read_record(folder: &str, front: &mut Front<'_>) -> Option<RecordRule> {
    let record = front.required_text("record");
    if let Some(name) = &record
        && (!is_name(name) || name.starts_with("fleetledger_"))
    {
        let remedy = "write letters, digits and _, such as fleet_pods; fleetledger_… are the program's own";
        front.refuse(
            "record",
            format!("`{name}` cannot be the name of a metric"),
            remedy,
        );
    }
    let schedule = read_schedule(folder, front, true);
    let types = [("gauge", MetricType::Gauge), ("counter", MetricType::Counter)];
    let metric_type = front.choice("type", &types).unwrap_or_default();
    let help = front.required_text("help");
    let (one, several) = (front.text("columns.value"), front.names("columns.values"));
    let values = match (one, several.is_empty()) {
        (Some(column), true) => Some(RecordValues::One(column)),
        (None, false) => Some(RecordValues::Several(several)),
        _ => {
            front.refuse(
                "columns",
                "not exactly one of `columns.value`, `columns.values`",
                "name the numbers",
            );
            None
        }
    };
    let labels = front.names("columns.labels");
    for label in &labels {
        check_label_name(front, "columns.labels", label);
        if values
            .as_ref()
            .is_some_and(|values| values.columns().contains(label))
        {
            front.refuse(
                "columns.labels",
                format!("the value `{label}` is a label"),
                "take it out of the labels",
            );
        }
    }
    let staleness = front.period_within(
        "staleness",
        Period::from_mins(5),
        Period::from_secs(1)..=Period::from_days(1),
    );
    if staleness < schedule.interval {
        front.refuse(
            "staleness",
            "`staleness` is shorter than the interval",
            "series would come and go",
        );
    }
    let freshness = read_freshness(front, None);
    Some(RecordRule {
        record: record?,
        schedule,
        metric_type,
        help: help?,
        values: values?,
        labels,
        staleness,
        freshness,
    })
}

fn read_rollup(folder: &str, front: &mut Front<'_>) -> Option<RollupRule> {
    let rollup = front.required_text("rollup");
    if let Some(name) = &rollup
        && !is_name(name)
    {
        front.refuse(
            "rollup",
            format!("`{name}` is no name"),
            "write letters, digits and _",
        );
    }
    let schedule = read_schedule(folder, front, false);
    let window = front.period_within(
        "window",
        Period::from_hours(1),
        Period::from_mins(1)..=Period::from_days(1),
    );
    let into = match front.text("into").as_deref() {
        None | Some("user_rollup") => RollupTable::User,
        Some(table) if table.starts_with("rollup_") && table != "rollup_window" && is_name(table) => {
            RollupTable::Own(table.to_owned())
        }
        Some(table) => {
            let what = format!("rows cannot go into `{table}`");
            front.refuse(
                "into",
                what,
                "write user_rollup, or a table rollup_… that a migration made",
            );
            RollupTable::User
        }
    };
    let dimensions = front.names("columns.dimensions");
    let values = front.names("columns.values");
    if values.is_empty() {
        front.refuse("columns", "`columns.values` is missing", "name the numbers");
    }
    if let Some(column) = dimensions.iter().find(|column| values.contains(column)) {
        front.refuse(
            "columns.dimensions",
            format!("the value `{column}` is a dimension"),
            "name it in one place",
        );
    }
    let lateness = front.period_within(
        "lateness",
        Period::from_days(7),
        Period::ZERO..=Period::from_days(90),
    );
    let history = front.period_within(
        "history",
        Period::from_days(1),
        Period::ZERO..=Period::from_days(400),
    );
    let kinds = read_kinds(front, "kinds");
    Some(RollupRule {
        rollup: rollup?,
        schedule,
        window,
        into,
        dimensions,
        values,
        lateness,
        history,
        kinds,
    })
}

fn read_report(front: &mut Front<'_>) -> Option<ReportRule> {
    let report = front.required_text("report");
    let parameters = crate::report::read_parameters(front);
    Some(ReportRule {
        report: report?,
        parameters,
    })
}

/// A name in the sense of Prometheus.
fn is_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// SHA-256 in hex.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
