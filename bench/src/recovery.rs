//! kill -9 of one of two ingesters under load: when does the other land what was the dead one's?

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_schema::{instant::Instant as Wall, kind::RecordKind, record::ObjectRecord as _};

use crate::{
    figure::{BenchFigure, BenchReport, median},
    fleet::{self, CLUSTERS, PARTITIONS, RecordShape},
    ingester::{self, BenchProcess},
    loader::RecordLoader,
    parts::{self, BenchContext, BenchLedger},
};

const LIMIT: Duration = Duration::from_secs(120);
const PREFIX: &str = "recovery";
/// Records a second while it happens.
const RATE: f64 = 1000.0;

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let (kafka, postgres) = (setting.kafka().await?, parts::postgres().await?);
    parts::create_topics(&kafka, PREFIX).await?;
    let ledger = BenchLedger::create(&postgres, PREFIX).await?;
    let mut loader = RecordLoader::new(&kafka.client_config(), PREFIX, RecordKind::Pod)?;
    // With the session timeout that is shipped: it is what a group waits for a member that is gone.
    let toml = ingester::configuration(&kafka.bootstrap_servers(), &ledger, PREFIX, "")
        .replace("\"session.timeout.ms\" = \"120000\"", "");
    let start = || BenchProcess::start(&setting.program, &["ingest"], &toml);
    let mut running = vec![start()?, start()?];
    let turns = if setting.scale < 0.5 {
        1
    } else {
        setting.rounds.min(3)
    };
    let mut seconds = Vec::new();
    for _ in 0..turns {
        await_owners(&ledger).await?;
        let mut victim = running.remove(0);
        seconds.push(one(&ledger, &mut loader, &mut victim).await?);
        running.push(start()?);
    }
    for ingester in &mut running {
        ingester.check_alive()?;
    }
    let ends = loader.ends()?;
    ingester::await_landed(&ledger, loader.topic(), &ends, LIMIT).await?;
    let worst = seconds.iter().copied().fold(0.0, f64::max);
    let detail = format!(
        "kill -9 of one of two ingesters at {RATE:.0} records/s → first commit of the other in the last of its partitions; \
         session timeout 10 s; worst of {turns}, median {:.1} s",
        median(&seconds)
    );
    report.add(BenchFigure::new(
        "recovery_after_kill_seconds",
        worst,
        "s",
        detail,
    ));
    Ok(())
}

/// Waits until both ingesters own partitions of pods.
async fn await_owners(ledger: &BenchLedger) -> anyhow::Result<()> {
    let query = "select count(distinct owner) from ledger.ingest_partition as p
        where topic like '%.pod' and owner is not null
        having count(*) = 4";
    parts::until("two ingesters share the partitions", LIMIT, async || {
        let row = ledger.client.query_opt(query, &[]).await?;
        Ok(row.map(|row| row.try_get::<_, i64>(0)).transpose()? == Some(2))
    })
    .await
}

/// One kill; seconds until every partition has a batch of an owner that lives.
async fn one(
    ledger: &BenchLedger,
    loader: &mut RecordLoader,
    victim: &mut BenchProcess,
) -> anyhow::Result<f64> {
    let before = owners(ledger).await?;
    victim.kill().await?;
    let killed_at = Wall::now();
    let begin = std::time::Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let mut number = 0_usize;
    loop {
        ticks.tick().await;
        for _ in 0..(RATE / 50.0) as usize {
            number += 1;
            let pod = fleet::pod(number % 2000, u32::try_from(number)?, RecordShape::Flat);
            loader.write(fleet::cluster_of(number % 2000), &pod.into_record())?;
        }
        // Every cluster, and so every partition, has had records.
        if number > CLUSTERS
            && let Some(last) = all_taken_over(ledger, &before, killed_at).await?
        {
            return Ok(last.micros_since(killed_at) as f64 / 1e6);
        }
        anyhow::ensure!(begin.elapsed() < LIMIT, "nobody took the partitions over");
    }
}

/// Owner of each partition of pods.
async fn owners(ledger: &BenchLedger) -> anyhow::Result<Vec<String>> {
    let query = "select owner from ledger.ingest_partition where topic like '%.pod' order by partition";
    let rows = ledger.client.query(query, &[]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// When the last partition had its first batch after the kill, of an owner that was not killed: once every partition
/// has one. The survivor's own partitions have theirs at once.
async fn all_taken_over(
    ledger: &BenchLedger,
    before: &[String],
    killed_at: Wall,
) -> anyhow::Result<Option<Wall>> {
    let query = "select b.partition, min(b.committed_at) from ledger.batch as b
        join ledger.ingest_partition as p on p.topic = b.topic and p.partition = b.partition
        where b.topic like '%.pod' and b.committed_at > $1 and b.owner = p.owner and b.owner_epoch = p.owner_epoch
        group by b.partition order by b.partition";
    let rows = ledger
        .client
        .query(query, &[&killed_at])
        .await
        .context("look at the batches")?;
    let now = owners(ledger).await?;
    // One owner is left of the two.
    let distinct: std::collections::BTreeSet<&String> = now.iter().collect();
    if rows.len() < PARTITIONS as usize || distinct.len() != 1 || before == now {
        return Ok(None);
    }
    let mut last = killed_at;
    for row in &rows {
        last = last.max(row.try_get(1)?);
    }
    Ok(Some(last))
}
