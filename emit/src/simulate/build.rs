//! The fleet as it stands when a simulation begins.

use fleetledger_schema::instant::Instant;
use rand::RngExt;

use super::{
    placement::NodeResources,
    template::{self, NodePool, PodShape},
    world::{CRON_MICROS, ScheduledAction, SimulatedCluster, SimulatedNode, SimulatedWorkload, time},
};

/// Everything that outlives a restart was created within the 30 days after 2026-01-01.
const ANCHOR: Instant = Instant(1_767_225_600_000_000);
/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

const TEAMS: [&str; 8] = [
    "payments",
    "search",
    "checkout",
    "identity",
    "media",
    "pricing",
    "logistics",
    "insight",
];
const APPS: [&str; 10] = [
    "api", "worker", "cache", "gateway", "indexer", "mailer", "router", "scorer", "sync", "web",
];
/// The app whose containers nobody has given a limit on memory.
const UNLIMITED: &str = "worker";
const CHECKS: [&str; 5] = ["sysctl", "etcd", "kubelet", "dns", "certificate"];

pub(super) fn fill(world: &mut SimulatedCluster, now: Instant) {
    namespaces(world);
    nodes(world, now);
    workloads(world, now);
    for check in CHECKS {
        let (uid, created) = (world.stable_uid(&format!("watchdog/{check}")), long_ago(world));
        let nodes = world.nodes.len();
        world.put(template::watchdog(check, &uid, check, nodes, created));
    }
}

/// Name of the team with that number.
fn team(number: usize) -> String {
    let name = TEAMS.get(number % TEAMS.len()).copied().unwrap_or("team");
    if number < TEAMS.len() {
        name.to_owned()
    } else {
        format!("{name}-{}", number / TEAMS.len() + 1)
    }
}

fn namespaces(world: &mut SimulatedCluster) {
    let cluster_uid = world.cluster_uid().to_owned();
    world.put(template::namespace("kube-system", &cluster_uid, None, ANCHOR));
    for number in 0..world.settings.teams as usize {
        let name = team(number);
        let (uid, created) = (world.stable_uid(&format!("namespace/{name}")), long_ago(world));
        world.put(template::namespace(&name, &uid, Some(&name), created));
    }
}

fn nodes(world: &mut SimulatedCluster, now: Instant) {
    // Twice as many as there would be if all were spread evenly, and no fewer than the kubelet's own limit.
    let pods = (world.settings.pods * 2 / world.settings.nodes.max(1)).max(110);
    let pools: Vec<NodePool> = (0..world.settings.pools.max(1))
        .map(|number| NodePool {
            pods,
            ..pool(number, world.settings.pools)
        })
        .collect();
    for index in 0..world.settings.nodes as usize {
        let Some(pool) = pools.get(index % pools.len()) else {
            continue;
        };
        let name = format!("{}-{index:04}", pool.name);
        let zone = format!("zone-{}", index % 3);
        let (uid, created) = (world.stable_uid(&format!("node/{name}")), long_ago(world));
        let mut node = template::node(&name, &uid, pool, &zone, created);
        if let Some(status) = &mut node.status {
            status.conditions = Some(template::node_conditions(now, created, "True"));
        }
        world.put(node);
        world.put(template::lease(&name, &format!("lease-{uid}"), now));
        world.nodes.push(SimulatedNode {
            name,
            uid,
            up: true,
            is_tainted: false,
            allocatable: pool.allocatable(),
            reserved: NodeResources::default(),
            boots: 1,
        });
        let first = world.between(0.0, 10.0);
        world.later(now, first, ScheduledAction::RenewLease(index));
        let first = world.between(0.0, 300.0);
        world.later(now, first, ScheduledAction::ReportStatus(index));
    }
}

fn pool(number: u32, pools: u32) -> NodePool {
    let gpu = pools > 1 && number + 1 == pools;
    match (gpu, number % 3) {
        (true, _) => NodePool {
            name: "gpu".to_owned(),
            instance_type: "g-48x384-8",
            cpu: 48,
            memory_gib: 384,
            gpus: 8,
            pods: 0,
        },
        (_, 0) => NodePool {
            name: format!("general-{number}"),
            instance_type: "m-16x64",
            cpu: 16,
            memory_gib: 64,
            gpus: 0,
            pods: 0,
        },
        (_, 1) => NodePool {
            name: format!("compute-{number}"),
            instance_type: "c-32x64",
            cpu: 32,
            memory_gib: 64,
            gpus: 0,
            pods: 0,
        },
        _ => NodePool {
            name: format!("memory-{number}"),
            instance_type: "r-16x128",
            cpu: 16,
            memory_gib: 128,
            gpus: 0,
            pods: 0,
        },
    }
}

