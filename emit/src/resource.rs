//! The API server's resources that a source reads, and their objects.

use std::{collections::BTreeSet, fmt, sync::Arc};

use fleetledger_schema::{kind::RecordKind, record::Record};
use k8s_openapi::{
    api::{
        apps::v1::{DaemonSet, Deployment, ReplicaSet, StatefulSet},
        batch::v1::{CronJob, Job},
        coordination::v1::Lease,
        core::v1::{Namespace, Node, Pod},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use crate::{
    owner::{KnownOwner, OwnerRef},
    watchdog_resource::Watchdog,
};

/// Namespaces that are named in a log line; the rest are counted.
const NAMESPACES_SHOWN: usize = 10;

/// A resource that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the Kubernetes resource of that name")]
pub enum WatchedResource {
    Namespaces,
    Leases,
    Nodes,
    Deployments,
    StatefulSets,
    DaemonSets,
    ReplicaSets,
    CronJobs,
    Jobs,
    Pods,
    Watchdogs,
}

impl WatchedResource {
    /// All of them; owners stand before what they own.
    pub const ALL: [WatchedResource; 11] = [
        WatchedResource::Namespaces,
        WatchedResource::Leases,
        WatchedResource::Nodes,
        WatchedResource::Deployments,
        WatchedResource::StatefulSets,
        WatchedResource::DaemonSets,
        WatchedResource::ReplicaSets,
        WatchedResource::CronJobs,
        WatchedResource::Jobs,
        WatchedResource::Pods,
        WatchedResource::Watchdogs,
    ];

    /// The kind of record its objects become; none for node Leases, which only say that a node is silent.
    #[must_use]
    pub fn kind(self) -> Option<RecordKind> {
        Some(match self {
            WatchedResource::Leases => return None,
            WatchedResource::Namespaces => RecordKind::Namespace,
            WatchedResource::Nodes => RecordKind::Node,
            WatchedResource::Pods => RecordKind::Pod,
            WatchedResource::Watchdogs => RecordKind::Watchdog,
            WatchedResource::Deployments
            | WatchedResource::StatefulSets
            | WatchedResource::DaemonSets
            | WatchedResource::ReplicaSets
            | WatchedResource::CronJobs
            | WatchedResource::Jobs => RecordKind::Workload,
        })
    }

    /// The resources whose objects become records of `kind`.
    pub fn of(kind: RecordKind) -> impl Iterator<Item = WatchedResource> {
        Self::ALL
            .into_iter()
            .filter(move |resource| resource.kind() == Some(kind))
    }

    /// The resource whose object a record shows; `None` for a workload of a kind that is not watched.
    pub(crate) fn of_record(record: &Record) -> Option<WatchedResource> {
        let workload = match record {
            Record::Workload(workload) => workload.workload_kind.as_str(),
            Record::Namespace(_) => return Some(WatchedResource::Namespaces),
            Record::Node(_) => return Some(WatchedResource::Nodes),
            Record::Pod(_) => return Some(WatchedResource::Pods),
            Record::Watchdog(_) => return Some(WatchedResource::Watchdogs),
        };
        Some(match workload {
            "Deployment" => WatchedResource::Deployments,
            "StatefulSet" => WatchedResource::StatefulSets,
            "DaemonSet" => WatchedResource::DaemonSets,
            "ReplicaSet" => WatchedResource::ReplicaSets,
            "CronJob" => WatchedResource::CronJobs,
            "Job" => WatchedResource::Jobs,
            _ => return None,
        })
    }

    /// False for resources of the cluster itself.
    #[must_use]
    pub fn is_namespaced(self) -> bool {
        !matches!(
            self,
            WatchedResource::Namespaces | WatchedResource::Nodes | WatchedResource::Watchdogs
        )
    }

    /// Name in metrics, logs and RBAC.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WatchedResource::Namespaces => "namespaces",
            WatchedResource::Leases => "leases",
            WatchedResource::Nodes => "nodes",
            WatchedResource::Deployments => "deployments",
            WatchedResource::StatefulSets => "statefulsets",
            WatchedResource::DaemonSets => "daemonsets",
            WatchedResource::ReplicaSets => "replicasets",
            WatchedResource::CronJobs => "cronjobs",
            WatchedResource::Jobs => "jobs",
            WatchedResource::Pods => "pods",
            WatchedResource::Watchdogs => "watchdogs",
        }
    }
}

impl fmt::Display for WatchedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An object of one of the resources. Shared, because a simulated cluster keeps what it reports.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is the Kubernetes object of that name")]
pub enum KubeObject {
    Namespace(Arc<Namespace>),
    Lease(Arc<Lease>),
    Node(Arc<Node>),
    Deployment(Arc<Deployment>),
    StatefulSet(Arc<StatefulSet>),
    DaemonSet(Arc<DaemonSet>),
    ReplicaSet(Arc<ReplicaSet>),
    CronJob(Arc<CronJob>),
    Job(Arc<Job>),
    Pod(Arc<Pod>),
    Watchdog(Arc<Watchdog>),
}

