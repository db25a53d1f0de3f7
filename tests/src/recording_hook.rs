//! A webhook that takes whatever it is sent and keeps it.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// A rule for it: an alert that is there as soon as a source is quarantined.
pub const TROUBLE: &str = "/*---
alert: Trouble
interval: 1s
timeout: 1s
columns: {labels: [cluster]}
labels: {severity: page}
annotations: {summary: trouble, runbook: trouble}
freshness: none
---*/
select cluster from quarantine
";

/// A receiver of notifications. Dropping it ends it.
#[derive(Debug)]
pub struct RecordingHook {
    /// Its address.
    pub url: String,
    bodies: Arc<Mutex<Vec<String>>>,
    _server: JoinSet<()>,
}

impl RecordingHook {
    /// Listens on a free port of loopback.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let kept = bodies.clone();
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(take(stream, kept.clone()));
            }
        });
        Self {
            url,
            bodies,
            _server: server,
        }
    }

    /// Whether a notification that names `alert` came, in this status.
    #[must_use]
    pub fn has(&self, alert: &str, status: &str) -> bool {
        self.count(alert, status) > 0
    }

    /// How many notifications that name `alert` came, in this status.
    #[must_use]
    pub fn count(&self, alert: &str, status: &str) -> usize {
        self.count_bodies(|body| {
            let names = |one: &serde_json::Value| one["labels"]["alertname"] == alert;
            body["status"] == status
                && body["alerts"]
                    .as_array()
                    .is_some_and(|alerts| alerts.iter().any(names))
        })
    }

    /// How many events came as PagerDuty is sent them, of a key that begins so.
    #[must_use]
    pub fn count_events(&self, action: &str, dedup_key: &str) -> usize {
        self.count_bodies(|body| {
            let key = body["dedup_key"].as_str().unwrap_or_default();
            body["event_action"] == action && key.starts_with(dedup_key)
        })
    }

    fn count_bodies(&self, counts: impl Fn(&serde_json::Value) -> bool) -> usize {
        let bodies = self.bodies.lock().unwrap();
        let bodies = bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap_or_default());
        bodies.filter(counts).count()
    }

    /// All that came, for a failed test.
    #[must_use]
    pub fn text(&self) -> String {
        self.bodies.lock().unwrap().join("\n")
    }
}

/// Requests of one connection.
async fn take(mut stream: TcpStream, kept: Arc<Mutex<Vec<String>>>) {
    let mut read = Vec::new();
    let mut part = [0; 4096];
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_length = name.eq_ignore_ascii_case("content-length");
                is_length.then(|| value.trim().parse::<usize>().unwrap())
            });
            let length = length.unwrap_or(0);
            if body.len() >= length {
                kept.lock().unwrap().push(body[..length].to_owned());
                read.drain(..head.len() + 4 + length);
                let answer = "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\nok";
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
                continue;
            }
        }
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(size) => read.extend_from_slice(&part[..size]),
        }
    }
}
