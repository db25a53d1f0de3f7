//! What a Kafka client says of its brokers, in words that name the address and the cause; and whether any of them answers.
//! No client is known here: emitter and ingester bring what theirs said.

use std::time::{Duration, Instant as Moment};

use crate::part_watch::PartWatch;

/// A broker that owes an answer and has said nothing for so long does not answer.
const SILENT_AFTER: Duration = Duration::from_secs(10);

/// One broker, as the client's statistics show it.
#[derive(Debug, Clone, Copy)]
pub struct BrokerState<'s> {
    /// The client's word for its connection.
    pub state: &'s str,
    /// Requests that wait for their answer.
    pub unanswered: i64,
    /// Microseconds since it last said anything.
    pub silent_us: i64,
}

impl BrokerState<'_> {
    /// Whether it is connected and answers.
    #[must_use]
    pub fn answers(&self) -> bool {
        let silent_us = u64::try_from(self.silent_us).unwrap_or(0);
        let is_silent = self.unanswered > 0 && Duration::from_micros(silent_us) > SILENT_AFTER;
        matches!(self.state, "UP" | "UPDATE") && !is_silent
    }
}

/// What a client has said of brokers that it cannot reach.
#[derive(Debug, Default)]
pub struct BrokerFault {
    /// Since when none is left.
    since: Option<Moment>,
    why: String,
}

impl BrokerFault {
    /// The cause that was said last; empty where none was.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }

    /// The client said that no broker is left.
    pub fn all_are_down(&mut self) {
        self.since.get_or_insert_with(Moment::now);
    }

    /// The client gave this reason. True if it is another one than before.
    pub fn note_reason(&mut self, reason: &str) -> bool {
        let why = explain(reason);
        let is_new = self.why != why;
        self.why = why;
        is_new
    }

    /// Kafka is away for `who` while none of a client's brokers answers.
    pub fn note_brokers<'s>(
        &mut self,
        mut brokers: impl Iterator<Item = BrokerState<'s>>,
        kafka: &PartWatch,
        who: &str,
    ) {
        if brokers.any(|broker| broker.answers()) {
            self.since = None;
            kafka.answered(who);
            return;
        }
        let since = *self.since.get_or_insert_with(Moment::now);
        let why = match self.why.as_str() {
            "" => "no broker is connected",
            why => why,
        };
        kafka.failed_since(who, why, since);
    }
}

/// Why a broker is away, from what the client said of it, such as
/// `10.0.0.1:9092/1: Connect to ipv4#10.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)`.
/// What is not known stays as it is.
#[must_use]
pub fn explain(reason: &str) -> String {
    let without_scheme = reason.split_once("://").map_or(reason, |(_, rest)| rest);
    // The group's coordinator is a broker under another name.
    let place = without_scheme
        .strip_prefix("GroupCoordinator: ")
        .unwrap_or(without_scheme);
    let end = place.find('/').into_iter().chain(place.find(": ")).min();
    let address = end.and_then(|end| place.get(..end)).unwrap_or(place);
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["Connection refused"]) {
        format!("nothing listens at {address} (connection refused)")
    } else if has(&["timed out", "Timed out", "timeout"]) {
        format!("{address} does not answer in time")
    } else if has(&["resolve"]) {
        format!("host {address} not found")
    } else if has(&[
        "Disconnected",
        "Connection reset",
        "Connection closed",
        "Broken pipe",
    ]) {
        format!("{address} closed the connection")
    } else {
        reason.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_says_becomes_address_and_cause() {
        for (reason, cause) in [
            (
                "127.0.0.1:9092/1: Connect to ipv4#127.0.0.1:9092 failed: Connection refused (after 0ms in state CONNECT)",
                "nothing listens at 127.0.0.1:9092 (connection refused)",
            ),
            (
                "GroupCoordinator: 10.0.0.7:9092: Connect to ipv4#10.0.0.7:9092 failed: Connection refused (after 0ms in state CONNECT)",
                "nothing listens at 10.0.0.7:9092 (connection refused)",
            ),
            (
                "sasl_ssl://kafka-1:9093/bootstrap: Connection setup timed out in state CONNECT (after 30000ms in state CONNECT)",
                "kafka-1:9093 does not answer in time",
            ),
            (
                "kafka-1:9092/1: Disconnected (after 52ms in state UP)",
                "kafka-1:9092 closed the connection",
            ),
            (
                "nowhere:9092/bootstrap: Failed to resolve 'nowhere:9092': Name or service not known",
                "host nowhere:9092 not found",
            ),
            (
                "ssl://kafka-1:9093/1: SSL handshake failed: certificate verify failed",
                "ssl://kafka-1:9093/1: SSL handshake failed: certificate verify failed",
            ),
        ] {
            assert_eq!(explain(reason), cause);
        }
    }

    #[test]
    fn a_broker_that_owes_an_answer_and_is_silent_does_not_answer() {
        let broker = |state, unanswered, silent_us| BrokerState {
            state,
            unanswered,
            silent_us,
        };
        assert!(broker("UP", 0, 60_000_000).answers(), "nothing was asked");
        assert!(broker("UP", 1, 1_000_000).answers());
        assert!(!broker("UP", 1, 11_000_000).answers());
        assert!(!broker("TRY_CONNECT", 0, 0).answers());
    }
}
