//! The records that travel: one type per Avro schema, field by field. The structs are written from the schemas by a test;
//! what they do stands here and in `usage_window`.

mod mark;
mod namespace;
mod node;
mod part;
mod pod;
mod usage;
mod usage_window;
mod watchdog;
mod workload;

pub use mark::Mark;
pub use namespace::Namespace;
pub use node::{Address, Node, RuntimeHandler, Taint};
pub use part::{Condition, Resources};
pub use pod::{Container, HostPathMount, Pod};
pub use usage::{ContainerUsage, Usage};
pub use watchdog::{FailingNode, Watchdog};
pub use workload::Workload;

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};

use crate::{instant::Instant, kind::RecordKind};

/// Labels, annotations and the like; sorted bytewise by key, so that equal content gives equal bytes.
pub type StringMap = BTreeMap<String, String>;

/// What every kept object has.
pub trait ObjectRecord:
    Serialize + DeserializeOwned + Clone + PartialEq + std::fmt::Debug + Send + Sync
{
    /// Its kind.
    const KIND: RecordKind;
    /// Kubernetes uid.
    fn uid(&self) -> &str;
    /// Name within its namespace (or cluster).
    fn name(&self) -> &str;
    /// Namespace, for kinds that live in one. A namespace names itself.
    fn namespace(&self) -> Option<&str>;
    /// metadata.creationTimestamp.
    fn created_at(&self) -> Instant;
    /// When the emitter saw it gone; set in its last record only.
    fn deleted_at(&self) -> Option<Instant>;
    /// Makes this the last record of the object.
    fn set_deleted(&mut self, at: Instant, inferred: bool);
    /// Wraps it.
    fn into_record(self) -> Record;
}

/// A record of any kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// A node.
    Node(Box<Node>),
    /// A pod.
    Pod(Box<Pod>),
    /// A namespace.
    Namespace(Box<Namespace>),
    /// A workload.
    Workload(Box<Workload>),
    /// A watchdog.
    Watchdog(Box<Watchdog>),
}

macro_rules! object {
    ($type:ident, $name:ident, $namespace:expr) => {
        impl ObjectRecord for $type {
            const KIND: RecordKind = RecordKind::$type;
            fn uid(&self) -> &str {
                &self.uid
            }
            fn name(&self) -> &str {
                &self.$name
            }
            fn namespace(&self) -> Option<&str> {
                let namespace: fn(&$type) -> Option<&str> = $namespace;
                namespace(self)
            }
            fn created_at(&self) -> Instant {
                self.created_at
            }
            fn deleted_at(&self) -> Option<Instant> {
                self.deleted_at
            }
            fn set_deleted(&mut self, at: Instant, inferred: bool) {
                self.deleted_at = Some(at);
                self.deletion_inferred = inferred;
            }
            fn into_record(self) -> Record {
                Record::$type(Box::new(self))
            }
        }
    };
}

object!(Node, node, |_| None);
object!(Pod, pod, |object| Some(&object.namespace));
object!(Namespace, namespace, |object| Some(&object.namespace));
object!(Workload, workload, |object| Some(&object.namespace));
object!(Watchdog, watchdog, |_| None);

/// Calls `$body` with `$object` bound to the object inside `$record`.
macro_rules! with_object {
    ($record:expr, $object:ident => $body:expr) => {
        match $record {
            $crate::record::Record::Node($object) => $body,
            $crate::record::Record::Pod($object) => $body,
            $crate::record::Record::Namespace($object) => $body,
            $crate::record::Record::Workload($object) => $body,
            $crate::record::Record::Watchdog($object) => $body,
        }
    };
}
pub(crate) use with_object;

impl Record {
    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> RecordKind {
        match self {
            Record::Node(_) => RecordKind::Node,
            Record::Pod(_) => RecordKind::Pod,
            Record::Namespace(_) => RecordKind::Namespace,
            Record::Workload(_) => RecordKind::Workload,
            Record::Watchdog(_) => RecordKind::Watchdog,
        }
    }
    /// Kubernetes uid.
    #[must_use]
    pub fn uid(&self) -> &str {
        with_object!(self, object => object.uid())
    }
    /// Name within its namespace (or cluster).
    #[must_use]
    pub fn name(&self) -> &str {
        with_object!(self, object => object.name())
    }
    /// Namespace, for kinds that live in one.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        with_object!(self, object => object.namespace())
    }
    /// metadata.creationTimestamp.
    #[must_use]
    pub fn created_at(&self) -> Instant {
        with_object!(self, object => object.created_at())
    }
    /// When the emitter saw it gone.
    #[must_use]
    pub fn deleted_at(&self) -> Option<Instant> {
        with_object!(self, object => object.deleted_at())
    }
    /// Makes this the last record of the object.
    pub fn set_deleted(&mut self, at: Instant, inferred: bool) {
        with_object!(self, object => object.set_deleted(at, inferred));
    }
}
