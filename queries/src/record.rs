//! What the front matter of a metric says.

use crate::{freshness::FreshnessRequirement, period::Period, query::QuerySchedule};

/// A query whose rows are samples of Prometheus series.
#[derive(Debug, Clone)]
pub struct RecordRule {
    /// Name of the metric.
    pub record: String,
    /// When it is evaluated.
    pub schedule: QuerySchedule,
    /// Its Prometheus type.
    pub metric_type: MetricType,
    /// Its help text.
    pub help: String,
    /// Which columns are numbers: one under the metric's own name, or several under `<record>_<column>`.
    pub values: RecordValues,
    /// Columns that become labels.
    pub labels: Vec<String>,
    /// How long series outlive the last evaluation that succeeded.
    pub staleness: Period,
    /// Series of a source that is stale are left out; `None` = they are shown.
    pub freshness: Option<FreshnessRequirement>,
}

/// Prometheus type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricType {
    /// Goes up and down.
    #[default]
    Gauge,
    /// Only goes up.
    Counter,
}

/// Columns that are numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordValues {
    /// One, under the metric's own name.
    One(String),
    /// Several, each under `<record>_<column>`.
    Several(Vec<String>),
}

impl RecordValues {
    /// The columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        match self {
            Self::One(column) => std::slice::from_ref(column),
            Self::Several(columns) => columns,
        }
    }
}
