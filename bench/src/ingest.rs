//! Kafka → PostgreSQL: ours, with history, against Kafka Connect, raw consumption and COPY, in turns.

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_local::{kafka::LocalKafka, postgres::LocalPostgres};
use fleetledger_schema::{key::RecordSource, partition::partition_of, record::Pod};

use crate::{
    connect::KafkaConnect,
    consume, copy,
    figure::{BenchFigure, BenchReport},
    flat::{self, CopyRows},
    fleet::{self, CLUSTERS, PARTITIONS, RecordShape},
    ours::{ChangeShare, LedgerSide, PodRevisions, cpu, rate, seconds},
    parts::{self, BenchContext, LapClock, LapTime},
};

const LIMIT: Duration = Duration::from_secs(600);
const PODS: usize = 200_000;

/// The side of Kafka Connect.
struct ConnectSide {
    connect: KafkaConnect,
    sources: Vec<RecordSource>,
    sweeps: usize,
    /// The newest end of a sweep in each partition, and its cluster.
    ends: Vec<(usize, Pod)>,
    roots: Vec<u32>,
}

impl ConnectSide {
    async fn start(kafka: &LocalKafka, postgres: &LocalPostgres, database: &str) -> anyhow::Result<Self> {
        parts::create_topic(kafka, "peer.pod").await?;
        let client = client(postgres, database).await?;
        let connect = KafkaConnect::start(kafka, postgres, database, client, "peer.pod").await?;
        let roots = [
            kafka.pids(),
            postgres.pid().into_iter().collect(),
            vec![connect.pid()],
        ]
        .concat();
        Ok(Self {
            connect,
            sources: fleet::sources()?,
            sweeps: 0,
            ends: Vec::new(),
            roots,
        })
    }

    /// Puts a sweep into the topic, unseen by Connect until the lap. Each partition ends with a record of its own, which
    /// no sweep before has written: a pod may be what it was, and then its row does not say whether it was read.
    fn load(&mut self, pods: &PodRevisions) -> anyhow::Result<()> {
        self.connect.freeze()?;
        let mut clusters = vec![None; PARTITIONS as usize];
        for (cluster, pod) in pods.iter() {
            let source = self.sources.get(cluster).context("no such cluster")?;
            self.connect.write(source, &pod)?;
            let partition = partition_of(&source.cluster_uid, 0, PARTITIONS) as usize;
            if let Some(slot) = clusters.get_mut(partition) {
                *slot = Some(cluster);
            }
        }
        self.sweeps += 1;
        self.ends.clear();
        for cluster in clusters.into_iter().flatten() {
            let end = Pod {
                uid: "end-of-sweep".to_owned(),
                reason: Some(format!("Sweep{}", self.sweeps)),
                ..fleet::pod(0, 0, RecordShape::Flat)
            };
            let source = self.sources.get(cluster).context("no such cluster")?;
            self.connect.write(source, &end)?;
            self.ends.push((cluster, end));
        }
        self.connect.flush()
    }

    async fn lap(&mut self) -> anyhow::Result<LapTime> {
        let ends: Option<Vec<(&RecordSource, &Pod)>> = self
            .ends
            .iter()
            .map(|(cluster, end)| Some((self.sources.get(*cluster)?, end)))
            .collect();
        let ends = ends.context("no such cluster")?;
        let clock = LapClock::start(self.roots.clone())?;
        self.connect.thaw();
        self.connect.await_landed(&ends, LIMIT).await?;
        clock.stop()
    }
}

async fn client(postgres: &LocalPostgres, database: &str) -> anyhow::Result<tokio_postgres::Client> {
    postgres.create_database(database).await?;
    let connector =
        fleetledger_schema::postgres::PostgresConnector::new(postgres.url_of(database).parse()?, None);
    Ok(connector.connect("fleetledger bench").await?)
}

