//! What is configured: the user's file, with the demo's own rhythm over it.

use fleetledger_emit::{EmitSettings, SimulateSettings, simulate::StoryPart};

use super::broker::DemoBroker;
use crate::{cli::DemoSize, config::FleetledgerConfig};

/// The simulated datacenters; each has one cluster.
pub(super) const DATACENTERS: [&str; 3] = ["dfw", "iad", "fra"];
/// Name of the cluster of each.
pub(super) const CLUSTER: &str = "prod-1";
/// Partitions of each topic of a broker that is ours.
const PARTITIONS: i32 = 4;

/// Marks, sweeps and comparisons come often enough to be watched.
pub(super) fn config(base: &FleetledgerConfig, broker: &DemoBroker) -> anyhow::Result<FleetledgerConfig> {
    let mut config = base.clone();
    config.kafka = broker.section(&base.kafka);
    config.owners.namespace_label = base.owners.namespace_label.clone();
    config.emit.mark_interval_seconds = 10;
    config.emit.sweep_interval_seconds = 300;
    config.emit.settle_ms = 2_000;
    config.emit.usage.interval_seconds = 10;
    config.emit.usage.window_minutes = 1;
    config.ingest.topic_prefix = config.emit.topic_prefix.clone();
    config.ingest.table_sum_interval_seconds = 15;
    config.ingest.shards = config.emit.shards;
    // A demo that is started again has other pods than the last one, and nobody forges sweeps.
    config.ingest.sweep_hold_share = 1.0;
    if broker.is_ours() {
        config.topics.partitions = PARTITIONS;
        config.topics.replication_factor = 1;
        config.topics.min_insync_replicas = 1;
    }
    config.emit.datacenter = DATACENTERS.first().copied().unwrap_or_default().to_owned();
    config.emit.cluster = CLUSTER.to_owned();
    config.emit.check()?;
    config.ingest.check()?;
    Ok(config)
}

/// Emitter and simulated fleet of each datacenter; each has its own seed, and plays its part in the story.
pub(super) fn clusters(config: &FleetledgerConfig, size: DemoSize) -> Vec<(EmitSettings, SimulateSettings)> {
    let parts = [StoryPart::First, StoryPart::Second, StoryPart::Third];
    let numbered = (0..).zip(DATACENTERS.into_iter().zip(parts));
    numbered
        .map(|(number, (datacenter, story))| {
            let (nodes, pods, changes_per_second) = match size {
                DemoSize::Small => (30, 500, 15.0),
                DemoSize::Medium => (150, 3_000, 60.0),
            };
            let settings = EmitSettings {
                datacenter: datacenter.to_owned(),
                cluster: CLUSTER.to_owned(),
                ..config.emit.clone()
            };
            let simulate = SimulateSettings {
                seed: config.simulate.seed.wrapping_add(number),
                nodes,
                pods,
                changes_per_second,
                incidents: false,
                story,
                ..config.simulate.clone()
            };
            (settings, simulate)
        })
        .collect()
}
