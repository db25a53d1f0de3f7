//! What one look at a node shows.

use std::sync::Arc;

use fleetledger_schema::instant::Instant;

/// One container as a source shows it: by names, for no source knows uids.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ContainerSample {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    /// When it was measured; the time of the look where the source does not say.
    pub(crate) at: Instant,
    pub(crate) cpu: CpuMeasure,
    /// Working set, in bytes.
    pub(crate) memory_bytes: i64,
    /// When the container began, if the source says.
    pub(crate) started_at: Option<Instant>,
}

/// CPU of a container.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum CpuMeasure {
    /// Used since it began, in core-microseconds.
    Counter(i64),
    /// Mean over the time before the sample: billionths of a core, and that time in microseconds.
    Rate { nanocores: i64, window_micros: i64 },
}

/// How busy a container's cards are, one entry a card.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GpuSample {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) container: String,
    /// Millionths of a card.
    pub(crate) micro_cards: i64,
}

/// What one look at a node shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct NodeReading {
    /// When the source was asked.
    pub(crate) at: Instant,
    /// Containers; none if the source did not answer.
    pub(crate) samples: Option<Vec<ContainerSample>>,
    /// Cards; none if there is no source or it did not answer.
    pub(crate) gpus: Option<Vec<GpuSample>>,
}

/// A node that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsageTarget {
    pub(crate) uid: Arc<str>,
    pub(crate) node: Arc<str>,
    /// Internal address, else any other; empty if the node has none.
    pub(crate) address: Arc<str>,
}
