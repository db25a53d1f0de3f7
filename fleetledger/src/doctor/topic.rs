//! How the topics are set up.

use super::{CheckVerdict, DoctorObservations, observation::KafkaObservation};
use crate::{output::counted, topics};

/// Seven days, in milliseconds.
const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// The command that changes settings of one topic.
fn alter(scene: &DoctorObservations, topic: &str, setting: &str) -> String {
    format!(
        "kafka-configs.sh --bootstrap-server {} --alter --entity-type topics --entity-name {topic} --add-config {setting}",
        scene.config.kafka.bootstrap_servers
    )
}

/// Every topic that exists, with one of its settings; or why it cannot be told.
fn each<'s>(scene: &'s DoctorObservations, setting: &str) -> Result<Vec<(String, &'s str)>, CheckVerdict> {
    let kafka = scene.kafka.get("kafka")?;
    let settings = kafka.settings.as_ref().map_err(|why| {
        CheckVerdict::skipped(format!(
            "brokers do not show the settings of topics ({why}); grant this user DescribeConfigs"
        ))
    })?;
    if settings.is_empty() {
        return Err(CheckVerdict::skipped("see kafka-topics"));
    }
    Ok(settings
        .iter()
        .filter_map(|(name, of)| Some((name.clone(), of.get(setting)?.as_str())))
        .collect())
}

/// The same, of topics of objects or of the others.
fn each_of<'s>(
    scene: &'s DoctorObservations,
    setting: &str,
    objects: bool,
) -> Result<Vec<(String, &'s str)>, CheckVerdict> {
    let mut topics = each(scene, setting)?;
    let kinds = topics::names(&scene.config);
    topics.retain(|(topic, _)| {
        kinds
            .iter()
            .any(|(kind, name)| name == topic && kind.is_object() == objects)
    });
    Ok(topics)
}

pub(super) async fn compaction(scene: &DoctorObservations) -> CheckVerdict {
    match each_of(scene, "cleanup.policy", true) {
        Err(skipped) => skipped,
        Ok(topics) => match topics.iter().find(|(_, policy)| *policy != "compact") {
            None => CheckVerdict::well("cleanup.policy=compact"),
            Some((topic, policy)) => CheckVerdict::broken(
                format!(
                    "{topic} has cleanup.policy={policy}: objects that have not changed for a long time are \
                     deleted from it"
                ),
                alter(scene, topic, "cleanup.policy=compact"),
            ),
        },
    }
}

pub(super) async fn compaction_lag(scene: &DoctorObservations) -> CheckVerdict {
    match each_of(scene, "min.compaction.lag.ms", true) {
        Err(skipped) => skipped,
        Ok(topics) => {
            let short = |value: &str| value.parse::<i64>().is_ok_and(|lag_ms| lag_ms < WEEK_MS);
            match topics.iter().find(|(_, value)| short(value)) {
                None => CheckVerdict::well("7 days or more"),
                Some((topic, value)) => CheckVerdict::broken(
                    format!(
                        "{topic} has min.compaction.lag.ms={value}: an ingester that was down for a day \
                         misses versions"
                    ),
                    alter(scene, topic, &format!("min.compaction.lag.ms={WEEK_MS}")),
                ),
            }
        }
    }
}

/// A tombstone is removed this long after compaction has seen it: whoever read the log before and comes back later would
/// never learn of the end.
pub(super) async fn tombstones(scene: &DoctorObservations) -> CheckVerdict {
    match each_of(scene, "delete.retention.ms", true) {
        Err(skipped) => skipped,
        Ok(topics) => {
            let short = |value: &str| value.parse::<i64>().is_ok_and(|kept_ms| kept_ms < WEEK_MS);
            match topics.iter().find(|(_, value)| short(value)) {
                None => CheckVerdict::well("7 days or more"),
                Some((topic, value)) => CheckVerdict::broken(
                    format!(
                        "{topic} has delete.retention.ms={value}: an ingester that was down for longer keeps \
                         deleted objects until the next sweep"
                    ),
                    alter(scene, topic, &format!("delete.retention.ms={WEEK_MS}")),
                ),
            }
        }
    }
}

/// A broker refuses what is further from its own clock than these, batch by batch, and the emitter cannot deliver.
pub(super) async fn timestamps(scene: &DoctorObservations) -> CheckVerdict {
    for setting in [topics::TIMESTAMP_AHEAD, "message.timestamp.before.max.ms"] {
        let topics = match each(scene, setting) {
            Ok(topics) => topics,
            Err(skipped) => return skipped,
        };
        let limited = |value: &str| value != topics::ANY_TIMESTAMP;
        if let Some((topic, value)) = topics.iter().find(|(_, value)| limited(value)) {
            return CheckVerdict::broken(
                format!(
                    "{topic} has {setting}={value}: an emitter whose clock is off by more cannot deliver any \
                     record"
                ),
                alter(scene, topic, &format!("{setting}={}", topics::ANY_TIMESTAMP)),
            );
        }
    }
    CheckVerdict::well("no limit")
}

