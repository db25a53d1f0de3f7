//! The API server's resources that a source reads, and their objects.

use std::{fmt, sync::Arc};

use fleetledger_schema::kind::Kind;
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
    owner::{Owner, OwnerRef},
    watchdog_resource::Watchdog,
};

/// A resource that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the Kubernetes resource of that name")]
pub enum Resource {
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

impl Resource {
    /// All of them; owners stand before what they own.
    pub const ALL: [Resource; 11] = [
        Resource::Namespaces,
        Resource::Leases,
        Resource::Nodes,
        Resource::Deployments,
        Resource::StatefulSets,
        Resource::DaemonSets,
        Resource::ReplicaSets,
        Resource::CronJobs,
        Resource::Jobs,
        Resource::Pods,
        Resource::Watchdogs,
    ];

    /// The kind of record its objects become; none for node Leases, which only say that a node is silent.
    #[must_use]
    pub fn kind(self) -> Option<Kind> {
        Some(match self {
            Resource::Leases => return None,
            Resource::Namespaces => Kind::Namespace,
            Resource::Nodes => Kind::Node,
            Resource::Pods => Kind::Pod,
            Resource::Watchdogs => Kind::Watchdog,
            Resource::Deployments
            | Resource::StatefulSets
            | Resource::DaemonSets
            | Resource::ReplicaSets
            | Resource::CronJobs
            | Resource::Jobs => Kind::Workload,
        })
    }

    /// The resources whose objects become records of `kind`.
    pub fn of(kind: Kind) -> impl Iterator<Item = Resource> {
        Self::ALL
            .into_iter()
            .filter(move |resource| resource.kind() == Some(kind))
    }

    /// Name in metrics, logs and RBAC.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Resource::Namespaces => "namespaces",
            Resource::Leases => "leases",
            Resource::Nodes => "nodes",
            Resource::Deployments => "deployments",
            Resource::StatefulSets => "statefulsets",
            Resource::DaemonSets => "daemonsets",
            Resource::ReplicaSets => "replicasets",
            Resource::CronJobs => "cronjobs",
            Resource::Jobs => "jobs",
            Resource::Pods => "pods",
            Resource::Watchdogs => "watchdogs",
        }
    }
}

impl fmt::Display for Resource {
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
    pub fn resource(&self) -> Resource {
        match self {
            KubeObject::Namespace(_) => Resource::Namespaces,
            KubeObject::Lease(_) => Resource::Leases,
            KubeObject::Node(_) => Resource::Nodes,
            KubeObject::Deployment(_) => Resource::Deployments,
            KubeObject::StatefulSet(_) => Resource::StatefulSets,
            KubeObject::DaemonSet(_) => Resource::DaemonSets,
            KubeObject::ReplicaSet(_) => Resource::ReplicaSets,
            KubeObject::CronJob(_) => Resource::CronJobs,
            KubeObject::Job(_) => Resource::Jobs,
            KubeObject::Pod(_) => Resource::Pods,
            KubeObject::Watchdog(_) => Resource::Watchdogs,
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
pub(crate) enum Event {
    /// From a watch.
    Watch(Resource, Change),
    /// From the fresh list that a sweep asked for.
    Relist(Resource, Change),
    /// An owner that was asked for; `None` if it is gone or may not be read.
    Owner(Box<OwnerRef>, Option<Box<Owner>>),
    /// The source has nothing more to say.
    Finished,
}

/// One change of a resource.
#[derive(Debug)]
pub(crate) enum Change {
    /// A list begins; what it does not name is gone.
    Begin,
    /// An object of that list.
    Listed(KubeObject),
    /// The list is complete.
    End,
    /// An object appeared or changed.
    Applied(KubeObject),
    /// An object is gone; this was its last state.
    Deleted(KubeObject),
    /// The API server does not have this resource.
    Absent,
    /// The resource cannot be read now; retried.
    Failed(String),
}