fn workloads(world: &mut SimulatedCluster, now: Instant) {
    let teams = world.settings.teams.max(1) as usize;
    let mut left = world.settings.pods as usize;
    let mut number = 0;
    let cards: u64 = world.nodes.iter().map(|node| node.allocatable.gpus).sum();
    let mut cards_asked_for = 0;
    while left > 0 {
        let mut replicas = world.rng.random_range(1..=12_usize).min(left);
        let gpu_nodes = world
            .nodes
            .iter()
            .filter(|node| node.allocatable.gpus > 0)
            .count();
        // The first one needs cards, and has a pod for every node that has some: no node is idle.
        if number == 0 {
            replicas = replicas.max(gpu_nodes.min(left));
            if cards > 0 {
                replicas = replicas.min(usize::try_from(cards * 3 / 4).unwrap_or(usize::MAX).max(1));
            }
        }
        left -= replicas;
        let app = APPS.get(number / teams % APPS.len()).copied().unwrap_or("app");
        let round = number / teams / APPS.len();
        let name = if round == 0 {
            app.to_owned()
        } else {
            format!("{app}-{round}")
        };
        let mut shape = shape(world, &team(number % teams), &name);
        shape.gpus = shape.gpus.max(u32::from(number == 0 && gpu_nodes > 0));
        // A quarter of the cards is left, for pods whose predecessors still hold theirs.
        if shape.gpus > 0 && (cards_asked_for + replicas as u64) * 4 > cards * 3 && number > 0 {
            shape.gpus = 0;
        }
        cards_asked_for += u64::from(shape.gpus) * replicas as u64;
        workload(world, &name, shape, replicas, now);
        number += 1;
    }
    for number in 0..teams {
        let shape = shape(world, &team(number), "report");
        let (uid, created) = (
            world.stable_uid(&format!("cronjob/{}", shape.namespace)),
            long_ago(world),
        );
        let mut cron_job = template::cron_job("report", &uid, &shape, created);
        let next = CRON_MICROS - now.0.rem_euclid(CRON_MICROS);
        let status = cron_job.status.get_or_insert_default();
        status.last_schedule_time = time(now.plus_micros(next - CRON_MICROS));
        status.last_successful_time = time(now);
        world.put(cron_job);
        world.later(now, next, ScheduledAction::CronTick(uid));
    }
}

/// How much smaller pods are than usual where there are many for the nodes: at most this share of their CPU and memory is
/// requested when a fleet begins.
const REQUESTED_AT_FIRST: f64 = 0.7;
/// What the container of a pod of the usual size requests on average, and what one pod in three requests beside it.
const USUAL: (f64, f64) = (1_000.0, 2_050.0);
const SIDECARS: f64 = 3.0;

fn pod_scale(world: &SimulatedCluster) -> (f64, f64) {
    let (mut millicores, mut memory_mib) = (0, 0);
    for node in &world.nodes {
        millicores += node.allocatable.millicores;
        memory_mib += node.allocatable.memory_mib;
    }
    let pods = f64::from(world.settings.pods.max(1));
    let scale = |has: u64, usual: f64, sidecar: u32| {
        let a_pod = has as f64 * REQUESTED_AT_FIRST / pods - f64::from(sidecar) / SIDECARS;
        (a_pod / usual).clamp(0.0, 1.0)
    };
    (
        scale(millicores, USUAL.0, template::SIDECAR_MILLICORES),
        scale(memory_mib, USUAL.1, template::SIDECAR_MEMORY_MIB),
    )
}

fn shape(world: &mut SimulatedCluster, team: &str, app: &str) -> PodShape {
    let (cpu_scale, memory_scale) = pod_scale(world);
    let scaled = |amount: u32, scale: f64| ((f64::from(amount) * scale) as u32).max(1);
    PodShape {
        namespace: team.to_owned(),
        team: team.to_owned(),
        app: app.to_owned(),
        image: format!("registry.example/{team}/{app}:v{}", world.rng.random_range(1..40)),
        cpu_millicores: scaled(50 * world.rng.random_range(1..40), cpu_scale),
        memory_mib: scaled(64 * world.rng.random_range(1..64), memory_scale),
        gpus: u32::from(world.settings.pools > 1 && world.rng.random_ratio(1, 20)),
        is_limited: app != UNLIMITED,
        sidecar: world.rng.random_ratio(1, 3),
        host_path: world.rng.random_ratio(1, 30),
    }
}

pub(super) fn workload(
    world: &mut SimulatedCluster,
    name: &str,
    shape: PodShape,
    replicas: usize,
    now: Instant,
) {
    let created = long_ago(world);
    let uid = world.stable_uid(&format!("deployment/{}/{name}", shape.namespace));
    let set_name = format!("{name}-{:08x}", world.rng.random::<u32>());
    let set_uid = world.stable_uid(&format!("replicaset/{}/{set_name}", shape.namespace));
    let desired = i32::try_from(replicas).unwrap_or(i32::MAX);
    world.put(template::deployment(name, &uid, &shape, desired, created));
    let owner = Some(("apps/v1", "Deployment", name, uid.as_str()));
    world.put(template::replica_set(&set_name, &set_uid, &shape, owner, created));
    world.workloads.push(SimulatedWorkload {
        name: name.to_owned(),
        uid,
        set_name,
        set_uid,
        revision: 1,
        replicas,
        base: replicas,
        shape,
        pods: Vec::new(),
    });
    let index = world.workloads.len() - 1;
    for _ in 0..replicas {
        let age = world.between(60.0, 2.0 * 86_400.0);
        let born = now.plus_micros(-age);
        if let Some(pod) = world.create_pod(index, born)
            && world.schedule_pod(&pod, born.plus_micros(1_000_000))
        {
            world.run_pod(&pod, born.plus_micros(5_000_000));
        }
    }
    world.refresh_workload(index);
}

fn long_ago(world: &mut SimulatedCluster) -> Instant {
    let after = world.rng.random_range(0..30 * DAY);
    ANCHOR.plus_micros(after)
}
