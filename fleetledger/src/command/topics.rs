//! `fleetledger topics create`.

use crate::{config::LoadedConfig, connect, exit::ExitReason, output::counted, setup::client_config, topics};

pub(super) async fn create(loaded: &LoadedConfig) -> anyhow::Result<ExitReason> {
    let config = &loaded.config;
    let kafka = client_config(loaded)?;
    let there = connect::kafka::brokers(&config.kafka, &kafka).await?;
    let made = topics::create(config, &kafka).await?;
    for (_, name) in topics::names(config) {
        let existing = there.topics.iter().find(|topic| topic.topic == name);
        match existing {
            _ if made.contains(&name) => {
                println!(
                    "created {name} with {}",
                    counted(config.topics.partitions, "partition")
                )
            }
            Some(topic) => println!(
                "kept    {name} with {}; fleetledger doctor checks it",
                counted(topic.partitions, "partition")
            ),
            None => println!("kept    {name}"),
        }
    }
    Ok(ExitReason::Done)
}
