//! Readings → windows: counters are followed from sample to sample, what lies between two samples is spread evenly over
//! the windows it touches, and what is not known is left out. Pure: instants are passed in.
//!
//! A counter that falls, or a container that began anew, ends what was followed; if it is known when the new one began,
//! it counts from there. A gap longer than allowed is not covered. A window that was handed over is never opened again.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use fleetledger_schema::{
    instant::Instant,
    record::{ContainerUsage, Usage},
};

use super::{
    reading::{ContainerSample, CpuMeasure, NodeReading, UsageTarget},
    roster::Roster,
    window::WindowSums,
};

/// No machine has more: a counter that runs faster is broken.
const MAX_CORES: i64 = 100_000;
/// A node's clock may run ahead of ours by this much before its timestamps are not believed, in microseconds.
const AHEAD_MICROS: i64 = 5_000_000;

/// A container of a pod: uid and name.
type ContainerKey = (Arc<str>, String);

/// What is followed of one container.
#[derive(Debug)]
struct ContainerTrack {
    at: Instant,
    counter: i64,
    memory_bytes: i64,
    started_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct NodeIntegration {
    node: Option<Arc<str>>,
    read_at: Option<Instant>,
    gpu_read_at: Option<Instant>,
    tracks: HashMap<ContainerKey, ContainerTrack>,
    windows: BTreeMap<Instant, BTreeMap<ContainerKey, WindowSums>>,
    /// Windows before this one were handed over.
    open_from: Instant,
}

/// Follows every node.
#[derive(Debug)]
pub(crate) struct Integrator {
    window_micros: i64,
    gap_micros: i64,
    /// A window is handed over this long after its end even where some container was not heard of.
    patience_micros: i64,
    source: &'static str,
    nodes: HashMap<Arc<str>, NodeIntegration>,
}

/// What was known of a container when something of it was read.
pub(crate) struct ContainerFacts<'f> {
    pub(crate) namespace: &'f str,
    pub(crate) pod: &'f str,
    pub(crate) requests: (Option<i64>, Option<i64>),
}

/// A stretch of time within which a container's usage is even.
struct UsageStretch {
    from: Instant,
    to: Instant,
    cpu_us: i64,
    memory_bytes: i64,
    memory_max_bytes: i64,
}

impl Integrator {
    pub(crate) fn new(
        window_micros: i64,
        gap_micros: i64,
        patience_micros: i64,
        source: &'static str,
    ) -> Self {
        Self {
            window_micros,
            gap_micros,
            patience_micros,
            source,
            nodes: HashMap::new(),
        }
    }

    /// Takes what a look at a node showed; returns how many samples are of no pod that is known.
    pub(crate) fn take(&mut self, target: &UsageTarget, reading: &NodeReading, roster: &Roster) -> usize {
        let (window, gap) = (self.window_micros, self.gap_micros);
        let book = self.nodes.entry(target.uid.clone()).or_default();
        book.node = Some(target.node.clone());
        let mut unknown = 0;
        if let Some(samples) = &reading.samples {
            for sample in samples {
                let known = roster.pod(&sample.namespace, &sample.pod);
                // A container that began before its pod was created is the pod's namesake of before.
                let known = known.filter(|known| {
                    *known.node == *target.node
                        && sample
                            .started_at
                            .is_none_or(|at| at.plus_micros(1_000_000) >= known.created_at)
                });
                let Some(known) = known else {
                    unknown += 1;
                    continue;
                };
                let facts = ContainerFacts {
                    namespace: &sample.namespace,
                    pod: &sample.pod,
                    requests: known.requests(&sample.container),
                };
                let key = (known.uid.clone(), sample.container.clone());
                if let Some(stretch) = book.follow(&key, sample, reading.at, gap) {
                    book.spread(&key, &stretch, &facts, window);
                }
            }
            book.open_read_windows(reading.at, gap, window);
        }
        if let Some(gpus) = &reading.gpus {
            let before = book.gpu_read_at.replace(reading.at);
            let from = before.filter(|before| (1..=gap).contains(&reading.at.micros_since(*before)));
            for gpu in gpus.iter().filter(|_| from.is_some()) {
                let Some(known) = roster.pod(&gpu.namespace, &gpu.pod) else {
                    unknown += 1;
                    continue;
                };
                let facts = ContainerFacts {
                    namespace: &gpu.namespace,
                    pod: &gpu.pod,
                    requests: known.requests(&gpu.container),
                };
                let key = (known.uid.clone(), gpu.container.clone());
                let from = from.unwrap_or(reading.at);
                book.spread_gpu(&key, (from, reading.at), gpu.micro_cards, &facts, window);
            }
        }
        unknown
    }

    /// Hands over the windows that are complete, or have waited long enough.
    pub(crate) fn close(&mut self, now: Instant) -> Vec<Usage> {
        let mut closed = Vec::new();
        for (uid, book) in &mut self.nodes {
            while let Some(entry) = book.windows.first_entry() {
                let end = entry.key().plus_micros(self.window_micros);
                let heard = book.read_at.is_some_and(|at| at >= end)
                    && book.tracks.values().all(|track| track.at >= end);
                if !heard && now.micros_since(end) < self.patience_micros {
                    break;
                }
                let (start, containers) = entry.remove_entry();
                book.open_from = end;
                closed.push(Usage {
                    uid: uid.to_string(),
                    node: book.node.as_deref().unwrap_or_default().to_owned(),
                    window_start_at: start,
                    window_end_at: end,
                    source: self.source.to_owned(),
                    containers: containers.into_iter().map(of_container).collect(),
                });
            }
            let gap = self.gap_micros;
            book.tracks
                .retain(|_, track| now.micros_since(track.at) <= 2 * gap);
        }
        self.nodes.retain(|_, book| {
            !book.windows.is_empty()
                || book
                    .read_at
                    .is_some_and(|at| now.micros_since(at) <= 10 * self.gap_micros)
        });
        closed
    }
}

