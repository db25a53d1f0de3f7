//! Pods of every shape that `kubectl get pods` prints differently. What it prints of them is asked of an API server.

mod shapes;

use serde_json::{Value, json};

use crate::cluster::{ApiResourceKind, DesiredObject};

/// A finalizer that keeps a deleted pod.
const KEEPS: &str = "example.com/keeps";

/// A pod, and what is done to it once it is there.
#[derive(Debug, Clone)]
pub struct PodShape {
    /// Its name, which says what is special about it.
    pub name: String,
    /// True if it is deleted, and kept by a finalizer.
    pub deleted: bool,
    /// True if somebody debugs it: an ephemeral container is added.
    pub debugged: bool,
    metadata: Value,
    spec: Value,
    status: Value,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<PodShape> {
    let mut all = Vec::new();
    for group in [
        shapes::unstarted,
        shapes::initializing,
        shapes::sidecars,
        shapes::waiting_or_ended,
        shapes::running_or_not,
        shapes::jobs,
        shapes::leaving,
    ] {
        all.extend(group());
    }
    all
}

impl PodShape {
    /// A running pod of these containers, which report nothing yet. A `+` before an init container's name makes it a sidecar.
    fn new(name: &str, init: &[&str], app: &[&str]) -> Self {
        let init = init.iter().map(|name| match name.strip_prefix('+') {
            Some(name) => json!({"name": name, "image": "sidecar:1", "restartPolicy": "Always"}),
            None => json!({"name": name, "image": "init:1"}),
        });
        let app = app.iter().map(|name| json!({"name": name, "image": "app:1"}));
        Self {
            name: name.to_owned(),
            deleted: false,
            debugged: false,
            metadata: json!({}),
            spec: json!({
                "nodeName": "node-1",
                "initContainers": init.collect::<Vec<_>>(), "containers": app.collect::<Vec<_>>(),
            }),
            status: json!({"phase": "Running", "conditions": []}),
        }
    }

    fn init(mut self, statuses: &[Value]) -> Self {
        self.status["initContainerStatuses"] = json!(statuses);
        self
    }

    fn app(mut self, statuses: &[Value]) -> Self {
        self.status["containerStatuses"] = json!(statuses);
        self
    }

    fn phase(mut self, phase: &str) -> Self {
        self.status["phase"] = json!(phase);
        self
    }

    fn reason(mut self, reason: &str) -> Self {
        self.status["reason"] = json!(reason);
        self
    }

    fn condition(mut self, kind: &str, status: &str, reason: &str) -> Self {
        let condition =
            json!({"type": kind, "status": status, "reason": reason, "lastTransitionTime": ago(60)});
        if let Some(conditions) = self.status["conditions"].as_array_mut() {
            conditions.push(condition);
        }
        self
    }

    fn ready(self) -> Self {
        self.condition("Initialized", "True", "")
            .condition("Ready", "True", "")
    }

    fn spec(mut self, field: &str, value: Value) -> Self {
        self.spec[field] = value;
        self
    }

    fn unbound(mut self) -> Self {
        if let Some(spec) = self.spec.as_object_mut() {
            spec.remove("nodeName");
        }
        self.phase("Pending")
    }

    fn deleted(mut self) -> Self {
        self.deleted = true;
        self.metadata["finalizers"] = json!([KEEPS]);
        self
    }

    fn debugged(mut self) -> Self {
        self.debugged = true;
        self
    }

    /// What is created, in a namespace.
    #[must_use]
    pub fn desired(&self, namespace: &str) -> DesiredObject {
        DesiredObject {
            resource: ApiResourceKind::Pod,
            namespace: Some(namespace.to_owned()),
            name: self.name.clone(),
            owner: None,
            body: json!({"metadata": self.metadata, "spec": self.spec}),
            status: Some(self.status.clone()),
        }
    }
}

/// An instant so many minutes ago.
fn ago(minutes: i64) -> String {
    let now = jiff::Timestamp::now().as_second();
    jiff::Timestamp::from_second(now - 60 * minutes)
        .unwrap()
        .to_string()
}

fn status(name: &str, state: &Value) -> Value {
    json!({"name": name, "image": "app:1", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

fn waiting(name: &str, reason: &str) -> Value {
    status(name, &json!({"waiting": {"reason": reason}}))
}

fn running(name: &str) -> Value {
    let mut status = unready(name);
    status["ready"] = json!(true);
    status
}

/// Runs, and its readiness probe fails.
fn unready(name: &str) -> Value {
    let mut status = starting(name);
    status["started"] = json!(true);
    status
}

/// Runs, and its startup probe has not succeeded yet.
fn starting(name: &str) -> Value {
    let mut status = status(name, &json!({"running": {"startedAt": ago(3)}}));
    status["started"] = json!(false);
    status
}

fn ended(name: &str, exit_code: i32, reason: &str) -> Value {
    let state = json!({"terminated": {"exitCode": exit_code, "reason": reason, "startedAt": ago(5), "finishedAt": ago(4)}});
    status(name, &state)
}

fn killed(name: &str, signal: i32) -> Value {
    let state = json!({"terminated": {"exitCode": 128 + signal, "signal": signal, "finishedAt": ago(4)}});
    status(name, &state)
}

/// With so many restarts, the last of them so many minutes ago.
fn restarted(mut status: Value, count: i32, minutes: i64) -> Value {
    status["restartCount"] = json!(count);
    status["lastState"] =
        json!({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": ago(minutes)}});
    status
}
