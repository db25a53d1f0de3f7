//! What an answer means, and when to try again.

use std::fmt;
use std::time::Duration;

/// What became of one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The receiver answered.
    Responded(ReceiverResponse),
    /// It did not: refused, reset, name unknown, no TLS. The request may have arrived all the same.
    Unreachable(String),
    /// It did not in time. The request may have arrived all the same.
    TimedOut,
    /// The request cannot be made: a setting is wrong.
    Unsendable(String),
}

/// An answer, cut to what is worth keeping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceiverResponse {
    /// HTTP's status.
    pub status: u16,
    /// For how long the receiver wants to be left alone.
    pub retry_after: Option<Duration>,
    /// The beginning of its body.
    pub body: String,
}

/// What to do with the notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryDisposition {
    /// The receiver has it.
    Accepted,
    /// Try again later.
    Retry {
        /// Not before this is over.
        after: Option<Duration>,
        /// Why, and what an operator may do.
        reason: String,
    },
    /// Trying again would change nothing: it becomes a dead letter.
    Reject {
        /// Why, and what an operator may do.
        reason: String,
    },
}

/// What receivers of one protocol answer when they have taken a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReceiverProtocol {
    /// PagerDuty Events v2: 202.
    PagerDuty,
    /// Alertmanager v2: 200.
    Alertmanager,
    /// Slack incoming webhook: 200 with the body `ok`.
    Slack,
    /// Webhook: any 2xx.
    Webhook,
}

impl ReceiverProtocol {
    fn is_taken(self, answer: &ReceiverResponse) -> bool {
        match self {
            Self::PagerDuty => answer.status == 202,
            Self::Alertmanager => answer.status == 200,
            Self::Slack => answer.status == 200 && answer.body.trim() == "ok",
            Self::Webhook => (200..300).contains(&answer.status),
        }
    }
}

/// Says what to do after `outcome`. Every outcome of every protocol has exactly one answer, and this is the only place
/// that gives it.
#[must_use]
pub fn disposition(protocol: ReceiverProtocol, outcome: &RequestOutcome) -> DeliveryDisposition {
    match outcome {
        RequestOutcome::Unsendable(reason) => DeliveryDisposition::Reject {
            reason: format!("the request cannot be sent: {reason}; correct the receiver's settings"),
        },
        RequestOutcome::Unreachable(reason) => DeliveryDisposition::Retry {
            after: None,
            reason: format!("no answer: {reason}"),
        },
        RequestOutcome::TimedOut => DeliveryDisposition::Retry {
            after: None,
            reason: "no answer in time".to_owned(),
        },
        RequestOutcome::Responded(answer) if protocol.is_taken(answer) => DeliveryDisposition::Accepted,
        RequestOutcome::Responded(answer) => match answer.status {
            408 | 425 | 429 | 500..=599 => DeliveryDisposition::Retry {
                after: answer.retry_after,
                reason: answer.to_string(),
            },
            // It took the request and did not say what it must: a proxy, or a login page.
            200..=299 => DeliveryDisposition::Retry {
                after: answer.retry_after,
                reason: format!("{answer}; that is not how the receiver confirms a notification"),
            },
            300..=399 => DeliveryDisposition::Reject {
                reason: format!("{answer}; redirects are not followed: set the receiver's final URL"),
            },
            401 | 403 | 404 | 410 => DeliveryDisposition::Reject {
                reason: format!("{answer}; check the receiver's URL and its secret"),
            },
            _ => DeliveryDisposition::Reject {
                reason: format!("{answer}; the receiver did not accept this notification"),
            },
        },
    }
}

impl fmt::Display for ReceiverResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answer {}", self.status)?;
        if self.body.trim().is_empty() {
            Ok(())
        } else {
            write!(f, ": {}", self.body.trim())
        }
    }
}

/// How long to wait between attempts, and when to stop.
///
/// A policy of its own beside `schema/src/backoff.rs`, on which this room does not depend: it keeps no count (PostgreSQL
/// does, across evaluators), the receiver's Retry-After comes before it, it gives up, and its jitter goes down to zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBackoff {
    /// The longest wait after the first attempt; it doubles with each.
    pub base: Duration,
    /// No wait is longer, unless the receiver asks for it.
    pub cap: Duration,
    /// What the receiver asks for is honoured up to this.
    pub longest_retry_after: Duration,
    /// After how long since the first attempt a notification becomes a dead letter.
    pub give_up_after: Duration,
}

impl Default for RetryBackoff {
    /// 1 s, doubling up to 2 min, Retry-After up to an hour, for a day.
    fn default() -> Self {
        Self {
            base: Duration::from_secs(1),
            cap: Duration::from_secs(120),
            longest_retry_after: Duration::from_secs(3600),
            give_up_after: Duration::from_secs(24 * 3600),
        }
    }
}

