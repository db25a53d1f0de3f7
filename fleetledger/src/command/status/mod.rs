//! `fleetledger status`: the first command of somebody just woken.

mod gather;
mod judge;

pub use gather::{ClusterState, PartitionState, Standing, gather};
pub use judge::{Finding, Level, judge};

use std::fmt::Write as _;

use serde_json::json;

use super::table::{age, count, text};
use crate::{config::Loaded, exit::Exit};

pub(super) async fn run(loaded: &Loaded, as_json: bool) -> anyhow::Result<Exit> {
    let (connector, client) = super::database(loaded, "fleetledger-status").await?;
    let standing = gather(&client).await?;
    let findings = judge(&standing);
    let red = findings.iter().any(|finding| finding.level == Level::Red);
    if as_json {
        super::print_json(&json!({ "red": red, "findings": findings, "standing": standing }));
    } else {
        print!("{}", screen(&connector.target(), &standing, &findings));
    }
    Ok(if red { Exit::Red } else { Exit::Done })
}

/// The whole answer for people: what is wrong first, then the figures.
fn screen(target: &str, standing: &Standing, findings: &[Finding]) -> String {
    let mut out = format!(
        "fleetledger {} at {target}, {}\n\n",
        env!("CARGO_PKG_VERSION"),
        standing.at
    );
    for finding in findings {
        let _ = writeln!(
            out,
            "{:<6} {}\n       {}",
            finding.level.word(),
            finding.what,
            finding.fix
        );
    }
    if findings.is_empty() {
        out.push_str("OK     nothing is red\n");
    }
    let _ = write!(out, "\nclusters\n{}", clusters(standing));
    let _ = write!(out, "\ningest\n{}", topics(standing));
    let _ = writeln!(
        out,
        "\ndead letters open {}, quarantines {}, gaps not healed {}, halted partitions {}, records in the last hour {}",
        count(standing.dead_letters.iter().map(|group| group.records).sum()),
        standing.quarantines.len(),
        standing.gaps.len(),
        standing
            .partitions
            .iter()
            .filter(|partition| partition.halted_reason.is_some())
            .count(),
        count(standing.delivered_last_hour),
    );
    out
}

fn clusters(standing: &Standing) -> String {
    let rows: Vec<Vec<String>> = standing.clusters.iter().map(cluster_row).collect();
    let table = text(&["cluster", "state", "age", "nodes", "pods", "balanced"], &rows);
    if table.is_empty() {
        "  none yet: no record has landed\n".to_owned()
    } else {
        table
    }
}

fn cluster_row(cluster: &ClusterState) -> Vec<String> {
    vec![
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
    ]
}

fn topics(standing: &Standing) -> String {
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut names: Vec<&str> = standing
        .partitions
        .iter()
        .map(|partition| partition.topic.as_str())
        .collect();
    names.dedup();
    for name in names {
        let of_topic = || {
            standing
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
    let table = text(&["topic", "partitions", "lag", "halted", "last landed"], &rows);
    if table.is_empty() {
        "  no ingester has claimed a partition yet\n".to_owned()
    } else {
        table
    }
}
