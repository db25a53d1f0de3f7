//! Workloads and watchdogs.

use serde_json::{Value, json};

use super::{
    ExpectedRow, ExpectedValue, FleetIndex, at, by_name, common, conditions, controller, filled, list,
    message, micros, number, or_empty_map, row, same,
};
use crate::cluster::{ApiResourceKind, text};

pub(super) fn workload(resource: ApiResourceKind, object: &Value, fleet: &FleetIndex) -> ExpectedRow {
    let (spec, status) = (&object["spec"], &object["status"]);
    let owner = controller(object).cloned().unwrap_or(Value::Null);
    let namespace = text(object, "/metadata/namespace");
    let template = if resource == ApiResourceKind::CronJob {
        &spec["jobTemplate"]["spec"]["template"]["spec"]
    } else {
        &spec["template"]["spec"]
    };
    let images = list(&template["initContainers"])
        .chain(by_name(&template["containers"]))
        .map(|c| c["image"].clone());
    let strategy = match resource {
        ApiResourceKind::Deployment => &spec["strategy"]["type"],
        ApiResourceKind::StatefulSet | ApiResourceKind::DaemonSet => &spec["updateStrategy"]["type"],
        ApiResourceKind::CronJob => &spec["concurrencyPolicy"],
        _ => &Value::Null,
    };
    let mut columns = common(object);
    columns.extend([
        ("namespace", ExpectedValue::Same(json!(namespace))),
        ("workload_kind", ExpectedValue::Same(json!(resource.kind()))),
        ("workload", same(&object["metadata"]["name"])),
        ("team", ExpectedValue::Same(fleet.team(&namespace))),
        ("owner_kind", same(&owner["kind"])),
        ("owner", same(&owner["name"])),
        ("owner_uid", same(&owner["uid"])),
        ("generation", same(&object["metadata"]["generation"])),
        ("observed_generation", same(&status["observedGeneration"])),
        ("paused", ExpectedValue::Same(json!(spec["paused"] == true))),
        ("suspended", ExpectedValue::Same(json!(spec["suspend"] == true))),
        ("started_at", at(&status["startTime"])),
        (
            "completed_indexes",
            ExpectedValue::Same(filled(&status["completedIndexes"])),
        ),
        (
            "failed_indexes",
            ExpectedValue::Same(filled(&status["failedIndexes"])),
        ),
        ("completed_at", at(&status["completionTime"])),
        ("schedule", same(&spec["schedule"])),
        ("time_zone", same(&spec["timeZone"])),
        ("last_scheduled_at", at(&status["lastScheduleTime"])),
        ("last_successful_at", at(&status["lastSuccessfulTime"])),
        ("strategy", ExpectedValue::Same(filled(strategy))),
        (
            "selector",
            ExpectedValue::Same(or_empty_map(&spec["selector"]["matchLabels"])),
        ),
        ("images", ExpectedValue::Same(json!(images.collect::<Vec<_>>()))),
        (
            "conditions",
            ExpectedValue::Same(conditions(&status["conditions"])),
        ),
    ]);
    let counts = counts(resource, spec, status);
    let is_job = resource == ApiResourceKind::Job;
    let ended = is_job
        && list(&status["conditions"])
            .any(|one| one["status"] == "True" && (one["type"] == "Complete" || one["type"] == "Failed"));
    columns.insert("lives", ExpectedValue::Same(json!(!ended)));
    let count = |name: &str| {
        counts
            .iter()
            .find(|(column, _)| *column == name)
            .and_then(|(_, count)| *count)
    };
    let wanted = if is_job {
        wanted_of_job(ended || spec["suspend"] == true, &count)
    } else {
        count("desired")
    };
    columns.insert("wanted", number(wanted));
    for (column, count) in counts {
        columns.insert(column, number(count));
    }
    row(object, columns)
}

/// Pods that a Job still needs: as many at a time as it may run, and no more than its completions lack.
fn wanted_of_job(rests: bool, count: &dyn Fn(&str) -> Option<i64>) -> Option<i64> {
    let succeeded = count("succeeded").unwrap_or(0);
    match count("completions") {
        _ if rests => Some(0),
        None if succeeded > 0 => count("active"),
        None => count("desired"),
        Some(completions) => Some(
            count("desired")
                .map_or(completions - succeeded, |d| d.min(completions - succeeded))
                .max(0),
        ),
    }
}

