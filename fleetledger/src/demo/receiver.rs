//! The demo's own receiver: a webhook on loopback that writes a line for each alert it is notified of, to a file and to whoever
//! listens.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use axum::{Json, Router, extract::State, http::StatusCode, routing::post};
use jiff::Timestamp;
use serde_json::Value;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use super::folder::DemoFolder;
use crate::{
    config::{FleetledgerConfig, HttpConfig, ReceiverConfig, ReceiverKind, SecretRef},
    telemetry::http::BoundServer,
};

/// Its name in the configuration.
pub(super) const RECEIVER: &str = "demo";
/// What it was notified of, within the demo's folder.
const NOTIFICATIONS: &str = "notifications.log";
/// Its address, as a receiver's secret.
const ADDRESS: &str = "receiver.url";
const PORT_FILE: &str = "receiver.port";

/// A running receiver.
pub(super) struct DemoReceiver {
    /// The file of what was received.
    pub(super) log: PathBuf,
    /// The lines, as they come.
    pub(super) lines: UnboundedReceiver<String>,
    address: PathBuf,
    stop: CancellationToken,
    tasks: JoinSet<anyhow::Result<()>>,
}

#[derive(Clone)]
struct ReceivedLines {
    log: Arc<Mutex<File>>,
    lines: UnboundedSender<String>,
}

impl DemoReceiver {
    /// Listens on a port that stays over restarts; `None` where the configuration has receivers of its own.
    pub(super) async fn start(
        config: &FleetledgerConfig,
        folder: &DemoFolder,
    ) -> anyhow::Result<Option<Self>> {
        if !config.receivers.is_empty() {
            return Ok(None);
        }
        let log = folder.join(NOTIFICATIONS);
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("open {}", log.display()))?;
        let (sender, lines) = unbounded_channel();
        let received = ReceivedLines {
            log: Arc::new(Mutex::new(file)),
            lines: sender,
        };
        let listen = HttpConfig {
            listen: ([127, 0, 0, 1], folder.free_port(PORT_FILE)?).into(),
            ..HttpConfig::default()
        };
        let routes = Router::new().route("/", post(receive)).with_state(received);
        let server = BoundServer::bind_router(&listen, PORT_FILE, routes).await?;
        let port = server.address().context("read the receiver's address")?.port();
        folder.keep_port(PORT_FILE, port)?;
        let address = folder.write_private(ADDRESS, &format!("http://127.0.0.1:{port}/"))?;
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(server.run(stop.clone()));
        Ok(Some(Self {
            log,
            lines,
            address,
            stop,
            tasks,
        }))
    }

    /// Makes it the receiver of everything.
    pub(super) fn enter(&self, config: &mut FleetledgerConfig) {
        let receiver = ReceiverConfig {
            kind: ReceiverKind::Webhook,
            url: None,
            urls: Vec::new(),
            secret_url: Some(SecretRef::new(self.secret_url())),
            routing_key: None,
            authorization: None,
            signing_secret: None,
            timeout_seconds: 10,
            proxy: None,
            tls: None,
        };
        config.receivers.insert(RECEIVER.to_owned(), receiver);
        config.routes.receivers = vec![RECEIVER.to_owned()];
    }

    /// The reference to its address.
    pub(super) fn secret_url(&self) -> String {
        format!("file:{}", self.address.display())
    }

    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn receive(State(received): State<ReceivedLines>, Json(payload): Json<Value>) -> StatusCode {
    for line in lines(&payload, Timestamp::now()) {
        let mut log = received.log.lock().unwrap_or_else(PoisonError::into_inner);
        if writeln!(log, "{line}").is_err() {
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        drop(log);
        // Nobody listens any more while the demo ends.
        let _ = received.lines.send(line);
    }
    StatusCode::OK
}

/// A line for each alert of Alertmanager's payload.
fn lines(payload: &Value, now: Timestamp) -> Vec<String> {
    let alerts = payload.get("alerts").and_then(Value::as_array);
    let of = |alert: &Value, part: &str, name: &str| {
        let value = alert
            .get(part)
            .and_then(|part| part.get(name))
            .and_then(Value::as_str);
        value.unwrap_or("-").to_owned()
    };
    let line = |alert: &Value| {
        let severity = of(alert, "labels", "severity");
        let what = match alert.get("status").and_then(Value::as_str) {
            Some("resolved") => "resolved",
            _ => severity.as_str(),
        };
        format!(
            "{}  {what:<8}  {:<3}  {}: {}",
            now.strftime("%H:%M:%S"),
            of(alert, "labels", "datacenter"),
            of(alert, "labels", "alertname"),
            of(alert, "annotations", "summary"),
        )
    };
    alerts.into_iter().flatten().map(line).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_alert_of_a_notification_is_a_line() {
        let alert = |status: &str, name: &str| {
            json!({"status": status, "labels": {"alertname": name, "severity": "page", "datacenter": "dfw"},
                "annotations": {"summary": "node n1 of prod-1 is silent"}})
        };
        let payload =
            json!({"alerts": [alert("firing", "NodeNotReporting"), alert("resolved", "NodeNotReady")]});
        let at: Timestamp = "2026-11-17T14:05:09Z".parse().unwrap();
        assert_eq!(
            lines(&payload, at),
            [
                "14:05:09  page      dfw  NodeNotReporting: node n1 of prod-1 is silent",
                "14:05:09  resolved  dfw  NodeNotReady: node n1 of prod-1 is silent"
            ]
        );
        assert!(lines(&json!({}), at).is_empty());
    }
}