impl RetryBackoff {
    /// The wait after attempt number `attempts` (1 is the first): anything from zero to the doubled base (full jitter),
    /// so that many who failed together do not come back together. `random` is from 0 to below 1. What the receiver
    /// asked for comes first and the jitter on top of it.
    #[must_use]
    pub fn wait(&self, attempts: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let doubled = 2_u32.checked_pow(attempts.saturating_sub(1));
        let ceiling = doubled
            .and_then(|factor| self.base.checked_mul(factor))
            .unwrap_or(self.cap);
        let share = if random.is_finite() {
            random.clamp(0.0, 1.0)
        } else {
            1.0
        };
        let jitter = ceiling.min(self.cap).mul_f64(share);
        match retry_after {
            None => jitter,
            // One base is enough to spread those who were told the same.
            Some(asked) => asked
                .min(self.longest_retry_after)
                .saturating_add(jitter.min(self.base)),
        }
    }

    /// Whether to stop, this long after the first attempt.
    #[must_use]
    pub fn gives_up(&self, since_first: Duration) -> bool {
        since_first >= self.give_up_after
    }
}

/// `Retry-After` as seconds or as an HTTP date, seen at `now`.
#[must_use]
pub fn retry_after(header: &str, now: jiff::Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn response_outcome(status: u16, body: &str) -> RequestOutcome {
        RequestOutcome::Responded(ReceiverResponse {
            status,
            retry_after: Some(Duration::from_secs(7)),
            body: body.to_owned(),
        })
    }

    fn disposition_name(protocol: ReceiverProtocol, outcome: &RequestOutcome) -> &'static str {
        match disposition(protocol, outcome) {
            DeliveryDisposition::Accepted => "accepted",
            DeliveryDisposition::Retry { .. } => "retry",
            DeliveryDisposition::Reject { .. } => "reject",
        }
    }

    #[test]
    fn each_protocol_knows_its_own_yes() {
        use ReceiverProtocol::{Alertmanager, PagerDuty, Slack, Webhook};
        for (protocol, status, body, expected) in [
            (PagerDuty, 202, "", "accepted"),
            (PagerDuty, 200, "", "retry"),
            (PagerDuty, 400, "", "reject"),
            (PagerDuty, 429, "", "retry"),
            (PagerDuty, 500, "", "retry"),
            (Alertmanager, 200, "", "accepted"),
            (Alertmanager, 400, "", "reject"),
            (Slack, 200, "ok", "accepted"),
            (Slack, 200, "<html>", "retry"),
            (Slack, 404, "no_service", "reject"),
            (Webhook, 204, "", "accepted"),
            (Webhook, 302, "", "reject"),
            (Webhook, 408, "", "retry"),
            (Webhook, 599, "", "retry"),
        ] {
            assert_eq!(
                disposition_name(protocol, &response_outcome(status, body)),
                expected,
                "{protocol:?} {status} {body}"
            );
        }
    }

    #[test]
    fn a_receiver_that_cannot_be_reached_is_tried_again() {
        for outcome in [
            RequestOutcome::TimedOut,
            RequestOutcome::Unreachable("refused".to_owned()),
        ] {
            assert_eq!(disposition_name(ReceiverProtocol::PagerDuty, &outcome), "retry");
        }
        assert_eq!(
            disposition_name(
                ReceiverProtocol::PagerDuty,
                &RequestOutcome::Unsendable("no url".to_owned())
            ),
            "reject"
        );
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(retry_after(" 30 ", now), Some(Duration::from_secs(30)));
        let date = "Thu, 01 Jan 2026 00:01:00 GMT";
        assert_eq!(retry_after(date, now), Some(Duration::from_secs(60)));
        let past = "Wed, 31 Dec 2025 00:00:00 GMT";
        assert_eq!(retry_after(past, now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }

    proptest! {
        #[test]
        fn waits_are_within_what_was_asked_for(attempts in 0_u32..200, random in 0.0..1.0_f64, asked in proptest::option::of(0_u64..10_000)) {
            let backoff = RetryBackoff::default();
            let wait = backoff.wait(attempts, asked.map(Duration::from_secs), random);
            match asked {
                None => prop_assert!(wait <= backoff.cap),
                Some(asked) => {
                    let asked = Duration::from_secs(asked).min(backoff.longest_retry_after);
                    prop_assert!(wait >= asked && wait <= asked + backoff.base);
                }
            }
        }

        #[test]
        fn every_status_has_an_answer(status in 0_u16..1000, body in "ok|[a-z]{0,5}") {
            for protocol in [ReceiverProtocol::PagerDuty, ReceiverProtocol::Alertmanager, ReceiverProtocol::Slack, ReceiverProtocol::Webhook] {
                let what = disposition_name(protocol, &response_outcome(status, &body));
                prop_assert!(what != "accepted" || (200..300).contains(&status));
                prop_assert!(!(500..600).contains(&status) || what == "retry");
                prop_assert!(status != 429 || what == "retry");
            }
        }
    }

    #[test]
    fn a_day_of_failures_is_enough() {
        let backoff = RetryBackoff::default();
        assert!(!backoff.gives_up(Duration::from_secs(86_399)));
        assert!(backoff.gives_up(Duration::from_secs(86_400)));
    }
}
