//! kill -9 of the ingester at every named point of a batch's way, and at random while the fleet churns. What the
//! centre holds is judged by an oracle that reads Kafka itself.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test may fail it"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use fleetledger_ingest::fail_point::FailPoint;
use fleetledger_schema::{kind::Kind, record::Record};
use fleetledger_tests::{
    database::Database,
    deadline::eventually,
    delivered::{self, Fold},
    ingester::Ingester,
    parts::{self, PARTITIONS, Parts},
    program::Program,
    scribe::{Scribe, deployment, namespace, node, pod},
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

const SEED: u64 = 5_150;
const RANDOM_KILLS: usize = 20;
/// Clusters that churn; they share partitions.
const CLUSTERS: usize = 4;
const LIMIT: Duration = Duration::from_secs(120);

/// Random changes of a few clusters: new, changed, equal and deleted objects, marks, sweeps, and a deposed
/// emitter that goes on.
struct Storm {
    random: StdRng,
    clusters: Vec<Storming>,
}

struct Storming {
    scribe: Scribe,
    deposed: Scribe,
    living: BTreeMap<(Kind, u32), Record>,
    dead: u32,
}

impl Storm {
    async fn new(parts: &Parts, prefix: &str, seed: u64) -> Self {
        let kafka = parts.kafka.client_config();
        let clusters = (0..CLUSTERS).map(|number| {
            let scribe = |name: &str| Scribe::new(&kafka, prefix, name, &format!("cluster-uid-{number}"));
            let name = format!("prod-{number}");
            let (mut deposed, mut scribe) = (scribe(&name), scribe(&name));
            deposed.epoch = scribe.epoch - 1_000_000;
            scribe.mark_all();
            Storming {
                scribe,
                deposed,
                living: BTreeMap::new(),
                dead: 0,
            }
        });
        let mut storm = Self {
            random: StdRng::seed_from_u64(seed),
            clusters: clusters.collect(),
        };
        // The newer reign is known before the deposed one goes on.
        storm.blow(0).await;
        storm
    }

    /// So many random records; returns when Kafka has them.
    async fn blow(&mut self, records: usize) {
        for _ in 0..records {
            let cluster = self.random.random_range(0..self.clusters.len());
            let cluster = &mut self.clusters[cluster];
            let (kind, number) = match self.random.random_range(0..20) {
                0 => (Kind::Namespace, self.random.random_range(0..10)),
                1..4 => (Kind::Node, self.random.random_range(0..50)),
                4..6 => (Kind::Workload, self.random.random_range(0..30)),
                _ => (Kind::Pod, self.random.random_range(0..300)),
            };
            let roll = self.random.random_range(0..1000);
            let value: u16 = self.random.random_range(1..5000);
            cluster.step(kind, number, roll, value);
        }
        for cluster in &mut self.clusters {
            cluster.scribe.flush().await;
            cluster.deposed.flush().await;
        }
    }

    /// The last words of every cluster: a mark.
    async fn end(&mut self) {
        for cluster in &mut self.clusters {
            cluster.scribe.mark_all();
            cluster.scribe.flush().await;
        }
    }
}

impl Storming {
    fn step(&mut self, kind: Kind, number: u32, roll: u32, value: u16) {
        match roll {
            // Deleted; its number comes back under a new uid.
            0..80 => {
                if let Some(record) = self.living.remove(&(kind, number)) {
                    self.scribe.delete(&record);
                    self.dead += 1;
                }
            }
            // Sent again as it is.
            80..280 => {
                if let Some(record) = self.living.get(&(kind, number)) {
                    self.scribe.write(record);
                }
            }
            280..330 => self.deposed.write(&object(kind, "deposed", value)),
            330..335 => self.scribe.mark_all(),
            335..337 => {
                let all: Vec<Record> = self
                    .living
                    .iter()
                    .filter(|((of, _), _)| *of == kind)
                    .map(|(_, record)| record.clone())
                    .collect();
                self.scribe.sweep(kind, &all);
            }
            _ => {
                let uid = self.living.get(&(kind, number)).map_or_else(
                    || format!("{kind}-{number}-{}", self.dead),
                    |old| old.uid().to_owned(),
                );
                let record = object(kind, &uid, value);
                self.scribe.write(&record);
                self.living.insert((kind, number), record);
            }
        }
    }
}

fn object(kind: Kind, uid: &str, value: u16) -> Record {
    match kind {
        Kind::Node => node(uid, value.into()),
        Kind::Namespace => namespace(uid, &format!("team-{value}")),
        Kind::Workload => deployment(uid, value.into()),
        Kind::Pod | Kind::Watchdog => pod(uid, value.into()),
    }
}

/// A storm that blows on while something else happens.
struct Blowing {
    stop: CancellationToken,
    task: JoinSet<Storm>,
}

impl Blowing {
    fn start(mut storm: Storm) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_millis(20));
            while !stopped.is_cancelled() {
                storm.blow(30).await;
                pace.tick().await;
            }
            storm
        });
        Self { stop, task }
    }

    async fn end(mut self) -> Storm {
        self.stop.cancel();
        let mut storm = self.task.join_next().await.unwrap().unwrap();
        storm.end().await;
        storm
    }
}

