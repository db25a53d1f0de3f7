//! Metric names of this crate, all in one place.

use prometheus::{
    GaugeVec, HistogramOpts, HistogramTimer, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, core::Collector,
};

/// Everything the ingester counts.
#[derive(Debug, Clone)]
pub(crate) struct IngestMetrics {
    pub(crate) records: IntCounterVec,
    pub(crate) dead_letters: IntCounterVec,
    pub(crate) batches: IntCounter,
    pub(crate) bytes: IntCounter,
    pub(crate) transaction_seconds: HistogramVec,
    pub(crate) end_to_end_seconds: HistogramVec,
    pub(crate) lag_records: IntGaugeVec,
    pub(crate) lag_seconds: GaugeVec,
    pub(crate) retries: IntCounterVec,
    pub(crate) fence_losses: IntCounter,
    pub(crate) gaps: IntCounter,
    pub(crate) gap_records: IntCounter,
    pub(crate) quarantines: IntCounterVec,
    pub(crate) stale_records: IntCounter,
    pub(crate) clock_skew_seconds: GaugeVec,
    pub(crate) cache_entries: IntGaugeVec,
    pub(crate) cache_lookups: IntCounterVec,
    pub(crate) cache_loads: IntCounter,
    pub(crate) buffer_bytes: IntGauge,
    pub(crate) paused: IntGauge,
    pub(crate) partitions: IntGaugeVec,
    pub(crate) sweeps: IntCounterVec,
    pub(crate) table_sum_disagreements: IntGauge,
    pub(crate) rebuilds: IntCounterVec,
    pub(crate) last_progress_seconds: GaugeVec,
}

impl IngestMetrics {
    /// Makes and registers all of them.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let r = registry;
        Ok(Self {
            records: counters(
                r,
                "records_total",
                "Records by topic and result.",
                &["topic", "result"],
            )?,
            dead_letters: counters(
                r,
                "dead_letters_total",
                "Records that became dead letters, by topic and reason.",
                &["topic", "reason"],
            )?,
            batches: counter(r, "batches_total", "Batches that landed.")?,
            bytes: counter(r, "record_bytes_total", "Bytes of records that landed.")?,
            transaction_seconds: histograms(
                r,
                "transaction_seconds",
                "Duration of a batch's transaction, by phase.",
                &["phase"],
            )?,
            end_to_end_seconds: histograms(
                r,
                "end_to_end_seconds",
                "Time from ce_time of a batch's newest record to the commit of the batch.",
                &["topic"],
            )?,
            lag_records: gauges(
                r,
                "lag_records",
                "Records of a partition that have not landed.",
                &["topic", "partition"],
            )?,
            lag_seconds: float_gauges(
                r,
                "lag_seconds",
                "Age of the newest landed record of a partition that is behind.",
                &["topic", "partition"],
            )?,
            retries: counters(r, "retries_total", "Failed attempts by SQLSTATE.", &["sqlstate"])?,
            fence_losses: counter(
                r,
                "fence_losses_total",
                "Partitions found to be owned by another ingester.",
            )?,
            gaps: counter(r, "gaps_total", "Gaps found.")?,
            gap_records: counter(
                r,
                "gap_records_total",
                "Offsets that Kafka deleted before they were read.",
            )?,
            quarantines: counters(
                r,
                "quarantines_total",
                "Sources quarantined, by reason.",
                &["reason"],
            )?,
            stale_records: counter(r, "deposed_emitter_records_total", "Records of deposed emitters.")?,
            clock_skew_seconds: float_gauges(
                r,
                "clock_skew_seconds",
                "ce_time minus the Kafka timestamp of a cluster's newest record.",
                &["datacenter", "cluster"],
            )?,
            cache_entries: gauges(r, "cache_entries", "Objects in a lane's cache.", &["lane"])?,
            cache_lookups: counters(
                r,
                "cache_lookups_total",
                "Look-ups of object records, by result.",
                &["result"],
            )?,
            cache_loads: counter(r, "cache_loads_total", "Shards whose cache was warmed.")?,
            buffer_bytes: gauge(r, "buffer_bytes", "Bytes of records in memory.")?,
            paused: gauge(
                r,
                "paused",
                "1 while reading is paused because the buffer is full.",
            )?,
            partitions: gauges(
                r,
                "partitions",
                "Partitions of this ingester, by state.",
                &["state"],
            )?,
            sweeps: counters(r, "sweeps_total", "Sweeps that ended, by result.", &["result"])?,
            table_sum_disagreements: gauge(
                r,
                "table_sum_disagreements",
                "(Cluster, kind) pairs whose rows differ from what was delivered.",
            )?,
            rebuilds: counters(r, "rebuilds_total", "Batches rebuilt, by reason.", &["reason"])?,
            last_progress_seconds: float_gauges(
                r,
                "last_progress_seconds",
                "Unix time at which a record of a partition last landed.",
                &["topic", "partition"],
            )?,
        })
    }

    /// Times a phase of a transaction.
    pub(crate) fn phase(&self, phase: &str) -> HistogramTimer {
        self.transaction_seconds.with_label_values(&[phase]).start_timer()
    }
}

fn named(name: &str, help: &str) -> Opts {
    Opts::new(format!("fleetledger_ingest_{name}"), help)
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    made: Result<C, prometheus::Error>,
) -> Result<C, prometheus::Error> {
    let collector = made?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

fn counter(registry: &Registry, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
    register(registry, IntCounter::with_opts(named(name, help)))
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntCounterVec, prometheus::Error> {
    register(registry, IntCounterVec::new(named(name, help), labels))
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
    register(registry, IntGauge::with_opts(named(name, help)))
}

fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<IntGaugeVec, prometheus::Error> {
    register(registry, IntGaugeVec::new(named(name, help), labels))
}

fn float_gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<GaugeVec, prometheus::Error> {
    register(registry, GaugeVec::new(named(name, help), labels))
}

fn histograms(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> Result<HistogramVec, prometheus::Error> {
    let buckets = vec![
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
    ];
    let options = HistogramOpts::new(format!("fleetledger_ingest_{name}"), help).buckets(buckets);
    register(registry, HistogramVec::new(options, labels))
}
