//! Kubernetes objects → records: pure functions. Equal objects give equal records, whatever order the API
//! server lists maps and sets in; heartbeats, resource versions and everything not allow-listed stay behind.

mod allow_list;
mod container;
pub mod effective_request;
mod key_order;
mod meta;
mod namespace;
mod node;
mod pod;
pub mod quantity;
mod resources;
mod size;
mod watchdog;
mod workload;

pub use allow_list::AllowList;
pub(crate) use meta::{controller, micro_instant};
pub use namespace::namespace;
pub(crate) use node::set_heartbeat;
pub use node::{NodeHeartbeat, node};
pub use pod::{TopOwner, pod, set_top_owner};
pub use size::{MAX_RECORD_BYTES, shorten};
pub use watchdog::{duration_seconds, watchdog};
pub use workload::{cron_job, daemon_set, deployment, job, replica_set, stateful_set};

/// What may be sent of an object's labels and annotations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataRules {
    /// Labels that are sent.
    pub labels: AllowList,
    /// Annotations that are sent.
    pub annotations: AllowList,
}

#[cfg(test)]
pub(crate) fn test_rules() -> MetadataRules {
    MetadataRules {
        labels: AllowList::new(&[
            "app".to_owned(),
            "team".to_owned(),
            "app.kubernetes.io/*".to_owned(),
        ])
        .unwrap(),
        annotations: AllowList::new(&["note".to_owned()]).unwrap(),
    }
}
