//! Of a node.

use super::condition;
use crate::{
    instant::Instant,
    record::{Condition, Node},
};

pub(in crate::row) fn ready_status(node: &Node) -> Option<&str> {
    ready(node).map(|condition| condition.status.as_str())
}

pub(in crate::row) fn ready_reason(node: &Node) -> Option<&str> {
    ready(node).and_then(|condition| condition.reason.as_deref())
}

pub(in crate::row) fn ready_since(node: &Node) -> Option<Instant> {
    ready(node).and_then(|condition| condition.last_transition_at)
}

fn ready(node: &Node) -> Option<&Condition> {
    condition(&node.conditions, "Ready")
}
