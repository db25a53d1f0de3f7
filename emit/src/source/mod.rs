//! Where events come from: a live API server, a dump of one, or a simulated fleet.

pub(crate) mod dump;
pub(crate) mod watch;

use std::path::PathBuf;

use tokio::{sync::mpsc::Sender, task::JoinSet};

use crate::{
    owner::OwnerRef,
    resource::{Event, Resource},
    simulate::{SimulateSettings, Simulation},
};

/// Where an emitter's objects come from.
pub enum Source {
    /// A live API server.
    Watch {
        /// Client of the cluster; its identity needs the rights of `deploy/kubernetes/emit-rbac.yaml`.
        client: kube::Client,
    },
    /// Files of `kubectl get … -o json` (or yaml), sent as one sweep.
    Dump {
        /// The folder that holds them.
        directory: PathBuf,
    },
    /// A simulated fleet.
    Simulate(SimulateSettings),
}

/// A source that runs.
pub(crate) enum Feed {
    Watch(watch::Watcher),
    Dump(dump::Dump),
    Simulate(Simulation),
}

impl Feed {
    /// Uid of the cluster's kube-system namespace.
    pub(crate) async fn cluster_uid(&self) -> Result<String, String> {
        match self {
            Feed::Watch(watcher) => watcher.cluster_uid().await,
            Feed::Dump(dump) => dump.cluster_uid(),
            Feed::Simulate(simulation) => Ok(simulation.cluster_uid()),
        }
    }

    /// Begins to report.
    pub(crate) fn start(&self, tasks: &mut JoinSet<()>, events: Sender<Event>) {
        match self {
            Feed::Watch(watcher) => watcher.start(tasks, &events),
            Feed::Dump(dump) => dump.start(tasks, events),
            Feed::Simulate(simulation) => simulation.start(tasks, events),
        }
    }

    /// Lists these resources afresh.
    pub(crate) fn relist(&self, tasks: &mut JoinSet<()>, resources: Vec<Resource>, events: Sender<Event>) {
        match self {
            Feed::Watch(watcher) => watcher.relist(tasks, resources, events),
            Feed::Dump(dump) => dump.relist(tasks, resources, events),
            Feed::Simulate(simulation) => simulation.relist(tasks, resources, events),
        }
    }

    /// Asks for an owner; the answer is an event.
    pub(crate) fn ask(&self, tasks: &mut JoinSet<()>, owner: OwnerRef, events: Sender<Event>) {
        match self {
            Feed::Watch(watcher) => watcher.ask(tasks, owner, events),
            Feed::Dump(_) | Feed::Simulate(_) => {
                tasks.spawn(async move {
                    events.send(Event::Owner(Box::new(owner), None)).await.ok();
                });
            }
        }
    }

    /// True for a source whose heartbeats belong to the past.
    pub(crate) fn is_dump(&self) -> bool {
        matches!(self, Feed::Dump(_))
    }
}
