//! Slack's incoming webhook.

mod payload;

use jiff::Timestamp;
use reqwest::Url;

use super::Delivery;
use super::http::{self, Connection, SettingsError};
use crate::notification::Notification;
use crate::retry::Protocol;
use crate::secret::Secret;

pub use payload::message;

/// How a channel of Slack is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The incoming webhook's URL; whoever has it may post.
    pub url: Secret,
    /// Timeout, TLS, proxy.
    pub connection: Connection,
}

/// A channel of Slack.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: Url,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    pub(super) fn new(settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self {
            http: http::client(&settings.connection)?,
            url: http::url("url", settings.url.expose(), "")?,
        })
    }

    pub(super) async fn deliver(&self, notification: &Notification, now: Timestamp) -> Delivery {
        let request = self.http.post(self.url.clone()).json(&message(notification));
        http::deliver(Protocol::Slack, request, now).await
    }
}
