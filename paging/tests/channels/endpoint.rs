//! An HTTP server that keeps what it is sent and answers what it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// How long anything may take that a test waits for.
const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub text: String,
}

impl ReceivedRequest {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

#[derive(Debug, Clone)]
pub enum ReceiverReply {
    Status(u16, &'static str),
    RetryAfter(u16, &'static str),
    Redirect(String),
    /// Takes the request and never answers.
    Silence,
}

#[derive(Debug, Default)]
struct ReceiverTape {
    requests: Vec<ReceivedRequest>,
    replies: VecDeque<ReceiverReply>,
    otherwise: Option<ReceiverReply>,
}

pub struct ReceiverEndpoint {
    pub url: String,
    tape: Arc<Mutex<ReceiverTape>>,
    _server: JoinSet<()>,
}

impl ReceiverEndpoint {
    /// Answers `otherwise` unless it was told something else.
    pub async fn start(otherwise: ReceiverReply) -> Self {
        let tape = Arc::new(Mutex::new(ReceiverTape {
            otherwise: Some(otherwise),
            ..ReceiverTape::default()
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().fallback(record).with_state(Arc::clone(&tape));
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            url,
            tape,
            _server: server,
        }
    }

    /// The next answer.
    pub fn answer(&self, reply: ReceiverReply) {
        self.tape.lock().unwrap().replies.push_back(reply);
    }

    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.tape.lock().unwrap().requests.clone()
    }

    pub fn last(&self) -> ReceivedRequest {
        self.requests().pop().unwrap()
    }
}

/// What `look` finds, as soon as it finds something.
pub async fn eventually<T, Found: Future<Output = Option<T>>>(what: &str, probe: impl Fn() -> Found) -> T {
    let waiting = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(DEADLINE, waiting).await;
    found.unwrap_or_else(|_| panic!("{what} did not happen within {} s", DEADLINE.as_secs()))
}

async fn record(
    State(tape): State<Arc<Mutex<ReceiverTape>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = {
        let mut tape = tape.lock().unwrap();
        tape.requests.push(ReceivedRequest {
            method,
            path: uri.path().to_owned(),
            headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        });
        tape.replies.pop_front().or_else(|| tape.otherwise.clone())
    };
    let status = |code| StatusCode::from_u16(code).unwrap();
    match reply.unwrap() {
        ReceiverReply::Status(code, body) => (status(code), body).into_response(),
        ReceiverReply::RetryAfter(code, after) => {
            (status(code), [("retry-after", after)], "slow down").into_response()
        }
        ReceiverReply::Redirect(to) => (status(302), [("location", to)]).into_response(),
        ReceiverReply::Silence => std::future::pending().await,
    }
}
