//! Sending to every replica.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::AUTHORIZATION;
use reqwest::{RequestBuilder, Url};
use serde_json::Value;

use super::super::http::{self, SettingsError};
use super::payload::{ends_at, labels, postable};
use super::silence::{Known, silence};
use super::{RESEND, Settings};
use crate::channel::Delivery;
use crate::decision::{NotifyKind, NotifyReason};
use crate::labels::Labels;
use crate::notification::Notification;
use crate::retry::{Disposition, Outcome, Protocol};
use crate::secret::Secret;
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
pub struct Client {
    http: reqwest::Client,
    replicas: Vec<Url>,
    authorization: Option<Secret>,
}

impl Client {
    pub(in crate::channel) fn new(settings: Settings) -> Result<Self, SettingsError> {
        let replicas = settings.urls.iter();
        let replicas: Vec<Url> = replicas
            .map(|url| http::url("urls", url, "/"))
            .collect::<Result<_, _>>()?;
        if replicas.is_empty() {
            return Err(SettingsError::NoReplica);
        }
        Ok(Self {
            http: http::client(&settings.connection)?,
            replicas,
            authorization: settings.authorization,
        })
    }

    /// Sends one instance's notification: its alerts, and before or instead of them what becomes of its silence.
    pub(in crate::channel) async fn deliver(&self, notification: &Notification, now: Timestamp) -> Delivery {
        let mut deliveries = Vec::with_capacity(self.replicas.len());
        for replica in &self.replicas {
            deliveries.push(match self.deliver_to(replica, notification, now).await {
                Ok(()) => Delivery {
                    disposition: Disposition::Accepted,
                    status: Some(200),
                },
                Err(outcome) => http::settle(Protocol::Alertmanager, &outcome),
            });
        }
        best(deliveries)
    }

    /// Sends what [`super::keep_alive`] gives, in batches, to every replica. Alertmanager takes the valid ones of a batch
    /// and refuses the others, so a refused batch is sent once more one by one; those refused alone come back.
    pub async fn keep_alive(&self, alerts: &[Value], now: Timestamp) -> Vec<(Value, Delivery)> {
        let mut refused = Vec::new();
        for batch in alerts.chunks(BATCH) {
            let delivery = self.post_everywhere(batch, now).await;
            match (&delivery.disposition, batch) {
                (Disposition::Accepted, _) => {}
                (Disposition::Reject { .. }, [_, _, ..]) => {
                    for alert in batch {
                        let delivery = self.post_everywhere(std::slice::from_ref(alert), now).await;
                        if delivery.disposition != Disposition::Accepted {
                            refused.push((alert.clone(), delivery));
                        }
                    }
                }
                _ => refused.extend(batch.iter().map(|alert| (alert.clone(), delivery.clone()))),
            }
        }
        refused
    }

    async fn post_everywhere(&self, alerts: &[Value], now: Timestamp) -> Delivery {
        let mut deliveries = Vec::with_capacity(self.replicas.len());
        for replica in &self.replicas {
            let outcome = self.post(replica, "api/v2/alerts", alerts, now).await;
            deliveries.push(http::settle(Protocol::Alertmanager, &outcome));
        }
        best(deliveries)
    }

