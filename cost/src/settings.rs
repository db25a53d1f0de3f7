//! Settings of cost: the section `[cost]` of the configuration.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Cost: `evaluate` rates hours once a price sheet has been applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RatingSettings {
    /// Labels of pods by which cost is stored, each a part of every line; other labels are computed on demand.
    /// `migrate` stores them.
    pub rollup_labels: Vec<String>,
    /// Time between two checks for hours to rate, in seconds.
    pub interval_seconds: u64,
    /// How often the current hour is rated as a partial one, in minutes; 0 = never.
    pub partial_minutes: u64,
    /// How far back the first run starts, in hours.
    pub history_hours: u64,
    /// How far back hours are rated again when more data for them arrives, in days.
    pub lateness_days: u64,
}

/// A setting that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{key} {why}")]
pub struct RatingSettingsFault {
    /// Name within the section.
    pub key: &'static str,
    /// What is wrong and what to write instead.
    pub why: String,
}

impl Default for RatingSettings {
    fn default() -> Self {
        Self {
            rollup_labels: Vec::new(),
            interval_seconds: 60,
            partial_minutes: 15,
            history_hours: 24,
            lateness_days: 7,
        }
    }
}

impl RatingSettings {
    /// Checks what no type can say, before anything opens.
    ///
    /// # Errors
    /// The first setting that cannot work.
    pub fn check(&self) -> Result<(), RatingSettingsFault> {
        let fault = |key, why: String| Err(RatingSettingsFault { key, why });
        if self.rollup_labels.iter().any(|label| label.trim().is_empty()) {
            return fault("rollup_labels", "contains an empty name".to_owned());
        }
        let within = |key, value: u64, least: u64, most: u64| match value {
            value if value < least => fault(key, format!("must be at least {least}")),
            value if value > most => fault(key, format!("must be at most {most}")),
            _ => Ok(()),
        };
        within("interval_seconds", self.interval_seconds, 1, 3_600)?;
        within("partial_minutes", self.partial_minutes, 0, 60)?;
        within("history_hours", self.history_hours, 1, 2_400)?;
        within("lateness_days", self.lateness_days, 1, 90)
    }
}
