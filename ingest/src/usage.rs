//! Windows of usage: what one must be like, and those of a batch. They are no objects: nothing stands by their key, and
//! no hash says that one is unchanged. A window is folded once; the minutes that were folded are kept by node and hour.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use fleetledger_schema::{
    codec::{SchemaSubject, WriterSchema},
    instant::Instant,
    kind::RecordKind,
    object_uid::ObjectUid,
    record::{ContainerUsage, Usage},
    row::RowCell,
};

use crate::{
    dead_reason::{DeadReason, RecordFault},
    decode::{MAX_BODY_BYTES, body_fault},
};

/// Most containers of one node's window; a node runs a few hundred.
const MAX_CONTAINERS: usize = 20_000;
/// Longest name; Kubernetes' end at 253.
const MAX_NAME_BYTES: usize = 512;
/// Largest amount of a window: 60 of them still fit a bigint.
const MAX_AMOUNT: i64 = i64::MAX / 64;
/// A window may end this long after its record reached Kafka, in microseconds: clocks differ.
const FUTURE_MICROS: i64 = 300_000_000;

/// A window that may be folded.
#[derive(Debug)]
pub(crate) struct UsageWindow {
    pub(crate) usage: Usage,
    /// Minutes of its hour, bit 0 being the first.
    pub(crate) minutes: i64,
}

/// Decodes and checks the body of a window whose key names the node `uid`.
pub(crate) fn open(
    uid: &str,
    schema: &Arc<WriterSchema>,
    body: &[u8],
    kafka_at: Instant,
) -> Result<UsageWindow, RecordFault> {
    if body.len() > MAX_BODY_BYTES {
        let detail = format!("body of {} bytes is larger than {MAX_BODY_BYTES}", body.len());
        return Err(RecordFault::new(DeadReason::Oversized, detail));
    }
    if schema.subject() != SchemaSubject::Kind(RecordKind::Usage) {
        let detail = format!("schema {:016x} does not describe usage", schema.fingerprint());
        return Err(RecordFault::new(DeadReason::UnknownSchema, detail));
    }
    let usage = schema.decode_usage(body).map_err(body_fault)?;
    if usage.uid != uid {
        let found: String = usage.uid.chars().take(80).collect();
        let detail = format!("body is of node {found:?}, key of {uid:?}");
        return Err(RecordFault::new(DeadReason::WrongKey, detail));
    }
    let minutes = check_window(&usage, kafka_at)?;
    check_name("node", &usage.node)?;
    check_containers(&usage)?;
    Ok(UsageWindow { usage, minutes })
}

fn check_window(usage: &Usage, kafka_at: Instant) -> Result<i64, RecordFault> {
    let (from, to) = (usage.window_start_at, usage.window_end_at);
    let wrong = |why: &str| {
        let detail = format!("window from {from} to {to} {why}");
        Err(RecordFault::new(DeadReason::BadWindow, detail))
    };
    if !from.is_storable() || !to.is_storable() {
        return wrong("is outside the years 1 to 9999");
    }
    if to.micros_since(kafka_at) > FUTURE_MICROS {
        return wrong("ends more than 5 minutes after its record was sent");
    }
    match usage.minutes() {
        Some(minutes) => Ok(minutes),
        None => wrong("does not consist of whole minutes of one hour"),
    }
}

fn check_containers(usage: &Usage) -> Result<(), RecordFault> {
    if usage.containers.len() > MAX_CONTAINERS {
        let detail = format!(
            "{} containers are more than {MAX_CONTAINERS}",
            usage.containers.len()
        );
        return Err(RecordFault::new(DeadReason::Oversized, detail));
    }
    let window_ms = usage.window_end_at.micros_since(usage.window_start_at) / 1000;
    let mut names = HashSet::with_capacity(usage.containers.len());
    for container in &usage.containers {
        if !names.insert((container.uid.as_str(), container.container.as_str())) {
            let detail = format!(
                "container {:?} of pod {:?} appears twice",
                container.container, container.uid
            );
            return Err(RecordFault::new(DeadReason::BadBody, detail));
        }
        check_container(container, window_ms)?;
    }
    Ok(())
}

