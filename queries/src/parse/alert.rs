//! The keys of an alert.

use std::collections::BTreeMap;

use super::{MAX_WAIT, freshness::read_freshness, is_name, read_schedule};
use crate::{
    alert::{AlertColumns, AlertMode, AlertRule, InhibitRule, OnMissing, OnStale, Severity},
    freshness::{FreshnessRequirement, SOURCE_COLUMNS, SourceScope},
    front_matter::FrontMatter,
    near_names::did_you_mean,
    period::Period,
    query::{QueryId, StoredQuery},
    refusal::QueryRefusal,
    template::{AnnotationTemplates, TemplateSubject},
};

/// Labels that every rule must have or that are ours to set.
const RESERVED_LABELS: [&str; 1] = ["alertname"];

pub(super) fn read_alert(folder: &str, front: &mut FrontMatter<'_>) -> Option<AlertRule> {
    let alert = front.required_text("alert");
    if let Some(name) = &alert
        && !is_name(name)
    {
        front.refuse(
            "alert",
            format!("`{name}` is not a valid name"),
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
        ("live", AlertMode::Live),
        ("shadow", AlertMode::Shadow),
        ("disabled", AlertMode::Disabled),
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
    let annotations = read_annotations(front);
    let default = FreshnessRequirement {
        by: SOURCE_COLUMNS.map(str::to_owned).to_vec(),
        max_age: Period::from_mins(5),
        kinds: Vec::new(),
    };
    let freshness = read_freshness(front, Some(default));
    let scope = SourceScope {
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

fn check_columns(front: &mut FrontMatter<'_>, columns: &AlertColumns) {
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
                "each change of the number would create a new instance; remove it from the labels",
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

pub(super) fn check_label_name(front: &mut FrontMatter<'_>, key: &str, name: &str) {
    if !is_name(name) || name.starts_with("__") || RESERVED_LABELS.contains(&name) {
        let remedy =
            "write letters, digits and _, not beginning with a digit or __; alertname is set automatically";
        front.refuse(key, format!("`{name}` cannot be a label"), remedy);
    }
}

fn read_severity(
    front: &mut FrontMatter<'_>,
    labels: &BTreeMap<String, String>,
    columns: &AlertColumns,
) -> Option<Severity> {
    for name in labels.keys() {
        check_label_name(front, "labels", name);
        if columns.labels.contains(name) {
            front.refuse(
                "labels",
                format!("label `{name}` is also a column"),
                "set it in one place",
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

/// Compiles the templates; what they speak of is checked apart ([`check_templates`]).
fn read_annotations(front: &mut FrontMatter<'_>) -> Option<AnnotationTemplates> {
    let sources = front.text_map("annotations");
    let is_missing = |name: &str| sources.get(name).is_none_or(|text| text.trim().is_empty());
    for (name, remedy) in [
        (
            "summary",
            "say in one line what is wrong, as in `summary: \"{{ labels.node }} is silent\"`",
        ),
        (
            "runbook",
            "name a file of docs/runbooks, such as `runbook: node-not-reporting`, or set `runbook_url` to an \
             address",
        ),
    ] {
        if is_missing(name) && (name != "runbook" || is_missing("runbook_url")) {
            front.refuse("annotations", format!("annotation `{name}` is missing"), remedy);
        }
    }
    if let Some(name) = sources.get("runbook").filter(|name| !name.is_empty())
        && QueryId::parse(name).is_none()
    {
        let what = format!("`{name}` cannot be the name of a runbook");
        front.refuse(
            "annotations.runbook",
            what,
            "name a file of docs/runbooks without .md",
        );
    }
    match AnnotationTemplates::compile(sources) {
        Ok(annotations) => Some(annotations),
        Err(errors) => {
            for error in errors {
                front.refuse(&format!("annotations.{}", error.name), error.to_string(), "");
            }
            None
        }
    }
}

/// Renders each template of an alert once, so that a misspelt label is found now and not at three in the morning.
pub(super) fn check_templates(query: &StoredQuery) -> Vec<QueryRefusal> {
    let Some(rule) = query.alert() else {
        return Vec::new();
    };
    let sample = |names: &[String]| {
        let named = names.iter().map(|name| (name.clone(), "1".to_owned()));
        named.collect::<BTreeMap<_, _>>()
    };
    let mut labels = sample(&rule.columns.labels);
    labels.extend(rule.labels.clone());
    labels.insert("alertname".to_owned(), rule.alert.clone());
    let subject = TemplateSubject {
        alertname: &rule.alert,
        labels: &labels,
        value: Some(1.0),
        annotations: &sample(&rule.columns.annotations),
    };
    let mut refusals = Vec::new();
    for name in rule.annotations.sources().keys() {
        let key = format!("annotations.{name}");
        match rule.annotations.unknown_names(name, &subject) {
            Ok(unknown) => refusals.extend(unknown.iter().map(|unknown| {
                let what = format!("template `{name}` uses `{unknown}`, which does not exist");
                query.refusal(&key, what).fix(names_there_are(unknown, &subject))
            })),
            Err(error) => {
                let remedy = "a template may use alertname, value, labels.<name> and annotations.<column>";
                refusals.push(query.refusal(&key, error.to_string()).fix(remedy));
            }
        }
    }
    refusals
}

/// Names near an unknown one, and all that the template may speak of.
fn names_there_are(unknown: &str, subject: &TemplateSubject<'_>) -> String {
    let labels = subject.labels.keys().map(|name| format!("labels.{name}"));
    let annotations = subject
        .annotations
        .keys()
        .map(|name| format!("annotations.{name}"));
    let names: Vec<String> = ["alertname", "value"]
        .map(str::to_owned)
        .into_iter()
        .chain(labels)
        .chain(annotations)
        .collect();
    // `node` is said where `labels.node` is meant, and `labels.reason` where it is an annotation.
    let leaf = |name: &str| name.rsplit_once('.').map_or(name, |(_, leaf)| leaf).to_owned();
    let same_leaf = names.iter().find(|name| leaf(name) == leaf(unknown));
    let near = match same_leaf {
        Some(name) => Some(format!("did you mean `{name}`?")),
        None => did_you_mean(unknown, names.iter().map(String::as_str)),
    };
    let all = format!("there are {}", names.join(", "));
    match near {
        Some(near) => format!("{near} {all}"),
        None => format!("{all}; columns.labels and columns.annotations name columns of the query"),
    }
}

fn read_renamed_from(front: &mut FrontMatter<'_>) -> Vec<QueryId> {
    let names = front.names("renamed_from");
    let mut ids = Vec::new();
    for name in names {
        match QueryId::parse(&name) {
            Some(id) => ids.push(id),
            None => front.refuse(
                "renamed_from",
                format!("`{name}` is not a valid id"),
                "write the former file name without .sql",
            ),
        }
    }
    ids
}

fn read_inhibits(front: &mut FrontMatter<'_>) -> Vec<InhibitRule> {
    front.each("inhibits", "inhibits[]", |item| {
        let target = item.values_map("target");
        let equal = item.names("equal");
        if target.is_empty() {
            let remedy = "write which alerts it inhibits, as in `target: {alertname: NodeNotReporting}`";
            item.refuse("target", "an inhibition without a target", remedy);
        }
        Some(InhibitRule { target, equal })
    })
}
