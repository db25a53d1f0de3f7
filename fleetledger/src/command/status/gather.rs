//! Reading how everything stands, from the public views alone.

use anyhow::Context as _;
use fleetledger_schema::instant::Instant;
use serde::Serialize;
use tokio_postgres::Client;

/// How everything stands at one instant.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct LedgerStatus {
    /// When it was read, by the database's clock.
    pub at: String,
    /// Every cluster.
    pub clusters: Vec<ClusterState>,
    /// Every partition that was claimed.
    pub partitions: Vec<PartitionState>,
    /// Open dead letters, by reason and cluster.
    pub dead_letters: Vec<DeadLetterGroup>,
    /// Sources that are put aside.
    pub quarantines: Vec<QuarantineStatus>,
    /// Gaps that no sweep has healed.
    pub gaps: Vec<UnhealedGap>,
    /// Emitters whose clock is off.
    pub emitters: Vec<EmitterClockSkew>,
    /// Sweeps that were void.
    pub void_sweeps: Vec<VoidSweep>,
    /// Sweeps that would close too much and wait for a second one.
    pub held_sweeps: Vec<HeldSweep>,
    /// What of cost could not be rated.
    pub cost_failures: Vec<CostFailure>,
    /// Rules whose files the evaluator refuses.
    pub refused_rules: Vec<RefusedRule>,
    /// Records of the last hour.
    pub delivered_last_hour: i64,
}

/// One cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ClusterState {
    /// Its datacenter.
    pub datacenter: String,
    /// Its name.
    pub cluster: String,
    /// fresh, stale or retired.
    pub state: String,
    /// Age of the newest state that is known of all kinds, in seconds.
    pub age_seconds: Option<f64>,
    /// Where its objects come from: watch, dump or simulate, where its emitter says it.
    pub source: Option<String>,
    /// Nodes that exist.
    pub nodes: i64,
    /// Pods that exist.
    pub pods: i64,
    /// Kinds whose count or digest differs.
    pub unbalanced: Vec<String>,
    /// Whether any kind was compared yet.
    pub compared: bool,
}

impl ClusterState {
    /// `datacenter/cluster`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.datacenter, self.cluster)
    }
}

/// One partition.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PartitionState {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Records that have not landed.
    pub lag: i64,
    /// Why it is halted; `None` while it runs.
    pub halted_reason: Option<String>,
    /// How long ago it last moved, in seconds.
    pub progress_age_seconds: Option<f64>,
    /// Ingester that claimed it.
    pub owner: Option<String>,
}

/// Open dead letters of one reason and cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DeadLetterGroup {
    /// Class of the fault.
    pub reason: String,
    /// `datacenter/cluster`, if the key could be read.
    pub cluster: Option<String>,
    /// How many.
    pub records: i64,
}

/// A source that is put aside.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct QuarantineStatus {
    /// `datacenter/cluster`, and the topic if it is but one.
    pub source: String,
    /// poisoned or duplicate_cluster_uid.
    pub reason: String,
    /// What was seen and what to do.
    pub detail: String,
}

/// Offsets that were gone.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct UnhealedGap {
    /// Topic.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// First offset that is gone.
    pub from_offset: i64,
    /// Offset after the last one that is gone.
    pub to_offset: i64,
    /// What happened.
    pub reason: String,
}

/// An emitter whose clock is off.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct EmitterClockSkew {
    /// `datacenter/cluster`.
    pub cluster: String,
    /// Its clock less Kafka's, in seconds.
    pub clock_skew_seconds: f64,
}

/// A sweep that closed nothing because it had a hole.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct VoidSweep {
    /// `datacenter/cluster`.
    pub cluster: String,
    /// Kind of its objects.
    pub kind: String,
    /// Why it is void.
    pub reason: String,
}

/// A sweep that closes nothing until a second one agrees.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct HeldSweep {
    /// `datacenter/cluster`.
    pub cluster: String,
    /// Kind of its objects.
    pub kind: String,
    /// Objects that it would have closed.
    pub objects: i64,
}

/// Hours or days of a cluster that could not be rated.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CostFailure {
    /// `datacenter/cluster`; `None` = no cluster alone is at fault.
    pub cluster: Option<String>,
    /// hour or day.
    pub period: String,
    /// How many.
    pub periods: i64,
    /// The first of them.
    pub first_at: String,
    /// What the database said of the last one.
    pub error: String,
}

/// A rule whose file the evaluator refuses.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RefusedRule {
    /// Its id.
    pub rule: String,
    /// What is wrong with its file.
    pub reason: String,
    /// Whether a version that was read before is evaluated.
    pub evaluated: bool,
}

/// Reads it all.
///
/// # Errors
/// The database refused a question.
pub async fn gather(client: &Client) -> anyhow::Result<LedgerStatus> {
    // One instant for all questions.
    client
        .batch_execute("begin isolation level repeatable read read only")
        .await
        .context("begin to read")?;
    let status = read(client).await;
    client.batch_execute("rollback").await.context("end reading")?;
    status
}

