//! Records that the brokers refuse: why, and what to do about it.
//!
//! librdkafka repeats by itself whatever may pass. What is left would be refused again at once, so it is waited out:
//! the emitter is not ready and tries one small record with growing pauses, and only when that is taken does it begin
//! a new epoch. An epoch a try would read the logs back and send a sweep each time.

use std::{fmt, time::Duration};

use fleetledger_schema::instant::Instant;
use rdkafka::error::RDKafkaErrorCode;

/// Pause after the first failed delivery; it doubles.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause between two tries.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// An epoch that lived for so long had nothing to do with the failures before it.
pub(crate) const STEADY: Duration = Duration::from_secs(300);
/// Largest batch by librdkafka's default, in bytes.
pub(crate) const BATCH_BYTES: usize = 1_000_000;
/// Batches are not made smaller than this, in bytes: every record is alone in its batch then.
const SMALLEST_BATCH_BYTES: usize = 512;

/// A record that was not delivered and never will be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeliveryFailure {
    pub(crate) topic: String,
    pub(crate) partition: i32,
    pub(crate) code: RDKafkaErrorCode,
    /// What the client says of it.
    pub(crate) text: String,
    /// Bytes of its key, value and headers.
    pub(crate) bytes: usize,
}

/// Why the brokers refuse a record, as far as it tells what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalCause {
    Timestamp,
    Size,
    Policy,
    Authorisation,
    Topic,
    Format,
}

impl DeliveryFailure {
    /// What failed without a record of its own.
    pub(crate) fn of_client(text: String) -> Self {
        Self {
            topic: String::new(),
            partition: -1,
            code: RDKafkaErrorCode::Fail,
            text,
            bytes: 0,
        }
    }

    /// Why it is refused; `None` for what a new producer may deliver.
    pub(crate) fn refusal(&self) -> Option<RefusalCause> {
        use RDKafkaErrorCode as Code;
        Some(match self.code {
            Code::InvalidTimestamp | Code::InvalidRecord | Code::InvalidDifferentRecord => {
                RefusalCause::Timestamp
            }
            Code::MessageSizeTooLarge | Code::MessageBatchTooLarge => RefusalCause::Size,
            Code::PolicyViolation => RefusalCause::Policy,
            Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SecurityDisabled => RefusalCause::Authorisation,
            Code::InvalidTopic
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition => RefusalCause::Topic,
            Code::UnsupportedCompressionType
            | Code::UnsupportedForMessageFormat
            | Code::UnsupportedVersion => RefusalCause::Format,
            _ => return None,
        })
    }

    /// What happened, why and what to do, for logs and readiness. `now` is what this machine's clock says.
    pub(crate) fn explain(&self, now: Instant) -> String {
        let place = match self.topic.as_str() {
            "" => "records".to_owned(),
            topic => format!("records of {topic} partition {}", self.partition),
        };
        let advice = match self.refusal() {
            None => return format!("{place} cannot be delivered: {}", self.text),
            Some(RefusalCause::Timestamp) => format!(
                "their timestamps are outside the topic's limits; this machine's clock is at {now}: set it \
                 if it differs from the brokers' clocks (Kafka's default limit is one hour ahead), otherwise \
                 raise message.timestamp.after.max.ms and message.timestamp.before.max.ms of the topic as \
                 fleetledger doctor says"
            ),
            Some(RefusalCause::Size) => {
                "they are larger than max.message.bytes of the topic; raise it as fleetledger doctor says".to_owned()
            }
            Some(RefusalCause::Policy) => {
                "a policy of the brokers forbids them; allow the settings that topics.* of the configuration \
                 asks for".to_owned()
            }
            Some(RefusalCause::Authorisation) => {
                "this user may not write; grant it Write and Describe on the topics of this \
                 datacenter".to_owned()
            }
            Some(RefusalCause::Topic) => "the topic or partition is gone; run fleetledger topics create".to_owned(),
            Some(RefusalCause::Format) => {
                "the brokers do not know their format; set compression.type=producer of the topic and see which Kafka \
                 versions docs/operating.md names"
                    .to_owned()
            }
        };
        format!("the brokers refuse {place} ({}): {advice}", self.text)
    }
}

impl fmt::Display for DeliveryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The size of batches after one was refused for its size: a topic's limit counts the batch as a whole.
pub(crate) fn smaller_batches(bytes: usize) -> usize {
    (bytes / 8).max(SMALLEST_BATCH_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(code: RDKafkaErrorCode) -> DeliveryFailure {
        DeliveryFailure {
            topic: "fleetledger.pod".to_owned(),
            partition: 3,
            code,
            text: code.to_string(),
            bytes: 0,
        }
    }

    #[test]
    fn every_refusal_names_its_cause_and_what_to_do() {
        for (code, words) in [
            (
                RDKafkaErrorCode::InvalidTimestamp,
                "message.timestamp.after.max.ms",
            ),
            (
                RDKafkaErrorCode::InvalidRecord,
                "this machine's clock is at 2023-11-14",
            ),
            (RDKafkaErrorCode::MessageSizeTooLarge, "max.message.bytes"),
            (RDKafkaErrorCode::PolicyViolation, "policy"),
            (RDKafkaErrorCode::TopicAuthorizationFailed, "grant it Write"),
            (RDKafkaErrorCode::ClusterAuthorizationFailed, "grant it Write"),
            (RDKafkaErrorCode::UnknownTopicOrPartition, "topics create"),
            (RDKafkaErrorCode::UnsupportedCompressionType, "compression.type"),
        ] {
            let explained = failure(code).explain(Instant(1_700_000_000_000_000));
            assert!(
                explained.starts_with("the brokers refuse records of fleetledger.pod partition 3")
                    && explained.contains(words),
                "{explained}"
            );
        }
    }

    #[test]
    fn what_a_new_producer_may_deliver_is_no_refusal() {
        for code in [
            RDKafkaErrorCode::PurgeInflight,
            RDKafkaErrorCode::OutOfOrderSequenceNumber,
        ] {
            assert_eq!(failure(code).refusal(), None, "{code:?}");
        }
        assert_eq!(DeliveryFailure::of_client("x".to_owned()).refusal(), None);
    }

    #[test]
    fn batches_shrink_down_to_one_record_of_ordinary_size() {
        let mut bytes = BATCH_BYTES;
        for _ in 0..4 {
            bytes = smaller_batches(bytes);
        }
        assert_eq!(bytes, SMALLEST_BATCH_BYTES);
    }
}
