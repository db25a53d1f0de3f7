//! HTTP as all channels use it.

use std::error::Error as _;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::RETRY_AFTER;
use reqwest::{Certificate, Identity, Proxy, RequestBuilder, Response, Url, redirect};

use super::DeliveryOutcome;
use crate::retry::{ReceiverProtocol, ReceiverResponse, RequestOutcome, disposition, retry_after};
use crate::secret::ReceiverSecret;

/// How much of an answer is read, in bytes, where it says no more than yes or no.
const ANSWER_BYTES: usize = 4 * 1024;

/// How much is kept of that, in characters.
const KEPT_CHARACTERS: usize = 500;

/// How receivers are connected to.
#[derive(Debug, Clone)]
pub struct ReceiverConnection {
    /// How long an attempt may take in all.
    pub timeout: Duration,
    /// How long reaching the receiver may take of that.
    pub connect_timeout: Duration,
    /// TLS beyond the system's authorities.
    pub tls: ReceiverTls,
    /// A proxy's URL, a secret because it may hold a password; without one the environment's proxies are not used either.
    pub proxy: Option<ReceiverSecret>,
}

/// Certificates, as PEM.
#[derive(Debug, Clone, Default)]
pub struct ReceiverTls {
    /// Trust these authorities instead of the system's.
    pub ca_pem: Option<Vec<u8>>,
    /// Show this certificate, with its key in PKCS#8.
    pub client_pem: Option<(Vec<u8>, ReceiverSecret)>,
}

impl Default for ReceiverConnection {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            tls: ReceiverTls::default(),
            proxy: None,
        }
    }
}

/// A setting of a receiver that cannot be used. It says which one, never its value.
#[derive(Debug, thiserror::Error)]
pub enum ReceiverSettingsError {
    /// Not a URL of http or https with a host.
    #[error("{0} is not a URL such as https://host/path")]
    Url(&'static str),
    /// No replica.
    #[error("an alertmanager receiver needs at least one URL")]
    NoReplica,
    /// Something of TLS or the proxy.
    #[error("{setting} cannot be used")]
    Connection {
        /// Which.
        setting: &'static str,
        /// Why.
        source: reqwest::Error,
    },
}

/// A URL that may be a base with or without a slash at its end.
pub(super) fn url(setting: &'static str, text: &str, path: &str) -> Result<Url, ReceiverSettingsError> {
    let text = format!("{}{path}", text.trim_end_matches('/'));
    let url = Url::parse(&text).map_err(|_| ReceiverSettingsError::Url(setting))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(ReceiverSettingsError::Url(setting))
    }
}

pub(super) fn client(connection: &ReceiverConnection) -> Result<reqwest::Client, ReceiverSettingsError> {
    let wrong = |setting| move |source| ReceiverSettingsError::Connection { setting, source };
    let mut builder = reqwest::Client::builder()
        .timeout(connection.timeout)
        .connect_timeout(connection.connect_timeout)
        // A redirected POST becomes a GET or goes where nobody meant it to.
        .redirect(redirect::Policy::none())
        .no_proxy()
        .user_agent(concat!("fleetledger/", env!("CARGO_PKG_VERSION")));
    if let Some(proxy) = &connection.proxy {
        builder = builder.proxy(Proxy::all(proxy.expose()).map_err(wrong("proxy"))?);
    }
    if let Some(pem) = &connection.tls.ca_pem {
        let authorities = Certificate::from_pem_bundle(pem).map_err(wrong("tls.ca"))?;
        builder = builder.tls_certs_only(authorities);
    }
    if let Some((certificate, key)) = &connection.tls.client_pem {
        let identity = Identity::from_pkcs8_pem(certificate, key.expose().as_bytes());
        builder = builder.identity(identity.map_err(wrong("tls.certificate and tls.key"))?);
    }
    builder.build().map_err(wrong("tls or proxy"))
}

/// Sends a request and says what became of it.
pub(super) async fn send(request: RequestBuilder, now: Timestamp) -> RequestOutcome {
    match request.send().await {
        Err(error) => failed(error),
        Ok(response) => {
            let answer = answer(&response, now);
            match read(response, ANSWER_BYTES).await {
                // The status is what counts; a body that breaks off changes it for Slack alone, which then tries again.
                Err(_) => RequestOutcome::Responded(answer),
                Ok(body) => RequestOutcome::Responded(ReceiverResponse {
                    body: text(&body),
                    ..answer
                }),
            }
        }
    }
}

/// Sends one, and says what to do next.
pub(super) async fn deliver(
    protocol: ReceiverProtocol,
    request: RequestBuilder,
    now: Timestamp,
) -> DeliveryOutcome {
    settle(protocol, &send(request, now).await)
}

pub(super) fn settle(protocol: ReceiverProtocol, outcome: &RequestOutcome) -> DeliveryOutcome {
    let status = match outcome {
        RequestOutcome::Responded(answer) => Some(answer.status),
        RequestOutcome::Unreachable(_) | RequestOutcome::TimedOut | RequestOutcome::Unsendable(_) => None,
    };
    DeliveryOutcome {
        disposition: disposition(protocol, outcome),
        status,
    }
}

/// The whole body of a 2xx answer, up to a limit; anything else is the outcome that it is.
pub(super) async fn fetch(
    request: RequestBuilder,
    limit_bytes: usize,
    now: Timestamp,
) -> Result<Vec<u8>, RequestOutcome> {
    let response = request.send().await.map_err(failed)?;
    let answer = answer(&response, now);
    let body = read(response, limit_bytes).await.map_err(failed)?;
    if (200..300).contains(&answer.status) {
        return Ok(body);
    }
    Err(RequestOutcome::Responded(ReceiverResponse {
        body: text(&body),
        ..answer
    }))
}

fn answer(response: &Response, now: Timestamp) -> ReceiverResponse {
    let header = response.headers().get(RETRY_AFTER);
    let header = header.and_then(|value| value.to_str().ok());
    ReceiverResponse {
        status: response.status().as_u16(),
        retry_after: header.and_then(|text| retry_after(text, now)),
        body: String::new(),
    }
}

async fn read(mut response: Response, limit_bytes: usize) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() < limit_bytes {
        match response.chunk().await? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    body.truncate(limit_bytes);
    Ok(body)
}

fn text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let printable = text
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character });
    printable.take(KEPT_CHARACTERS).collect()
}

fn failed(error: reqwest::Error) -> RequestOutcome {
    if error.is_timeout() {
        return RequestOutcome::TimedOut;
    }
    let cannot_be_made = error.is_builder();
    // The URL of a webhook is a secret.
    let error = error.without_url();
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !reason.contains(&cause_text) {
            reason = format!("{reason}: {cause_text}");
        }
        source = cause.source();
    }
    if cannot_be_made {
        RequestOutcome::Unsendable(reason)
    } else {
        RequestOutcome::Unreachable(reason)
    }
}