fn check_container(container: &ContainerUsage, window_ms: i64) -> Result<(), RecordFault> {
    for (what, name) in [
        ("uid", &container.uid),
        ("namespace", &container.namespace),
        ("pod", &container.pod),
        ("container", &container.container),
    ] {
        check_name(what, name)?;
    }
    for (what, covered_ms) in [
        ("covered_ms", container.covered_ms),
        ("gpu_covered_ms", container.gpu_covered_ms),
    ] {
        if !(0..=window_ms).contains(&covered_ms) {
            let detail = format!("{what} is {covered_ms}, the window has {window_ms}");
            return Err(RecordFault::new(DeadReason::BadBody, detail));
        }
    }
    for (what, amount) in [
        ("cpu_core_us", container.cpu_core_us),
        ("memory_byte_seconds", container.memory_byte_seconds),
        ("cpu_charged_core_us", container.cpu_charged_core_us),
        (
            "memory_charged_byte_seconds",
            container.memory_charged_byte_seconds,
        ),
        ("cpu_max_millicores", container.cpu_max_millicores),
        ("memory_max_bytes", container.memory_max_bytes),
        ("gpu_used_card_us", container.gpu_used_card_us.unwrap_or(0)),
    ] {
        if !(0..=MAX_AMOUNT).contains(&amount) {
            let detail = format!("{what} is {amount}; it must be 0 to {MAX_AMOUNT}");
            return Err(RecordFault::new(DeadReason::BadBody, detail));
        }
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), RecordFault> {
    if name.is_empty() || name.len() > MAX_NAME_BYTES {
        let detail = format!("{what} of {} bytes is not 1 to {MAX_NAME_BYTES}", name.len());
        return Err(RecordFault::new(DeadReason::Oversized, detail));
    }
    RowCell::from(name).check()?;
    Ok(())
}

/// How a window stands to those of its batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowOverlap {
    /// None of its minutes is in one of them.
    Apart,
    /// It holds every minute of one of them: whatever becomes of that one, this one is superseded.
    Superseded,
    /// It shares minutes with one of them: what becomes of that one must be known first.
    Undecided,
}

/// A window with its place in the batch.
#[derive(Debug)]
pub(crate) struct TakenWindow {
    /// Index of its record within the batch.
    pub(crate) record: usize,
    pub(crate) cluster_id: i32,
    pub(crate) window: UsageWindow,
}

/// The windows of a batch.
#[derive(Debug, Default)]
pub(crate) struct UsageWindows {
    pub(crate) taken: Vec<TakenWindow>,
    minutes: HashMap<(i32, Instant, ObjectUid), Vec<i64>>,
}

impl UsageWindows {
    /// How `window` stands to those that were taken.
    pub(crate) fn overlap(&self, cluster_id: i32, window: &UsageWindow) -> WindowOverlap {
        let key = (
            cluster_id,
            window.usage.hour_at(),
            ObjectUid::of(&window.usage.uid),
        );
        let taken = self.minutes.get(&key).map(Vec::as_slice).unwrap_or_default();
        let sharing = || taken.iter().filter(|minutes| **minutes & window.minutes != 0);
        if sharing().any(|minutes| *minutes & !window.minutes == 0) {
            WindowOverlap::Superseded
        } else if sharing().next().is_some() {
            WindowOverlap::Undecided
        } else {
            WindowOverlap::Apart
        }
    }

    /// Takes a window.
    pub(crate) fn take(&mut self, record: usize, cluster_id: i32, window: UsageWindow) {
        let key = (
            cluster_id,
            window.usage.hour_at(),
            ObjectUid::of(&window.usage.uid),
        );
        self.minutes.entry(key).or_default().push(window.minutes);
        self.taken.push(TakenWindow {
            record,
            cluster_id,
            window,
        });
    }

    /// True if no node has two windows of one hour: then no container is there twice, unless pods are on two nodes.
    pub(crate) fn are_single(&self) -> bool {
        self.minutes.values().all(|windows| windows.len() == 1)
    }
}

#[cfg(test)]
mod tests {
    use fleetledger_schema::codec::{encode_usage, own_schema};

    use super::*;

