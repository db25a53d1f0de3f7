//! `fleetledger topics create`.

use crate::{
    config::{ConfigError, Loaded},
    connect,
    exit::Exit,
    topics,
};

pub(super) async fn create(loaded: &Loaded) -> anyhow::Result<Exit> {
    let config = &loaded.config;
    let kafka = client_config(loaded)?;
    let there = connect::kafka::brokers(&config.kafka, &kafka).await?;
    let made = topics::create(config, &kafka).await?;
    for (_, name) in topics::names(config) {
        let standing = there.topics.iter().find(|topic| topic.topic == name);
        match standing {
            _ if made.contains(&name) => {
                println!("created {name} with {} partitions", config.topics.partitions)
            }
            Some(topic) => println!(
                "kept    {name} with {} partitions; fleetledger doctor checks it",
                topic.partitions
            ),
            None => println!("kept    {name}"),
        }
    }
    Ok(Exit::Done)
}

/// Refuses a configuration whose secrets cannot be read.
pub(super) fn client_config(loaded: &Loaded) -> Result<rdkafka::ClientConfig, ConfigError> {
    connect::kafka::client_config(&loaded.config.kafka).map_err(|fault| loaded.explain(fault))
}