/// Usage is a log of windows: compacted, it would keep one window of each node.
pub(super) async fn usage_retention(scene: &DoctorObservations) -> CheckVerdict {
    let policies = match each_of(scene, "cleanup.policy", false) {
        Ok(topics) => topics,
        Err(skipped) => return skipped,
    };
    if let Some((topic, policy)) = policies.iter().find(|(_, policy)| *policy != "delete") {
        return CheckVerdict::broken(
            format!("{topic} has cleanup.policy={policy}: it keeps only the newest window of each node"),
            alter(scene, topic, "cleanup.policy=delete"),
        );
    }
    let wanted_ms = scene.config.topics.usage_retention_ms();
    match each_of(scene, "retention.ms", false) {
        Err(skipped) => skipped,
        Ok(topics) => {
            // Below 0 is for ever.
            let short = |value: &str| {
                value
                    .parse::<i64>()
                    .is_ok_and(|kept_ms| (0..wanted_ms).contains(&kept_ms))
            };
            match topics.iter().find(|(_, value)| short(value)) {
                None => CheckVerdict::well("kept long enough"),
                Some((topic, value)) => CheckVerdict::broken(
                    format!(
                        "{topic} has retention.ms={value}, but topics.usage_retention_hours asks for \
                         {wanted_ms}: an ingester that was down for longer misses usage"
                    ),
                    alter(scene, topic, &format!("retention.ms={wanted_ms}")),
                ),
            }
        }
    }
}

pub(super) async fn message_size(scene: &DoctorObservations) -> CheckVerdict {
    let wanted = scene.config.topics.max_message_bytes;
    match each(scene, "max.message.bytes") {
        Err(skipped) => skipped,
        Ok(topics) => {
            let small = |value: &str| value.parse::<i64>().is_ok_and(|bytes| bytes < wanted);
            match topics.iter().find(|(_, value)| small(value)) {
                None => CheckVerdict::well(format!("{wanted} bytes or more")),
                Some((topic, value)) => CheckVerdict::broken(
                    format!(
                        "{topic} has max.message.bytes={value}, but topics.max_message_bytes is {wanted}: \
                         larger records are refused"
                    ),
                    alter(scene, topic, &format!("max.message.bytes={wanted}")),
                ),
            }
        }
    }
}

pub(super) async fn replicas(scene: &DoctorObservations) -> CheckVerdict {
    let topics = match each(scene, "min.insync.replicas") {
        Ok(topics) => topics,
        Err(skipped) => return skipped,
    };
    let kafka = match scene.kafka.get("kafka") {
        Ok(kafka) => kafka,
        Err(skipped) => return skipped,
    };
    for (topic, value) in &topics {
        let needed: usize = value.parse().unwrap_or(1);
        let copies = kafka.topic(topic).map_or(needed, |topic| topic.replicas);
        if copies < needed {
            return CheckVerdict::broken(
                format!("{topic} has {copies} replicas but min.insync.replicas={needed}: every write fails"),
                alter(scene, topic, &format!("min.insync.replicas={copies}")),
            );
        }
    }
    CheckVerdict::well("enough")
}

/// Keys are spread by the partition count: with another one, an object's records are in two logs.
pub(super) async fn partitions(scene: &DoctorObservations) -> CheckVerdict {
    let kafka = match scene.kafka.get("kafka") {
        Ok(kafka) => kafka,
        Err(skipped) => return skipped,
    };
    let recorded = match recorded(scene).await {
        Ok(recorded) => recorded,
        Err(why) => return CheckVerdict::skipped(why),
    };
    let mut faults = Vec::new();
    for (_, name) in topics::names(&scene.config) {
        let Some(topic) = kafka.topic(&name) else { continue };
        if let Some((_, count)) = recorded.iter().find(|(recorded, _)| *recorded == name)
            && usize::try_from(*count).ok() != Some(topic.partitions)
        {
            faults.push(format!(
                "{name} has {}, but had {count} when it was first read: records of one object may be in two partitions",
                counted(topic.partitions, "partition")
            ));
        }
    }
    CheckVerdict::of(
        &faults,
        "create new topics under another topic_prefix (fleetledger topics create), set emit.topic_prefix and \
         ingest.topic_prefix to it, and let the emitters sweep; the number of partitions cannot be reduced",
        format!("{} recorded", recorded.len()),
    )
}

/// Partitions that each topic had when it was first read.
const READ_TOPICS: &str = "select topic, partitions from ledger.topic";

async fn recorded(scene: &DoctorObservations) -> Result<Vec<(String, i32)>, String> {
    let postgres = scene
        .postgres
        .get("postgres")
        .map_err(|_| "see postgres-reach".to_owned())?;
    let rows = postgres.client.query(READ_TOPICS, &[]).await;
    let rows = rows.map_err(|_| "see postgres-migrated".to_owned())?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

impl KafkaObservation {
    /// One topic, if it exists.
    pub(super) fn topic(&self, name: &str) -> Option<&crate::connect::kafka::TopicMetadata> {
        self.topics
            .iter()
            .find(|topic| topic.topic == name && topic.partitions > 0)
    }
}