    /// A whole hour.
    const HOUR: i64 = 491_520 * 3_600_000_000;
    const MINUTE: i64 = 60_000_000;

    fn usage() -> Usage {
        let container = ContainerUsage {
            uid: "p".into(),
            namespace: "default".into(),
            pod: "api-0".into(),
            container: "api".into(),
            covered_ms: 60_000,
            cpu_core_us: 1,
            ..ContainerUsage::default()
        };
        Usage {
            uid: "n".into(),
            node: "node-1".into(),
            window_start_at: Instant(HOUR),
            window_end_at: Instant(HOUR + 5 * MINUTE),
            source: "kubelet".into(),
            containers: vec![container],
        }
    }

    fn reason(change: impl FnOnce(&mut Usage)) -> Option<DeadReason> {
        let mut usage = usage();
        change(&mut usage);
        let body = encode_usage(&usage).unwrap();
        let schema = own_schema(SchemaSubject::Kind(RecordKind::Usage));
        let sent_at = Instant(HOUR + 6 * MINUTE);
        open("n", &schema, &body, sent_at).err().map(|fault| fault.reason)
    }

    #[test]
    fn each_hostile_window_has_its_reason() {
        assert_eq!(reason(|_| {}), None);
        assert_eq!(reason(|usage| usage.uid = "m".into()), Some(DeadReason::WrongKey));
        let at = |start: i64, end: i64| {
            reason(move |usage| {
                usage.window_start_at = Instant(start);
                usage.window_end_at = Instant(end);
            })
        };
        assert_eq!(at(HOUR, HOUR), Some(DeadReason::BadWindow));
        assert_eq!(at(HOUR + 1, HOUR + MINUTE + 1), Some(DeadReason::BadWindow));
        assert_eq!(
            at(HOUR + 10 * MINUTE, HOUR + 15 * MINUTE),
            Some(DeadReason::BadWindow)
        );
        assert_eq!(at(i64::MIN, i64::MAX), Some(DeadReason::BadWindow));
        assert_eq!(at(HOUR - 60 * MINUTE, HOUR), None);
        let first = |change: fn(&mut ContainerUsage)| reason(move |usage| change(&mut usage.containers[0]));
        assert_eq!(first(|c| c.covered_ms = 300_001), Some(DeadReason::BadBody));
        assert_eq!(first(|c| c.cpu_core_us = -1), Some(DeadReason::BadBody));
        assert_eq!(
            first(|c| c.memory_byte_seconds = i64::MAX),
            Some(DeadReason::BadBody)
        );
        assert_eq!(first(|c| c.pod = "a\0".into()), Some(DeadReason::NulInText));
        assert_eq!(first(|c| c.uid = String::new()), Some(DeadReason::Oversized));
        let twice = reason(|usage| usage.containers.push(usage.containers[0].clone()));
        assert_eq!(twice, Some(DeadReason::BadBody));
    }

    #[test]
    fn what_holds_a_taken_window_is_superseded_and_what_shares_a_minute_is_undecided() {
        let window = |start: i64, end: i64| {
            let mut usage = usage();
            usage.window_start_at = Instant(HOUR + start * MINUTE);
            usage.window_end_at = Instant(HOUR + end * MINUTE);
            let minutes = usage.minutes().unwrap();
            UsageWindow { usage, minutes }
        };
        let mut windows = UsageWindows::default();
        windows.take(0, 1, window(5, 10));
        assert!(windows.are_single());
        assert_eq!(windows.overlap(1, &window(0, 5)), WindowOverlap::Apart);
        assert_eq!(windows.overlap(2, &window(5, 10)), WindowOverlap::Apart);
        assert_eq!(windows.overlap(1, &window(5, 10)), WindowOverlap::Superseded);
        assert_eq!(windows.overlap(1, &window(0, 15)), WindowOverlap::Superseded);
        assert_eq!(windows.overlap(1, &window(6, 7)), WindowOverlap::Undecided);
        assert_eq!(windows.overlap(1, &window(9, 12)), WindowOverlap::Undecided);
        windows.take(1, 1, window(0, 5));
        assert!(!windows.are_single());
    }
}
