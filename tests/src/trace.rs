//! Machines and pods: of a production trace, or made up.

use std::{fs, path::Path};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// One machine.
#[derive(Debug, Clone)]
pub struct TraceMachine {
    /// Its name.
    pub name: String,
    /// CPU in thousandths of a core.
    pub millicores: i64,
    /// Memory in MiB.
    pub memory_mib: i64,
    /// GPU cards.
    pub gpus: i64,
    /// Model of the cards.
    pub model: String,
}

/// One pod.
#[derive(Debug, Clone)]
pub struct TracePod {
    /// Its name.
    pub name: String,
    /// Requested CPU in thousandths of a core.
    pub millicores: i64,
    /// Requested memory in MiB.
    pub memory_mib: i64,
    /// Requested GPU cards.
    pub gpus: i64,
    /// Share of the card in thousandths, 1000 for whole cards.
    pub gpu_millis: i64,
    /// Models it accepts.
    pub gpu_spec: String,
    /// The trace's own class of service.
    pub qos: String,
    /// Pending, Running, Succeeded or Failed.
    pub phase: String,
    /// False for a pod that was never scheduled.
    pub scheduled: bool,
}

/// What is known of a fleet's size and demand.
#[derive(Debug, Clone)]
pub struct FleetTrace {
    /// Where it comes from.
    pub origin: String,
    /// Its machines.
    pub machines: Vec<TraceMachine>,
    /// Its pods, all of them at once.
    pub pods: Vec<TracePod>,
}

impl FleetTrace {
    /// Reads the two CSV files of `folder`.
    #[must_use]
    pub fn read(folder: &Path) -> Self {
        let machines = lines(folder, "openb_node_list_all_node.csv")
            .into_iter()
            .map(|field| TraceMachine {
                name: field[0].clone(),
                millicores: field[1].parse().unwrap(),
                memory_mib: field[2].parse().unwrap(),
                gpus: field[3].parse().unwrap(),
                model: field[4].clone(),
            });
        let pods = lines(folder, "openb_pod_list_default.csv")
            .into_iter()
            .map(|field| TracePod {
                name: field[0].clone(),
                millicores: field[1].parse().unwrap(),
                memory_mib: field[2].parse().unwrap(),
                gpus: field[3].parse().unwrap(),
                gpu_millis: field[4].parse().unwrap(),
                gpu_spec: field[5].clone(),
                qos: field[6].clone(),
                phase: field[7].clone(),
                scheduled: !field[10].is_empty(),
            });
        Self {
            origin: "the production trace openb".to_owned(),
            machines: machines.collect(),
            pods: pods.collect(),
        }
    }

    /// A made-up fleet of so many machines and pods.
    #[must_use]
    pub fn generate(seed: u64, machines: usize, pods: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let machine = |n: usize| TraceMachine {
            name: format!("node-{n:04}"),
            millicores: 96_000,
            memory_mib: 393_216,
            gpus: if n.is_multiple_of(3) { 8 } else { 0 },
            model: if n.is_multiple_of(3) {
                "A100".to_owned()
            } else {
                String::new()
            },
        };
        let mut pod = |n: usize| {
            let phase = ["Running", "Running", "Running", "Pending", "Failed", "Succeeded"]
                [random.random_range(0..6)];
            let gpus = [0, 0, 1, 1, 8][random.random_range(0..5)];
            TracePod {
                name: format!("pod-{n:05}"),
                millicores: random.random_range(1..64) * 500,
                memory_mib: random.random_range(1..64) * 1024,
                gpus,
                gpu_millis: if gpus == 1 {
                    random.random_range(1..=20) * 50
                } else {
                    1000
                },
                gpu_spec: String::new(),
                qos: if random.random_bool(0.4) { "BE" } else { "LS" }.to_owned(),
                phase: phase.to_owned(),
                scheduled: phase != "Pending" || random.random_bool(0.3),
            }
        };
        Self {
            origin: format!("a generated fleet, seed {seed}"),
            machines: (0..machines).map(machine).collect(),
            pods: (0..pods).map(&mut pod).collect(),
        }
    }
}

/// Fields of every line after the first; the files quote nothing.
fn lines(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let path = folder.join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let fields = |line: &str| line.split(',').map(str::to_owned).collect();
    text.lines().skip(1).map(fields).collect()
}
