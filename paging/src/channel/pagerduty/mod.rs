//! PagerDuty Events v2: `POST /v2/enqueue`.

mod payload;

use jiff::Timestamp;
use reqwest::Url;

use super::DeliveryOutcome;
use super::http::{self, ReceiverConnection, ReceiverSettingsError};
use crate::notification::Notification;
use crate::retry::ReceiverProtocol;
use crate::secret::ReceiverSecret;

pub use payload::{event, severity};

/// Where events go unless told otherwise.
pub const BASE_URL: &str = "https://events.pagerduty.com";

/// How a service of PagerDuty is reached.
#[derive(Debug, Clone)]
pub struct PagerDutySettings {
    /// [`BASE_URL`], or the current state in for it.
    pub base_url: String,
    /// The integration's key: 32 characters.
    pub routing_key: ReceiverSecret,
    /// Timeout, TLS, proxy.
    pub connection: ReceiverConnection,
}

/// A service of PagerDuty.
#[derive(Debug, Clone)]
pub struct PagerDutyClient {
    http: reqwest::Client,
    enqueue: Url,
    routing_key: ReceiverSecret,
}

impl PagerDutyClient {
    pub(super) fn new(settings: PagerDutySettings) -> Result<Self, ReceiverSettingsError> {
        Ok(Self {
            http: http::client(&settings.connection)?,
            enqueue: http::url("base_url", &settings.base_url, "/v2/enqueue")?,
            routing_key: settings.routing_key,
        })
    }

    pub(super) async fn deliver(
        &self,
        notification: &Notification,
        routing_key: Option<&ReceiverSecret>,
        now: Timestamp,
    ) -> DeliveryOutcome {
        let mut event = event(notification);
        if let Some(fields) = event.as_object_mut() {
            let key = routing_key.unwrap_or(&self.routing_key).expose();
            fields.insert("routing_key".to_owned(), key.into());
        }
        let request = self.http.post(self.enqueue.clone()).json(&event);
        http::deliver(ReceiverProtocol::PagerDuty, request, now).await
    }
}
