//! Channels: how each kind of receiver is spoken to. Payloads are built by pure functions, sending is thin.
//!
//! A folder a channel: `settings`, the payload, and a client that sends it. What a client makes of an answer is decided
//! in [`crate::retry::disposition`] alone. Secrets appear in no error and no log: errors leave out URLs, because those
//! of incoming webhooks are secrets themselves.

pub mod alertmanager;
mod http;
pub mod pagerduty;
pub mod slack;
pub mod webhook;

use jiff::Timestamp;

use crate::decision::{NotifyKind, NotifyReason};
use crate::notification::Notification;
use crate::retry::DeliveryDisposition;
use crate::secret::ReceiverSecret;

pub use http::{ReceiverConnection, ReceiverSettingsError, ReceiverTls};

/// What became of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// What to do next.
    pub disposition: DeliveryDisposition,
    /// HTTP's status, where there was an answer.
    pub status: Option<u16>,
}

/// How one receiver is reached.
#[derive(Debug, Clone)]
pub enum ChannelSettings {
    /// PagerDuty Events v2.
    PagerDuty(pagerduty::PagerDutySettings),
    /// Alertmanager v2.
    Alertmanager(alertmanager::AlertmanagerSettings),
    /// Slack incoming webhook.
    Slack(slack::SlackSettings),
    /// Webhook with Alertmanager's payload.
    Webhook(webhook::WebhookSettings),
}

/// A receiver that can be spoken to. Cloning is cheap and shares connections.
#[derive(Debug, Clone)]
pub enum ChannelClient {
    /// PagerDuty Events v2.
    PagerDuty(pagerduty::PagerDutyClient),
    /// Alertmanager v2.
    Alertmanager(alertmanager::AlertmanagerClient),
    /// Slack incoming webhook.
    Slack(slack::SlackClient),
    /// Webhook with Alertmanager's payload.
    Webhook(webhook::WebhookClient),
}

impl ChannelClient {
    /// A client; it connects when it first delivers.
    ///
    /// # Errors
    /// A certificate, key, proxy or URL that cannot be used.
    pub fn new(settings: ChannelSettings) -> Result<Self, ReceiverSettingsError> {
        Ok(match settings {
            ChannelSettings::PagerDuty(settings) => {
                Self::PagerDuty(pagerduty::PagerDutyClient::new(settings)?)
            }
            ChannelSettings::Alertmanager(settings) => {
                Self::Alertmanager(alertmanager::AlertmanagerClient::new(settings)?)
            }
            ChannelSettings::Slack(settings) => Self::Slack(slack::SlackClient::new(settings)?),
            ChannelSettings::Webhook(settings) => Self::Webhook(webhook::WebhookClient::new(settings)?),
        })
    }

    /// Whether this receiver is told such a thing at all. What it is not told need not be put into an outbox.
    #[must_use]
    pub fn wants_notification(&self, kind: NotifyKind, reason: NotifyReason) -> bool {
        match self {
            Self::PagerDuty(_) => true,
            // It knows no acknowledgement; a snooze is mirrored as a silence.
            Self::Alertmanager(_) => reason != NotifyReason::Acked,
            // People read these: what goes on under another key is not over, and they know that they snoozed it.
            Self::Slack(_) | Self::Webhook(_) => {
                kind != NotifyKind::Acknowledge && reason != NotifyReason::Superseded
            }
        }
    }

    /// Whether it keeps incidents by their key, so that it is nothing to it if one is resolved that is not open. The others
    /// show people whatever they are sent.
    #[must_use]
    pub fn ignores_unknown_resolve(&self) -> bool {
        matches!(self, Self::PagerDuty(_) | Self::Alertmanager(_))
    }

    /// Whether it groups alerts itself, so that every instance is sent as one of its own.
    #[must_use]
    pub fn wants_instances(&self) -> bool {
        matches!(self, Self::Alertmanager(_))
    }

    /// Sends a notification once. `secret` takes the place of the configured routing key where an incident was opened
    /// with another one. `now` dates what is sent and reads `Retry-After`.
    pub async fn deliver(
        &self,
        notification: &Notification,
        secret: Option<&ReceiverSecret>,
        now: Timestamp,
    ) -> DeliveryOutcome {
        match self {
            Self::PagerDuty(client) => client.deliver(notification, secret, now).await,
            Self::Alertmanager(client) => client.deliver(notification, now).await,
            Self::Slack(client) => client.deliver(notification, now).await,
            Self::Webhook(client) => client.deliver(notification, now).await,
        }
    }
}
