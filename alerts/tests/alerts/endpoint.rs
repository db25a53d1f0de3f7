//! An endpoint that answers as it is told and writes down what it gets: PagerDuty, Slack and a webhook.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinSet};

/// How one request is answered.
#[derive(Debug, Clone, Copy)]
pub enum StubResponse {
    Status(u16),
    /// 429 with Retry-After in seconds.
    Later(u64),
    /// After so long.
    Slow(Duration),
}

/// One request.
#[derive(Debug, Clone)]
pub struct StubRequest {
    pub path: String,
    pub idempotency_key: Option<String>,
    pub body: Value,
    pub at: Instant,
    pub answered: u16,
}

#[derive(Default)]
struct StubState {
    requests: Mutex<Vec<StubRequest>>,
    script: Mutex<VecDeque<StubResponse>>,
}

pub struct StubReceiver {
    pub url: String,
    state: Arc<StubState>,
    _server: JoinSet<()>,
}

impl StubReceiver {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(StubState::default());
        let router = Router::new().fallback(respond).with_state(state.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            state,
            _server: server,
        }
    }

    /// The next requests are answered so; those after them are taken.
    pub fn script(&self, answers: impl IntoIterator<Item = StubResponse>) {
        self.state.script.lock().unwrap().extend(answers);
    }

    pub fn requests(&self) -> Vec<StubRequest> {
        self.state.requests.lock().unwrap().clone()
    }

    /// What PagerDuty was told and took: action and key.
    pub fn events(&self) -> Vec<String> {
        let taken = self
            .requests()
            .into_iter()
            .filter(|got| got.answered < 300 && got.path == "/v2/enqueue");
        let text = |got: &StubRequest, name: &str| got.body[name].as_str().unwrap_or_default().to_owned();
        taken
            .map(|got| format!("{} {}", text(&got, "event_action"), text(&got, "dedup_key")))
            .collect()
    }
}

async fn respond(State(book): State<Arc<StubState>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = book.script.lock().unwrap().pop_front();
    let path = uri.path().to_owned();
    let usual = match path.as_str() {
        "/v2/enqueue" => (StatusCode::ACCEPTED, ""),
        _ => (StatusCode::OK, "ok"),
    };
    let status = match answer {
        Some(StubResponse::Status(status)) => StatusCode::from_u16(status).unwrap(),
        Some(StubResponse::Later(_)) => StatusCode::TOO_MANY_REQUESTS,
        _ => usual.0,
    };
    let key = headers
        .get("Idempotency-Key")
        .and_then(|value| value.to_str().ok());
    book.requests.lock().unwrap().push(StubRequest {
        path,
        idempotency_key: key.map(str::to_owned),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        at: Instant::now(),
        answered: status.as_u16(),
    });
    match answer {
        Some(StubResponse::Slow(wait)) => {
            tokio::time::sleep(wait).await;
            usual.into_response()
        }
        Some(StubResponse::Later(seconds)) => {
            (status, [("Retry-After", seconds.to_string())], "").into_response()
        }
        Some(StubResponse::Status(_)) => status.into_response(),
        None => usual.into_response(),
    }
}
