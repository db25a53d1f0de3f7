//! The brokers.

use rdkafka::{
    admin::{AdminClient, AdminOptions, ResourceSpecifier},
    client::DefaultClientContext,
};

use super::{CheckVerdict, DoctorObservations, observation::KafkaObservation};
use crate::topics;

const CREATE: &str = "run: fleetledger topics create";

pub(super) async fn reach(scene: &DoctorObservations) -> CheckVerdict {
    let servers = &scene.config.kafka.bootstrap_servers;
    scene
        .kafka
        .reached(|kafka| format!("{servers}, {} topics", kafka.topics.len()))
}

pub(super) async fn exist(scene: &DoctorObservations) -> CheckVerdict {
    let kafka = match scene.kafka.get("kafka") {
        Ok(kafka) => kafka,
        Err(skipped) => return skipped,
    };
    let names: Vec<String> = topics::names(&scene.config)
        .into_iter()
        .map(|(_, name)| name)
        .collect();
    let missing: Vec<&str> = names
        .iter()
        .filter(|name| kafka.topic(name).is_none())
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return CheckVerdict::well(names.join(", "));
    }
    CheckVerdict::broken(format!("topic not found: {}", missing.join(", ")), CREATE)
}

pub(super) async fn leaders(scene: &DoctorObservations) -> CheckVerdict {
    let kafka = match scene.kafka.get("kafka") {
        Ok(kafka) => kafka,
        Err(skipped) => return skipped,
    };
    let mut faults = Vec::new();
    for (_, name) in topics::names(&scene.config) {
        if let Some(topic) = kafka.topic(&name).filter(|topic| topic.leaderless > 0) {
            faults.push(format!(
                "{} of {} partitions of {name} have no leader",
                topic.leaderless, topic.partitions
            ));
        }
    }
    CheckVerdict::of(
        &faults,
        "start the brokers that are down: kafka-topics.sh --describe --unavailable-partitions",
        "all",
    )
}

/// A topic that springs up because somebody asked for it is neither compacted nor has the right partitions.
pub(super) async fn auto_create(scene: &DoctorObservations) -> CheckVerdict {
    let kafka = match scene.kafka.get("kafka") {
        Ok(kafka) => kafka,
        Err(skipped) => return skipped,
    };
    match broker_setting(kafka, "auto.create.topics.enable").await {
        Ok(Some(value)) if value == "true" => CheckVerdict::broken(
            "brokers create a topic when a client asks for one that does not exist: it is not compacted and \
             has the broker's default partition count",
            "turn it off in server.properties of every broker (auto.create.topics.enable=false) and restart them one by one",
        ),
        Ok(Some(value)) => CheckVerdict::well(format!("auto.create.topics.enable={value}")),
        Ok(None) => CheckVerdict::skipped("the broker does not report it"),
        Err(error) => CheckVerdict::skipped(format!(
            "brokers do not show their settings to this user ({error})"
        )),
    }
}

async fn broker_setting(kafka: &KafkaObservation, name: &str) -> anyhow::Result<Option<String>> {
    let admin: AdminClient<DefaultClientContext> = kafka.client.create()?;
    let options = AdminOptions::new().request_timeout(Some(std::time::Duration::from_secs(10)));
    let described = admin
        .describe_configs([&ResourceSpecifier::Broker(kafka.broker)], &options)
        .await?;
    let settings = described.into_iter().next();
    let Some(Ok(settings)) = settings else {
        return Ok(None);
    };
    let mut entries = settings.entries.into_iter();
    Ok(entries
        .find(|entry| entry.name == name)
        .and_then(|entry| entry.value))
}