fn of_container(((uid, container), sums): (ContainerKey, WindowSums)) -> ContainerUsage {
    sums.finish(uid.to_string(), container)
}

impl NodeIntegration {
    /// Follows a container to its newest sample; returns what lies between that and the one before, if it is known.
    fn follow(
        &mut self,
        key: &ContainerKey,
        sample: &ContainerSample,
        read_at: Instant,
        gap: i64,
    ) -> Option<UsageStretch> {
        let at = if sample.at.micros_since(read_at) > AHEAD_MICROS {
            read_at
        } else {
            sample.at
        };
        if read_at.micros_since(at) > gap {
            return None; // What has ended is served a while longer.
        }
        let before = self.tracks.get(key);
        if before.is_some_and(|before| at <= before.at) {
            return None;
        }
        let counter = match sample.cpu {
            CpuMeasure::Counter(counter) => counter,
            CpuMeasure::Rate { .. } => 0,
        };
        let began = sample
            .started_at
            .filter(|began| at.micros_since(*began) <= gap && *began < at);
        let stretch = match (before, sample.cpu) {
            (
                before,
                CpuMeasure::Rate {
                    nanocores,
                    window_micros,
                },
            ) => {
                let from = before
                    .map(|before| before.at)
                    .filter(|from| at.micros_since(*from) <= gap);
                let from = from.unwrap_or(at.plus_micros(-window_micros.clamp(0, gap)));
                let micros = i128::from(at.micros_since(from)) * i128::from(nanocores) / 1_000_000_000;
                Some((
                    from,
                    i64::try_from(micros).unwrap_or(i64::MAX),
                    before.map(|before| before.memory_bytes),
                ))
            }
            // Seen for the first time: all that it has used is known if it began lately.
            (None, CpuMeasure::Counter(_)) => began.map(|began| (began, counter, None)),
            (Some(before), CpuMeasure::Counter(_)) => {
                let anew = counter < before.counter
                    || matches!((before.started_at, sample.started_at), (Some(old), Some(new)) if old != new);
                if anew {
                    began.map(|began| (began.max(before.at), counter, None))
                } else if at.micros_since(before.at) > gap {
                    None
                } else {
                    Some((before.at, counter - before.counter, Some(before.memory_bytes)))
                }
            }
        };
        let memory_bytes = sample.memory_bytes;
        let track = ContainerTrack {
            at,
            counter,
            memory_bytes,
            started_at: sample.started_at,
        };
        self.tracks.insert(key.clone(), track);
        let (from, cpu_us, memory_before) = stretch?;
        let length = at.micros_since(from);
        if length <= 0 || cpu_us < 0 || cpu_us / length > MAX_CORES {
            return None;
        }
        let before = memory_before.unwrap_or(memory_bytes);
        Some(UsageStretch {
            from,
            to: at,
            cpu_us,
            memory_bytes: before / 2 + memory_bytes / 2 + (before % 2 + memory_bytes % 2) / 2,
            memory_max_bytes: before.max(memory_bytes),
        })
    }

    /// Adds a stretch to the windows it touches.
    fn spread(
        &mut self,
        key: &ContainerKey,
        stretch: &UsageStretch,
        facts: &ContainerFacts<'_>,
        window: i64,
    ) {
        let length = stretch.to.micros_since(stretch.from);
        let used_until = |at: Instant| {
            let part = i128::from(stretch.cpu_us) * i128::from(at.micros_since(stretch.from));
            i64::try_from(part / i128::from(length)).unwrap_or(i64::MAX)
        };
        for (start, from, to) in self.parts(stretch.from, stretch.to, window) {
            let sums = self.sums(start, key, facts);
            let cpu_us = used_until(to) - used_until(from);
            sums.add(
                to.micros_since(from),
                cpu_us,
                stretch.memory_bytes,
                facts.requests,
            );
            // The whole stretch's rate: a part of it knows no better.
            sums.see(stretch.cpu_us, length, stretch.memory_max_bytes);
        }
    }

    fn spread_gpu(
        &mut self,
        key: &ContainerKey,
        (from, to): (Instant, Instant),
        micro_cards: i64,
        facts: &ContainerFacts<'_>,
        window: i64,
    ) {
        for (start, from, to) in self.parts(from, to, window) {
            self.sums(start, key, facts).add_gpu(from, to, micro_cards);
        }
    }

    /// The node was read: windows since the last time exist even if no container ran.
    fn open_read_windows(&mut self, at: Instant, gap: i64, window: i64) {
        let before = self.read_at.replace(at);
        if let Some(before) = before
            && at.micros_since(before) <= gap
        {
            for (start, ..) in self.parts(before, at, window) {
                self.windows.entry(start).or_default();
            }
        }
    }

    /// The windows between two instants that may still be written: begin of each, and the part that lies within.
    fn parts(&self, from: Instant, to: Instant, window: i64) -> Vec<(Instant, Instant, Instant)> {
        let mut parts = Vec::new();
        let mut from = from.max(self.open_from);
        while from < to {
            let start = Instant(from.0 - from.0.rem_euclid(window));
            let end = start.plus_micros(window).min(to);
            parts.push((start, from, end));
            from = end;
        }
        parts
    }

    fn sums(&mut self, start: Instant, key: &ContainerKey, facts: &ContainerFacts<'_>) -> &mut WindowSums {
        let containers = self.windows.entry(start).or_default();
        containers
            .entry(key.clone())
            .or_insert_with(|| WindowSums::new(facts.namespace, facts.pod))
    }
}

#[cfg(test)]
mod tests;
