//! TLS for the HTTP server, with client certificates where asked for. Certificates are taken up again when their files
//! change; connections that are open keep theirs.

use std::{net::SocketAddr, pin::Pin, time::Duration};

use anyhow::Context as _;
use fleetledger_schema::renewable::Renewable;
use openssl::ssl::{Ssl, SslAcceptor, SslFiletype, SslMethod, SslVerifyMode};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::config::{
    HttpConfig,
    rotation::{self, renewable},
};

/// How long a client may take to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Shakes hands, by the certificate that is in its file.
pub(super) struct TlsAcceptor(Renewable<SslAcceptor>);

impl TlsAcceptor {
    /// The acceptor of this configuration; `None` for plain HTTP.
    ///
    /// # Errors
    /// Certificates that cannot be used.
    pub(super) fn new(http: &HttpConfig) -> anyhow::Result<Option<Self>> {
        if http.certificate.is_none() {
            return Ok(None);
        }
        let files = [&http.certificate, &http.key, &http.client_ca];
        let files = rotation::files([], files.map(Option::as_ref));
        let (what, http) = (format!("certificates of {}", http.listen), http.clone());
        Ok(Some(Self(renewable(what, files, move || acceptor(&http))?)))
    }

    /// The stream, or nothing if the client is refused or too slow.
    pub(super) async fn shake_hands(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<SslStream<TcpStream>> {
        let ssl = Ssl::new(self.0.newest().context()).ok()?;
        let mut stream = SslStream::new(ssl, stream).ok()?;
        match tokio::time::timeout(HANDSHAKE, Pin::new(&mut stream).accept()).await {
            Ok(Ok(())) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%peer, %error, "a TLS handshake failed");
                None
            }
            Err(_) => None,
        }
    }
}

fn acceptor(http: &HttpConfig) -> anyhow::Result<SslAcceptor> {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
    if let Some(certificate) = &http.certificate {
        let read = builder.set_certificate_chain_file(certificate);
        read.with_context(|| format!("read http.certificate {}", certificate.display()))?;
    }
    if let Some(key) = &http.key {
        let read = builder.set_private_key_file(key, SslFiletype::PEM);
        read.with_context(|| format!("read http.key {}", key.display()))?;
    }
    builder
        .check_private_key()
        .context("http.key is not the key of http.certificate")?;
    if let Some(ca) = &http.client_ca {
        builder
            .set_ca_file(ca)
            .with_context(|| format!("read http.client_ca {}", ca.display()))?;
        builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    }
    Ok(builder.build())
}
