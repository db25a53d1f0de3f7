//! Columns that are worked out of a record. The schemas name these functions (`derived` in `avro/*.avsc`).

pub(super) mod container;
mod kubectl;
pub(super) mod node;
pub(super) mod pod;
pub(super) mod watchdog;

use crate::{instant::Instant, record::Condition};

/// The condition of that type.
fn condition<'a>(conditions: &'a [Condition], condition_type: &str) -> Option<&'a Condition> {
    conditions
        .iter()
        .find(|condition| condition.condition_type == condition_type)
}

/// `last_transition_at` of the condition `condition_type` where its status is `status`.
fn condition_since(conditions: &[Condition], condition_type: &str, status: &str) -> Option<Instant> {
    conditions
        .iter()
        .find(|condition| condition.condition_type == condition_type && condition.status == status)
        .and_then(|condition| condition.last_transition_at)
}
