//! What an attempt came to, and when the next one is. Pure.

use std::time::Duration;

use fleetledger_paging::{
    channel::DeliveryOutcome,
    retry::{DeliveryDisposition, RetryBackoff},
};

use super::outbox::ClaimedNotification;

/// Characters of an answer that are kept.
const STORED_ERROR_CHARS: usize = 500;

/// What an attempt came to.
#[derive(Debug)]
pub(super) struct AttemptSettlement {
    /// sent, retry or dead.
    pub(super) outcome: &'static str,
    /// HTTP status, where there was an answer.
    pub(super) status: Option<i32>,
    pub(super) error: Option<String>,
    /// How long until it is tried again.
    pub(super) wait: Duration,
    /// How long the receiver wants to be left alone.
    pub(super) pause: Option<Duration>,
}

impl AttemptSettlement {
    /// Claimed, and given back: others were slow, its receiver asked for a pause, or the process ends.
    pub(super) fn not_sent() -> Self {
        Self {
            outcome: "retry",
            status: None,
            error: Some(
                "not sent: the claim on it ended first, its receiver asked for a pause, or the evaluator was \
                 stopped"
                    .to_owned(),
            ),
            wait: Duration::ZERO,
            pause: None,
        }
    }

    pub(super) fn new(
        backoff: &RetryBackoff,
        parcel: &ClaimedNotification,
        delivery: DeliveryOutcome,
        random: f64,
    ) -> Self {
        let status = delivery.status.map(i32::from);
        let of = |outcome, error: Option<String>, wait, pause| Self {
            outcome,
            status,
            error: error.map(|error| storable(&error)),
            wait,
            pause,
        };
        match delivery.disposition {
            DeliveryDisposition::Accepted => of("sent", None, Duration::ZERO, None),
            DeliveryDisposition::Reject { reason } => of("dead", Some(reason), Duration::ZERO, None),
            DeliveryDisposition::Retry { after, reason } => {
                let since = parcel.claimed_at.micros_since(parcel.first_attempt_at);
                let since = Duration::from_micros(u64::try_from(since).unwrap_or(0));
                if backoff.gives_up(since) {
                    return of("dead", Some(format!("given up: {reason}")), Duration::ZERO, None);
                }
                let wait = backoff.wait(parcel.attempts, after, random);
                of("retry", Some(reason), wait, after.map(|_| wait))
            }
        }
    }
}

/// What a stranger answered, as a text that PostgreSQL takes: one that it refused would hold up all that are written
/// with it.
fn storable(error: &str) -> String {
    error
        .chars()
        .filter(|one| *one != '\0')
        .take(STORED_ERROR_CHARS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_postgresql_would_refuse_is_kept_without_what_it_refuses() {
        assert_eq!(storable("no\0pe"), "nope");
        assert_eq!(
            storable(&"é".repeat(STORED_ERROR_CHARS + 1)).chars().count(),
            STORED_ERROR_CHARS
        );
    }
}
