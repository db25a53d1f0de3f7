//! `fleetledger status`: the first command of somebody just woken.

mod gather;
mod judge;
mod watch;

pub use gather::{ClusterState, LedgerStatus, PartitionState, gather};
pub use judge::{FindingLevel, StatusFinding, judge};

use std::{fmt::Write as _, time::Duration};

use fleetledger_schema::postgres::PostgresConnector;
use serde_json::json;
use tokio_postgres::Client;

use crate::{
    cli::{OutputFormat, StatusArgs},
    config::LoadedConfig,
    exit::ExitReason,
    output::{
        OutputColumn, OutputTable, age,
        color::{TextColor, paint, paint_columns},
        count, folded, instant, list, print_text, text, write_answer,
    },
    setup::database,
};

pub(super) async fn run(loaded: &LoadedConfig, args: &StatusArgs) -> anyhow::Result<ExitReason> {
    match args.watch {
        None => show(loaded, args.output.format()).await,
        Some(seconds) => watch::run(loaded, args.output.format(), Duration::from_secs(seconds)).await,
    }
}

async fn show(loaded: &LoadedConfig, format: OutputFormat) -> anyhow::Result<ExitReason> {
    let (connector, client) = database(loaded, "fleetledger-status").await?;
    let (text, exit) = look(&connector, &client, format).await?;
    print_text(&text)?;
    Ok(exit)
}

/// Where the words of a finding begin, after its level.
const HANGING: usize = 7;

/// How everything stands, in the format that was asked for, and the exit code of that.
async fn look(
    connector: &PostgresConnector,
    client: &Client,
    format: OutputFormat,
) -> anyhow::Result<(String, ExitReason)> {
    let status = gather(client).await?;
    let findings = judge(&status);
    let red = findings.iter().any(|finding| finding.level == FindingLevel::Red);
    let text = write_answer(
        format,
        |is_wide| screen(&connector.target(), &status, &findings, is_wide),
        || json!({ "red": red, "findings": findings, "standing": status }),
        || rows(&status),
    )?;
    Ok((text, if red { ExitReason::Red } else { ExitReason::Done }))
}

/// A line per cluster.
fn rows(status: &LedgerStatus) -> serde_json::Result<OutputTable> {
    let names = [
        "datacenter",
        "cluster",
        "state",
        "age_seconds",
        "source",
        "nodes",
        "pods",
        "compared",
        "unbalanced",
    ];
    OutputTable::of(names.map(OutputColumn::new).to_vec(), &status.clusters)
}

/// The whole answer for people: what is wrong first, then the figures.
fn screen(target: &str, status: &LedgerStatus, findings: &[StatusFinding], is_wide: bool) -> String {
    let mut out = format!(
        "fleetledger {} at {target}, {}\n\n",
        env!("CARGO_PKG_VERSION"),
        instant(&status.at)
    );
    for finding in findings {
        let color = match finding.level {
            FindingLevel::Red => TextColor::Bad,
            FindingLevel::Yellow => TextColor::Doubtful,
        };
        let level = paint(color, &format!("{:<6}", finding.level.level_name()));
        let what = folded(&format!("       {}", finding.what), HANGING);
        let what = what.trim_start();
        let fix = folded(&format!("       {}", finding.fix), HANGING);
        let _ = writeln!(out, "{level} {what}\n{fix}");
    }
    if findings.is_empty() {
        let _ = writeln!(out, "{}     nothing is red", paint(TextColor::Good, "OK"));
    }
    let _ = write!(out, "\nclusters\n{}", clusters(status, is_wide));
    let ingest = if is_wide {
        partitions(status)
    } else {
        topics(status)
    };
    let _ = write!(out, "\ningest\n{ingest}");
    let counts = format!(
        "dead letters open {}, quarantines {}, gaps not healed {}, halted partitions {}, refused rules {}, records in the last hour {}",
        count(status.dead_letters.iter().map(|group| group.records).sum()),
        status.quarantines.len(),
        status.gaps.len(),
        status
            .partitions
            .iter()
            .filter(|partition| partition.halted_reason.is_some())
            .count(),
        status.refused_rules.len(),
        count(status.delivered_last_hour),
    );
    let _ = writeln!(out, "\n{}", folded(&counts, 0));
    out
}

fn clusters(status: &LedgerStatus, is_wide: bool) -> String {
    let rows = status.clusters.iter();
    let rows: Vec<Vec<String>> = rows.map(|cluster| cluster_row(cluster, is_wide)).collect();
    let mut head = vec!["cluster", "state", "age", "nodes", "pods", "balanced"];
    head.extend(is_wide.then_some("source"));
    let table = if is_wide {
        text(&head, &rows)
    } else {
        list(&head, &rows)
    };
    let table = paint_columns(&table, &["state"]);
    if table.is_empty() {
        "  none yet: no record has landed\n".to_owned()
    } else {
        table
    }
}

fn cluster_row(cluster: &ClusterState, is_wide: bool) -> Vec<String> {
    let mut row = vec![
        cluster.name(),
        cluster.state.clone(),
        cluster.age_seconds.map_or("–".to_owned(), age),
        count(cluster.nodes),
        count(cluster.pods),
        match (cluster.unbalanced.is_empty(), cluster.compared) {
            (true, true) => "yes".to_owned(),
            (true, false) => "not yet compared".to_owned(),
            (false, _) => format!("no: {}", cluster.unbalanced.join(", ")),
        },
    ];
    row.extend(is_wide.then(|| cluster.source.clone().unwrap_or_default()));
    row
}

/// A line per partition, for who looks for the one that lags.
fn partitions(status: &LedgerStatus) -> String {
    let rows: Vec<Vec<String>> = status
        .partitions
        .iter()
        .map(|partition| {
            vec![
                partition.topic.clone(),
                partition.partition.to_string(),
                count(partition.lag),
                partition.halted_reason.clone().unwrap_or_default(),
                partition.progress_age_seconds.map_or("–".to_owned(), age),
                partition.owner.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let table = text(
        &["topic", "partition", "lag", "halted", "last landed", "owner"],
        &rows,
    );
    if table.is_empty() { topics(status) } else { table }
}

fn topics(status: &LedgerStatus) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut names: Vec<&str> = status
        .partitions
        .iter()
        .map(|partition| partition.topic.as_str())
        .collect();
    names.dedup();
    for name in names {
        let of_topic = || {
            status
                .partitions
                .iter()
                .filter(|partition| partition.topic == name)
        };
        let progress = of_topic()
            .filter_map(|partition| partition.progress_age_seconds)
            .reduce(f64::min);
        rows.push(vec![
            name.to_owned(),
            of_topic().count().to_string(),
            count(of_topic().map(|partition| partition.lag).sum()),
            of_topic()
                .filter(|partition| partition.halted_reason.is_some())
                .count()
                .to_string(),
            progress.map_or("–".to_owned(), age),
        ]);
    }
    let table = list(&["topic", "partitions", "lag", "halted", "last landed"], &rows);
    if table.is_empty() {
        "  no ingester has claimed a partition yet\n".to_owned()
    } else {
        table
    }
}
