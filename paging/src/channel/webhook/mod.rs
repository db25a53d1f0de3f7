//! A webhook with Alertmanager's version 4 payload, an idempotency key and a signature.
//!
//! `Idempotency-Key` is the same for every attempt of one notification. `Fleetledger-Signature` is
//! `t=<seconds since 1970>,v1=<hexadecimal HMAC-SHA256 of "<t>.<body>">`: the receiver computes the same with the shared
//! secret, compares in constant time, and refuses what is too old.

mod payload;

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::Url;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use sha2::Sha256;

use super::DeliveryOutcome;
use super::http::{self, ReceiverConnection, ReceiverSettingsError};
use crate::notification::Notification;
use crate::retry::{ReceiverProtocol, RequestOutcome};
use crate::secret::ReceiverSecret;

pub use payload::body;

/// The header that names a notification over all its attempts.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The header with the signature.
pub const SIGNATURE: &str = "Fleetledger-Signature";

/// How a webhook is reached.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Where to; a secret, because such URLs often are.
    pub url: ReceiverSecret,
    /// What signs each request.
    pub signing_secret: Option<ReceiverSecret>,
    /// The whole `Authorization` header, such as `Bearer …`.
    pub authorization: Option<ReceiverSecret>,
    /// The console's URL, which Alertmanager's payload calls `externalURL`.
    pub external_url: String,
    /// Timeout, TLS, proxy.
    pub connection: ReceiverConnection,
}

/// A webhook.
#[derive(Clone)]
pub struct WebhookClient {
    http: reqwest::Client,
    url: Url,
    signing_secret: Option<ReceiverSecret>,
    authorization: Option<ReceiverSecret>,
    external_url: String,
}

impl std::fmt::Debug for WebhookClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl WebhookClient {
    pub(super) fn new(settings: WebhookSettings) -> Result<Self, ReceiverSettingsError> {
        Ok(Self {
            http: http::client(&settings.connection)?,
            url: http::url("url", settings.url.expose(), "")?,
            signing_secret: settings.signing_secret,
            authorization: settings.authorization,
            external_url: settings.external_url,
        })
    }

    pub(super) async fn deliver(&self, notification: &Notification, now: Timestamp) -> DeliveryOutcome {
        let body = match serde_json::to_string(&body(notification, &self.external_url)) {
            Ok(body) => body,
            Err(error) => {
                return http::settle(
                    ReceiverProtocol::Webhook,
                    &RequestOutcome::Unsendable(error.to_string()),
                );
            }
        };
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(IDEMPOTENCY_KEY, &notification.idempotency_key);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.expose());
        }
        if let Some(secret) = &self.signing_secret {
            request = request.header(SIGNATURE, signature(secret, now, &body));
        }
        http::deliver(ReceiverProtocol::Webhook, request.body(body), now).await
    }
}

/// The value of [`SIGNATURE`].
#[must_use]
pub fn signature(secret: &ReceiverSecret, now: Timestamp, body: &str) -> String {
    let seconds = now.as_second();
    // A key of any length will do: longer ones are hashed.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(format!("{seconds}.{body}").as_bytes());
    let code = mac.finalize().into_bytes();
    let mut text = format!("t={seconds},v1=");
    for byte in code {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
