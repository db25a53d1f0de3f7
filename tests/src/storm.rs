//! A storm of records: what several clusters' emitters might write, one of them deposed each, at random by seed.

use std::{collections::BTreeMap, time::Duration};

use fleetledger_schema::{
    instant::Instant,
    kind::RecordKind,
    record::{ContainerUsage, Record, Usage},
};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rdkafka::ClientConfig;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::manual_emitter::{ManualEmitter, deployment, namespace, node, pod};

/// Clusters that churn; they share partitions.
const CLUSTERS: usize = 4;

/// Random changes of a few clusters: new, changed, equal and deleted objects, marks, sweeps, and a deposed
/// emitter that goes on.
#[derive(Debug)]
pub struct RecordStorm {
    random: StdRng,
    clusters: Vec<StormCluster>,
}

#[derive(Debug)]
struct StormCluster {
    leader: ManualEmitter,
    deposed: ManualEmitter,
    living: BTreeMap<(RecordKind, u32), Record>,
    dead: u32,
    /// The newest windows of usage, some of which come again.
    windows: Vec<Usage>,
}

impl RecordStorm {
    /// Clusters whose newer leadership term is known before the deposed one goes on.
    pub async fn new(kafka: &ClientConfig, prefix: &str, seed: u64) -> Self {
        let clusters = (0..CLUSTERS).map(|number| {
            let scribe =
                |name: &str| ManualEmitter::new(kafka, prefix, name, &format!("cluster-uid-{number}"));
            let name = format!("prod-{number}");
            let (mut deposed, mut scribe) = (scribe(&name), scribe(&name));
            deposed.epoch = scribe.epoch - 1_000_000;
            scribe.mark_all();
            StormCluster {
                leader: scribe,
                deposed,
                living: BTreeMap::new(),
                dead: 0,
                windows: Vec::new(),
            }
        });
        let mut storm = Self {
            random: StdRng::seed_from_u64(seed),
            clusters: clusters.collect(),
        };
        storm.blow(0).await;
        storm
    }

    /// So many random records; returns when Kafka has them.
    pub async fn blow(&mut self, records: usize) {
        for _ in 0..records {
            let cluster = self.random.random_range(0..self.clusters.len());
            let cluster = &mut self.clusters[cluster];
            if self.random.random_range(0..10) == 0 {
                cluster.window(&mut self.random);
                continue;
            }
            let (kind, number) = match self.random.random_range(0..20) {
                0 => (RecordKind::Namespace, self.random.random_range(0..10)),
                1..4 => (RecordKind::Node, self.random.random_range(0..50)),
                4..6 => (RecordKind::Workload, self.random.random_range(0..30)),
                _ => (RecordKind::Pod, self.random.random_range(0..300)),
            };
            let roll = self.random.random_range(0..1000);
            let value: u16 = self.random.random_range(1..5000);
            cluster.step(kind, number, roll, value);
        }
        for cluster in &mut self.clusters {
            cluster.leader.flush().await;
            cluster.deposed.flush().await;
        }
    }

    /// The last words of every cluster: a mark.
    pub async fn end(&mut self) {
        for cluster in &mut self.clusters {
            cluster.leader.mark_all();
            cluster.leader.flush().await;
        }
    }
}

impl StormCluster {
    /// A window of usage: a new one of the last two days, one that was sent before, one of the deposed emitter.
    fn window(&mut self, random: &mut StdRng) {
        match random.random_range(0..10) {
            0..2 if !self.windows.is_empty() => {
                let again = random.random_range(0..self.windows.len());
                let again = self.windows[again].clone();
                self.leader.write_usage(&again);
            }
            2 => {
                let window = window(random);
                self.deposed.write_usage(&window);
            }
            _ => {
                let window = window(random);
                self.leader.write_usage(&window);
                self.windows.push(window);
                if self.windows.len() > 20 {
                    self.windows.remove(0);
                }
            }
        }
    }

