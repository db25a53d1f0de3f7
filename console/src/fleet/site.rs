//! Clusters, alerts and the ledger's own state, as of one moment.

use fleetledger_queries::ReaderPool;
use serde::Serialize;
use tokio_postgres::Row;

use crate::reading::{ReadError, begin, connect};

/// Clusters and alerts with a line of their own.
const MOST_LINES: i64 = 100;
/// Up to so many pods their phases are counted for the page; beyond, the newest sample says it (every five minutes).
const COUNTED_PODS: i64 = 50_000;

/// The fleet, but for its cost.
#[derive(Debug, Serialize)]
pub(super) struct SiteSummary {
    /// Stale ones first.
    clusters: Vec<ClusterLine>,
    /// All that are not retired.
    clusters_total: i64,
    /// How many of them are stale.
    clusters_stale: i64,
    datacenters: i64,
    nodes: i64,
    nodes_ready: i64,
    pods: i64,
    pods_pending: i64,
    pods_failed: i64,
    /// Alerts that fire, one line an alert name: pages first.
    alerts: Vec<AlertLine>,
    severities: Vec<SeverityCount>,
    pipeline: PipelineState,
}

/// One cluster.
#[derive(Debug, Serialize)]
struct ClusterLine {
    datacenter: String,
    cluster: String,
    state: String,
    source: Option<String>,
    age_seconds: Option<f64>,
    nodes: Option<i64>,
    nodes_ready: Option<i64>,
    pods: Option<i64>,
    pods_pending: Option<i64>,
    pods_failed: Option<i64>,
    balanced: Option<bool>,
}

/// Firing instances of one alert.
#[derive(Debug, Serialize)]
struct AlertLine {
    alertname: String,
    severity: String,
    instances: i64,
    datacenters: String,
    clusters: i64,
    oldest_seconds: Option<f64>,
    summary: Option<String>,
    snoozed: i64,
}

/// Firing alerts of one severity.
#[derive(Debug, Serialize)]
struct SeverityCount {
    severity: String,
    firing: i64,
    snoozed: i64,
}

/// Whether the ledger can be believed.
#[derive(Debug, Serialize)]
struct PipelineState {
    unbalanced: i64,
    dead_letters: i64,
    quarantines: i64,
    halted_partitions: i64,
    lag: i64,
    /// Files of rules that the evaluator refuses.
    refused_rules: i64,
}

const READ_CLUSTERS: &str = "
    select c.datacenter, c.cluster, c.state, c.source, c.age_seconds, n.nodes, n.nodes_ready, b.pods, s.pods_pending,
        s.pods_failed, b.balanced, count(*) over () as clusters_total,
        count(*) filter (where c.state = 'stale') over () as clusters_stale,
        (select count(distinct d.datacenter) from fleet.cluster as d where d.state <> 'retired') as datacenters,
        sum(n.nodes) over ()::bigint as all_nodes, sum(n.nodes_ready) over ()::bigint as all_nodes_ready,
        sum(b.pods) over ()::bigint as all_pods, sum(s.pods_pending) over ()::bigint as all_pods_pending,
        sum(s.pods_failed) over ()::bigint as all_pods_failed
    from fleet.cluster as c
    left join (
        select datacenter, cluster, count(*) as nodes,
            count(*) filter (where ready_status = 'True' and heartbeat_stale_since is null) as nodes_ready
        from fleet.node group by 1, 2
    ) as n using (datacenter, cluster)
    left join (
        select datacenter, cluster, bool_and(balanced) as balanced, max(in_ledger) filter (where kind = 'pod') as pods
        from fleet.balance group by 1, 2
    ) as b using (datacenter, cluster)
    left join fleet.cluster_sample_at(fleet.as_of()) as s using (datacenter, cluster)
    where c.state <> 'retired'
    order by c.state = 'fresh', c.datacenter, c.cluster
    limit $1";

const COUNT_POD_PHASES: &str = "
    select datacenter, cluster, count(*) as pods, count(*) filter (where phase = 'Pending') as pods_pending,
        count(*) filter (where phase = 'Failed') as pods_failed
    from fleet.pod
    group by 1, 2";

/// But for the alert that always fires: it is for a dead man's switch.
const READ_FIRING: &str = "
    select alertname, coalesce(severity, '') as severity, count(*) as instances,
        coalesce(string_agg(distinct datacenter, ', '), '') as datacenters,
        count(distinct (datacenter, cluster)) as clusters,
        extract(epoch from fleet.as_of() - min(fired_at))::double precision as oldest_seconds,
        (array_agg(summary order by fired_at desc, fingerprint))[1] as summary,
        count(*) filter (where snoozed) as snoozed
    from fleet.alert
    where condition = 'firing' and not shadow and rule <> 'fleetledger-heartbeat'
    group by 1, 2
    order by case coalesce(severity, '') when 'page' then 0 when 'ticket' then 1 else 2 end, count(*) filter (where not snoozed) = 0,
        instances desc, alertname
    limit $1";

