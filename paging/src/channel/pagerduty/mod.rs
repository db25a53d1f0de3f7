//! PagerDuty Events v2: `POST /v2/enqueue`.

mod payload;

use jiff::Timestamp;
use reqwest::Url;

use super::Delivery;
use super::http::{self, Connection, SettingsError};
use crate::notification::Notification;
use crate::retry::Protocol;
use crate::secret::Secret;

pub use payload::{event, severity};

/// Where events go unless told otherwise.
pub const BASE_URL: &str = "https://events.pagerduty.com";

/// How a service of PagerDuty is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// [`BASE_URL`], or what stands in for it.
    pub base_url: String,
    /// The integration's key: 32 characters.
    pub routing_key: Secret,
    /// Timeout, TLS, proxy.
    pub connection: Connection,
}

/// A service of PagerDuty.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    enqueue: Url,
    routing_key: Secret,
}

impl Client {
    pub(super) fn new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            http: http::client(&settings.connection)?,
            enqueue: http::url("base_url", &settings.base_url, "/v2/enqueue")?,
            routing_key: settings.routing_key,
        })
    }

    pub(super) async fn deliver(
        &self,
        notification: &Notification,
        routing_key: Option<&Secret>,
        now: Timestamp,
    ) -> Delivery {
        let mut event = event(notification);
        if let Some(fields) = event.as_object_mut() {
            let key = routing_key.unwrap_or(&self.routing_key).expose();
            fields.insert("routing_key".to_owned(), key.into());
        }
        let request = self.http.post(self.enqueue.clone()).json(&event);
        http::deliver(Protocol::PagerDuty, request, now).await
    }
}
