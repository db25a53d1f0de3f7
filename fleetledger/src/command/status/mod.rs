//! `fleetledger status`: the first command of somebody just woken.

mod gather;
mod judge;

pub use gather::{ClusterState, LedgerStatus, PartitionState, gather};
pub use judge::{FindingLevel, StatusFinding, judge};

use std::fmt::Write as _;

use serde_json::json;

use crate::{
    config::LoadedConfig,
    exit::ExitReason,
    output::{age, count, instant, list, print_json},
    setup::database,
};

pub(super) async fn run(loaded: &LoadedConfig, as_json: bool) -> anyhow::Result<ExitReason> {
    let (connector, client) = database(loaded, "fleetledger-status").await?;
    let status = gather(&client).await?;
    let findings = judge(&status);
    let red = findings.iter().any(|finding| finding.level == FindingLevel::Red);
    if as_json {
        print_json(&json!({ "red": red, "findings": findings, "standing": status }));
    } else {
        print!("{}", screen(&connector.target(), &status, &findings));
    }
    Ok(if red { ExitReason::Red } else { ExitReason::Done })
}

/// The whole answer for people: what is wrong first, then the figures.
fn screen(target: &str, status: &LedgerStatus, findings: &[StatusFinding]) -> String {
    let mut out = format!(
        "fleetledger {} at {target}, {}\n\n",
        env!("CARGO_PKG_VERSION"),
        instant(&status.at)
    );
    for finding in findings {
        let _ = writeln!(
            out,
            "{:<6} {}\n       {}",
            finding.level.level_name(),
            finding.what,
            finding.fix
        );
    }
    if findings.is_empty() {
        out.push_str("OK     nothing is red\n");
    }
    let _ = write!(out, "\nclusters\n{}", clusters(status));
    let _ = write!(out, "\ningest\n{}", topics(status));
    let _ = writeln!(
        out,
        "\ndead letters open {}, quarantines {}, gaps not healed {}, halted partitions {}, refused rules {}, records in the last hour {}",
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
    out
}

fn clusters(status: &LedgerStatus) -> String {
    let rows: Vec<Vec<String>> = status.clusters.iter().map(cluster_row).collect();
    let table = list(&["cluster", "state", "age", "nodes", "pods", "balanced"], &rows);
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
