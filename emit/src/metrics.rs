//! Every metric of this room, in one place.

use prometheus::{
    Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

use crate::error::EmitError;

/// The emitter's metrics. All carry the labels `datacenter` and `cluster`, so that several emitters can share a registry.
#[derive(Debug, Clone)]
pub(crate) struct EmitMetrics {
    /// `fleetledger_emit_events_total{resource}`: objects received from the API server.
    pub(crate) events: IntCounterVec,
    /// `fleetledger_emit_unchanged_events_total{kind}`: objects whose record did not change.
    pub(crate) unchanged: IntCounterVec,
    /// `fleetledger_emit_merged_changes_total{kind}`: changes merged into a later one of the same object.
    pub(crate) merged: IntCounterVec,
    /// `fleetledger_emit_records_total{kind,reason}`: records handed to the producer.
    pub(crate) records: IntCounterVec,
    /// `fleetledger_emit_record_bytes_total{kind}`: bytes of their keys and values.
    pub(crate) record_bytes: IntCounterVec,
    /// `fleetledger_emit_acknowledged_records_total`: records that Kafka has acknowledged.
    pub(crate) acknowledged: IntCounter,
    /// `fleetledger_emit_delivery_failures_total`: records whose delivery failed; a new epoch begins once records are taken again.
    pub(crate) delivery_failures: IntCounter,
    /// `fleetledger_emit_missed_changes_total{kind}`: differences that sweeps found between API server and memory.
    pub(crate) missed: IntCounterVec,
    /// `fleetledger_emit_inferred_deletes_total{kind}`: objects found gone without their deletion having been seen.
    pub(crate) inferred_deletes: IntCounterVec,
    /// `fleetledger_emit_shortened_records_total{kind}`: records too large for the topic, sent without their annotations, labels or messages.
    pub(crate) shortened: IntCounterVec,
    /// `fleetledger_emit_refused_records_total{kind}`: records that stay too large and are not sent.
    pub(crate) refused: IntCounterVec,
    /// `fleetledger_emit_forgotten_deletes_total{kind}`: objects born and gone while Kafka was away, for which the buffer had no room.
    pub(crate) forgotten: IntCounterVec,
    /// `fleetledger_emit_watch_errors_total{resource}`: errors of watches and lists.
    pub(crate) watch_errors: IntCounterVec,
    /// `fleetledger_emit_relists_total{resource}`: lists from the begin, after a watch was lost.
    pub(crate) relists: IntCounterVec,
    /// `fleetledger_emit_objects{kind}`: living objects as the log stands.
    pub(crate) objects: IntGaugeVec,
    /// `fleetledger_emit_pending_objects`: objects whose newest state is not yet handed to the producer.
    pub(crate) pending: IntGauge,
    /// `fleetledger_emit_in_flight_records`: records handed to the producer and not yet acknowledged.
    pub(crate) in_flight_records: IntGauge,
    /// `fleetledger_emit_in_flight_bytes`: what they take in memory.
    pub(crate) in_flight_bytes: IntGauge,
    /// `fleetledger_emit_memory_bytes`: bytes of the newest bodies kept.
    pub(crate) memory_bytes: IntGauge,
    /// `fleetledger_emit_unresolved_owner_pods`: pods that wait for their owner to become known.
    pub(crate) unresolved: IntGauge,
    /// `fleetledger_emit_leader`: 1 while this emitter leads.
    pub(crate) leader: IntGauge,
    /// `fleetledger_emit_overtaken_total`: times that somebody else wrote in the cluster's name, and a higher epoch began.
    pub(crate) overtaken: IntCounter,
    /// `fleetledger_emit_watched_bytes_total`: bytes of keys and values in its partitions that were looked at for records in the cluster's name.
    pub(crate) watched_bytes: IntCounter,
    /// `fleetledger_emit_watch_behind_seconds`: how far that is behind; 0 while it keeps up.
    pub(crate) watch_behind_seconds: IntGauge,
    /// `fleetledger_emit_epoch`: current epoch, in microseconds since 1970.
    pub(crate) epoch: IntGauge,
    /// `fleetledger_emit_sweeps_total{kind}`: sweeps completed.
    pub(crate) sweeps: IntCounterVec,
    /// `fleetledger_emit_usage_reads_total{result}`: looks at the usage of a node, read or failed.
    pub(crate) usage_reads: IntCounterVec,
    /// `fleetledger_emit_usage_unknown_samples_total`: samples of no pod that is known.
    pub(crate) usage_unknown: IntCounter,
    /// `fleetledger_emit_usage_dropped_windows_total`: windows given up because Kafka was away for too long, or too large.
    pub(crate) usage_dropped: IntCounter,
    /// `fleetledger_emit_usage_failing_nodes`: nodes whose usage could not be read when they were last asked.
    pub(crate) usage_failing_nodes: IntGauge,
    /// `fleetledger_emit_usage_round_seconds`: how long the last round over all nodes took.
    pub(crate) usage_round_seconds: IntGauge,
    /// `fleetledger_emit_delivery_seconds`: time from handing a record to the producer until its acknowledgement.
    pub(crate) delivery_seconds: Histogram,
}

struct MetricRegistrar<'r> {
    registry: &'r Registry,
    datacenter: &'r str,
    cluster: &'r str,
}

