//! `/metrics`, `/livez` and `/readyz`.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use openssl::ssl::SslAcceptor;
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    health::{self, Probe},
    tls::{self, TlsListener},
};
use crate::config::Http;

/// A bound server that has yet to answer.
pub struct Server {
    tcp: TcpListener,
    acceptor: Option<SslAcceptor>,
    router: Router,
}

struct Shared {
    registry: Registry,
    probes: Vec<Probe>,
}

impl Server {
    /// Takes the port, so that one that is taken is known before a role starts.
    ///
    /// # Errors
    /// A port that is taken, or certificates that cannot be used.
    pub async fn bind(http: &Http, registry: Registry, probes: Vec<Probe>) -> anyhow::Result<Self> {
        let acceptor = tls::acceptor(http)?;
        let tcp = TcpListener::bind(http.listen).await.with_context(|| {
            format!("listen on {}; set http.listen to a free port, one for each role", http.listen)
        })?;
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .with_state(Arc::new(Shared { registry, probes }));
        Ok(Self { tcp, acceptor, router })
    }

    /// Address and port that were taken.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Answers until `stop`; connections under way are finished.
    ///
    /// # Errors
    /// The listener broke.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let until = stop.cancelled_owned();
        let served = match self.acceptor {
            Some(acceptor) => {
                let listener = TlsListener::new(self.tcp, acceptor);
                axum::serve(listener, self.router).with_graceful_shutdown(until).await
            }
            None => axum::serve(self.tcp, self.router).with_graceful_shutdown(until).await,
        };
        served.context("serve metrics and health")
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    match encoder.encode(&shared.registry.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn livez(State(shared): State<Arc<Shared>>) -> Response {
    answer(health::ask(&shared.probes, |probe| &probe.live))
}

async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    answer(health::ask(&shared.probes, |probe| &probe.ready))
}

fn answer((well, text): (bool, String)) -> Response {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, text).into_response()
}
