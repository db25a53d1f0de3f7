//! Metric names of this crate, all in one place.

use prometheus::{IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, core::Collector};

/// What this room counts.
#[derive(Debug, Clone)]
pub struct QueryMetrics {
    pub(crate) loaded: IntGaugeVec,
    pub(crate) refused: IntGauge,
    pub(crate) reloads: IntCounterVec,
}

impl QueryMetrics {
    /// Makes and registers all of them.
    ///
    /// # Errors
    /// They are registered already.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let refused = "Refused files of the rules folder; previous versions of their rules stay in force.";
        Ok(Self {
            loaded: register(
                registry,
                IntGaugeVec::new(opts("loaded_files", "Files that are in use, by kind."), &["kind"])?,
            )?,
            refused: register(registry, IntGauge::with_opts(opts("refused_files", refused))?)?,
            reloads: register(
                registry,
                IntCounterVec::new(
                    opts(
                        "reloads_total",
                        "Checks of the rules folder for changes, by outcome.",
                    ),
                    &["outcome"],
                )?,
            )?,
        })
    }
}

fn opts(name: &str, help: &str) -> Opts {
    Opts::new(format!("fleetledger_queries_{name}"), help)
}

fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
