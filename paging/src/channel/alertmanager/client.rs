//! Sending to every replica.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::AUTHORIZATION;
use reqwest::{RequestBuilder, Url};
use serde_json::Value;
use tokio::task::JoinSet;

use super::super::http::{self, ReceiverSettingsError};
use super::payload::{ends_at, labels, postable};
use super::silence::{AlertmanagerSilence, silence};
use super::{AlertmanagerSettings, RESEND};
use crate::channel::DeliveryOutcome;
use crate::decision::{NotifyKind, NotifyReason};
use crate::labels::LabelSet;
use crate::notification::Notification;
use crate::retry::{DeliveryDisposition, ReceiverProtocol, RequestOutcome};
use crate::secret::ReceiverSecret;
use crate::timing::after;

/// How many alerts go into one request.
const BATCH: usize = 500;

/// How much is read of a list of silences, in bytes.
const SILENCES_BYTES: usize = 64 * 1024 * 1024;

/// For how long a mirrored silence outlives its snooze: it is deleted at the snooze's end, and where nobody is there to do
/// so, the alert comes back by itself.
const SILENCE_MARGIN: Duration = Duration::from_secs(5 * 60);

/// An Alertmanager and its replicas.
#[derive(Debug, Clone)]
pub struct AlertmanagerClient {
    replicas: Vec<AlertmanagerReplica>,
}

impl AlertmanagerClient {
    pub(in crate::channel) fn new(settings: AlertmanagerSettings) -> Result<Self, ReceiverSettingsError> {
        let http = http::client(&settings.connection)?;
        let replica = |url: &String| {
            Ok(AlertmanagerReplica {
                http: http.clone(),
                url: http::url("urls", url, "/")?,
                authorization: settings.authorization.clone(),
            })
        };
        let replicas: Vec<AlertmanagerReplica> =
            settings.urls.iter().map(replica).collect::<Result<_, _>>()?;
        if replicas.is_empty() {
            return Err(ReceiverSettingsError::NoReplica);
        }
        Ok(Self { replicas })
    }

    /// Sends one instance's notification: its alerts, and before or instead of them what becomes of its silence.
    pub(in crate::channel) async fn deliver(
        &self,
        notification: &Notification,
        now: Timestamp,
    ) -> DeliveryOutcome {
        let notification = Arc::new(notification.clone());
        // At once: a replica that is away must not keep the others waiting.
        let mut replicas = JoinSet::new();
        for replica in self.replicas.clone() {
            let notification = Arc::clone(&notification);
            replicas.spawn(async move { replica.deliver(&notification, now).await });
        }
        let deliveries = replicas.join_all().await;
        best(deliveries.into_iter().map(|outcome| match outcome {
            Ok(()) => DeliveryOutcome {
                disposition: DeliveryDisposition::Accepted,
                status: Some(200),
            },
            Err(outcome) => http::settle(ReceiverProtocol::Alertmanager, &outcome),
        }))
    }

    /// Sends what [`super::keep_alive`] gives to every replica, and returns what none of them took.
    pub async fn keep_alive(&self, alerts: &[Value], now: Timestamp) -> Vec<(Value, DeliveryOutcome)> {
        let alerts: Arc<[Value]> = alerts.into();
        let mut replicas = JoinSet::new();
        for replica in self.replicas.clone() {
            let alerts = Arc::clone(&alerts);
            replicas.spawn(async move { replica.keep_alive(&alerts, now).await });
        }
        let mut failed = replicas.join_all().await.into_iter();
        let mut left = failed.next().unwrap_or_default();
        for other in failed {
            left.retain(|index, _| other.contains_key(index));
        }
        let failed = left.into_iter();
        failed
            .filter_map(|(index, delivery)| Some((alerts.get(index)?.clone(), delivery)))
            .collect()
    }
}

/// One of them.
#[derive(Debug, Clone)]
struct AlertmanagerReplica {
    http: reqwest::Client,
    url: Url,
    authorization: Option<ReceiverSecret>,
}

impl AlertmanagerReplica {
    /// What it did not take, by index. It takes the valid alerts of a batch and refuses the others, so a refused batch
    /// is sent once more one by one. Once it does not answer it is left alone for this round: the rest would be too late
    /// as well.
    async fn keep_alive(&self, alerts: &[Value], now: Timestamp) -> BTreeMap<usize, DeliveryOutcome> {
        let mut failed = BTreeMap::new();
        let mut away = None;
        for (number, batch) in alerts.chunks(BATCH).enumerate() {
            let first = number.saturating_mul(BATCH);
            let delivery = match &away {
                Some(delivery) => DeliveryOutcome::clone(delivery),
                None => self.post_alerts(batch, now).await,
            };
            if delivery.disposition == DeliveryDisposition::Accepted {
                continue;
            }
            let is_refused = matches!(delivery.disposition, DeliveryDisposition::Reject { .. });
            if is_refused && batch.len() > 1 {
                for (index, alert) in (first..).zip(batch) {
                    let delivery = self.post_alerts(std::slice::from_ref(alert), now).await;
                    if delivery.disposition != DeliveryDisposition::Accepted {
                        failed.insert(index, delivery);
                    }
                }
                continue;
            }
            if delivery.status.is_none() {
                away = Some(delivery.clone());
            }
            failed.extend((first..).zip(batch).map(|(index, _)| (index, delivery.clone())));
        }
        failed
    }

