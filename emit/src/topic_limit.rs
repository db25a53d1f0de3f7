//! How large a record each topic takes.
//!
//! A topic's `max.message.bytes` is asked for at the begin of an epoch, where the brokers let this user describe the topic's
//! configuration; else it is learnt when a record is refused that was alone in its batch. What is larger is shortened
//! or left out before it is sent: a refused record would end the epoch, and the next one with it.

use std::{collections::HashMap, time::Duration};

use fleetledger_schema::kind::RecordKind;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
    error::KafkaError,
};

use crate::{
    object::MAX_RECORD_BYTES,
    read_back::LogPlacement,
    refusal::{BATCH_BYTES, DeliveryFailure},
};

/// Longest wait for an answer: no record leaves before it, and what is not known is learnt from the first refusal.
const ANSWER: Duration = Duration::from_secs(2);
/// What key, headers, framing and the batch around a record take at most of what a topic allows, in bytes.
const AROUND_RECORD_BYTES: usize = 2_048;

/// Largest record of each kind, where that is less than what is sent anyway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TopicLimits {
    by_kind: HashMap<RecordKind, usize>,
}

impl TopicLimits {
    /// Bytes of the largest body of this kind.
    pub(crate) fn largest(&self, kind: RecordKind) -> usize {
        self.by_kind.get(&kind).copied().unwrap_or(MAX_RECORD_BYTES)
    }

    /// Bytes of a batch that every topic takes, compressed or not.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.by_kind
            .values()
            .copied()
            .min()
            .unwrap_or(BATCH_BYTES)
            .min(BATCH_BYTES)
    }

    /// Takes what a topic allows.
    fn allow(&mut self, kind: RecordKind, max_message_bytes: usize) {
        let largest = max_message_bytes.saturating_sub(AROUND_RECORD_BYTES);
        self.by_kind.remove(&kind);
        if largest < MAX_RECORD_BYTES {
            self.by_kind.insert(kind, largest);
        }
    }

    /// Learns from a record that was refused for its size. One that shared its batch says nothing of itself.
    pub(crate) fn learn(&mut self, failure: &DeliveryFailure, places: &[LogPlacement], batch_bytes: usize) {
        if failure.bytes <= batch_bytes {
            return;
        }
        let place = places.iter().find(|place| place.topic == failure.topic);
        if let Some(kind) = place.map(|place| place.kind)
            && failure.bytes.saturating_sub(AROUND_RECORD_BYTES) < self.largest(kind)
        {
            self.allow(kind, failure.bytes);
        }
    }

    /// Asks what the topics allow; what cannot be asked stays as it is known.
    pub(crate) async fn ask(&mut self, kafka: &ClientConfig, places: &[LogPlacement]) {
        match describe(kafka, places).await {
            Ok(described) => {
                for (kind, allowed) in described {
                    self.allow(kind, allowed);
                }
            }
            Err(error) => {
                tracing::info!(
                    %error,
                    "the limits of the topics cannot be read from Kafka; they become known with the first \
                     record that is refused"
                )
            }
        }
    }
}

async fn describe(
    kafka: &ClientConfig,
    places: &[LogPlacement],
) -> Result<Vec<(RecordKind, usize)>, KafkaError> {
    let admin: AdminClient<DefaultClientContext> = kafka.create()?;
    let mut kinds: Vec<(&str, RecordKind)> = places
        .iter()
        .map(|place| (place.topic.as_str(), place.kind))
        .collect();
    kinds.dedup();
    let topics: Vec<ResourceSpecifier<'_>> = kinds
        .iter()
        .map(|(topic, _)| ResourceSpecifier::Topic(topic))
        .collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER));
    let answers = admin.describe_configs(&topics, &options).await?;
    let mut described = Vec::new();
    for ((_, kind), answer) in kinds.iter().zip(answers) {
        // A user who may not describe configurations is told so topic by topic.
        let Ok(answer) = answer else { continue };
        let allowed = answer
            .get("max.message.bytes")
            .and_then(|entry| entry.value.as_deref());
        described.extend(allowed.and_then(|text| Some((*kind, text.parse().ok()?))));
    }
    Ok(described)
}

#[cfg(test)]
mod tests {
    use rdkafka::error::RDKafkaErrorCode;

    use super::*;

    fn place() -> LogPlacement {
        LogPlacement {
            kind: RecordKind::Pod,
            shard: 0,
            topic: "t.pod".to_owned(),
            partition: 0,
        }
    }

    fn refused(bytes: usize) -> DeliveryFailure {
        DeliveryFailure {
            topic: "t.pod".to_owned(),
            partition: 0,
            code: RDKafkaErrorCode::MessageSizeTooLarge,
            text: String::new(),
            bytes,
        }
    }

    #[test]
    fn kafkas_default_limits_nothing_that_is_sent_anyway() {
        let mut limits = TopicLimits::default();
        limits.allow(RecordKind::Pod, 1_048_588);
        assert_eq!(limits, TopicLimits::default());
        limits.allow(RecordKind::Pod, 50_000);
        assert_eq!(limits.largest(RecordKind::Pod), 47_952);
        assert_eq!(limits.largest(RecordKind::Node), MAX_RECORD_BYTES);
        limits.allow(RecordKind::Pod, 2_000_000);
        assert_eq!(limits, TopicLimits::default());
    }

    #[test]
    fn a_record_that_was_alone_in_its_batch_teaches_and_others_do_not() {
        let mut limits = TopicLimits::default();
        limits.learn(&refused(40_000), &[place()], 125_000);
        assert_eq!(limits, TopicLimits::default());
        limits.learn(&refused(40_000), &[place()], 15_625);
        assert_eq!(limits.largest(RecordKind::Pod), 37_952);
        // A larger one says nothing new.
        limits.learn(&refused(50_000), &[place()], 15_625);
        assert_eq!(limits.largest(RecordKind::Pod), 37_952);
    }
}