/// Laps of one kind of sweep.
#[derive(Default)]
struct SweepLaps {
    ours: Vec<LapTime>,
    connect: Vec<LapTime>,
    copy: Vec<LapTime>,
    consume: Vec<LapTime>,
}

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let count = setting.scaled(PODS);
    let kafka = setting.kafka().await?;
    // A server each, so that one side's vacuum and checkpoint are not the other's.
    let (postgres, peers_postgres) = (parts::postgres().await?, parts::postgres().await?);
    let mut ours = LedgerSide::start(setting, &kafka, &postgres, "flat", 1, "").await?;
    let mut theirs = None;
    if !setting.without_connect {
        theirs = Some(ConnectSide::start(&kafka, &peers_postgres, "connect").await?);
    }
    let copy_client = client(&peers_postgres, "copy").await?;
    copy::create(&copy_client).await?;
    let mut pods = PodRevisions::new(count, RecordShape::Flat);

    let first = ours.sweep(&pods).await?;
    rate(
        report,
        "ingest_first_records_per_second",
        count,
        &[first],
        "first sweep: every pod is new",
    );
    if let Some(theirs) = &mut theirs {
        theirs.load(&pods)?;
        let first = theirs.lap().await?;
        rate(
            report,
            "connect_first_records_per_second",
            count,
            &[first],
            "first sweep, with a cold JVM",
        );
    }
    let (mut mixed, mut changed, mut unchanged) =
        (SweepLaps::default(), SweepLaps::default(), SweepLaps::default());
    for round in 0..setting.rounds {
        tracing::info!(round, "ingest");
        for (changes, laps) in [
            (ChangeShare::Fifth, &mut mixed),
            (ChangeShare::All, &mut changed),
            (ChangeShare::None, &mut unchanged),
        ] {
            pods.change(changes);
            laps.ours.push(ours.sweep(&pods).await?);
            if let Some(theirs) = &mut theirs
                && changes != ChangeShare::None
            {
                theirs.load(&pods)?;
                laps.connect.push(theirs.lap().await?);
            }
            if changes == ChangeShare::All {
                laps.copy
                    .push(copy_lap(&pods, &copy_client, &peers_postgres).await?);
            }
            if changes == ChangeShare::None {
                let config = kafka.client_config();
                let lap = consume::lap(
                    &config,
                    ours.loader.topic(),
                    &ours.begins,
                    &ours.ends,
                    &kafka.pids(),
                )?;
                laps.consume.push(lap);
            }
        }
    }
    check(&ours, count, setting.rounds).await?;
    compare(report, count, &mixed, &changed, &unchanged);
    Ok(())
}

async fn copy_lap(
    pods: &PodRevisions,
    client: &tokio_postgres::Client,
    postgres: &LocalPostgres,
) -> anyhow::Result<LapTime> {
    let sources = fleet::sources()?;
    let mut rows = CopyRows::new();
    for (cluster, pod) in pods.iter() {
        rows.add(&flat::row(sources.get(cluster).context("no such cluster")?, &pod));
    }
    copy::lap(client, rows.finish(), postgres.pid().context("postgresql runs")?).await
}

/// What was measured must also be right: every pod stands, and every change is in the history.
async fn check(ours: &LedgerSide, pods: usize, rounds: usize) -> anyhow::Result<()> {
    let rows = ours.ledger.number("select count(*) from ledger.pod").await?;
    anyhow::ensure!(rows == i64::try_from(pods)?, "{rows} of {pods} pods stand");
    let closed = ours
        .ledger
        .number("select count(*) from ledger.pod_history")
        .await?;
    anyhow::ensure!(
        closed >= i64::try_from(pods * rounds)?,
        "{closed} versions are closed"
    );
    let dead = ours
        .ledger
        .number("select count(*) from ledger.dead_letter")
        .await?;
    anyhow::ensure!(dead == 0, "{dead} dead letters");
    Ok(())
}

