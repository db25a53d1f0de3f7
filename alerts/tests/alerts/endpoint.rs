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
pub enum Answer {
    Status(u16),
    /// 429 with Retry-After in seconds.
    Later(u64),
    /// After so long.
    Slow(Duration),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    pub idempotency_key: Option<String>,
    pub body: Value,
    pub at: Instant,
    pub answered: u16,
}

#[derive(Default)]
struct Book {
    got: Mutex<Vec<Got>>,
    script: Mutex<VecDeque<Answer>>,
}

pub struct Endpoint {
    pub url: String,
    book: Arc<Book>,
    _server: JoinSet<()>,
}

impl Endpoint {
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1:0").await
    }

    pub async fn start_at(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let book = Arc::new(Book::default());
        let router = Router::new().fallback(answer).with_state(book.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            book,
            _server: server,
        }
    }

    /// The next requests are answered so; those after them are taken.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.book.script.lock().unwrap().extend(answers);
    }

    pub fn got(&self) -> Vec<Got> {
        self.book.got.lock().unwrap().clone()
    }

    /// What PagerDuty was told and took: action and key.
    pub fn events(&self) -> Vec<String> {
        let taken = self
            .got()
            .into_iter()
            .filter(|got| got.answered < 300 && got.path == "/v2/enqueue");
        let text = |got: &Got, name: &str| got.body[name].as_str().unwrap_or_default().to_owned();
        taken
            .map(|got| format!("{} {}", text(&got, "event_action"), text(&got, "dedup_key")))
            .collect()
    }
}

async fn answer(State(book): State<Arc<Book>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let answer = book.script.lock().unwrap().pop_front();
    let path = uri.path().to_owned();
    let usual = match path.as_str() {
        "/v2/enqueue" => (StatusCode::ACCEPTED, ""),
        _ => (StatusCode::OK, "ok"),
    };
    let status = match answer {
        Some(Answer::Status(status)) => StatusCode::from_u16(status).unwrap(),
        Some(Answer::Later(_)) => StatusCode::TOO_MANY_REQUESTS,
        _ => usual.0,
    };
    let key = headers
        .get("Idempotency-Key")
        .and_then(|value| value.to_str().ok());
    book.got.lock().unwrap().push(Got {
        path,
        idempotency_key: key.map(str::to_owned),
        body: serde_json::from_slice(&body).unwrap_or_default(),
        at: Instant::now(),
        answered: status.as_u16(),
    });
    match answer {
        Some(Answer::Slow(wait)) => {
            tokio::time::sleep(wait).await;
            usual.into_response()
        }
        Some(Answer::Later(seconds)) => (status, [("Retry-After", seconds.to_string())], "").into_response(),
        Some(Answer::Status(_)) => status.into_response(),
        None => usual.into_response(),
    }
}