/// Numbers of replicas, pods or nodes; what a kind does not have is NULL, what it has and omits is 0.
fn counts(resource: ApiResourceKind, spec: &Value, status: &Value) -> Vec<(&'static str, Option<i64>)> {
    let status_of = |field: &str| status[field].as_i64().unwrap_or(0);
    let of = |field: &str| Some(status_of(field));
    let wanted = spec["replicas"].as_i64().unwrap_or(1);
    let replicas = Some(wanted);
    let missing = || Some((wanted - status_of("availableReplicas")).max(0));
    // Of a StatefulSet it is never omitted, so what is absent is not known.
    let available = status["availableReplicas"].as_i64();
    let mut counts = vec![
        ("desired", None),
        ("current", None),
        ("updated", None),
        ("ready", None),
        ("available", None),
        ("unavailable", None),
        ("misscheduled", None),
        ("completions", None),
        ("succeeded", None),
        ("failed", None),
        ("active", None),
        ("terminating", None),
    ];
    let known = match resource {
        ApiResourceKind::Deployment => vec![
            replicas,
            of("replicas"),
            of("updatedReplicas"),
            of("readyReplicas"),
            of("availableReplicas"),
            of("unavailableReplicas"),
            None,
            None,
            None,
            None,
            None,
            status["terminatingReplicas"].as_i64(),
        ],
        ApiResourceKind::StatefulSet => vec![
            replicas,
            of("replicas"),
            of("updatedReplicas"),
            of("readyReplicas"),
            available,
            available.and(missing()),
        ],
        ApiResourceKind::ReplicaSet => vec![
            replicas,
            of("replicas"),
            None,
            of("readyReplicas"),
            of("availableReplicas"),
            missing(),
            None,
            None,
            None,
            None,
            None,
            status["terminatingReplicas"].as_i64(),
        ],
        ApiResourceKind::DaemonSet => vec![
            of("desiredNumberScheduled"),
            of("currentNumberScheduled"),
            of("updatedNumberScheduled"),
            of("numberReady"),
            of("numberAvailable"),
            of("numberUnavailable"),
            of("numberMisscheduled"),
        ],
        ApiResourceKind::Job => vec![
            spec["parallelism"].as_i64(),
            of("active"),
            None,
            status["ready"].as_i64(),
            None,
            None,
            None,
            spec["completions"].as_i64(),
            of("succeeded"),
            of("failed"),
            of("active"),
            status["terminating"].as_i64(),
        ],
        ApiResourceKind::CronJob => {
            let active = i64::try_from(list(&status["active"]).count()).ok();
            vec![None, None, None, None, None, None, None, None, None, None, active]
        }
        _ => vec![],
    };
    for (count, known) in counts.iter_mut().zip(known) {
        count.1 = known;
    }
    counts
}

pub(super) fn watchdog(object: &Value) -> ExpectedRow {
    let (spec, status) = (&object["spec"], &object["status"]);
    let mut columns = common(object);
    let condition = |kind: &str| {
        let found = list(&status["conditions"]).find(|condition| condition["type"] == kind);
        found.map_or(Value::Null, |condition| condition["status"].clone())
    };
    let failing = list(&status["failing"]).take(20).map(|node| {
        json!({"node": node["node"], "message": message(&node["message"]), "since": micros(&node["since"])})
    });
    let mut failing: Vec<Value> = failing.collect();
    failing.sort_by_key(|node| text(node, "/node"));
    columns.extend([
        ("watchdog", same(&object["metadata"]["name"])),
        ("scope", same(&spec["scope"])),
        (
            "check_name",
            ExpectedValue::Same(json!(spec["check"].as_object().unwrap().keys().next())),
        ),
        ("interval_seconds", number(spec["interval"].as_str().map(seconds))),
        ("severity", same(&spec["severity"])),
        ("runbook", same(&spec["runbook"])),
        ("suspended", ExpectedValue::Same(json!(spec["suspend"] == true))),
        ("snoozed_until", at(&spec["snooze"]["until"])),
        ("snoozed_by", same(&spec["snooze"]["by"])),
        ("snooze_reason", same(&spec["snooze"]["reason"])),
        ("generation", same(&object["metadata"]["generation"])),
        ("observed_generation", same(&status["observedGeneration"])),
        ("healthy_status", ExpectedValue::Same(condition("Healthy"))),
        ("reporting_status", ExpectedValue::Same(condition("Reporting"))),
        ("state", same(&status["state"])),
        ("episode", same(&status["episode"])),
        ("incarnation", same(&status["incarnation"])),
        ("dedup_key", same(&status["dedupKey"])),
        ("nodes_desired", same(&status["nodes"]["desired"])),
        ("nodes_reporting", same(&status["nodes"]["reporting"])),
        ("nodes_ok", same(&status["nodes"]["ok"])),
        ("nodes_failing", same(&status["nodes"]["failing"])),
        ("nodes_unknown", same(&status["nodes"]["unknown"])),
        ("failing", ExpectedValue::Same(json!(failing))),
        (
            "conditions",
            ExpectedValue::Same(conditions(&status["conditions"])),
        ),
    ]);
    row(object, columns)
}

/// Seconds of `90s` or `5m`, the forms these tests use.
fn seconds(text: &str) -> i64 {
    let (number, unit) = text.split_at(text.len() - 1);
    number.parse::<i64>().unwrap() * if unit == "m" { 60 } else { 1 }
}