fn compare(
    report: &mut BenchReport,
    count: usize,
    mixed: &SweepLaps,
    changed: &SweepLaps,
    unchanged: &SweepLaps,
) {
    let flat = "flat pods, with history";
    rate(
        report,
        "ingest_mixed_records_per_second",
        count,
        &mixed.ours,
        &format!("{flat}, 80 % unchanged"),
    );
    rate(
        report,
        "ingest_changed_records_per_second",
        count,
        &changed.ours,
        &format!("{flat}, all changed"),
    );
    rate(
        report,
        "ingest_unchanged_records_per_second",
        count,
        &unchanged.ours,
        &format!("{flat}, none changed"),
    );
    rate(
        report,
        "connect_mixed_records_per_second",
        count,
        &mixed.connect,
        "Kafka Connect, 80 % unchanged",
    );
    rate(
        report,
        "connect_changed_records_per_second",
        count,
        &changed.connect,
        "Kafka Connect, all changed",
    );
    rate(
        report,
        "copy_pk_records_per_second",
        count,
        &changed.copy,
        "COPY of encoded rows, logged, primary key",
    );
    rate(
        report,
        "consume_records_per_second",
        count,
        &unchanged.consume,
        "raw consumption of our records",
    );
    let mut ratio = |name: &str, value: f64, laps: &[LapTime], what: &str| {
        if !laps.is_empty() {
            let detail = format!(
                "{what}; {count} pods, {CLUSTERS} clusters, median of {} rounds in turns",
                laps.len()
            );
            report.add(BenchFigure::new(name, value, "x", detail));
        }
    };
    let faster = |ours: &[LapTime], theirs: &[LapTime]| seconds(theirs) / seconds(ours);
    ratio(
        "ingest_mixed_vs_connect",
        faster(&mixed.ours, &mixed.connect),
        &mixed.connect,
        "speed, 80 % unchanged, our side with history",
    );
    ratio(
        "ingest_mixed_cpu_vs_connect",
        cpu(&mixed.ours) / cpu(&mixed.connect),
        &mixed.connect,
        "CPU of client, broker and database, 80 % unchanged",
    );
    ratio(
        "ingest_changed_vs_connect",
        faster(&changed.ours, &changed.connect),
        &changed.connect,
        "speed, all changed, our side with history",
    );
    ratio(
        "ingest_changed_vs_copy_pk",
        faster(&changed.ours, &changed.copy),
        &changed.copy,
        "speed, all changed; COPY of rows already encoded, without Kafka, into a logged table with a primary key",
    );
    ratio(
        "ingest_unchanged_vs_consume",
        faster(&unchanged.ours, &unchanged.consume),
        &unchanged.consume,
        "speed, none changed; the same records polled and dropped",
    );
}

/// The full record: container rows and their history too. Reported, not compared.
pub(crate) async fn run_full(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let count = setting.scaled(PODS / 4);
    let kafka = setting.kafka().await?;
    let postgres = parts::postgres().await?;
    let mut ours = LedgerSide::start(setting, &kafka, &postgres, "full", 1, "").await?;
    let mut pods = PodRevisions::new(count, RecordShape::Full);
    let first = ours.sweep(&pods).await?;
    let full = "pods of 3 containers, container rows and history";
    rate(
        report,
        "ingest_full_first_records_per_second",
        count,
        &[first],
        &format!("{full}, every pod is new"),
    );
    let mut laps = [Vec::new(), Vec::new(), Vec::new()];
    let kinds = [
        (
            ChangeShare::Fifth,
            "ingest_full_mixed_records_per_second",
            "80 % unchanged",
        ),
        (
            ChangeShare::All,
            "ingest_full_changed_records_per_second",
            "a restart in every pod",
        ),
        (
            ChangeShare::None,
            "ingest_full_unchanged_records_per_second",
            "none changed",
        ),
    ];
    for _ in 0..setting.rounds.min(3) {
        for ((changes, _, _), laps) in kinds.iter().zip(&mut laps) {
            pods.change(*changes);
            laps.push(ours.sweep(&pods).await?);
        }
    }
    for ((_, name, what), laps) in kinds.iter().zip(&laps) {
        rate(report, name, count, laps, &format!("{full}, {what}"));
    }
    Ok(())
}
