//! The topics: what they are made with, and how they stand.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Context as _, bail};
use fleetledger_schema::kind::RecordKind;
use rdkafka::{
    ClientConfig,
    admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication},
    client::DefaultClientContext,
    error::{KafkaError, RDKafkaErrorCode},
};

use crate::config::{FleetledgerConfig, TopicsConfig};

/// How long the brokers may take over topics.
const ANSWER: Duration = Duration::from_secs(20);
/// Timestamps of records are those of emitters' clocks. By Kafka's default a broker refuses what is an hour ahead of its
/// own clock, so a cluster whose clock is wrong would fall silent; rule EmitterClockSkewed tells of it instead.
pub const ANY_TIMESTAMP: &str = "9223372036854775807";
/// The setting, which brokers before Kafka 3.6 do not know: they have no limit.
pub const TIMESTAMP_AHEAD: &str = "message.timestamp.after.max.ms";
/// Milliseconds of an hour.
const HOUR_MS: i64 = 3_600_000;

/// Names of the topics of this configuration: one a kind, or one a kind and datacenter that has its own.
#[must_use]
pub fn names(config: &FleetledgerConfig) -> Vec<(RecordKind, String)> {
    let suffixes = config
        .emit
        .topic_suffix
        .iter()
        .chain(&config.ingest.topic_suffixes);
    let mut suffixes: Vec<Option<&str>> = suffixes.map(|suffix| Some(suffix.as_str())).collect();
    if suffixes.is_empty() {
        suffixes.push(None);
    }
    let mut names = Vec::new();
    for prefix in [&config.emit.topic_prefix, &config.ingest.topic_prefix] {
        for suffix in &suffixes {
            names.extend(RecordKind::TOPICS.map(|kind| (kind, kind.topic(prefix, *suffix))));
        }
    }
    names.sort_by(|one, other| one.1.cmp(&other.1));
    names.dedup();
    names
}

/// Settings a topic of that kind is made with: objects stand under their key for ever, usage is a log that ages.
#[must_use]
pub fn settings(topics: &TopicsConfig, kind: RecordKind) -> Vec<(&'static str, String)> {
    let lag_ms = (topics.min_compaction_lag_hours * HOUR_MS).to_string();
    let mut settings = if kind.is_object() {
        vec![
            ("cleanup.policy", "compact".to_owned()),
            ("min.compaction.lag.ms", lag_ms.clone()),
            // A tombstone stays as long as an ingester may be away.
            ("delete.retention.ms", lag_ms),
        ]
    } else {
        vec![
            ("cleanup.policy", "delete".to_owned()),
            ("retention.ms", topics.usage_retention_ms().to_string()),
        ]
    };
    settings.extend([
        ("min.insync.replicas", topics.min_insync_replicas.to_string()),
        ("max.message.bytes", topics.max_message_bytes.to_string()),
        // The broker's clock is not the emitter's: records keep the instant they were sent at.
        ("message.timestamp.type", "CreateTime".to_owned()),
        (TIMESTAMP_AHEAD, ANY_TIMESTAMP.to_owned()),
    ]);
    settings
}

/// Creates what is missing; returns the names of what it made.
///
/// # Errors
/// What the brokers refused, by topic.
pub async fn create(config: &FleetledgerConfig, kafka: &ClientConfig) -> anyhow::Result<Vec<String>> {
    let admin: AdminClient<DefaultClientContext> = kafka.create().context("set up the topics' client")?;
    let names: Vec<TopicSettings> = names(config)
        .into_iter()
        .map(|(kind, name)| (name, settings(&config.topics, kind)))
        .collect();
    let options = AdminOptions::new()
        .operation_timeout(Some(ANSWER))
        .request_timeout(Some(ANSWER));
    let mut made = Vec::new();
    let results = admin
        .create_topics(&requests(config, &names, |_| true), &options)
        .await
        .context("create topics")?;
    for result in results {
        match result {
            Ok(name) => made.push(name),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((name, RDKafkaErrorCode::InvalidConfig)) => {
                let one: Vec<_> = names
                    .iter()
                    .filter(|(topic, _)| *topic == name)
                    .cloned()
                    .collect();
                let known = |key: &str| key != TIMESTAMP_AHEAD;
                let again = admin
                    .create_topics(&requests(config, &one, known), &options)
                    .await
                    .context("create topics")?;
                match again.into_iter().next() {
                    Some(Err((name, code))) => bail!("create topic {name}: {code}; {}", remedy(code)),
                    _ => made.push(name),
                }
            }
            Err((name, code)) => bail!("create topic {name}: {code}; {}", remedy(code)),
        }
    }
    Ok(made)
}

/// A topic's name and the settings that it is made with.
type TopicSettings = (String, Vec<(&'static str, String)>);

fn requests<'n>(
    config: &FleetledgerConfig,
    names: &'n [TopicSettings],
    wanted: impl Fn(&str) -> bool,
) -> Vec<NewTopic<'n>> {
    let request = |(name, settings): &'n TopicSettings| {
        let replication = TopicReplication::Fixed(config.topics.replication_factor);
        let topic = NewTopic::new(name, config.topics.partitions, replication);
        let settings = settings.iter().filter(|(key, _)| wanted(key));
        settings.fold(topic, |topic, (key, value)| topic.set(key, value))
    };
    names.iter().map(request).collect()
}

fn remedy(code: RDKafkaErrorCode) -> &'static str {
    match code {
        RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::ClusterAuthorizationFailed => {
            "allow this user Create and DescribeConfigs on these topics"
        }
        RDKafkaErrorCode::InvalidReplicationFactor => {
            "lower topics.replication_factor to at most the number of brokers"
        }
        _ => "correct the section [topics] of the configuration, or see the broker's log",
    }
}

/// Settings of these topics as the brokers tell them; a topic that does not exist is absent.
///
/// # Errors
/// The brokers do not tell, for instance because this user may not ask.
pub async fn describe(
    kafka: &ClientConfig,
    names: &[String],
) -> Result<BTreeMap<String, BTreeMap<String, String>>, KafkaError> {
    let admin: AdminClient<DefaultClientContext> = kafka.create()?;
    let topics: Vec<ResourceSpecifier<'_>> =
        names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let options = AdminOptions::new().request_timeout(Some(ANSWER));
    let mut described = BTreeMap::new();
    for (name, result) in names.iter().zip(admin.describe_configs(&topics, &options).await?) {
        match result {
            Ok(resource) => {
                let entries = resource.entries.into_iter();
                let settings = entries
                    .filter_map(|entry| Some((entry.name, entry.value?)))
                    .collect();
                described.insert(name.clone(), settings);
            }
            Err(RDKafkaErrorCode::UnknownTopicOrPartition) => {}
            Err(code) => return Err(KafkaError::AdminOp(code)),
        }
    }
    Ok(described)
}