/// The database's clock, by which ages are told.
const READ_TIME: &str = "select now()";

/// Records of the last hour.
const COUNT_DELIVERED_LAST_HOUR: &str = "select coalesce(sum(delivered), 0)::bigint from fleet.batch where committed_at > now() - interval '1 hour'";

async fn read(client: &Client) -> anyhow::Result<LedgerStatus> {
    let now: Instant = client
        .query_one(READ_TIME, &[])
        .await
        .context("read the clock")?
        .get(0);
    let hour = client
        .query_one(COUNT_DELIVERED_LAST_HOUR, &[])
        .await
        .context("read fleet.batch")?;
    Ok(LedgerStatus {
        at: now.to_string(),
        clusters: clusters(client).await?,
        partitions: partitions(client).await?,
        dead_letters: dead_letters(client).await?,
        quarantines: quarantines(client).await?,
        gaps: gaps(client).await?,
        emitters: emitters(client).await?,
        void_sweeps: void_sweeps(client).await?,
        held_sweeps: held_sweeps(client).await?,
        cost_failures: cost_failures(client).await?,
        refused_rules: refused_rules(client).await?,
        delivered_last_hour: hour.get(0),
    })
}

/// Every cluster: freshness, objects, balance.
const READ_CLUSTERS: &str = "
        select c.datacenter, c.cluster, c.state, c.age_seconds, c.source,
            (select count(*) from fleet.node as n where (n.datacenter, n.cluster) = (c.datacenter, c.cluster)) as nodes,
            (select count(*) from fleet.pod as p where (p.datacenter, p.cluster) = (c.datacenter, c.cluster)) as pods,
            coalesce(b.unbalanced, '{}') as unbalanced,
            coalesce(b.compared, false) as compared
        from fleet.cluster as c
        left join lateral (
            select array_agg(b.kind order by b.kind) filter (where not b.balanced) as unbalanced,
                bool_or(b.checked_at is not null) as compared
            from fleet.balance as b
            where (b.datacenter, b.cluster) = (c.datacenter, c.cluster)
        ) as b on true
        order by c.datacenter, c.cluster, c.cluster_uid";

async fn clusters(client: &Client) -> anyhow::Result<Vec<ClusterState>> {
    let rows = client
        .query(READ_CLUSTERS, &[])
        .await
        .context("read fleet.cluster")?;
    let cluster = |row: &tokio_postgres::Row| ClusterState {
        datacenter: row.get("datacenter"),
        source: row.get("source"),
        cluster: row.get("cluster"),
        state: row.get("state"),
        age_seconds: row.get("age_seconds"),
        nodes: row.get("nodes"),
        pods: row.get("pods"),
        unbalanced: row.get("unbalanced"),
        compared: row.get("compared"),
    };
    Ok(rows.iter().map(cluster).collect())
}

/// Every partition: lag, owner, and why it is halted.
const READ_PARTITIONS: &str = "
        select topic, partition, coalesce(lag, 0) as lag, owner,
            case when state = 'halted' then coalesce(halted_reason, 'no reason given') end as halted_reason,
            extract(epoch from now() - progressed_at)::double precision as progress_age_seconds
        from fleet.ingest_partition order by topic, partition";

async fn partitions(client: &Client) -> anyhow::Result<Vec<PartitionState>> {
    let rows = client
        .query(READ_PARTITIONS, &[])
        .await
        .context("read fleet.ingest_partition")?;
    let partition = |row: &tokio_postgres::Row| PartitionState {
        topic: row.get("topic"),
        partition: row.get("partition"),
        lag: row.get("lag"),
        halted_reason: row.get("halted_reason"),
        progress_age_seconds: row.get("progress_age_seconds"),
        owner: row.get("owner"),
    };
    Ok(rows.iter().map(partition).collect())
}

/// Open dead letters by reason and cluster.
const COUNT_OPEN_DEAD_LETTERS: &str = "
        select reason, datacenter || '/' || cluster as cluster, count(*) as records
        from fleet.dead_letter where state = 'open' group by 1, 2 order by 3 desc, 1, 2";

async fn dead_letters(client: &Client) -> anyhow::Result<Vec<DeadLetterGroup>> {
    let rows = client
        .query(COUNT_OPEN_DEAD_LETTERS, &[])
        .await
        .context("read fleet.dead_letter")?;
    let group = |row: &tokio_postgres::Row| DeadLetterGroup {
        reason: row.get("reason"),
        cluster: row.get("cluster"),
        records: row.get("records"),
    };
    Ok(rows.iter().map(group).collect())
}

/// Quarantines that nobody has released.
const READ_OPEN_QUARANTINES: &str = "
        select datacenter || '/' || cluster || coalesce(' ' || topic, '') as source, reason, detail
        from fleet.quarantine where released_at is null order by since";

