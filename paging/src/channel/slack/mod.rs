//! Slack's incoming webhook.

mod payload;

use jiff::Timestamp;
use reqwest::Url;

use super::DeliveryOutcome;
use super::http::{self, ReceiverConnection, ReceiverSettingsError};
use crate::notification::Notification;
use crate::retry::ReceiverProtocol;
use crate::secret::ReceiverSecret;

pub use payload::message;

/// How a channel of Slack is reached.
#[derive(Debug, Clone)]
pub struct SlackSettings {
    /// The incoming webhook's URL; whoever has it may post.
    pub url: ReceiverSecret,
    /// Timeout, TLS, proxy.
    pub connection: ReceiverConnection,
}

/// A channel of Slack.
#[derive(Clone)]
pub struct SlackClient {
    http: reqwest::Client,
    url: Url,
}

impl std::fmt::Debug for SlackClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl SlackClient {
    pub(super) fn new(settings: SlackSettings) -> Result<Self, ReceiverSettingsError> {
        Ok(Self {
            http: http::client(&settings.connection)?,
            url: http::url("url", settings.url.expose(), "")?,
        })
    }

    pub(super) async fn deliver(&self, notification: &Notification, now: Timestamp) -> DeliveryOutcome {
        let request = self.http.post(self.url.clone()).json(&message(notification));
        http::deliver(ReceiverProtocol::Slack, request, now).await
    }
}