const COUNT_SEVERITIES: &str = "
    select coalesce(severity, '') as severity, count(*) filter (where not snoozed) as firing,
        count(*) filter (where snoozed) as snoozed
    from fleet.alert
    where condition = 'firing' and not shadow and rule <> 'fleetledger-heartbeat'
    group by 1
    order by case coalesce(severity, '') when 'page' then 0 when 'ticket' then 1 else 2 end";

const READ_PIPELINE: &str = "
    select (select count(*) from fleet.balance where not balanced) as unbalanced,
        (select count(*) from fleet.dead_letter where state = 'open') as dead_letters,
        (select count(*) from fleet.quarantine where released_at is null) as quarantines,
        (select count(*) from fleet.ingest_partition where state = 'halted') as halted_partitions,
        (select coalesce(sum(lag), 0)::bigint from fleet.ingest_partition) as lag,
        (select count(*) from fleet.rule where state = 'refused') as refused_rules";

pub(super) async fn read_site(reader: &ReaderPool) -> Result<SiteSummary, ReadError> {
    let mut client = connect(reader).await?;
    let transaction = begin(&mut client).await?;
    let rows = transaction.query(READ_CLUSTERS, &[&MOST_LINES]).await?;
    let firing = transaction.query(READ_FIRING, &[&MOST_LINES]).await?;
    let severities = transaction.query(COUNT_SEVERITIES, &[]).await?;
    let pipeline = transaction.query_one(READ_PIPELINE, &[]).await?;
    let total = |name: &str| {
        let first = rows.first().and_then(|row| row.get::<_, Option<i64>>(name));
        first.unwrap_or_default()
    };
    let mut site = SiteSummary {
        clusters: rows.iter().map(cluster_line).collect(),
        clusters_total: total("clusters_total"),
        clusters_stale: total("clusters_stale"),
        datacenters: total("datacenters"),
        nodes: total("all_nodes"),
        nodes_ready: total("all_nodes_ready"),
        pods: total("all_pods"),
        pods_pending: total("all_pods_pending"),
        pods_failed: total("all_pods_failed"),
        alerts: firing.iter().map(alert_line).collect(),
        severities: severities.iter().map(severity_count).collect(),
        pipeline: PipelineState {
            unbalanced: pipeline.get("unbalanced"),
            dead_letters: pipeline.get("dead_letters"),
            quarantines: pipeline.get("quarantines"),
            halted_partitions: pipeline.get("halted_partitions"),
            lag: pipeline.get("lag"),
            refused_rules: pipeline.get("refused_rules"),
        },
    };
    if site.pods <= COUNTED_PODS {
        site.count_phases(&transaction.query(COUNT_POD_PHASES, &[]).await?);
    }
    Ok(site)
}

impl SiteSummary {
    /// Takes counts of this moment in place of the newest sample's.
    fn count_phases(&mut self, rows: &[Row]) {
        let sum = |name: &str| rows.iter().map(|row| row.get::<_, i64>(name)).sum();
        (self.pods, self.pods_pending, self.pods_failed) =
            (sum("pods"), sum("pods_pending"), sum("pods_failed"));
        for line in &mut self.clusters {
            let own = rows.iter().find(|row| {
                (row.get::<_, &str>("datacenter"), row.get::<_, &str>("cluster"))
                    == (line.datacenter.as_str(), line.cluster.as_str())
            });
            let count = |name: &str| own.map_or(Some(0), |row| row.get(name));
            (line.pods, line.pods_pending, line.pods_failed) =
                (count("pods"), count("pods_pending"), count("pods_failed"));
        }
    }
}

fn cluster_line(row: &Row) -> ClusterLine {
    ClusterLine {
        datacenter: row.get("datacenter"),
        cluster: row.get("cluster"),
        state: row.get("state"),
        source: row.get("source"),
        age_seconds: row.get("age_seconds"),
        nodes: row.get("nodes"),
        nodes_ready: row.get("nodes_ready"),
        pods: row.get("pods"),
        pods_pending: row.get("pods_pending"),
        pods_failed: row.get("pods_failed"),
        balanced: row.get("balanced"),
    }
}

fn alert_line(row: &Row) -> AlertLine {
    AlertLine {
        alertname: row.get("alertname"),
        severity: row.get("severity"),
        instances: row.get("instances"),
        datacenters: row.get("datacenters"),
        clusters: row.get("clusters"),
        oldest_seconds: row.get("oldest_seconds"),
        summary: row.get("summary"),
        snoozed: row.get("snoozed"),
    }
}

fn severity_count(row: &Row) -> SeverityCount {
    SeverityCount {
        severity: row.get("severity"),
        firing: row.get("firing"),
        snoozed: row.get("snoozed"),
    }
}
