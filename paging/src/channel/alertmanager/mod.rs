//! Alertmanager v2: alerts that are kept alive, and silences that mirror snoozes.
//!
//! An Alertmanager forgets an alert unless it is sent again and again, groups by itself, knows no keys, does not notify
//! again when a silence ends, and does not say "resolved" of what is silenced. So:
//!
//! - Each instance is sent as one of its own (see [`super::AlertmanagerClient::wants_instances`]), to every replica, with
//!   `endsAt` = now + 4 × max(interval, 1 min), and again each [`RESEND`] while it is open, held included:
//!   [`keep_alive`].
//! - Resolved is `endsAt` in the past, sent again for [`RESOLVED_RESEND`].
//! - A snooze is a silence that matches the instance and nothing else. When it ends, the silence is deleted, the old label
//!   set resolved, and the alert sent with the label `wake="<n>"`: a new alert, which is notified. [`WakeCount`] counts.
//! - What resolves while snoozed has its silence deleted first.
//!
//! It is enough that one replica takes a request: replicas gossip silences and notifications, and alerts are sent again
//! within the minute.

mod client;
mod payload;
mod silence;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::http::ReceiverConnection;
use crate::decision::{NotifyKind, NotifyReason};
use crate::secret::ReceiverSecret;

pub use client::AlertmanagerClient;
pub use payload::{PostedAlert, WAKE_LABEL, ends_at, keep_alive, labels, postable};
pub use silence::{CREATED_BY, matchers, silence};

/// How often what is open is sent again.
pub const RESEND: Duration = Duration::from_secs(60);

/// For how long what is resolved is sent again: a replica that was away meanwhile must not keep it.
pub const RESOLVED_RESEND: Duration = Duration::from_secs(15 * 60);

/// How an Alertmanager is reached.
#[derive(Debug, Clone)]
pub struct AlertmanagerSettings {
    /// Every replica's base URL, with the route prefix if there is one.
    pub urls: Vec<String>,
    /// The whole `Authorization` header, such as `Bearer …` or `Basic …`.
    pub authorization: Option<ReceiverSecret>,
    /// Timeout, TLS, proxy.
    pub connection: ReceiverConnection,
}

/// How often a snooze of an instance has ended in its present life; kept for each instance and receiver.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WakeCount(pub u64);

impl WakeCount {
    /// The count to send a notification with ([`crate::Notification::wake`]): raised by the trigger after a snooze,
    /// back to none with a new life.
    pub fn count(&mut self, kind: NotifyKind, reason: NotifyReason) -> u64 {
        match (kind, reason) {
            (NotifyKind::Trigger, NotifyReason::SnoozeExpired) => self.0 = self.0.saturating_add(1),
            (NotifyKind::Trigger, NotifyReason::New) => self.0 = 0,
            _ => {}
        }
        self.0
    }
}