impl KubeObject {
    /// The resource it belongs to.
    #[must_use]
    pub fn resource(&self) -> WatchedResource {
        match self {
            KubeObject::Namespace(_) => WatchedResource::Namespaces,
            KubeObject::Lease(_) => WatchedResource::Leases,
            KubeObject::Node(_) => WatchedResource::Nodes,
            KubeObject::Deployment(_) => WatchedResource::Deployments,
            KubeObject::StatefulSet(_) => WatchedResource::StatefulSets,
            KubeObject::DaemonSet(_) => WatchedResource::DaemonSets,
            KubeObject::ReplicaSet(_) => WatchedResource::ReplicaSets,
            KubeObject::CronJob(_) => WatchedResource::CronJobs,
            KubeObject::Job(_) => WatchedResource::Jobs,
            KubeObject::Pod(_) => WatchedResource::Pods,
            KubeObject::Watchdog(_) => WatchedResource::Watchdogs,
        }
    }

    /// Its metadata.
    #[must_use]
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            KubeObject::Namespace(object) => &object.metadata,
            KubeObject::Lease(object) => &object.metadata,
            KubeObject::Node(object) => &object.metadata,
            KubeObject::Deployment(object) => &object.metadata,
            KubeObject::StatefulSet(object) => &object.metadata,
            KubeObject::DaemonSet(object) => &object.metadata,
            KubeObject::ReplicaSet(object) => &object.metadata,
            KubeObject::CronJob(object) => &object.metadata,
            KubeObject::Job(object) => &object.metadata,
            KubeObject::Pod(object) => &object.metadata,
            KubeObject::Watchdog(object) => &object.metadata,
        }
    }

    /// Its uid, empty where the object has none.
    #[must_use]
    pub fn uid(&self) -> &str {
        self.meta().uid.as_deref().unwrap_or_default()
    }
}

macro_rules! from_object {
    ($($type:ident),*) => {$(
        impl From<$type> for KubeObject {
            fn from(object: $type) -> Self {
                KubeObject::$type(object.into())
            }
        }
    )*};
}
from_object!(
    Namespace,
    Lease,
    Node,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    CronJob,
    Job,
    Pod,
    Watchdog
);

/// What a source reports.
#[derive(Debug)]
pub(crate) enum SourceEvent {
    /// From a watch.
    Watch(WatchedResource, ResourceChange),
    /// From the fresh list that a sweep asked for.
    Relist(WatchedResource, ResourceChange),
    /// An owner that was asked for; `None` if it is gone or may not be read.
    Owner(Box<OwnerRef>, Option<Box<KnownOwner>>),
    /// The source is another cluster by now, and says nothing more of the one that it was.
    OtherCluster,
    /// The source has nothing more to say.
    Finished,
}

/// Where a source names every object of a resource, so that what it does not name there is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NamedScope {
    /// Everywhere.
    Everything,
    /// In all namespaces but these.
    AllBut(BTreeSet<String>),
    /// In these namespaces.
    Only(BTreeSet<String>),
}

impl NamedScope {
    /// True if everything of a namespace is named.
    pub(crate) fn holds(&self, namespace: &str) -> bool {
        match self {
            NamedScope::Everything => true,
            NamedScope::AllBut(elsewhere) => !elsewhere.contains(namespace),
            NamedScope::Only(named) => named.contains(namespace),
        }
    }
}

impl fmt::Display for NamedScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |names: &BTreeSet<String>| {
            let shown: Vec<&str> = names.iter().take(NAMESPACES_SHOWN).map(String::as_str).collect();
            let more = names.len() - shown.len();
            let rest = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            format!("{}{rest}", shown.join(", "))
        };
        match self {
            NamedScope::Everything => f.write_str("everything"),
            NamedScope::AllBut(elsewhere) => write!(f, "all namespaces but {}", names(elsewhere)),
            NamedScope::Only(named) if named.is_empty() => f.write_str("no namespace as a whole"),
            NamedScope::Only(named) => write!(f, "only namespaces {}", names(named)),
        }
    }
}

/// One change of a resource.
#[derive(Debug)]
pub(crate) enum ResourceChange {
    /// A list begins; what it does not name is gone.
    Begin,
    /// An object of that list.
    Listed(KubeObject),
    /// The list is complete.
    End,
    /// The list is over and names everything of some namespaces alone; what it does not name elsewhere may exist.
    Incomplete(NamedScope),
    /// An object appeared or changed.
    Applied(KubeObject),
    /// An object is gone; this was its last state.
    Deleted(KubeObject),
    /// The API server does not have this resource.
    Absent,
    /// The resource cannot be read now; retried.
    Failed(String),
}