async fn quarantines(client: &Client) -> anyhow::Result<Vec<QuarantineStatus>> {
    let rows = client
        .query(READ_OPEN_QUARANTINES, &[])
        .await
        .context("read fleet.quarantine")?;
    let one = |row: &tokio_postgres::Row| QuarantineStatus {
        source: row.get("source"),
        reason: row.get("reason"),
        detail: row.get("detail"),
    };
    Ok(rows.iter().map(one).collect())
}

/// Gaps that no sweep has healed.
const READ_OPEN_GAPS: &str = "
        select topic, partition, from_offset, to_offset, reason
        from fleet.gap where healed_at is null order by found_at";

async fn gaps(client: &Client) -> anyhow::Result<Vec<UnhealedGap>> {
    let rows = client
        .query(READ_OPEN_GAPS, &[])
        .await
        .context("read fleet.gap")?;
    let gap = |row: &tokio_postgres::Row| UnhealedGap {
        topic: row.get("topic"),
        partition: row.get("partition"),
        from_offset: row.get("from_offset"),
        to_offset: row.get("to_offset"),
        reason: row.get("reason"),
    };
    Ok(rows.iter().map(gap).collect())
}

/// Emitters whose clock differs from the database's.
const READ_SKEWED_EMITTERS: &str = "
        select datacenter || '/' || cluster as cluster, clock_skew_seconds as skew
        from fleet.emitter
        where abs(clock_skew_seconds) > 5 and observed_at > now() - interval '1 day'
        order by abs(clock_skew_seconds) desc";

async fn emitters(client: &Client) -> anyhow::Result<Vec<EmitterClockSkew>> {
    let rows = client
        .query(READ_SKEWED_EMITTERS, &[])
        .await
        .context("read fleet.emitter")?;
    let mut emitters: Vec<EmitterClockSkew> = Vec::new();
    for row in &rows {
        let one = EmitterClockSkew {
            cluster: row.get("cluster"),
            clock_skew_seconds: row.get("skew"),
        };
        // The worst log of a cluster speaks for it.
        if emitters.iter().all(|known| known.cluster != one.cluster) {
            emitters.push(one);
        }
    }
    Ok(emitters)
}

/// Sweeps that could not be used.
const READ_VOID_SWEEPS: &str = "
        select datacenter || '/' || cluster as cluster, kind, coalesce(void_reason, '') as reason
        from fleet.sweep where state = 'void' order by 1, 2";

async fn void_sweeps(client: &Client) -> anyhow::Result<Vec<VoidSweep>> {
    let rows = client
        .query(READ_VOID_SWEEPS, &[])
        .await
        .context("read fleet.sweep")?;
    let sweep = |row: &tokio_postgres::Row| VoidSweep {
        cluster: row.get("cluster"),
        kind: row.get("kind"),
        reason: row.get("reason"),
    };
    Ok(rows.iter().map(sweep).collect())
}

/// Newest sweeps that are held.
const READ_HELD_SWEEPS: &str = "
        select datacenter || '/' || cluster as cluster, kind, held_objects
        from fleet.sweep where state = 'held' order by 1, 2";

async fn held_sweeps(client: &Client) -> anyhow::Result<Vec<HeldSweep>> {
    let rows = client
        .query(READ_HELD_SWEEPS, &[])
        .await
        .context("read fleet.sweep")?;
    let sweep = |row: &tokio_postgres::Row| HeldSweep {
        cluster: row.get("cluster"),
        kind: row.get("kind"),
        objects: row.get("held_objects"),
    };
    Ok(rows.iter().map(sweep).collect())
}

/// What of cost is set aside.
const READ_COST_FAILURES: &str = "
        select datacenter || '/' || cluster as cluster, period, count(*) as periods, min(at) as first_at,
            (array_agg(concat_ws(': ', nullif(array_to_string(objects, ', '), ''), error) order by at desc))[1] as error
        from fleet.cost_failure group by 1, 2 order by 1, 2";

async fn cost_failures(client: &Client) -> anyhow::Result<Vec<CostFailure>> {
    let rows = client
        .query(READ_COST_FAILURES, &[])
        .await
        .context("read fleet.cost_failure")?;
    let failure = |row: &tokio_postgres::Row| CostFailure {
        cluster: row.get("cluster"),
        period: row.get("period"),
        periods: row.get("periods"),
        first_at: row.get::<_, Instant>("first_at").to_string(),
        error: row.get("error"),
    };
    Ok(rows.iter().map(failure).collect())
}

/// Rules whose files are refused, and whether a version of each is evaluated.
const READ_REFUSED_RULES: &str = "
        select rule, refused_reason, kind is not null and removed_at is null as evaluated
        from fleet.rule where state = 'refused' order by rule";

async fn refused_rules(client: &Client) -> anyhow::Result<Vec<RefusedRule>> {
    let rows = client
        .query(READ_REFUSED_RULES, &[])
        .await
        .context("read fleet.rule")?;
    let rule = |row: &tokio_postgres::Row| RefusedRule {
        rule: row.get("rule"),
        reason: row.get("refused_reason"),
        evaluated: row.get("evaluated"),
    };
    Ok(rows.iter().map(rule).collect())
}