    fn step(&mut self, kind: RecordKind, number: u32, roll: u32, value: u16) {
        match roll {
            // Deleted; its number comes back under a new uid.
            0..80 => {
                if let Some(record) = self.living.remove(&(kind, number)) {
                    self.leader.delete(&record);
                    self.dead += 1;
                }
            }
            // Sent again as it is.
            80..280 => {
                if let Some(record) = self.living.get(&(kind, number)) {
                    self.leader.write(record);
                }
            }
            280..330 => self.deposed.write(&object(kind, "deposed", value)),
            330..335 => self.leader.mark_all(),
            335..337 => {
                let all: Vec<Record> = self
                    .living
                    .iter()
                    .filter(|((of, _), _)| *of == kind)
                    .map(|(_, record)| record.clone())
                    .collect();
                self.leader.sweep(kind, &all);
            }
            _ => {
                let uid = self.living.get(&(kind, number)).map_or_else(
                    || format!("{kind}-{number}-{}", self.dead),
                    |old| old.uid().to_owned(),
                );
                let record = object(kind, &uid, value);
                self.leader.write(&record);
                self.living.insert((kind, number), record);
            }
        }
    }
}

/// A random window of one to five minutes with up to four containers.
fn window(random: &mut StdRng) -> Usage {
    const MINUTE: i64 = 60_000_000;
    let now = Instant::now().0;
    let hour = now - now.rem_euclid(60 * MINUTE) - random.random_range(1..48) * 60 * MINUTE;
    let length = [1, 2, 5][random.random_range(0..3)];
    let start = hour + random.random_range(0..60 / length) * length * MINUTE;
    let node = random.random_range(0..40);
    let containers = (0..random.random_range(0..5)).map(|number| {
        let mut amount = |most: i64| random.random_range(0..most);
        ContainerUsage {
            uid: format!("pod-{node}-{}", number / 2),
            namespace: "default".to_owned(),
            pod: format!("api-{}", number / 2),
            container: format!("c{number}"),
            covered_ms: amount(length * 60_000),
            cpu_core_us: amount(1_000_000_000),
            memory_byte_seconds: amount(1_000_000_000_000),
            cpu_charged_core_us: amount(1_000_000_000),
            memory_charged_byte_seconds: amount(1_000_000_000_000),
            cpu_max_millicores: amount(64_000),
            memory_max_bytes: amount(1 << 40),
            request_cpu_millicores: (number == 1).then_some(500),
            request_memory_bytes: None,
            gpu_covered_ms: if number == 0 { 60_000 } else { 0 },
            gpu_used_card_us: (number == 0).then(|| amount(60_000_000)),
        }
    });
    let containers = containers.collect();
    Usage {
        uid: format!("node-{node}"),
        node: format!("node-{node}"),
        window_start_at: Instant(start),
        window_end_at: Instant(start + length * MINUTE),
        source: "kubelet".to_owned(),
        containers,
    }
}

fn object(kind: RecordKind, uid: &str, value: u16) -> Record {
    match kind {
        RecordKind::Node => node(uid, value.into()),
        RecordKind::Namespace => namespace(uid, &format!("team-{value}")),
        RecordKind::Workload => deployment(uid, value.into()),
        RecordKind::Pod | RecordKind::Watchdog | RecordKind::Usage => pod(uid, value.into()),
    }
}

/// A storm that blows on while something else happens.
#[derive(Debug)]
pub struct RunningStorm {
    stop: CancellationToken,
    task: JoinSet<RecordStorm>,
}

impl RunningStorm {
    /// Thirty records every 20 ms, at most.
    #[must_use]
    pub fn start(storm: RecordStorm) -> Self {
        Self::start_at(storm, 30)
    }

    /// So many records every 20 ms, at most.
    #[must_use]
    pub fn start_at(mut storm: RecordStorm, records: usize) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while !stopped.is_cancelled() {
                storm.blow(records).await;
                pace.tick().await;
            }
            storm
        });
        Self { stop, task }
    }

    /// Ends it; Kafka has everything then, and marks behind it.
    pub async fn end(mut self) -> RecordStorm {
        self.stop.cancel();
        let mut storm = self.task.join_next().await.unwrap().unwrap();
        storm.end().await;
        storm
    }
}
