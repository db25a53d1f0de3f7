//! Where events come from: a live API server, a dump of one, or a simulated fleet.

pub(crate) mod dump;
mod identity;
mod readable;
pub(crate) mod watch;

use fleetledger_schema::kind::RecordKind;
use tokio::{sync::mpsc::Sender, task::JoinSet};

pub use dump::DumpPlace;

use crate::{
    owner::OwnerRef,
    resource::{SourceEvent, WatchedResource},
    simulate::{SimulateSettings, Simulation},
};

/// Where an emitter's objects come from.
pub enum ObjectSource {
    /// A live API server.
    Watch {
        /// Client of the cluster; its identity needs the rights of `deploy/kubernetes/emit-rbac.yaml`.
        client: kube::Client,
    },
    /// Files of `kubectl get … -o json` (or yaml), sent as one sweep.
    Dump(DumpPlace),
    /// A simulated fleet.
    Simulate(SimulateSettings),
    /// A simulated fleet that has lived before, and whether its usage is read.
    Simulated(Simulation, bool),
}

/// A source that runs.
pub(crate) enum SourceFeed {
    Watch(watch::ClusterWatcher),
    Dump(dump::ClusterDump),
    Simulate(Simulation),
}

impl SourceFeed {
    /// Uid of the cluster's kube-system namespace.
    pub(crate) async fn cluster_uid(&self) -> Result<String, String> {
        match self {
            SourceFeed::Watch(watcher) => watcher.cluster_uid().await,
            SourceFeed::Dump(dump) => Ok(dump.cluster_uid()),
            SourceFeed::Simulate(simulation) => Ok(simulation.cluster_uid()),
        }
    }

    /// True if the source says anything of that kind. Of what it is silent about, no log is touched.
    pub(crate) fn names(&self, kind: RecordKind) -> bool {
        match self {
            SourceFeed::Watch(_) | SourceFeed::Simulate(_) => true,
            SourceFeed::Dump(dump) => WatchedResource::of(kind).any(|resource| dump.names(resource)),
        }
    }

    /// Begins to report of the cluster with this uid.
    pub(crate) fn start(&self, tasks: &mut JoinSet<()>, cluster_uid: &str, events: Sender<SourceEvent>) {
        match self {
            SourceFeed::Watch(watcher) => watcher.start(tasks, cluster_uid, &events),
            SourceFeed::Dump(dump) => dump.start(tasks, events),
            SourceFeed::Simulate(simulation) => simulation.start(tasks, events),
        }
    }

    /// Lists these resources afresh.
    pub(crate) fn relist(
        &self,
        tasks: &mut JoinSet<()>,
        resources: Vec<WatchedResource>,
        events: Sender<SourceEvent>,
    ) {
        match self {
            SourceFeed::Watch(watcher) => watcher.relist(tasks, resources, events),
            SourceFeed::Dump(dump) => dump.relist(tasks, resources, events),
            SourceFeed::Simulate(simulation) => simulation.relist(tasks, resources, events),
        }
    }

    /// Asks for an owner; the answer is an event.
    pub(crate) fn ask(&self, tasks: &mut JoinSet<()>, owner: OwnerRef, events: Sender<SourceEvent>) {
        match self {
            SourceFeed::Watch(watcher) => watcher.ask(tasks, owner, events),
            SourceFeed::Dump(_) | SourceFeed::Simulate(_) => {
                tasks.spawn(async move {
                    events.send(SourceEvent::Owner(Box::new(owner), None)).await.ok();
                });
            }
        }
    }

    /// Its name in marks.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            SourceFeed::Watch(_) => "watch",
            SourceFeed::Dump(_) => "dump",
            SourceFeed::Simulate(_) => "simulate",
        }
    }

    /// True for a source whose heartbeats belong to the past.
    pub(crate) fn is_dump(&self) -> bool {
        matches!(self, SourceFeed::Dump(_))
    }
}
