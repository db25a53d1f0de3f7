//! TLS for the HTTP server, with client certificates where asked for.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use anyhow::Context as _;
use axum::serve::Listener;
use openssl::ssl::{Ssl, SslAcceptor, SslFiletype, SslMethod, SslVerifyMode};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_openssl::SslStream;

use crate::config::HttpConfig;

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes under way at a time; further clients wait in the kernel's queue.
const HANDSHAKES: usize = 64;

/// The acceptor of this configuration; `None` for plain HTTP.
pub(super) fn acceptor(http: &HttpConfig) -> anyhow::Result<Option<SslAcceptor>> {
    let (Some(certificate), Some(key)) = (&http.certificate, &http.key) else {
        return Ok(None);
    };
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    let read = builder.set_certificate_chain_file(certificate);
    read.with_context(|| format!("read http.certificate {}", certificate.display()))?;
    let read = builder.set_private_key_file(key, SslFiletype::PEM);
    read.with_context(|| format!("read http.key {}", key.display()))?;
    builder
        .check_private_key()
        .context("http.key is not the key of http.certificate")?;
    if let Some(ca) = &http.client_ca {
        builder
            .set_ca_file(ca)
            .with_context(|| format!("read http.client_ca {}", ca.display()))?;
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    Ok(Some(builder.build()))
}

/// A listener whose connections have shaken hands; a slow client holds up nobody.
pub(super) struct TlsListener {
    tcp: TcpListener,
    acceptor: SslAcceptor,
    handshakes: JoinSet<Option<(SslStream<TcpStream>, SocketAddr)>>,
}

impl TlsListener {
    pub(super) fn new(tcp: TcpListener, acceptor: SslAcceptor) -> Self {
        Self {
            tcp,
            acceptor,
            handshakes: JoinSet::new(),
        }
    }
}

impl Listener for TlsListener {
    type Io = SslStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let room = self.handshakes.len() < HANDSHAKES;
            tokio::select! {
                (stream, address) = Listener::accept(&mut self.tcp), if room => {
                    let acceptor = self.acceptor.clone();
                    self.handshakes.spawn(shake_hands(acceptor, stream, address));
                }
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(accepted)) = done {
                        return accepted;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

async fn shake_hands(
    acceptor: SslAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<(SslStream<TcpStream>, SocketAddr)> {
    let ssl = Ssl::new(acceptor.context()).ok()?;
    let mut stream = SslStream::new(ssl, stream).ok()?;
    match tokio::time::timeout(HANDSHAKE, Pin::new(&mut stream).accept()).await {
        Ok(Ok(())) => Some((stream, address)),
        Ok(Err(error)) => {
            tracing::debug!(%address, %error, "tls handshake refused");
            None
        }
        Err(_) => None,
    }
}
