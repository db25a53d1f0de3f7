//! Records that would not fit into the topic.

use fleetledger_schema::record::{Condition, Record};

/// Largest body that is sent, in bytes: Kafka's default `message.max.bytes` (1,048,588) less key, headers and framing.
pub const MAX_RECORD_BYTES: usize = 1_000_000;

/// Takes away what a record can do without, a step at a time, so that an object of any size is still counted:
/// annotations first, then labels, then messages and finalizers. Returns false if there is no such step.
pub fn shorten(record: &mut Record, step: usize) -> bool {
    match step {
        0 => each(record, |parts| parts.annotations.clear()),
        1 => each(record, |parts| parts.labels.clear()),
        2 => each(record, |parts| {
            parts.finalizers.clear();
            for condition in parts.conditions.iter_mut() {
                condition.message = None;
            }
            if let Some(containers) = parts.containers {
                for container in containers {
                    container.message = None;
                    container.last_message = None;
                }
            }
        }),
        _ => return false,
    }
    true
}

struct RecordParts<'r> {
    labels: &'r mut fleetledger_schema::record::StringMap,
    annotations: &'r mut fleetledger_schema::record::StringMap,
    finalizers: &'r mut Vec<String>,
    conditions: &'r mut Vec<Condition>,
    containers: Option<&'r mut Vec<fleetledger_schema::record::Container>>,
}

fn each(record: &mut Record, change: impl FnOnce(RecordParts<'_>)) {
    macro_rules! parts {
        ($object:expr, $containers:expr) => {
            change(RecordParts {
                labels: &mut $object.labels,
                annotations: &mut $object.annotations,
                finalizers: &mut $object.finalizers,
                conditions: &mut $object.conditions,
                containers: $containers,
            })
        };
    }
    match record {
        Record::Node(o) => parts!(o, None),
        Record::Namespace(o) => parts!(o, None),
        Record::Workload(o) => parts!(o, None),
        Record::Watchdog(o) => parts!(o, None),
        Record::Pod(o) => parts!(o, Some(&mut o.containers)),
    }
}
