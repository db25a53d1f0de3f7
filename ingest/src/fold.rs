//! Windows of usage → sums by hour, in the data's transaction.
//!
//! The stage holds the windows of a batch and their containers. Windows of which a minute has been folded before are
//! superseded and leave the stage; the others mark their minutes and are added. All sums are integers, so the order of
//! arrival changes nothing; one (cluster, shard) is one log with one writer, so nobody folds beside us.

use std::sync::LazyLock;

use fleetledger_schema::{instant::Instant, object_uid::ObjectUid};

use crate::{
    batch::CopyChunks, copy::CopyStream, errors::DatabaseFailure, session::WriterSession, usage::UsageWindows,
};

const WINDOWS: &str = "stage_usage_window";
const CONTAINERS: &str = "stage_usage";

/// Makes the session's stage.
pub(crate) const CREATE_STAGE_TABLES: &str = "
create temp table stage_usage_window (record integer not null, cluster_id integer not null, hour_at timestamptz not null,
    node_uid uuid not null, node text not null, minutes bigint not null, window_end_at timestamptz not null)
    on commit delete rows;
create temp table stage_usage (record integer not null, cluster_id integer not null, hour_at timestamptz not null,
    pod_uid uuid not null, container text not null, node text not null, namespace text not null, pod text not null,
    covered_ms bigint not null, cpu_core_us bigint not null, memory_byte_seconds bigint not null,
    cpu_charged_core_us bigint not null, memory_charged_byte_seconds bigint not null, cpu_max_millicores bigint not null,
    memory_max_bytes bigint not null, gpu_used_card_us bigint, gpu_covered_ms bigint not null)
    on commit delete rows";
const COPY_WINDOWS: &str = "copy stage_usage_window from stdin (format binary)";
const COPY_CONTAINERS: &str = "copy stage_usage from stdin (format binary)";
/// Fields of a row of each stage.
const WINDOW_FIELDS: usize = 7;
const CONTAINER_FIELDS: usize = 17;

/// Windows that hold a minute that has been folded; `$1` are the hours, so that other partitions are not planned for.
const DELETE_SUPERSEDED_WINDOWS: &str = "
with superseded as (
    delete from stage_usage_window as s
    using ledger.usage_window as w
    where w.hour_at = any ($1::timestamptz[])
      and w.cluster_id = s.cluster_id and w.hour_at = s.hour_at and w.node_uid = s.node_uid and w.minutes & s.minutes <> 0
    returning s.record
)
select record from superseded order by record";

const UPSERT_USAGE_WINDOWS: &str = "
insert into ledger.usage_window as w (cluster_id, hour_at, node_uid, node, minutes, windows, latest_window_end_at, folded_at)
select cluster_id, hour_at, node_uid, max(node), bit_or(minutes), count(*), max(window_end_at), now()
from stage_usage_window
group by cluster_id, hour_at, node_uid
order by cluster_id, hour_at, node_uid
on conflict (cluster_id, hour_at, node_uid) do update
set minutes = w.minutes | excluded.minutes, windows = w.windows + excluded.windows,
    latest_window_end_at = greatest(w.latest_window_end_at, excluded.latest_window_end_at), folded_at = excluded.folded_at";

/// Columns that are added up, and those of which the highest is kept.
const SUMS: &[&str] = &[
    "covered_ms",
    "cpu_core_us",
    "memory_byte_seconds",
    "cpu_charged_core_us",
    "memory_charged_byte_seconds",
    "gpu_covered_ms",
];
const HIGHEST: &[&str] = &["cpu_max_millicores", "memory_max_bytes"];

/// Adds containers that are each there once.
static ADD: LazyLock<String> = LazyLock::new(|| add(false));
/// Adds containers that may be there more than once.
static ADD_GROUPED: LazyLock<String> = LazyLock::new(|| add(true));

