//! A simulated fleet on a clock of its own: what its emitter would send, moment by moment, as fast as a machine can.

use std::time::Duration;

use fleetledger_schema::{instant::Instant, record::Record};
use prometheus::Registry;
use tokio::time::Instant as Tick;

use super::{PAGE, SimulateSettings, world::SimulatedCluster};
use crate::{
    encode::decode,
    error::EmitError,
    fleet::{ClockReading, ObservedFleet},
    health::EmitterHealth,
    metrics::EmitMetrics,
    resource::{ResourceChange, WatchedResource},
    settings::EmitSettings,
    usage::{ClusterUsageReader, ContainerSample, GpuSample, Roster, SamplesByNode},
};

/// How far the simulated clock moves at a time, in microseconds.
const STEP_MICROS: i64 = 1_000_000;

/// A record that the emitter would send. One with `deleted_at` is its object's last.
#[derive(Debug, Clone)]
pub struct HistoricRecord {
    /// When the emitter saw it.
    pub at: Instant,
    /// The record.
    pub record: Record,
}

/// A simulated cluster and what its emitter knows of it, without Kafka and without waiting: hours pass in seconds.
pub struct SimulatedHistory {
    pub(super) world: SimulatedCluster,
    pub(super) fleet: ObservedFleet,
    roster: Roster,
    began: (Instant, Tick),
    pub(super) at: Instant,
}

impl ClusterUsageReader for SimulatedHistory {
    fn read_usage(&self, now: Instant) -> (SamplesByNode<ContainerSample>, SamplesByNode<GpuSample>) {
        self.world.usage(now)
    }
}

impl SimulatedHistory {
    /// A fleet as it is at `from`.
    ///
    /// # Errors
    /// Settings that an emitter refuses.
    pub fn begin(
        settings: &EmitSettings,
        simulate: &SimulateSettings,
        from: Instant,
    ) -> Result<Self, EmitError> {
        let metrics = EmitMetrics::register(&Registry::new(), &settings.datacenter, &settings.cluster)?;
        let roster = Roster::default();
        let mut history = Self {
            world: SimulatedCluster::build(simulate, &settings.datacenter, &settings.cluster, from),
            fleet: ObservedFleet::new(
                settings,
                false,
                Some(roster.clone()),
                metrics,
                EmitterHealth::new(),
            )?,
            roster,
            began: (from, Tick::now()),
            at: from,
        };
        let now = history.clock();
        for resource in WatchedResource::ALL {
            let objects = history.world.page(resource, None, usize::MAX);
            history.fleet.absorb(resource, ResourceChange::Begin, now);
            for page in objects.chunks(PAGE) {
                for object in page {
                    let listed = ResourceChange::Listed(object.clone());
                    history.fleet.absorb(resource, listed, now);
                }
            }
            history.fleet.absorb(resource, ResourceChange::End, now);
        }
        Ok(history)
    }

    /// Uid of the cluster.
    #[must_use]
    pub fn cluster_uid(&self) -> &str {
        self.world.cluster_uid()
    }

    /// Lets the fleet live until `to`, and returns what its emitter would have sent meanwhile; at first, all there is.
    pub fn advance(&mut self, to: Instant) -> Vec<HistoricRecord> {
        let mut records = self.take_ready();
        while self.at < to {
            self.step(to);
            records.append(&mut self.take_ready());
        }
        records
    }

    /// Moves on by a second, or up to `to` if that is sooner.
    pub(super) fn step(&mut self, to: Instant) {
        self.at = to.min(self.at.plus_micros(STEP_MICROS));
        let now = self.clock();
        self.world.step(now.at);
        for (resource, change) in self.world.take_changes() {
            self.fleet.absorb(resource, change, now);
        }
        self.fleet.pass_time(now);
    }

    /// Nodes and pods that live, for whoever reads usage.
    pub(super) fn roster(&self) -> Roster {
        self.roster.clone()
    }

    fn clock(&self) -> ClockReading {
        let (from, tick) = self.began;
        let passed = u64::try_from(self.at.micros_since(from)).unwrap_or(0);
        ClockReading {
            at: self.at,
            tick: tick + Duration::from_micros(passed),
        }
    }

    fn take_ready(&mut self) -> Vec<HistoricRecord> {
        let mut records = Vec::new();
        for uid in std::mem::take(&mut self.fleet.ready) {
            let Some(entry) = self.fleet.memory.get_mut(&uid) else {
                continue;
            };
            let (is_gone, at) = (entry.gone, entry.observed_at);
            let is_new = entry.sent.replace(entry.hash) != Some(entry.hash);
            let record = is_new
                .then(|| decode(&entry.value, &self.fleet.schemas))
                .flatten();
            if is_gone {
                self.fleet.memory.forget(&uid);
            }
            records.extend(record.map(|record| HistoricRecord { at, record }));
        }
        records
    }
}
