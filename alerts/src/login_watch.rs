//! Pages without SQL that the evaluator cannot log in: what is decided by queries and waits in an outbox says nothing then.
//!
//! Both logins count: the evaluator's own, whose failures health knows, and that of the role that runs rules, which is
//! tried anew every fifteen seconds. Nothing is kept beyond the process: an evaluator that starts and is let in resolves
//! nothing that another one paged.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use fleetledger_paging::{
    Alert, LabelSet, Notification, NotifyKind, NotifyReason, channel::DeliveryOutcome,
    retry::DeliveryDisposition,
};
use fleetledger_queries::ReaderPool;
use fleetledger_schema::instant::Instant;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::{health::EvaluatorHealth, settings::EvaluatorSettings, store::timestamp};

/// How often the login of rules is tried.
const TICK: Duration = Duration::from_secs(15);
/// A fail-over takes less; a page leaves well within three minutes.
const PAGE_AFTER: Duration = Duration::from_secs(90);
/// The name of the alert; it is no rule's.
const ALERT: &str = "EvaluatorCannotLogIn";

/// Tries the login of rules and pages for both until `stop`.
pub(crate) async fn run(
    rules: ReaderPool,
    settings: Arc<EvaluatorSettings>,
    health: EvaluatorHealth,
    stop: CancellationToken,
) {
    let target = rules.target();
    let mut paged: BTreeMap<&'static str, Timestamp> = BTreeMap::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        let refused = tokio::select! {
            () = stop.cancelled() => return,
            tried = rules.log_in() => tried.err().map(|error| error.to_string()),
        };
        health.rules_login_tried(refused);
        let failing = health.failing_logins();
        let now = timestamp(Instant::now());
        for (login, since, why) in &failing {
            if *since < PAGE_AFTER || paged.contains_key(login) {
                continue;
            }
            tracing::error!(
                login,
                error = why,
                "the evaluator cannot log in; its receivers are paged"
            );
            let began = LoginFailure::began(now, *since);
            let failure = LoginFailure::new(login, &target, began);
            if failure.page(&settings, Some(why), now).await {
                paged.insert(login, began);
            }
        }
        let works = |login: &&'static str| failing.iter().all(|(other, ..)| other != login);
        let over: Vec<&'static str> = paged.keys().copied().filter(works).collect();
        for login in over {
            let Some(began) = paged.get(login) else { continue };
            tracing::info!(login, "the evaluator can log in again");
            if LoginFailure::new(login, &target, *began)
                .page(&settings, None, now)
                .await
            {
                paged.remove(login);
            }
        }
    }
}

/// A login that does not work.
struct LoginFailure {
    labels: LabelSet,
    starts_at: Timestamp,
}

impl LoginFailure {
    /// When one began that has lasted for so long.
    fn began(now: Timestamp, since: Duration) -> Timestamp {
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_microsecond(now.as_microsecond().saturating_sub(micros)).unwrap_or(now)
    }

    fn new(login: &str, target: &str, starts_at: Timestamp) -> Self {
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

    /// Tells every receiver that alerts of these labels go to that it fires (with why), or is over. True if each was told,
    /// or never will be: what is to be tried again is tried as a whole, under the same keys.
    async fn page(&self, settings: &EvaluatorSettings, why: Option<&str>, now: Timestamp) -> bool {
        let (kind, reason) = match why {
            Some(_) => (NotifyKind::Trigger, NotifyReason::New),
            None => (NotifyKind::Resolve, NotifyReason::Resolved),
        };
        let mut is_done = true;
        for target in settings.routes.resolve(&self.labels, &[]) {
            if !settings
                .receivers
                .wants_notification(&target.receiver, kind, reason)
            {
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
        let key = format!("{ALERT}/{}/{}", label("database"), label("login"));
        let annotations = LabelSet::from([
            (
                "summary".to_owned(),
                format!(
                    "the evaluator's login of {} at {} fails: no rule is evaluated{}",
                    label("login"),
                    label("database"),
                    why.map(|why| format!("; {why}")).unwrap_or_default()
                ),
            ),
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
            tracing::error!(receiver, reason, "the page of a login that fails was refused");
            false
        }
        DeliveryDisposition::Retry { reason, .. } => {
            tracing::warn!(receiver, reason, "the page of a login that fails is tried again");
            true
        }
    }
}
