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
use prometheus::{Encoder as _, Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    connections,
    health::{self, RoleProbe},
    response,
    tls::TlsAcceptor,
};
use crate::config::HttpConfig;

/// A bound server that has yet to answer.
pub struct BoundServer {
    tcp: TcpListener,
    acceptor: Option<TlsAcceptor>,
    router: Router,
}

struct ProbeState {
    registry: Registry,
    probes: Vec<RoleProbe>,
}

impl BoundServer {
    /// Takes the port, so that one that is taken is known before a role starts.
    ///
    /// # Errors
    /// A port that is taken, or certificates that cannot be used.
    pub async fn bind(http: &HttpConfig, registry: Registry, probes: Vec<RoleProbe>) -> anyhow::Result<Self> {
        let router = Router::new()
            .route("/metrics", get(metrics))
            .route("/livez", get(livez))
            .route("/readyz", get(readyz))
            .with_state(Arc::new(ProbeState { registry, probes }));
        Self::bind_router(http, "http.listen", router).await
    }

    /// The same for other routes; `key` is what sets the port.
    ///
    /// # Errors
    /// A port that is taken, or certificates that cannot be used.
    pub async fn bind_router(http: &HttpConfig, key: &str, router: Router) -> anyhow::Result<Self> {
        let acceptor = TlsAcceptor::new(http)?;
        let tcp = TcpListener::bind(http.listen).await.with_context(|| {
            format!(
                "listen on {}; set {key} to a free port, one for each role",
                http.listen
            )
        })?;
        Ok(Self {
            router: response::guarded(router, acceptor.is_some()),
            tcp,
            acceptor,
        })
    }

    /// Address and port that were taken.
    ///
    /// # Errors
    /// The system does not say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Answers until `stop`; requests under way are finished.
    ///
    /// # Errors
    /// None: a listener that fails for a moment is tried again.
    pub async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        connections::serve(self.tcp, self.acceptor, self.router, stop).await;
        Ok(())
    }
}

async fn metrics(State(shared): State<Arc<ProbeState>>) -> Response {
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    match encoder.encode(&shared.registry.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, encoder.format_type().to_owned())], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn livez(State(shared): State<Arc<ProbeState>>) -> Response {
    answer(health::ask(&shared.probes, |probe| &probe.live))
}

async fn readyz(State(shared): State<Arc<ProbeState>>) -> Response {
    answer(health::ask(&shared.probes, |probe| &probe.ready))
}

