//! The demo's check of itself: what was emitted against the current state.

use std::{collections::BTreeSet, fmt};

use anyhow::Context as _;
use fleetledger_emit::EmitterSummary;
use fleetledger_schema::{content_hash::ContentDigest, instant::Instant, kind::RecordKind};
use tokio_postgres::Client;

use super::{database::DemoDatabase, poison::PoisonInjector};
use crate::output::{count, counted};

/// What was compared, and what differs.
#[derive(Debug, Default)]
pub(super) struct DemoReport {
    lines: Vec<String>,
    /// What differs; empty if the demo did what it should.
    pub(super) differences: Vec<String>,
}

impl fmt::Display for DemoReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "ok      {line}")?;
        }
        for difference in &self.differences {
            writeln!(f, "DIFFERS {difference}")?;
        }
        match self.differences.len() {
            0 => writeln!(f, "the ledger equals what was emitted"),
            number => writeln!(f, "{number} differences"),
        }
    }
}

impl DemoReport {
    fn compare<T: PartialEq>(&mut self, same: (&T, &T), line: String, difference: String) {
        if same.0 == same.1 {
            self.lines.push(line)
        } else {
            self.differences.push(difference)
        }
    }
}

/// Compares everything.
pub(super) async fn check(
    database: &DemoDatabase,
    since: Instant,
    sent: &[EmitterSummary],
    poison: &PoisonInjector,
) -> anyhow::Result<DemoReport> {
    let client = database.connect().await?;
    let mut report = DemoReport::default();
    for summary in sent {
        rows(&client, summary, &mut report).await?;
    }
    check_batch_ledger(&client, since, sent, poison, &mut report).await?;
    balance(&client, &mut report).await?;
    dead_letters(&client, since, poison, &mut report).await?;
    faults(&client, &mut report).await?;
    Ok(report)
}

/// Rows of one kind and cluster with their digest; `{kind}` is the table.
const COUNT_OBJECTS_TEMPLATE: &str =
    "select count(*), coalesce(bit_xor(o.body_hash_hi), 0), coalesce(bit_xor(o.body_hash_lo), 0)
             from ledger.{kind} as o join ledger.cluster as c using (cluster_id) where c.cluster_uid = $1";

/// Rows of each kind, by count and by digest, against what the emitter knows to live.
async fn rows(client: &Client, summary: &EmitterSummary, report: &mut DemoReport) -> anyhow::Result<()> {
    let mut objects = 0;
    let before = report.differences.len();
    for kind in RecordKind::ALL {
        let question = COUNT_OBJECTS_TEMPLATE.replace("{kind}", kind.as_str());
        let row = client.query_one(&question, &[&summary.cluster_uid]).await;
        let row = row.with_context(|| format!("count {kind} rows"))?;
        let mut current = ContentDigest {
            count: row.get(0),
            ..ContentDigest::default()
        };
        (current.xor.hi, current.xor.lo) = (row.get(1), row.get(2));
        let lives = summary
            .kinds
            .get(&kind)
            .map(|sent| sent.living)
            .unwrap_or_default();
        objects += current.count;
        if current != lives {
            report.differences.push(format!(
                "{} {kind}: {} live, and the ledger has {}; digests {}",
                summary.datacenter,
                lives.count,
                counted(current.count, "row"),
                if current.xor == lives.xor {
                    "are equal"
                } else {
                    "differ"
                }
            ));
        }
    }
    if report.differences.len() == before {
        report.lines.push(format!(
            "{}: {} in the cluster and in the ledger, equal by digest",
            summary.datacenter,
            counted(objects, "object")
        ));
    }
    Ok(())
}

/// The batch ledger since an instant.
const SUM_BATCHES: &str = "
        select coalesce(sum(delivered), 0)::bigint as delivered,
            coalesce(sum(landed + unchanged + superseded + deleted + control + dead), 0)::bigint as columns,
            coalesce(sum(landed), 0)::bigint as landed, coalesce(sum(unchanged), 0)::bigint as unchanged,
            coalesce(sum(superseded), 0)::bigint as superseded, coalesce(sum(deleted), 0)::bigint as deleted,
            coalesce(sum(control), 0)::bigint as control, coalesce(sum(dead), 0)::bigint as dead
        from fleet.batch where committed_at >= $1";

/// Pairs of batches that landed the same offset.
const COUNT_OVERLAPPING_BATCHES: &str = "
        select count(*) from ledger.batch as a join ledger.batch as b
            on a.topic = b.topic and a.partition = b.partition and a.from_offset < b.from_offset and b.from_offset < a.to_offset
        where a.committed_at >= $1 and b.committed_at >= $1";

