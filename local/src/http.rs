//! As much of HTTP as readiness checks and etcd's JSON gateway need: one request, one answer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use openssl::ssl::{SslConnector, SslFiletype, SslMethod};

use crate::error::{LocalError, LocalResult};
use crate::tls::TlsFiles;

const TIMEOUT: Duration = Duration::from_secs(10);

/// A request to a server on loopback.
#[derive(Debug, Clone)]
pub(crate) struct LoopbackRequest {
    pub(crate) port: u16,
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) bearer_token: Option<String>,
    pub(crate) json: Option<serde_json::Value>,
    /// Speak TLS and trust this authority.
    pub(crate) ca: Option<PathBuf>,
    /// Show this certificate.
    pub(crate) client: Option<TlsFiles>,
}

impl LoopbackRequest {
    pub(crate) fn get(port: u16, path: &str) -> Self {
        Self {
            port,
            method: "GET",
            path: path.to_owned(),
            bearer_token: None,
            json: None,
            ca: None,
            client: None,
        }
    }

    pub(crate) fn post(port: u16, path: &str, json: serde_json::Value) -> Self {
        Self {
            method: "POST",
            json: Some(json),
            ..Self::get(port, path)
        }
    }

    /// The body of a 2xx answer; anything else is an error.
    pub(crate) async fn send(self) -> LocalResult<String> {
        let scheme = if self.ca.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://127.0.0.1:{}{}", self.port, self.path);
        let answer = tokio::task::spawn_blocking(move || self.send_blocking()).await;
        let (status, body) = match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => (0, error),
            Err(_) => (0, "cancelled".to_owned()),
        };
        if (200..300).contains(&status) {
            return Ok(body);
        }
        let body = body.chars().take(500).collect();
        Err(LocalError::Http { url, status, body })
    }

    fn send_blocking(&self) -> LocalResult<(u16, String), String> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(|error| error.to_string())?;
        let limit = |set: std::io::Result<()>| set.map_err(|error| error.to_string());
        limit(stream.set_read_timeout(Some(TIMEOUT)))?;
        limit(stream.set_write_timeout(Some(TIMEOUT)))?;
        if self.ca.is_none() {
            return self.exchange(stream);
        }
        let connector = self.connector().map_err(|error| error.to_string())?;
        let stream = connector.connect("127.0.0.1", stream);
        self.exchange(stream.map_err(|error| error.to_string())?)
    }

    fn connector(&self) -> LocalResult<SslConnector, openssl::error::ErrorStack> {
        let mut connector = SslConnector::builder(SslMethod::tls_client())?;
        if let Some(ca) = &self.ca {
            connector.set_ca_file(ca)?;
        }
        if let Some(client) = &self.client {
            connector.set_certificate_chain_file(&client.certificate)?;
            connector.set_private_key_file(&client.key, SslFiletype::PEM)?;
        }
        Ok(connector.build())
    }

    /// HTTP/1.0: the answer ends where the connection ends, and is never chunked.
    fn exchange(&self, mut stream: impl Read + Write) -> LocalResult<(u16, String), String> {
        let body = self.json.as_ref().map(ToString::to_string).unwrap_or_default();
        let token = self.bearer_token.as_ref();
        let token = token.map_or_else(String::new, |token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "{} {} HTTP/1.0\r\nHost: 127.0.0.1\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.method,
            self.path,
            body.len()
        );
        stream
            .write_all(request.as_bytes())
            .map_err(|error| error.to_string())?;
        let mut answer = Vec::new();
        // A peer that ends TLS without a farewell has still answered.
        let _ = stream.read_to_end(&mut answer);
        parse(&String::from_utf8_lossy(&answer)).ok_or_else(|| "not an HTTP answer".to_owned())
    }
}

fn parse(answer: &str) -> Option<(u16, String)> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answer_is_split_into_status_and_body() {
        let answer = "HTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nnothing\r\n\r\nhere";
        assert_eq!(parse(answer), Some((404, "nothing\r\n\r\nhere".to_owned())));
        assert_eq!(parse("garbage"), None);
    }
}
