//! Metric names of this crate, all in one place.

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, core::Collector};

/// Everything the evaluator counts.
#[derive(Debug, Clone)]
pub(crate) struct EvaluatorMetrics {
    runs: IntCounterVec,
    query_seconds: HistogramVec,
    apply_seconds: HistogramVec,
    missed_slots: IntCounterVec,
    groups: IntGaugeVec,
    deliveries: IntCounterVec,
    delivery_seconds: HistogramVec,
}

const PREFIX: &str = "fleetledger_alerts_";

impl EvaluatorMetrics {
    /// Makes and registers all of them.
    ///
    /// # Errors
    /// A name that is registered already.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let opts = |name: &str, help: &str| Opts::new(format!("{PREFIX}{name}"), help);
        let histogram = |name: &str, help: &str, labels: &[&str]| {
            let opts = HistogramOpts::new(format!("{PREFIX}{name}"), help).buckets(vec![
                0.005, 0.02, 0.05, 0.1, 0.15, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0,
            ]);
            register(registry, HistogramVec::new(opts, labels)?)
        };
        Ok(Self {
            runs: register(
                registry,
                IntCounterVec::new(
                    opts("runs_total", "Runs of rules, by outcome."),
                    &["rule", "outcome"],
                )?,
            )?,
            query_seconds: histogram("query_seconds", "Duration of a rule's query.", &["rule"])?,
            apply_seconds: histogram("apply_seconds", "Time to apply a run of a rule.", &["rule"])?,
            missed_slots: register(
                registry,
                IntCounterVec::new(
                    opts(
                        "missed_slots_total",
                        "Evaluation slots that no evaluator ran in time.",
                    ),
                    &["group"],
                )?,
            )?,
            groups: register(
                registry,
                IntGaugeVec::new(
                    opts("groups", "Groups of rules, by whether this evaluator owns them."),
                    &["state"],
                )?,
            )?,
            deliveries: register(
                registry,
                IntCounterVec::new(
                    opts(
                        "deliveries_total",
                        "Attempts to deliver a notification, by outcome.",
                    ),
                    &["receiver", "outcome"],
                )?,
            )?,
            delivery_seconds: histogram(
                "delivery_seconds",
                "Time a receiver took to respond.",
                &["receiver"],
            )?,
        })
    }

    pub(crate) fn count_run(&self, rule: &str, outcome: &str, query_seconds: f64, apply_seconds: f64) {
        self.runs.with_label_values(&[rule, outcome]).inc();
        self.query_seconds
            .with_label_values(&[rule])
            .observe(query_seconds);
        self.apply_seconds
            .with_label_values(&[rule])
            .observe(apply_seconds);
    }

    pub(crate) fn count_missed_slots(&self, group: &str, slots: u64) {
        self.missed_slots.with_label_values(&[group]).inc_by(slots);
    }

    pub(crate) fn set_groups(&self, own: usize, all: usize) {
        let set = |state: &str, number: usize| {
            self.groups
                .with_label_values(&[state])
                .set(i64::try_from(number).unwrap_or(i64::MAX));
        };
        set("own", own);
        set("others", all.saturating_sub(own));
    }

    pub(crate) fn count_delivery(&self, receiver: &str, outcome: &str, seconds: f64) {
        self.deliveries.with_label_values(&[receiver, outcome]).inc();
        self.delivery_seconds
            .with_label_values(&[receiver])
            .observe(seconds);
    }
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