impl MetricRegistrar<'_> {
    fn opts(&self, name: &str, help: &str) -> Opts {
        Opts::new(format!("fleetledger_emit_{name}"), help)
            .const_label("datacenter", self.datacenter)
            .const_label("cluster", self.cluster)
    }

    fn add<C: prometheus::core::Collector + Clone + 'static>(
        &self,
        metric: prometheus::Result<C>,
    ) -> Result<C, EmitError> {
        let metric = metric.map_err(EmitError::Metrics)?;
        match self.registry.register(Box::new(metric.clone())) {
            Ok(()) => Ok(metric),
            Err(error) => Err(EmitError::Metrics(error)),
        }
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, EmitError> {
        self.add(IntCounter::with_opts(self.opts(name, help)))
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, EmitError> {
        self.add(IntCounterVec::new(self.opts(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, EmitError> {
        self.add(IntGauge::with_opts(self.opts(name, help)))
    }
}

impl EmitMetrics {
    /// Registers the metrics of the emitter of that cluster.
    pub(crate) fn register(registry: &Registry, datacenter: &str, cluster: &str) -> Result<Self, EmitError> {
        let r = MetricRegistrar {
            registry,
            datacenter,
            cluster,
        };
        let kind: &[&str] = &["kind"];
        let delivery = HistogramOpts::from(r.opts(
            "delivery_seconds",
            "Time from handing a record to the producer until its acknowledgement.",
        ))
        .buckets(vec![
            0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0,
        ]);
        Ok(Self {
            events: r.counters(
                "events_total",
                "Objects received from the API server.",
                &["resource"],
            )?,
            unchanged: r.counters(
                "unchanged_events_total",
                "Objects whose record did not change.",
                kind,
            )?,
            merged: r.counters(
                "merged_changes_total",
                "Changes merged into a later one of the same object.",
                kind,
            )?,
            records: r.counters(
                "records_total",
                "Records handed to the producer.",
                &["kind", "reason"],
            )?,
            record_bytes: r.counters(
                "record_bytes_total",
                "Bytes of keys and values handed to the producer.",
                kind,
            )?,
            acknowledged: r.counter(
                "acknowledged_records_total",
                "Records that Kafka has acknowledged.",
            )?,
            delivery_failures: r.counter(
                "delivery_failures_total",
                "Records whose delivery failed; a new epoch begins once Kafka accepts records again.",
            )?,
            missed: r.counters(
                "missed_changes_total",
                "Differences that sweeps found between the API server and the emitter's memory.",
                kind,
            )?,
            inferred_deletes: r.counters(
                "inferred_deletes_total",
                "Objects found to be gone whose deletion was not seen.",
                kind,
            )?,
            shortened: r.counters(
                "shortened_records_total",
                "Records sent without annotations, labels or messages, because they were too large.",
                kind,
            )?,
            refused: r.counters(
                "refused_records_total",
                "Records too large even without annotations, labels and messages; not sent.",
                kind,
            )?,
            forgotten: r.counters(
                "forgotten_deletes_total",
                "Objects created and deleted during a Kafka outage and dropped because the buffer was full.",
                kind,
            )?,
            watch_errors: r.counters("watch_errors_total", "Failed watches and lists.", &["resource"])?,
            relists: r.counters(
                "relists_total",
                "Full lists after a watch was lost.",
                &["resource"],
            )?,
            objects: r.add(IntGaugeVec::new(
                r.opts("objects", "Live objects at the current end of the log."),
                kind,
            ))?,
            pending: r.gauge(
                "pending_objects",
                "Objects whose newest state is not yet handed to the producer.",
            )?,
            in_flight_records: r.gauge(
                "in_flight_records",
                "Records handed to the producer and not yet acknowledged.",
            )?,
            in_flight_bytes: r.gauge(
                "in_flight_bytes",
                "Memory of the records handed to the producer and not yet acknowledged.",
            )?,
            memory_bytes: r.gauge("memory_bytes", "Bytes of the newest bodies kept.")?,
            unresolved: r.gauge(
                "unresolved_owner_pods",
                "Pods waiting until their owner is known.",
            )?,
            leader: r.gauge("leader", "1 while this emitter leads.")?,
            overtaken: r.counter(
                "overtaken_total",
                "Times that another producer wrote in the cluster's name and a higher epoch began.",
            )?,
            watched_bytes: r.counter(
                "watched_bytes_total",
                "Bytes of its partitions that were searched for records of other producers in the cluster's \
                 name.",
            )?,
            watch_behind_seconds: r.gauge(
                "watch_behind_seconds",
                "How far the search for records of other producers in the cluster's name is behind; 0 while \
                 it keeps up.",
            )?,
            epoch: r.gauge("epoch", "Current epoch, in microseconds since 1970.")?,
            sweeps: r.counters("sweeps_total", "Sweeps completed.", kind)?,
            usage_reads: r.counters(
                "usage_reads_total",
                "Reads of a node's usage, by outcome.",
                &["result"],
            )?,
            usage_unknown: r.counter("usage_unknown_samples_total", "Usage samples of unknown pods.")?,
            usage_dropped: r.counter(
                "usage_dropped_windows_total",
                "Usage windows dropped because Kafka was unavailable for too long or they were too large.",
            )?,
            usage_failing_nodes: r.gauge(
                "usage_failing_nodes",
                "Nodes whose usage could not be read in the last attempt.",
            )?,
            usage_round_seconds: r.gauge(
                "usage_round_seconds",
                "Duration of the last round over all nodes.",
            )?,
            delivery_seconds: r.add(Histogram::with_opts(delivery))?,
        })
    }
}
