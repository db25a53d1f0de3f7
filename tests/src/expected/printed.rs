//! READY, STATUS and RESTARTS of a pod as the API server prints them, from the lists as it holds them.

use serde_json::{Value, json};

use super::{ExpectedValue, list, micros};
use crate::cluster::text;

/// The columns made of them.
pub(super) fn columns(pod: &Value) -> [(&'static str, ExpectedValue); 4] {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let condition = |kind: &str| list(&status["conditions"]).find(|condition| condition["type"] == kind);
    let is_true = |kind: &str| condition(kind).is_some_and(|condition| condition["status"] == "True");
    let own_reason = text(status, "/reason");
    let mut shown = match condition("PodScheduled") {
        Some(scheduled) if scheduled["reason"] == "SchedulingGated" => "SchedulingGated".to_owned(),
        _ if own_reason.is_empty() => text(status, "/phase"),
        _ => own_reason.clone(),
    };
    let init: Vec<&Value> = list(&spec["initContainers"]).collect();
    let is_sidecar = |status: &Value| {
        init.iter()
            .any(|c| c["name"] == status["name"] && c["restartPolicy"] == "Always")
    };
    let sidecars = init.iter().filter(|c| c["restartPolicy"] == "Always").count();
    let mut ready = 0;
    let mut initializing = false;
    let mut counted: Vec<&Value> = Vec::new();
    for (index, status) in list(&status["initContainerStatuses"]).enumerate() {
        counted.push(status);
        let ended = &status["state"]["terminated"];
        if ended["exitCode"] == 0 {
            continue;
        }
        if is_sidecar(status) && status["started"] == true {
            ready += usize::from(status["ready"] == true);
            continue;
        }
        let waits_for = text(&status["state"], "/waiting/reason");
        shown = if !ended.is_null() {
            format!("Init:{}", end_of(ended))
        } else if !waits_for.is_empty() && waits_for != "PodInitializing" {
            format!("Init:{waits_for}")
        } else {
            format!("Init:{index}/{}", init.len())
        };
        initializing = true;
        break;
    }
    if !initializing || is_true("Initialized") {
        counted.retain(|status| is_sidecar(status));
        let app: Vec<&Value> = list(&status["containerStatuses"]).collect();
        counted.extend(&app);
        let runs = |s: &&&Value| s["ready"] == true && !s["state"]["running"].is_null();
        let running = app.iter().filter(runs).count();
        ready += running;
        let says = |status: &Value| {
            let waits_for = text(&status["state"], "/waiting/reason");
            let ended = &status["state"]["terminated"];
            let end = (!ended.is_null()).then(|| end_of(ended));
            Some(waits_for).filter(|reason| !reason.is_empty()).or(end)
        };
        let failed = app
            .iter()
            .find(|s| s["state"]["terminated"]["exitCode"].as_i64().unwrap_or(0) != 0);
        shown = app.iter().find_map(|status| says(status)).unwrap_or(shown);
        if shown == "Completed" {
            shown = match failed {
                _ if running > 0 && is_true("Ready") => "Running".to_owned(),
                Some(failed) => says(failed).unwrap(),
                None if running > 0 => "NotReady".to_owned(),
                None => shown,
            };
        }
    }
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        let ended = status["phase"] == "Succeeded" || status["phase"] == "Failed";
        if own_reason == "NodeLost" {
            shown = "Unknown".to_owned();
        } else if !ended {
            shown = "Terminating".to_owned();
        }
    }
    let restarts: i64 = counted.iter().filter_map(|s| s["restartCount"].as_i64()).sum();
    let last = counted
        .iter()
        .filter_map(|s| micros(&s["lastState"]["terminated"]["finishedAt"]))
        .max();
    let all = list(&spec["containers"]).count() + sidecars;
    [
        ("status", ExpectedValue::Same(json!(shown))),
        (
            "ready_containers",
            ExpectedValue::Same(json!(format!("{ready}/{all}"))),
        ),
        ("restarts", ExpectedValue::Same(json!(restarts))),
        (
            "last_restart_at",
            ExpectedValue::At(last.filter(|_| restarts > 0)),
        ),
    ]
}

fn end_of(ended: &Value) -> String {
    let (reason, signal) = (text(ended, "/reason"), ended["signal"].as_i64().unwrap_or(0));
    match (reason.is_empty(), signal) {
        (false, _) => reason,
        (true, 0) => format!("ExitCode:{}", ended["exitCode"]),
        (true, signal) => format!("Signal:{signal}"),
    }
}
