//! A login that fails, as receivers are told of it.

use std::time::Duration;

use fleetledger_paging::{
    Alert, LabelSet, Notification, NotifyKind, NotifyReason, channel::DeliveryOutcome,
    retry::DeliveryDisposition,
};
use jiff::Timestamp;

use crate::settings::EvaluatorSettings;

/// The name of the alert; it is no rule's.
const ALERT: &str = "EvaluatorCannotLogIn";

/// A login that does not work.
pub(super) struct LoginFailure {
    labels: LabelSet,
    starts_at: Timestamp,
}

impl LoginFailure {
    /// When one began that has lasted for so long.
    pub(super) fn began(now: Timestamp, since: Duration) -> Timestamp {
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_microsecond(now.as_microsecond().saturating_sub(micros)).unwrap_or(now)
    }

    pub(super) fn new(login: &str, target: &str, starts_at: Timestamp) -> Self {
        let labels = [
            ("alertname", ALERT),
            ("database", target),
            ("login", login),
            ("severity", "page"),
            ("team", "platform"),
        ];
        Self {
            labels: labels
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            starts_at,
        }
    }

    /// Tells every receiver that alerts of these labels go to, and that `is_notified` says yes to, that it fires (with why), or is
    /// over. True if each was told, or never will be: what is to be tried again is tried as a whole, under the same keys.
    pub(super) async fn page(
        &self,
        settings: &EvaluatorSettings,
        why: Option<&str>,
        now: Timestamp,
        is_notified: impl Fn(&str) -> bool,
    ) -> bool {
        let (kind, reason) = match why {
            Some(_) => (NotifyKind::Trigger, NotifyReason::New),
            None => (NotifyKind::Resolve, NotifyReason::Resolved),
        };
        let mut is_done = true;
        for target in settings.routes.resolve(&self.labels, &[]) {
            let wants = settings
                .receivers
                .wants_notification(&target.receiver, kind, reason);
            if !wants || !is_notified(&target.receiver) {
                continue;
            }
            let notification = self.notification(settings, target.receiver, why, now);
            let outcome = settings.receivers.deliver(&notification, None, now).await;
            is_done &= !is_to_be_tried_again(&notification.receiver, &outcome);
        }
        is_done
    }

    fn notification(
        &self,
        settings: &EvaluatorSettings,
        receiver: String,
        why: Option<&str>,
        now: Timestamp,
    ) -> Notification {
        let (kind, reason) = match why {
            Some(_) => (NotifyKind::Trigger, NotifyReason::New),
            None => (NotifyKind::Resolve, NotifyReason::Resolved),
        };
        let label = |name: &str| self.labels.get(name).map_or("", String::as_str);
        let (login, database) = (label("login"), label("database"));
        let key = format!("{ALERT}/{database}/{login}");
        let summary = match why {
            Some(why) => {
                format!("the evaluator cannot log in to {database} as {login}: no rule is evaluated; {why}")
            }
            None => format!("the evaluator can log in to {database} as {login} again"),
        };
        let annotations = LabelSet::from([
            ("summary".to_owned(), summary),
            ("runbook".to_owned(), "evaluator-cannot-log-in".to_owned()),
        ]);
        Notification {
            idempotency_key: format!("{key}:{}:{}", kind.as_str(), self.starts_at.as_second()),
            receiver,
            kind,
            reason,
            decided_at: now,
            dedup_key: key,
            group_key: self.labels.clone(),
            alerts: vec![Alert {
                links: settings.link_targets.links(&self.labels, &annotations),
                labels: self.labels.clone(),
                annotations,
                value: None,
                starts_at: self.starts_at,
                ends_at: why.is_none().then_some(now),
            }],
            alerts_total: 1,
            by: None,
            suppressed_episodes: 0,
            wake: 0,
        }
    }
}

fn is_to_be_tried_again(receiver: &str, outcome: &DeliveryOutcome) -> bool {
    match &outcome.disposition {
        DeliveryDisposition::Accepted => false,
        DeliveryDisposition::Reject { reason } => {
            tracing::error!(
                receiver,
                reason,
                "the receiver refused the page about a failing login"
            );
            false
        }
        DeliveryDisposition::Retry { reason, .. } => {
            tracing::warn!(
                receiver,
                reason,
                "the page about a failing login was not delivered; retrying"
            );
            true
        }
    }
}