/// `$1` are the records that are superseded.
fn add(grouped: bool) -> String {
    let names = SUMS.iter().chain(HIGHEST).copied();
    let columns: Vec<&str> = names.chain(["gpu_used_card_us"]).collect();
    let value = |column: &&str| match (grouped, HIGHEST.contains(column)) {
        (false, _) => (*column).to_owned(),
        (true, true) => format!("max({column})"),
        (true, false) => format!("sum({column})::bigint"),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let (name, group) = if grouped {
        ("max", " group by cluster_id, hour_at, pod_uid, container")
    } else {
        ("", "")
    };
    let sums = SUMS
        .iter()
        .map(|column| format!("{column} = u.{column} + excluded.{column}"));
    let highest = HIGHEST
        .iter()
        .map(|column| format!("{column} = greatest(u.{column}, excluded.{column})"));
    let changes: Vec<String> = sums.chain(highest).collect();
    ADD_USAGE_TEMPLATE
        .replace("{columns}", &columns.join(", "))
        .replace("{name}", name)
        .replace("{values}", &values.join(", "))
        .replace("{group}", group)
        .replace("{changes}", &changes.join(", "))
}

const ADD_USAGE_TEMPLATE: &str = "
insert into ledger.usage_hourly as u (cluster_id, hour_at, pod_uid, container, node, namespace, pod, {columns}, folded_at)
select cluster_id, hour_at, pod_uid, container, {name}(node), {name}(namespace), {name}(pod), {values}, now()
from stage_usage
where not record = any ($1::integer[]){group}
order by cluster_id, hour_at, pod_uid, container
on conflict (cluster_id, hour_at, pod_uid, container) do update
set {changes}, folded_at = excluded.folded_at,
    gpu_used_card_us = coalesce(u.gpu_used_card_us + excluded.gpu_used_card_us, u.gpu_used_card_us, excluded.gpu_used_card_us)";

/// The windows of a batch as COPY streams.
#[derive(Debug)]
pub(crate) struct UsageStreams {
    windows: CopyChunks,
    containers: CopyChunks,
    /// Record of each row of the two stages.
    window_records: Vec<usize>,
    container_records: Vec<usize>,
    hours: Vec<Instant>,
    grouped: bool,
}

impl UsageStreams {
    /// Encodes `windows`; `None` if there are none.
    pub(crate) fn of(windows: &UsageWindows) -> Option<Self> {
        if windows.taken.is_empty() {
            return None;
        }
        let (mut heads, mut rows) = (CopyStream::new(), CopyStream::new());
        let (mut window_records, mut container_records) = (Vec::new(), Vec::new());
        let mut hours = Vec::new();
        let mut seen = std::collections::HashSet::new();
        let mut grouped = !windows.are_single();
        for taken in &windows.taken {
            let usage = &taken.window.usage;
            let (record, hour_at) = (i32::try_from(taken.record).unwrap_or(i32::MAX), usage.hour_at());
            hours.push(hour_at);
            window_records.push(taken.record);
            heads.row(WINDOW_FIELDS);
            heads.integer(record);
            heads.integer(taken.cluster_id);
            heads.timestamp(hour_at);
            heads.uid(ObjectUid::of(&usage.uid));
            heads.bytes(usage.node.as_bytes());
            heads.bigint(taken.window.minutes);
            heads.timestamp(usage.window_end_at);
            for container in &usage.containers {
                let uid = ObjectUid::of(&container.uid);
                let key = (taken.cluster_id, hour_at, uid, &container.container);
                // A pod on two nodes is hostile, and must not stop the batch.
                grouped = grouped || !seen.insert(key);
                container_records.push(taken.record);
                rows.row(CONTAINER_FIELDS);
                rows.integer(record);
                rows.integer(taken.cluster_id);
                rows.timestamp(hour_at);
                rows.uid(uid);
                for name in [
                    &container.container,
                    &usage.node,
                    &container.namespace,
                    &container.pod,
                ] {
                    rows.bytes(name.as_bytes());
                }
                for amount in [
                    container.covered_ms,
                    container.cpu_core_us,
                    container.memory_byte_seconds,
                    container.cpu_charged_core_us,
                    container.memory_charged_byte_seconds,
                    container.cpu_max_millicores,
                    container.memory_max_bytes,
                ] {
                    rows.bigint(amount);
                }
                match container.gpu_used_card_us {
                    Some(used) => rows.bigint(used),
                    None => rows.null(),
                }
                rows.bigint(container.gpu_covered_ms);
            }
        }
        hours.sort_unstable();
        hours.dedup();
        Some(Self {
            windows: heads.finish(),
            containers: rows.finish(),
            window_records,
            container_records,
            hours,
            grouped,
        })
    }

    /// Record that line `line` (from 0) of the COPY into `stage` came from, if it is one of these stages.
    pub(crate) fn record_of_line(&self, stage: &str, line: usize) -> Option<usize> {
        let records = match stage {
            WINDOWS => &self.window_records,
            CONTAINERS => &self.container_records,
            _ => return None,
        };
        records.get(line).copied()
    }
}

/// Rows → stage.
pub(crate) async fn copy(session: &mut WriterSession, data: &UsageStreams) -> Result<(), DatabaseFailure> {
    session.copy(COPY_WINDOWS, &data.windows).await?;
    if !data.container_records.is_empty() {
        session.copy(COPY_CONTAINERS, &data.containers).await?;
    }
    Ok(())
}

/// Stage → sums; returns the records that were superseded.
pub(crate) async fn fold(
    session: &mut WriterSession,
    data: &UsageStreams,
) -> Result<Vec<usize>, DatabaseFailure> {
    let rows = session.query(DELETE_SUPERSEDED_WINDOWS, &[&data.hours]).await?;
    let superseded: Vec<i32> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, tokio_postgres::Error>>()?;
    if superseded.len() < data.window_records.len() {
        session.execute(UPSERT_USAGE_WINDOWS, &[]).await?;
    }
    if !data.container_records.is_empty() {
        let statement: &'static str = if data.grouped { &ADD_GROUPED } else { &ADD };
        session.execute(statement, &[&superseded]).await?;
    }
    Ok(superseded
        .into_iter()
        .filter_map(|record| usize::try_from(record).ok())
        .collect())
}
