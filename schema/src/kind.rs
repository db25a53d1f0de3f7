//! The kinds of what travels, one Kafka topic each: objects that are kept, and usage that is added up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of object with a compacted topic and a current-state table of its own; or usage, whose topic is a log of
/// windows and whose table holds sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A machine of a cluster.
    Node,
    /// A pod with its containers.
    Pod,
    /// A namespace.
    Namespace,
    /// A Deployment, StatefulSet, DaemonSet, ReplicaSet without owner, Job or CronJob.
    Workload,
    /// A watchdog custom resource.
    Watchdog,
    /// What the containers of a node used in a window of time: no object.
    Usage,
}

impl RecordKind {
    /// Every kind of object, in the order in which a sweep sends them: what others refer to comes first.
    pub const ALL: [RecordKind; 5] = [
        RecordKind::Namespace,
        RecordKind::Node,
        RecordKind::Workload,
        RecordKind::Pod,
        RecordKind::Watchdog,
    ];

    /// Every kind that has a topic.
    pub const TOPICS: [RecordKind; 6] = [
        RecordKind::Namespace,
        RecordKind::Node,
        RecordKind::Workload,
        RecordKind::Pod,
        RecordKind::Watchdog,
        RecordKind::Usage,
    ];

    /// True for kinds of objects: they stand under their uid, are swept, marked and balanced.
    #[must_use]
    pub fn is_object(self) -> bool {
        match self {
            RecordKind::Node
            | RecordKind::Pod
            | RecordKind::Namespace
            | RecordKind::Workload
            | RecordKind::Watchdog => true,
            RecordKind::Usage => false,
        }
    }

    /// Name in topics, tables, headers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RecordKind::Node => "node",
            RecordKind::Pod => "pod",
            RecordKind::Namespace => "namespace",
            RecordKind::Workload => "workload",
            RecordKind::Watchdog => "watchdog",
            RecordKind::Usage => "usage",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::TOPICS.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Small number kept in PostgreSQL for this kind; never reused.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            RecordKind::Node => 1,
            RecordKind::Pod => 2,
            RecordKind::Namespace => 3,
            RecordKind::Workload => 4,
            RecordKind::Watchdog => 5,
            RecordKind::Usage => 6,
        }
    }

    /// The kind of that number.
    #[must_use]
    pub fn from_number(number: i16) -> Option<Self> {
        Self::TOPICS.into_iter().find(|kind| kind.number() == number)
    }

    /// Topic of this kind: `<prefix>.<kind>`, or `<prefix>.<kind>.<suffix>` where each datacenter has its own.
    #[must_use]
    pub fn topic(self, prefix: &str, suffix: Option<&str>) -> String {
        match suffix {
            Some(suffix) => format!("{prefix}.{}.{suffix}", self.as_str()),
            None => format!("{prefix}.{}", self.as_str()),
        }
    }

    /// `ce_type` of this kind's records.
    #[must_use]
    pub fn event_type(self) -> &'static str {
        match self {
            RecordKind::Node => "fleetledger.node.v1",
            RecordKind::Pod => "fleetledger.pod.v1",
            RecordKind::Namespace => "fleetledger.namespace.v1",
            RecordKind::Workload => "fleetledger.workload.v1",
            RecordKind::Watchdog => "fleetledger.watchdog.v1",
            RecordKind::Usage => "fleetledger.usage.v1",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