/// Every record that was produced stands in the batch ledger once, in one column.
async fn check_batch_ledger(
    client: &Client,
    since: Instant,
    sent: &[EmitterSummary],
    poison: &PoisonInjector,
    report: &mut DemoReport,
) -> anyhow::Result<()> {
    let row = client
        .query_one(SUM_BATCHES, &[&since])
        .await
        .context("add up the batch ledger")?;
    let column = |name: &str| row.get::<_, i64>(name);
    let produced: u64 = sent
        .iter()
        .flat_map(|summary| summary.kinds.values())
        .map(|kind| kind.produced)
        .sum();
    let produced =
        i64::try_from(produced).unwrap_or(i64::MAX) + i64::try_from(poison.places().len()).unwrap_or(0);
    let delivered = column("delivered");
    let parts: Vec<String> = ["landed", "unchanged", "superseded", "deleted", "control", "dead"]
        .iter()
        .map(|name| format!("{} {name}", count(column(name))))
        .collect();
    report.compare(
        (&delivered, &produced),
        format!(
            "{} produced and delivered: {}",
            counted(produced, "record"),
            parts.join(" + ")
        ),
        format!(
            "{} produced, {} delivered: {}",
            counted(produced, "record"),
            count(delivered),
            parts.join(" + ")
        ),
    );
    report.compare(
        (&delivered, &column("columns")),
        "the batch ledger adds up".to_owned(),
        format!(
            "the batch ledger does not add up: {delivered} delivered, {} in columns",
            column("columns")
        ),
    );
    let overlaps: i64 = client
        .query_one(COUNT_OVERLAPPING_BATCHES, &[&since])
        .await
        .context("look for overlapping batches")?
        .get(0);
    report.compare(
        (&overlaps, &0),
        "no offset landed twice".to_owned(),
        format!("{overlaps} batches overlap"),
    );
    Ok(())
}

/// What is not balanced, and how many balances there are.
const LIST_UNBALANCED: &str = "
        select coalesce(string_agg(datacenter || '/' || cluster || ' ' || kind, ', ') filter (where balanced is not true), ''),
            count(*)
        from fleet.balance";

async fn balance(client: &Client, report: &mut DemoReport) -> anyhow::Result<()> {
    let row = client
        .query_one(LIST_UNBALANCED, &[])
        .await
        .context("read fleet.balance")?;
    let unbalanced: String = row.get(0);
    report.compare(
        (&unbalanced, &String::new()),
        format!(
            "fleet.balance is true for {} pairs of cluster and kind",
            row.get::<_, i64>(1)
        ),
        format!("fleet.balance is not true for {unbalanced}"),
    );
    Ok(())
}

/// Places of the dead letters since an instant.
const READ_DEAD_LETTERS: &str =
    "select topic, partition, record_offset, reason from fleet.dead_letter where died_at >= $1";

/// Each poison record is a dead letter of its own place, and nothing else is.
async fn dead_letters(
    client: &Client,
    since: Instant,
    poison: &PoisonInjector,
    report: &mut DemoReport,
) -> anyhow::Result<()> {
    let rows = client
        .query(READ_DEAD_LETTERS, &[&since])
        .await
        .context("read fleet.dead_letter")?;
    let dead: BTreeSet<(String, i32, i64)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    let mut reasons: Vec<String> = rows.iter().map(|row| row.get(3)).collect();
    reasons.sort();
    reasons.dedup();
    let places = poison.places();
    let unexpected = dead.difference(&places).count();
    let missing = places.difference(&dead).count();
    report.compare(
        (&(unexpected, missing), &(0, 0)),
        format!("{} poison records injected, all of them dead letters ({}), and no others", dead.len(), reasons.join(", ")),
        format!("dead letters: {unexpected} that were not injected, {missing} injected that are missing; fleetledger dead-letters list"),
    );
    if poison.places().is_empty() {
        report
            .differences
            .push("no poison was injected, because no emitter became leader in time; run longer".to_owned());
    }
    Ok(())
}

/// Partitions that stopped.
const COUNT_HALTED_PARTITIONS: &str = "select count(*) from fleet.ingest_partition where state = 'halted'";

/// Quarantines that nobody has released.
const COUNT_OPEN_QUARANTINES: &str = "select count(*) from fleet.quarantine where released_at is null";

/// Gaps that no sweep has healed.
const COUNT_OPEN_GAPS: &str = "select count(*) from fleet.gap where healed_at is null";

async fn faults(client: &Client, report: &mut DemoReport) -> anyhow::Result<()> {
    for (what, question) in [
        ("halted partitions", COUNT_HALTED_PARTITIONS),
        ("open quarantines", COUNT_OPEN_QUARANTINES),
        ("gaps", COUNT_OPEN_GAPS),
    ] {
        let number: i64 = client
            .query_one(question, &[])
            .await
            .with_context(|| format!("count {what}"))?
            .get(0);
        report.compare(
            (&number, &0),
            format!("no {what}"),
            format!("{number} {what}; fleetledger status"),
        );
    }
    Ok(())
}
