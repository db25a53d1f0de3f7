//! The kinds of what travels, one Kafka topic each: objects that are kept, and usage that is added up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A kind of object with a compacted topic and a current-state table of its own; or usage, whose topic is a log of
/// windows and whose table holds sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
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

impl Kind {
    /// Every kind of object, in the order in which a sweep sends them: what others refer to comes first.
    pub const ALL: [Kind; 5] = [
        Kind::Namespace,
        Kind::Node,
        Kind::Workload,
        Kind::Pod,
        Kind::Watchdog,
    ];

    /// Every kind that has a topic.
    pub const TOPICS: [Kind; 6] = [
        Kind::Namespace,
        Kind::Node,
        Kind::Workload,
        Kind::Pod,
        Kind::Watchdog,
        Kind::Usage,
    ];

    /// True for kinds of objects: they stand under their uid, are swept, marked and balanced.
    #[must_use]
    pub fn is_object(self) -> bool {
        match self {
            Kind::Node | Kind::Pod | Kind::Namespace | Kind::Workload | Kind::Watchdog => true,
            Kind::Usage => false,
        }
    }

    /// Name in topics, tables, headers and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Node => "node",
            Kind::Pod => "pod",
            Kind::Namespace => "namespace",
            Kind::Workload => "workload",
            Kind::Watchdog => "watchdog",
            Kind::Usage => "usage",
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
            Kind::Node => 1,
            Kind::Pod => 2,
            Kind::Namespace => 3,
            Kind::Workload => 4,
            Kind::Watchdog => 5,
            Kind::Usage => 6,
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
            Kind::Node => "fleetledger.node.v1",
            Kind::Pod => "fleetledger.pod.v1",
            Kind::Namespace => "fleetledger.namespace.v1",
            Kind::Workload => "fleetledger.workload.v1",
            Kind::Watchdog => "fleetledger.watchdog.v1",
            Kind::Usage => "fleetledger.usage.v1",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
