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
pub struct Request {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub text: String,
}

impl Request {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

#[derive(Debug, Clone)]
pub enum Reply {
    Status(u16, &'static str),
    RetryAfter(u16, &'static str),
    Redirect(String),
    /// Takes the request and never answers.
    Silence,
}

#[derive(Debug, Default)]
struct Tape {
    requests: Vec<Request>,
    replies: VecDeque<Reply>,
    otherwise: Option<Reply>,
}

pub struct Endpoint {
    pub url: String,
    tape: Arc<Mutex<Tape>>,
    _server: JoinSet<()>,
}

impl Endpoint {
    /// Answers `otherwise` unless it was told something else.
    pub async fn start(otherwise: Reply) -> Self {
        let tape = Arc::new(Mutex::new(Tape {
            otherwise: Some(otherwise),
            ..Tape::default()
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
    pub fn answer(&self, reply: Reply) {
        self.tape.lock().unwrap().replies.push_back(reply);
    }

    pub fn requests(&self) -> Vec<Request> {
        self.tape.lock().unwrap().requests.clone()
    }

    pub fn last(&self) -> Request {
        self.requests().pop().unwrap()
    }
}

/// What `look` finds, as soon as it finds something.
pub async fn eventually<T, Found: Future<Output = Option<T>>>(what: &str, look: impl Fn() -> Found) -> T {
    let waiting = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let found = tokio::time::timeout(DEADLINE, waiting).await;
    found.unwrap_or_else(|_| panic!("{what} did not happen within {} s", DEADLINE.as_secs()))
}

async fn record(
    State(tape): State<Arc<Mutex<Tape>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let reply = {
        let mut tape = tape.lock().unwrap();
        tape.requests.push(Request {
            method,
            path: uri.path().to_owned(),
            headers,
            text: String::from_utf8(body.to_vec()).unwrap(),
        });
        tape.replies.pop_front().or_else(|| tape.otherwise.clone())
    };
    let status = |code| StatusCode::from_u16(code).unwrap();
    match reply.unwrap() {
        Reply::Status(code, body) => (status(code), body).into_response(),
        Reply::RetryAfter(code, after) => {
            (status(code), [("retry-after", after)], "slow down").into_response()
        }
        Reply::Redirect(to) => (status(302), [("location", to)]).into_response(),
        Reply::Silence => std::future::pending().await,
    }
}