    async fn deliver_to(
        &self,
        replica: &Url,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<(), Outcome> {
        for alert in &notification.alerts {
            let known_by = labels(&alert.labels, notification.wake);
            match (notification.kind, notification.reason) {
                (NotifyKind::Acknowledge, NotifyReason::Snoozed) => {
                    self.put_silence(replica, &known_by, notification, now).await?;
                    continue;
                }
                (NotifyKind::Acknowledge, _) => continue,
                // Silenced, it would not say that it is resolved.
                (NotifyKind::Resolve, _) => self.delete_silences(replica, &known_by, now).await?,
                (NotifyKind::Trigger, _) => {}
            }
            let end = match notification.kind {
                NotifyKind::Resolve => alert.ends_at.unwrap_or(notification.decided_at).min(now),
                // The keep-alive follows within the minute and knows the interval.
                _ => ends_at(RESEND, now),
            };
            let body = [postable(alert, notification.wake, end)];
            taken(self.post(replica, "api/v2/alerts", &body, now).await)?;
        }
        Ok(())
    }

    async fn put_silence(
        &self,
        replica: &Url,
        known_by: &Labels,
        notification: &Notification,
        now: Timestamp,
    ) -> Result<(), Outcome> {
        let Some(by) = &notification.by else {
            return Err(Outcome::Unsendable("the snooze has no owner".to_owned()));
        };
        let Some(until) = by.until.filter(|until| *until > now) else {
            // Delivered too late: the trigger at its end is next.
            return Ok(());
        };
        let mut body = silence(known_by, by, now, after(until, SILENCE_MARGIN));
        // One that stands already is moved, not doubled.
        if let Some(standing) = self.silences(replica, known_by, now).await?.first()
            && let Some(fields) = body.as_object_mut()
        {
            fields.insert("id".to_owned(), standing.id.as_str().into());
            fields.insert("startsAt".to_owned(), standing.starts_at.to_string().into());
        }
        taken(self.post(replica, "api/v2/silences", &body, now).await)
    }

    async fn delete_silences(&self, replica: &Url, known_by: &Labels, now: Timestamp) -> Result<(), Outcome> {
        for known in self.silences(replica, known_by, now).await? {
            let url = join(replica, &format!("api/v2/silence/{}", known.id))?;
            let outcome = http::send(self.authorized(self.http.delete(url)), now).await;
            // Somebody else deleted it meanwhile.
            if !matches!(&outcome, Outcome::Answered(answer) if answer.status == 404) {
                taken(outcome)?;
            }
        }
        Ok(())
    }

    /// Our silences of exactly these labels that are not over.
    async fn silences(
        &self,
        replica: &Url,
        known_by: &Labels,
        now: Timestamp,
    ) -> Result<Vec<Known>, Outcome> {
        let mut url = join(replica, "api/v2/silences")?;
        if let Some(name) = known_by.get("alertname") {
            let value = name.replace('\\', "\\\\").replace('"', "\\\"");
            url.query_pairs_mut()
                .append_pair("filter", &format!("alertname=\"{value}\""));
        }
        let body = http::fetch(self.authorized(self.http.get(url)), SILENCES_BYTES, now).await?;
        let mut known: Vec<Known> = serde_json::from_slice(&body)
            .map_err(|error| Outcome::Unreachable(format!("the list of silences cannot be read: {error}")))?;
        known.retain(|one| one.mirrors(known_by));
        Ok(known)
    }

    async fn post(
        &self,
        replica: &Url,
        path: &str,
        body: &(impl serde::Serialize + ?Sized),
        now: Timestamp,
    ) -> Outcome {
        match join(replica, path) {
            Ok(url) => http::send(self.authorized(self.http.post(url).json(body)), now).await,
            Err(outcome) => outcome,
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.expose()),
            None => request,
        }
    }
}

fn join(replica: &Url, path: &str) -> Result<Url, Outcome> {
    replica
        .join(path)
        .map_err(|error| Outcome::Unsendable(error.to_string()))
}

fn taken(outcome: Outcome) -> Result<(), Outcome> {
    match http::settle(Protocol::Alertmanager, &outcome).disposition {
        Disposition::Accepted => Ok(()),
        Disposition::Retry { .. } | Disposition::Reject { .. } => Err(outcome),
    }
}

/// One replica that has it is enough; where none has, one that may take it later.
fn best(mut deliveries: Vec<Delivery>) -> Delivery {
    let rank = |delivery: &Delivery| match delivery.disposition {
        Disposition::Accepted => 0,
        Disposition::Retry { .. } => 1,
        Disposition::Reject { .. } => 2,
    };
    deliveries.sort_by_key(rank);
    deliveries.into_iter().next().unwrap_or(Delivery {
        disposition: Disposition::Reject {
            reason: "there is no replica".to_owned(),
        },
        status: None,
    })
}