fn answer((well, text): (bool, String)) -> Response {
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, text).into_response()
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use fleetledger_local::tls::{CertificateAuthority, TlsFiles};
    use openssl::ssl::{SslConnector, SslFiletype, SslMethod};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        task::JoinSet,
    };
    use tokio_openssl::SslStream;

    use super::*;

    async fn started(
        http: &HttpConfig,
        probe: RoleProbe,
    ) -> (SocketAddr, JoinSet<anyhow::Result<()>>, CancellationToken) {
        let http = HttpConfig {
            listen: ([127, 0, 0, 1], 0).into(),
            ..http.clone()
        };
        let server = BoundServer::bind(&http, Registry::new(), vec![probe])
            .await
            .unwrap();
        let (address, stop) = (server.address().unwrap(), CancellationToken::new());
        let mut tasks = JoinSet::new();
        tasks.spawn(server.run(stop.clone()));
        (address, tasks, stop)
    }

    fn probe(ready: Result<(), String>) -> RoleProbe {
        RoleProbe::new("emit", || Ok(()), move || ready.clone())
    }

    async fn get(
        mut stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
        path: &str,
    ) -> std::io::Result<String> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        // A server that hangs up without a farewell has still answered.
        let read = stream.read_to_end(&mut answer).await;
        if answer.is_empty() {
            read?;
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    async fn get_tls(
        address: SocketAddr,
        ca: &std::path::Path,
        own: Option<&TlsFiles>,
    ) -> Result<String, String> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        builder.set_ca_file(ca).unwrap();
        if let Some(files) = own {
            builder.set_certificate_chain_file(&files.certificate).unwrap();
            builder
                .set_private_key_file(&files.key, SslFiletype::PEM)
                .unwrap();
        }
        let ssl = builder
            .build()
            .configure()
            .unwrap()
            .into_ssl("127.0.0.1")
            .unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut stream = SslStream::new(ssl, tcp).unwrap();
        Pin::new(&mut stream)
            .connect()
            .await
            .map_err(|error| error.to_string())?;
        get(stream, "/readyz").await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn role_that_is_not_ready_is_alive_and_says_why() {
        let (address, mut tasks, stop) =
            started(&HttpConfig::default(), probe(Err("kafka: away".to_owned()))).await;
        let ask = async |path| {
            get(TcpStream::connect(address).await.unwrap(), path)
                .await
                .unwrap()
        };
        assert!(ask("/livez").await.starts_with("HTTP/1.1 200"));
        let ready = ask("/readyz").await;
        assert!(
            ready.starts_with("HTTP/1.1 503") && ready.contains("emit: kafka: away"),
            "{ready}"
        );
        assert!(ask("/metrics").await.starts_with("HTTP/1.1 200"));
        stop.cancel();
        tasks.join_next().await.unwrap().unwrap().unwrap();
    }

    #[tokio::test]
    async fn mutual_tls_answers_clients_with_a_certificate_alone() {
        let folder = tempfile::tempdir().unwrap();
        let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
        let theirs = CertificateAuthority::create(&folder.path().join("theirs"), "theirs").unwrap();
        let files = ours.server("http").unwrap();
        let http = HttpConfig {
            certificate: Some(files.certificate.clone()),
            key: Some(files.key.clone()),
            client_ca: Some(ours.ca().to_owned()),
            ..HttpConfig::default()
        };
        let (address, _tasks, _stop) = started(&http, probe(Ok(()))).await;
        let (friend, stranger) = (
            ours.client("prometheus").unwrap(),
            theirs.client("prometheus").unwrap(),
        );
        let answer = get_tls(address, ours.ca(), Some(&friend)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        for own in [None, Some(&stranger)] {
            let refused = get_tls(address, ours.ca(), own).await;
            assert!(refused.is_err(), "{refused:?}");
        }
        assert!(get_tls(address, theirs.ca(), Some(&friend)).await.is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn certificates_are_rotated_under_load_without_a_request_that_fails() {
        let folder = tempfile::tempdir().unwrap();
        let ours = CertificateAuthority::create(&folder.path().join("ours"), "ours").unwrap();
        let files = ours.server("http").unwrap();
        let http = HttpConfig {
            certificate: Some(files.certificate.clone()),
            key: Some(files.key.clone()),
            ..HttpConfig::default()
        };
        let (address, _tasks, _stop) = started(&http, probe(Ok(()))).await;
        let ended = CancellationToken::new();
        let mut clients = JoinSet::new();
        for _ in 0..8 {
            let (ended, ca) = (ended.clone(), ours.ca().to_owned());
            clients.spawn(async move {
                let mut answers = 0;
                while !ended.is_cancelled() {
                    let answer = get_tls(address, &ca, None).await.unwrap();
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
                    answers += 1;
                }
                answers
            });
        }
        let mut served = std::collections::BTreeSet::new();
        for _ in 0..5 {
            // The certificate first and its key behind it, as a careless script does.
            ours.server("http").unwrap();
            let newest = std::fs::read(&files.certificate).unwrap();
            let newest = openssl::x509::X509::from_pem(&newest).unwrap().to_der().unwrap();
            let begun = std::time::Instant::now();
            while served_certificate(address).await != newest {
                assert!(
                    begun.elapsed().as_secs() < 30,
                    "the newest certificate is not served"
                );
            }
            served.insert(newest);
        }
        ended.cancel();
        let answers: usize = clients.join_all().await.into_iter().sum();
        assert!(
            served.len() == 5 && answers > 20,
            "{} certificates, {answers} answers",
            served.len()
        );
        println!("{answers} answers over 5 rotations, none failed");
    }

    /// What the server shows, DER.
    async fn served_certificate(address: SocketAddr) -> Vec<u8> {
        let mut builder = SslConnector::builder(SslMethod::tls_client()).unwrap();
        builder.set_verify(openssl::ssl::SslVerifyMode::NONE);
        let ssl = builder.build().configure().unwrap().verify_hostname(false);
        let ssl = ssl.into_ssl("127.0.0.1").unwrap();
        let tcp = TcpStream::connect(address).await.unwrap();
        let mut stream = SslStream::new(ssl, tcp).unwrap();
        Pin::new(&mut stream).connect().await.unwrap();
        stream.ssl().peer_certificate().unwrap().to_der().unwrap()
    }
}
