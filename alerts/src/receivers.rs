//! The receivers that are configured, by name.

use std::{collections::BTreeMap, fmt, sync::Arc};

use fleetledger_paging::{
    Notification, NotifyKind, NotifyReason, ReceiverSecret,
    channel::{ChannelClient, DeliveryOutcome},
    retry::DeliveryDisposition,
};
use fleetledger_schema::renewable::Renewable;
use jiff::Timestamp;

/// Reads the secret of a reference; the error says why not and never what it is.
pub type SecretReader = dyn Fn(&str) -> Result<ReceiverSecret, String> + Send + Sync;

/// One receiver.
#[derive(Debug, Clone)]
pub struct AlertReceiver {
    /// How it is spoken to: by the secrets and certificates that its files hold when something is delivered.
    pub client: Renewable<ChannelClient>,
    /// Reference of the secret that an incident is opened with and has to be ended with: PagerDuty's routing key.
    pub secret_ref: Option<String>,
}

/// All receivers.
#[derive(Clone)]
pub struct ReceiverSet {
    by_name: BTreeMap<String, AlertReceiver>,
    read_secret: Arc<SecretReader>,
}

impl ReceiverSet {
    /// These receivers; `read_secret` reads what a former configuration opened incidents with.
    pub fn new(
        by_name: BTreeMap<String, AlertReceiver>,
        read_secret: impl Fn(&str) -> Result<ReceiverSecret, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            by_name,
            read_secret: Arc::new(read_secret),
        }
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &AlertReceiver)> {
        self.by_name
            .iter()
            .map(|(name, receiver)| (name.as_str(), receiver))
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&AlertReceiver> {
        self.by_name.get(name)
    }

    /// Whether a receiver is told such a thing at all. One that is not configured is: its notifications become dead
    /// letters that people see.
    pub(crate) fn wants_notification(&self, name: &str, kind: NotifyKind, reason: NotifyReason) -> bool {
        self.get(name)
            .is_none_or(|receiver| receiver.client.newest().wants_notification(kind, reason))
    }

    /// Whether it is nothing to a receiver that something is over which it was never told of.
    pub(crate) fn ignores_unknown_resolve(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|receiver| receiver.client.newest().ignores_unknown_resolve())
    }

    /// Whether a receiver groups alerts itself.
    pub(crate) fn wants_instances(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|receiver| receiver.client.newest().wants_instances())
    }

    pub(crate) fn secret_ref(&self, name: &str) -> Option<String> {
        self.get(name)?.secret_ref.clone()
    }

    /// Sends a notification once.
    pub(crate) async fn deliver(
        &self,
        notification: &Notification,
        secret_ref: Option<&str>,
        now: Timestamp,
    ) -> DeliveryOutcome {
        let refused = |reason: String| DeliveryOutcome {
            disposition: DeliveryDisposition::Reject { reason },
            status: None,
        };
        let Some(receiver) = self.get(&notification.receiver) else {
            return refused(format!(
                "receiver {} not found; add [receivers.{0}] to the configuration, or remove it from rules \
                 and routes",
                notification.receiver
            ));
        };
        // The same reference may hold another secret by now, and that is the one to use.
        let former = secret_ref.filter(|former| receiver.secret_ref.as_deref() != Some(*former));
        match former.map(|former| (self.read_secret)(former)).transpose() {
            Ok(secret) => {
                let client = receiver.client.newest();
                client.deliver(notification, secret.as_ref(), now).await
            }
            Err(why) => refused(format!(
                "the secret that this incident was opened with cannot be read: {why}"
            )),
        }
    }
}

impl Default for ReceiverSet {
    fn default() -> Self {
        Self::new(BTreeMap::new(), |_| Err("there are no receivers".to_owned()))
    }
}

impl fmt::Debug for ReceiverSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}
