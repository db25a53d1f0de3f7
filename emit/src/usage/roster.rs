//! Who is who: sources of usage name pods and nodes, the ledger keeps uids and requests. Kept by the pipeline as objects
//! come and go, read by whoever reads usage.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use fleetledger_schema::{
    instant::Instant,
    record::{Node, Pod, Record},
};

use super::reading::UsageTarget;

/// A pod's container and what is reserved for it: what it requests, unless it is being resized in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContainerRequests {
    pub(crate) container: String,
    /// Thousandths of a core; none if not set.
    pub(crate) cpu_millicores: Option<i64>,
    /// Bytes; none if not set.
    pub(crate) memory_bytes: Option<i64>,
}

/// A living pod.
#[derive(Debug)]
pub(crate) struct KnownPod {
    pub(crate) uid: Arc<str>,
    pub(crate) node: Arc<str>,
    pub(crate) created_at: Instant,
    pub(crate) containers: Vec<ContainerRequests>,
}

impl KnownPod {
    /// What a container requests: CPU in thousandths of a core, memory in bytes.
    pub(crate) fn requests(&self, container: &str) -> (Option<i64>, Option<i64>) {
        let found = self.containers.iter().find(|of| of.container == container);
        found.map_or((None, None), |of| (of.cpu_millicores, of.memory_bytes))
    }
}

/// Namespace and name.
type PodName = (Arc<str>, Arc<str>);

#[derive(Debug, Default)]
struct RosterLists {
    nodes: HashMap<Arc<str>, UsageTarget>,
    pods: HashMap<PodName, Arc<KnownPod>>,
    names: HashMap<Arc<str>, PodName>,
}

/// Nodes and pods that live; clones share one list.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster(Arc<Mutex<RosterLists>>);

impl Roster {
    /// Notes the newest state of an object.
    pub(crate) fn note(&self, record: &Record) {
        match record {
            Record::Node(node) => self.note_node(node),
            Record::Pod(pod) => self.note_pod(pod),
            Record::Namespace(_) | Record::Workload(_) | Record::Watchdog(_) => {}
        }
    }

    fn note_node(&self, node: &Node) {
        let internal = node
            .addresses
            .iter()
            .find(|address| address.address_type == "InternalIP");
        let address = internal.or(node.addresses.first());
        let target = UsageTarget {
            uid: node.uid.as_str().into(),
            node: node.node.as_str().into(),
            address: address.map_or("", |address| address.address.as_str()).into(),
        };
        self.lock().nodes.insert(target.uid.clone(), target);
    }

    fn note_pod(&self, pod: &Pod) {
        let Some(node) = pod.node.as_deref().filter(|_| pod.deleted_at.is_none()) else {
            return;
        };
        let requests = |container: &fleetledger_schema::record::Container| ContainerRequests {
            container: container.container.clone(),
            cpu_millicores: container
                .reserved_cpu_millicores
                .or(container.requests.cpu_millicores),
            memory_bytes: container
                .reserved_memory_bytes
                .or(container.requests.memory_bytes),
        };
        let known = KnownPod {
            uid: pod.uid.as_str().into(),
            node: node.into(),
            created_at: pod.created_at,
            containers: pod.containers.iter().map(requests).collect(),
        };
        let name: PodName = (pod.namespace.as_str().into(), pod.pod.as_str().into());
        let mut lists = self.lock();
        // Of two pods of one name the younger is the one that runs.
        if lists
            .pods
            .get(&name)
            .is_some_and(|other| other.uid != known.uid && other.created_at > known.created_at)
        {
            return;
        }
        lists.names.insert(known.uid.clone(), name.clone());
        lists.pods.insert(name, Arc::new(known));
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&self, uid: &str) {
        let mut lists = self.lock();
        lists.nodes.remove(uid);
        if let Some(name) = lists.names.remove(uid)
            && lists.pods.get(&name).is_some_and(|pod| *pod.uid == *uid)
        {
            lists.pods.remove(&name);
        }
    }

    /// Every node, by name.
    pub(crate) fn nodes(&self) -> Vec<UsageTarget> {
        let mut nodes: Vec<UsageTarget> = self.lock().nodes.values().cloned().collect();
        nodes.sort_by(|one, other| one.node.cmp(&other.node));
        nodes
    }

    /// The living pod of that name.
    pub(crate) fn pod(&self, namespace: &str, pod: &str) -> Option<Arc<KnownPod>> {
        self.lock().pods.get(&(namespace.into(), pod.into())).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, RosterLists> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::record::{Container, ObjectRecord, Resources};

    use super::*;

    fn pod(uid: &str, created_at: i64) -> Record {
        let container = Container {
            container: "api".into(),
            requests: Resources {
                cpu_millicores: Some(500),
                ..Resources::default()
            },
            ..Container::default()
        };
        let pod = Pod {
            uid: uid.into(),
            namespace: "payments".into(),
            pod: "api-0".into(),
            node: Some("node-1".into()),
            created_at: Instant(created_at),
            containers: vec![container],
            ..Pod::default()
        };
        pod.into_record()
    }

    #[test]
    fn a_name_is_the_youngest_living_pods() {
        let roster = Roster::default();
        roster.note(&pod("old", 1));
        roster.note(&pod("new", 2));
        roster.note(&pod("old", 1));
        let known = roster.pod("payments", "api-0").unwrap();
        assert_eq!(&*known.uid, "new");
        assert_eq!(known.requests("api"), (Some(500), None));
        assert_eq!(known.requests("other"), (None, None));
        roster.forget("old");
        assert!(roster.pod("payments", "api-0").is_some());
        roster.forget("new");
        assert!(roster.pod("payments", "api-0").is_none());
    }
}
