//! `fleetledger topics list|create`.

use anyhow::Context as _;
use serde_json::json;

use crate::{
    cli::{OutputFormat, TopicsCommand},
    config::LoadedConfig,
    connect,
    exit::ExitReason,
    output::{OutputColumn, OutputTable, counted, print_answer, print_rows},
    setup::client_config,
    topics,
};

pub(super) async fn run(loaded: &LoadedConfig, command: &TopicsCommand) -> anyhow::Result<ExitReason> {
    match command {
        TopicsCommand::List(args) => list(loaded, args.format()).await,
        TopicsCommand::Create(args) => create(loaded, args.format()).await,
    }
}

async fn list(loaded: &LoadedConfig, format: OutputFormat) -> anyhow::Result<ExitReason> {
    let config = &loaded.config;
    let there = connect::kafka::brokers(&config.kafka, &client_config(loaded)?).await?;
    let names = topics::names(config);
    let rows = names.iter().map(|(kind, name)| {
        let existing = there.topics.iter().find(|topic| topic.topic == *name);
        json!({
            "topic": name,
            "kind": kind.to_string(),
            "state": if existing.is_some() { "there" } else { "missing" },
            "partitions": existing.map(|topic| topic.partitions),
        })
    });
    let rows: Vec<_> = rows.collect();
    let missing = rows.iter().filter(|row| row["state"] == "missing").count();
    let columns = ["topic", "kind", "state", "partitions"].map(OutputColumn::new);
    let table = OutputTable::of(columns.to_vec(), &rows).context("read the topics' fields")?;
    let after = match missing {
        0 => String::new(),
        _ => format!("{missing} missing: fleetledger topics create"),
    };
    print_rows(format, &table, "", &after)?;
    Ok(ExitReason::Done)
}

async fn create(loaded: &LoadedConfig, format: OutputFormat) -> anyhow::Result<ExitReason> {
    let config = &loaded.config;
    let kafka = client_config(loaded)?;
    let there = connect::kafka::brokers(&config.kafka, &kafka).await?;
    let made = topics::create(config, &kafka).await?;
    let rows = topics::names(config).into_iter().map(|(kind, name)| {
        let existing = there.topics.iter().find(|topic| topic.topic == name);
        let (result, partitions) = match made.contains(&name) {
            true => ("created", Some(config.topics.partitions.into())),
            false => (
                "kept",
                existing.and_then(|topic| i64::try_from(topic.partitions).ok()),
            ),
        };
        json!({ "topic": name, "kind": kind.to_string(), "result": result, "partitions": partitions })
    });
    let rows: Vec<_> = rows.collect();
    let columns = ["topic", "kind", "result", "partitions"].map(OutputColumn::new);
    let table = OutputTable::of(columns.to_vec(), &rows).context("read the topics' fields")?;
    let text = |_| {
        let lines = rows.iter().map(|row| {
            let name = row["topic"].as_str().unwrap_or_default();
            match (row["result"].as_str(), row["partitions"].as_i64()) {
                (Some("created"), Some(partitions)) => {
                    format!("created {name} with {}\n", counted(partitions, "partition"))
                }
                (_, Some(partitions)) => {
                    format!(
                        "kept    {name} with {}; fleetledger doctor checks it\n",
                        counted(partitions, "partition")
                    )
                }
                (_, None) => format!("kept    {name}\n"),
            }
        });
        lines.collect()
    };
    print_answer(format, text, || &table, || Ok(table.clone()))?;
    Ok(ExitReason::Done)
}
