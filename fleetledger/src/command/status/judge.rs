//! What of it is wrong, and what to do. Pure: the same standing has the same findings.

use serde::Serialize;

use super::gather::{ClusterState, LedgerStatus, PartitionState};
use crate::output::{age, counted, instant};

/// Lag of a partition that does not move for this long is a fault, in seconds.
const STUCK_SECONDS: f64 = 60.0;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingLevel {
    /// Somebody must act.
    Red,
    /// Worth a look; it may heal by itself.
    Yellow,
}

impl FindingLevel {
    /// As it is printed.
    #[must_use]
    pub fn level_name(self) -> &'static str {
        match self {
            FindingLevel::Red => "RED",
            FindingLevel::Yellow => "YELLOW",
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusFinding {
    /// How bad it is.
    pub level: FindingLevel,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub fix: String,
}

/// Everything that is wrong, the worst first.
#[must_use]
pub fn judge(status: &LedgerStatus) -> Vec<StatusFinding> {
    let mut findings = Vec::new();
    let mut add = |level, what: String, fix: &str| {
        findings.push(StatusFinding {
            level,
            what,
            fix: fix.to_owned(),
        })
    };
    for cluster in &status.clusters {
        // A dump was sent once: nothing follows, and nothing is wrong.
        if cluster.state == "stale" && cluster.source.as_deref() != Some("dump") {
            let silent = cluster
                .age_seconds
                .map_or("since ever".to_owned(), |seconds| format!("for {}", age(seconds)));
            add(
                FindingLevel::Red,
                format!("cluster {} is stale: silent {silent}", cluster.name()),
                "look at its emitter (/readyz says what it waits for) and at the lag below; if the cluster is gone for good: fleetledger clusters retire",
            );
        }
        if let Some(what) = unbalanced(cluster) {
            add(
                FindingLevel::Red,
                what,
                "fleetledger audit finds altered rows; the next sweep heals them; docs/operating.md, balance",
            );
        }
    }
    for partition in &status.partitions {
        if let Some((what, fix)) = partition_fault(partition) {
            add(FindingLevel::Red, what, fix);
        }
    }
    if status.partitions.is_empty() && !status.clusters.is_empty() {
        add(
            FindingLevel::Red,
            "no partition is claimed".to_owned(),
            "start an ingester: fleetledger ingest",
        );
    }
    for quarantine in &status.quarantines {
        add(
            FindingLevel::Red,
            format!(
                "{} is quarantined ({}): {}",
                quarantine.source, quarantine.reason, quarantine.detail
            ),
            "repair the source, then: fleetledger ingest release NUMBER (select * from fleet.quarantine), and fleetledger dead-letters replay --reason quarantined",
        );
    }
    for sweep in &status.held_sweeps {
        add(
            FindingLevel::Red,
            format!(
                "sweep of {} in {} would close {} and is held",
                sweep.kind,
                sweep.cluster,
                counted(sweep.objects, "object")
            ),
            "the next sweep that agrees closes them; if nobody deleted that much, somebody else writes in the cluster's name: docs/security.md",
        );
    }
    for gap in &status.gaps {
        add(
            FindingLevel::Red,
            format!(
                "{} partition {}: offsets {} to {} were gone before they were read ({})",
                gap.topic, gap.partition, gap.from_offset, gap.to_offset, gap.reason
            ),
            "the next sweep of every cluster heals it; raise retention, or keep the ingester running",
        );
    }
    for group in &status.dead_letters {
        let cluster = group.cluster.as_deref().unwrap_or("unknown source");
        add(
            FindingLevel::Red,
            format!(
                "{} of {cluster}: {}",
                counted(group.records, "dead letter"),
                group.reason
            ),
            "fleetledger dead-letters list shows them; after the repair: fleetledger dead-letters replay",
        );
    }
    for emitter in &status.emitters {
        add(
            FindingLevel::Red,
            format!(
                "clock of the emitter of {} is off by {:.0} s",
                emitter.cluster, emitter.clock_skew_seconds
            ),
            "let its machine follow a time server (chrony, systemd-timesyncd)",
        );
    }
    for failure in &status.cost_failures {
        let of = failure.cluster.as_deref().unwrap_or("the whole fleet");
        add(
            FindingLevel::Red,
            format!(
                "cost of {of} is incomplete in {} from {} on: {}",
                counted(failure.periods, &failure.period),
                instant(&failure.first_at),
                failure.error
            ),
            "all the rest is rated without it, and it is tried again by itself; docs/runbooks/cost-not-rated.md",
        );
    }
    for refused in &status.refused_rules {
        let (level, meanwhile) = match refused.evaluated {
            true => (FindingLevel::Yellow, "its previous version is still evaluated"),
            false => (FindingLevel::Red, "it is not evaluated"),
        };
        add(
            level,
            format!(
                "the file of rule `{}` is refused, and {meanwhile}: {}",
                refused.rule, refused.reason
            ),
            "fix the file (fleetledger rules check) or remove it; the evaluator reads it again within 5 s",
        );
    }
    for sweep in &status.void_sweeps {
        add(
            FindingLevel::Yellow,
            format!(
                "the last sweep of {} {} closed nothing: {}",
                sweep.cluster, sweep.kind, sweep.reason
            ),
            "the next sweep (hourly by default) does it again",
        );
    }
    findings.sort_by_key(|finding| finding.level);
    findings
}

fn unbalanced(cluster: &ClusterState) -> Option<String> {
    if cluster.unbalanced.is_empty() {
        return None;
    }
    Some(format!(
        "cluster {} is not balanced: {}",
        cluster.name(),
        cluster.unbalanced.join(", ")
    ))
}

fn partition_fault(partition: &PartitionState) -> Option<(String, &'static str)> {
    let name = format!("{} partition {}", partition.topic, partition.partition);
    if let Some(reason) = &partition.halted_reason {
        let fix = "repair the fault, then: fleetledger ingest resume TOPIC PARTITION, or --all";
        return Some((format!("{name} is halted: {reason}"), fix));
    }
    let silent = partition.progress_age_seconds.unwrap_or(f64::INFINITY);
    if partition.lag > 0 && silent > STUCK_SECONDS {
        let since = if silent.is_finite() {
            age(silent)
        } else {
            "its claim".to_owned()
        };
        let what = format!(
            "{name} lags by {} and has not moved for {since}",
            counted(partition.lag, "record")
        );
        return Some((
            what,
            "look at the ingester (/readyz and its log) and at the database's locks",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::gather::{CostFailure, DeadLetterGroup, RefusedRule, VoidSweep};
    use super::*;

    fn healthy() -> LedgerStatus {
        LedgerStatus {
            clusters: vec![ClusterState {
                datacenter: "dfw".into(),
                cluster: "a".into(),
                state: "fresh".into(),
                ..ClusterState::default()
            }],
            partitions: vec![PartitionState {
                topic: "t".into(),
                lag: 5,
                progress_age_seconds: Some(1.0),
                ..PartitionState::default()
            }],
            ..LedgerStatus::default()
        }
    }

    fn first(change: impl FnOnce(&mut LedgerStatus)) -> StatusFinding {
        let mut status = healthy();
        change(&mut status);
        judge(&status).into_iter().next().unwrap()
    }

    #[test]
    fn healthy_ledger_has_no_findings() {
        assert_eq!(judge(&healthy()), []);
        assert_eq!(judge(&LedgerStatus::default()), []);
    }

    #[test]
    fn each_fault_is_named_with_its_subject() {
        let stale = first(|s| s.clusters[0].state = "stale".into());
        assert!(stale.what.contains("dfw/a is stale"), "{stale:?}");
        let mut dump = healthy();
        dump.clusters[0].state = "stale".into();
        dump.clusters[0].source = Some("dump".into());
        assert_eq!(judge(&dump), []);
        let unbalanced = first(|s| s.clusters[0].unbalanced = vec!["pod".into()]);
        assert!(unbalanced.what.contains("not balanced: pod"), "{unbalanced:?}");
        let halted = first(|s| s.partitions[0].halted_reason = Some("recreated".into()));
        assert!(halted.what.contains("halted: recreated"), "{halted:?}");
        let stuck = first(|s| s.partitions[0].progress_age_seconds = Some(90.0));
        assert!(stuck.what.contains("lags by 5 records"), "{stuck:?}");
        let dead = first(|s| {
            s.dead_letters = vec![DeadLetterGroup {
                reason: "bad_magic".into(),
                cluster: None,
                records: 3,
            }]
        });
        assert!(
            dead.what.contains("3 dead letters of unknown source: bad_magic"),
            "{dead:?}"
        );
    }

    #[test]
    fn cost_that_is_incomplete_names_the_cluster_and_what_the_database_said() {
        let failure = first(|s| {
            s.cost_failures = vec![CostFailure {
                cluster: Some("dfw/a".into()),
                period: "hour".into(),
                periods: 3,
                first_at: "2026-03-02T10:00:00Z".into(),
                error: "bigint out of range".into(),
            }]
        });
        let expected =
            "cost of dfw/a is incomplete in 3 hours from 2026-03-02T10:00:00Z on: bigint out of range";
        assert_eq!(failure.what, expected);
    }

    #[test]
    fn a_refused_rule_is_red_only_where_no_version_of_it_is_evaluated() {
        let refused = |evaluated| {
            first(|s| {
                s.refused_rules = vec![RefusedRule {
                    rule: "a".into(),
                    reason: "a.sql:3: unknown key `fro`".into(),
                    evaluated,
                }]
            })
        };
        let (red, yellow) = (refused(false), refused(true));
        assert_eq!(
            (red.level, yellow.level),
            (FindingLevel::Red, FindingLevel::Yellow)
        );
        let expected = "the file of rule `a` is refused, and it is not evaluated: a.sql:3: unknown key `fro`";
        assert_eq!(red.what, expected);
    }

    #[test]
    fn void_sweep_is_yellow_and_comes_last() {
        let mut status = healthy();
        status.void_sweeps = vec![VoidSweep::default()];
        status.clusters[0].state = "stale".into();
        let levels: Vec<FindingLevel> = judge(&status).into_iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [FindingLevel::Red, FindingLevel::Yellow]);
    }
}