/// Configuration of an ingester that takes over from a killed one at once. `more` goes into `[ingest]`.
fn configuration(parts: &Parts, prefix: &str, database: &Database, more: &str) -> String {
    format!(
        "[kafka]\nbootstrap_servers = \"{}\"\n[postgres]\nurl = \"{}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n\
         [ingest]\ntopic_prefix = \"{prefix}\"\ngroup_id = \"{prefix}-victims\"\ninstance_id = \"victim\"\n{more}\n",
        parts.kafka.bootstrap_servers(),
        database.ingester_url,
    )
}

/// Awaits the end of the log, then judges everything by it.
async fn judge(parts: &Arc<Parts>, prefix: &str, database: &Database, survivor: &Program) -> Fold {
    let records = delivered::read_all(&parts.kafka.client_config(), prefix);
    let fold = delivered::fold(&records, &BTreeSet::new());
    eventually("everything is ingested", LIMIT, || async {
        fold.is_ingested(database)
            .await
            .map_err(|why| format!("{why}\n{}", survivor.logged()))
    })
    .await;
    let faults = delivered::judge(&fold, database).await;
    assert!(
        faults.is_empty(),
        "seed {SEED}: {} faults: {:#?}",
        faults.len(),
        &faults[..faults.len().min(20)]
    );
    fold
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_every_fail_point_the_ingester_lands_everything_once() {
    let Some(parts) = parts::shared("killed_at_every_fail_point_the_ingester_lands_everything_once").await
    else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let toml = configuration(&parts, &prefix, &database, "static_membership = true");
    let mut storm = Storm::new(&parts, &prefix, SEED).await;
    storm.blow(2_000).await;
    let mut blowing = Blowing::start(storm);
    let mut hits = BTreeMap::new();
    for point in FailPoint::ALL {
        // Not the first batch: by then something stands, is cached, and is being changed.
        let mut victim = Program::start(
            &["ingest"],
            &toml,
            &[("FLEETLEDGER_FAIL_POINT", &format!("{}:3", point.as_str()))],
        );
        let log = victim.ended().await;
        assert!(
            log.contains(&format!("fail point {}", point.as_str())),
            "{} was not hit: {log}",
            point.as_str()
        );
        *hits.entry(point.as_str()).or_insert(0) += 1;
    }
    let storm = blowing.end().await;
    blowing = Blowing::start(storm);
    let mut survivor = Program::start(&["ingest"], &toml, &[]);
    blowing.end().await;
    let fold = judge(&parts, &prefix, &database, &survivor).await;
    survivor.stop().await;
    println!(
        "seed {SEED}; kills by fail point: {hits:?}; {}; 0 faults",
        fold.total()
    );
    assert!(
        hits.len() == FailPoint::ALL.len() && hits.values().all(|hits| *hits > 0),
        "{hits:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_under_churn_the_ingester_lands_everything_once() {
    let Some(parts) = parts::shared("killed_at_random_under_churn_the_ingester_lands_everything_once").await
    else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let partitions: Vec<String> = Kind::ALL
        .into_iter()
        .flat_map(|kind| (0..PARTITIONS).map(move |partition| (kind, partition)))
        .map(|(kind, partition)| format!("\"{}:{partition}\"", kind.topic(&prefix, None)))
        .collect();
    let toml = configuration(
        &parts,
        &prefix,
        &database,
        &format!("partitions = [{}]", partitions.join(", ")),
    );
    let mut random = StdRng::seed_from_u64(SEED);
    let blowing = Blowing::start(Storm::new(&parts, &prefix, SEED + 1).await);
    let (began, soak) = (Instant::now(), soak());
    let mut kills = 0;
    while kills < RANDOM_KILLS || began.elapsed() < soak {
        let before = database.number("select count(*) from ledger.batch").await;
        let mut victim = Program::start(&["ingest"], &toml, &[]);
        eventually("the ingester lands a batch", LIMIT, || async {
            let batches = database.number("select count(*) from ledger.batch").await;
            if batches > before {
                Ok(())
            } else {
                Err(victim.logged())
            }
        })
        .await;
        // The instant of the kill is the experiment.
        tokio::time::sleep(Duration::from_micros(random.random_range(0..400_000))).await;
        victim.kill().await;
        kills += 1;
    }
    let mut survivor = Program::start(&["ingest"], &toml, &[]);
    blowing.end().await;
    let fold = judge(&parts, &prefix, &database, &survivor).await;
    survivor.stop().await;
    println!(
        "seed {SEED}; {kills} kills at random in {:.0?}; {}; 0 faults",
        began.elapsed(),
        fold.total()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_oracle_sees_every_sort_of_fault() {
    let Some(parts) = parts::shared("the_oracle_sees_every_sort_of_fault").await else {
        return;
    };
    let (database, prefix) = (parts.database().await, parts.topics().await);
    let kafka = parts.kafka.client_config();
    let mut storm = Storm::new(&parts, &prefix, SEED + 2).await;
    storm.blow(1_500).await;
    storm.end().await;
    let ingester = Ingester::start(&prefix, &kafka, &database);
    let fold = delivered::fold(&delivered::read_all(&kafka, &prefix), &BTreeSet::new());
    eventually("everything is ingested", LIMIT, || fold.is_ingested(&database)).await;
    ingester.stop().await;
    assert_eq!(delivered::judge(&fold, &database).await, Vec::<String>::new());
    let one_pod = "(cluster_id, uid) = (select cluster_id, uid from ledger.pod order by 1, 2 limit 1)";
    let one_past = "(cluster_id, uid, valid_from) = (select cluster_id, uid, valid_from from ledger.pod_history order by 1, 2, 3 limit 1)";
    let one_batch = "from_offset = 0 and topic like '%.pod' and landed > 0";
    for (fault, tampering, sign) in [
        (
            "a row is lost",
            format!("delete from ledger.pod where {one_pod}"),
            "does not stand",
        ),
        (
            "a row is stale",
            format!("update ledger.pod set body_hash_lo = body_hash_lo + 1 where {one_pod}"),
            "another content",
        ),
        (
            "a version is lost",
            format!("delete from ledger.pod_history where {one_past}"),
            "versions in the log",
        ),
        (
            "a version landed twice",
            format!("insert into ledger.pod_history select * from ledger.pod_history where {one_past}"),
            "holes or overlaps",
        ),
        (
            "intervals overlap",
            "update ledger.pod set valid_from = valid_from - interval '1 ms'".to_owned(),
            "holes or overlaps",
        ),
        (
            "a batch is missing",
            format!("delete from ledger.batch where {one_batch}"),
            "batch ledger says",
        ),
        (
            "a batch landed twice",
            format!("insert into ledger.batch select * from ledger.batch where {one_batch}"),
            "begins at",
        ),
        (
            "a record stands in the wrong column",
            format!("update ledger.batch set landed = landed - 1, dead = dead + 1 where {one_batch}"),
            "batch ledger says",
        ),
    ] {
        database.execute(&format!("begin; {tampering}")).await;
        let faults = delivered::judge(&fold, &database).await;
        database.execute("rollback").await;
        assert!(
            faults.iter().any(|found| found.contains(sign)),
            "{fault}: {faults:?}"
        );
        println!("{fault}: seen, {} faults", faults.len());
    }
}

/// How long `make soak` asks for; nothing otherwise.
#[expect(
    clippy::disallowed_methods,
    reason = "the test runner speaks to tests through the environment"
)]
fn soak() -> Duration {
    let seconds = std::env::var("FLEETLEDGER_SOAK_SECONDS").ok();
    Duration::from_secs(seconds.and_then(|seconds| seconds.parse().ok()).unwrap_or(0))
}