    async fn post_alerts(&self, alerts: &[Value], now: Timestamp) -> DeliveryOutcome {
        let outcome = self.post("api/v2/alerts", alerts, now).await;
        http::settle(ReceiverProtocol::Alertmanager, &outcome)
    }

    async fn deliver(&self, notification: &Notification, now: Timestamp) -> Result<(), RequestOutcome> {
        for alert in &notification.alerts {
            let known_by = labels(&alert.labels, notification.wake);
            match (notification.kind, notification.reason) {
                (NotifyKind::Acknowledge, NotifyReason::Snoozed) => {
                    self.put_silence(&known_by, notification, now).await?;
                    continue;
                }
                (NotifyKind::Acknowledge, _) => continue,
                // Silenced, it would not say that it is resolved.
                (NotifyKind::Resolve, _) => self.delete_silences(&known_by, now).await?,
                (NotifyKind::Trigger, _) => {}
            }
            let end = match notification.kind {
                NotifyKind::Resolve => alert.ends_at.unwrap_or(notification.decided_at).min(now),
                // The keep-alive follows within the minute and knows the interval.
                _ => ends_at(RESEND, now),
            };
            let body = [postable(alert, notification.wake, end)];
            taken(self.post("api/v2/alerts", &body, now).await)?;
        }
        Ok(())
    }

    async fn put_silence(
        &self,
        known_by: &LabelSet,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<(), RequestOutcome> {
        let Some(by) = &notification.by else {
            return Err(RequestOutcome::Unsendable("the snooze has no owner".to_owned()));
        };
        let Some(until) = by.until.filter(|until| *until > now) else {
            // Delivered too late: the trigger at its end is next.
            return Ok(());
        };
        let mut body = silence(known_by, by, now, after(until, SILENCE_MARGIN));
        // One that stands already is moved, not doubled.
        if let Some(existing) = self.silences(known_by, now).await?.first()
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("id".to_owned(), existing.id.as_str().into());
            fields.insert("startsAt".to_owned(), existing.starts_at.to_string().into());
        }
        taken(self.post("api/v2/silences", &body, now).await)
    }

    async fn delete_silences(&self, known_by: &LabelSet, now: Timestamp) -> Result<(), RequestOutcome> {
        for known in self.silences(known_by, now).await? {
            let url = self.join(&format!("api/v2/silence/{}", known.id))?;
            let outcome = http::send(self.authorized(self.http.delete(url)), now).await;
            // Somebody else deleted it meanwhile.
            if !matches!(&outcome, RequestOutcome::Responded(answer) if answer.status == 404) {
                taken(outcome)?;
            }
        }
        Ok(())
    }

    /// Our silences of exactly these labels that are not over.
    async fn silences(
        &self,
        known_by: &LabelSet,
        now: Timestamp,
    ) -> Result<Vec<AlertmanagerSilence>, RequestOutcome> {
        let mut url = self.join("api/v2/silences")?;
        if let Some(name) = known_by.get("alertname") {
            let value = name.replace('\\', "\\\\").replace('"', "\\\"");
            url.query_pairs_mut()
                .append_pair("filter", &format!("alertname=\"{value}\""));
        }
        let body = http::fetch(self.authorized(self.http.get(url)), SILENCES_BYTES, now).await?;
        let mut known: Vec<AlertmanagerSilence> = serde_json::from_slice(&body).map_err(|error| {
            RequestOutcome::Unreachable(format!("the list of silences cannot be read: {error}"))
        })?;
        known.retain(|one| one.mirrors(known_by));
        Ok(known)
    }

    async fn post(
        &self,
        path: &str,
        body: &(impl serde::Serialize + ?Sized),
        now: Timestamp,
    ) -> RequestOutcome {
        match self.join(path) {
            Ok(url) => http::send(self.authorized(self.http.post(url).json(body)), now).await,
            Err(outcome) => outcome,
        }
    }

    fn join(&self, path: &str) -> Result<Url, RequestOutcome> {
        let joined = self.url.join(path);
        joined.map_err(|error| RequestOutcome::Unsendable(error.to_string()))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.expose()),
            None => request,
        }
    }
}

fn taken(outcome: RequestOutcome) -> Result<(), RequestOutcome> {
    match http::settle(ReceiverProtocol::Alertmanager, &outcome).disposition {
        DeliveryDisposition::Accepted => Ok(()),
        DeliveryDisposition::Retry { .. } | DeliveryDisposition::Reject { .. } => Err(outcome),
    }
}

/// One replica that has it is enough; where none has, one that may take it later.
fn best(deliveries: impl Iterator<Item = DeliveryOutcome>) -> DeliveryOutcome {
    let rank = |delivery: &DeliveryOutcome| match delivery.disposition {
        DeliveryDisposition::Accepted => 0,
        DeliveryDisposition::Retry { .. } => 1,
        DeliveryDisposition::Reject { .. } => 2,
    };
    deliveries.min_by_key(rank).unwrap_or_else(|| {
        let none = RequestOutcome::Unsendable("the receiver has no replica".to_owned());
        http::settle(ReceiverProtocol::Alertmanager, &none)
    })
}
