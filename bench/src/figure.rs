//! Figures: what a benchmark found, as a table for people and as JSON lines for machines.

use std::{fs, path::Path};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BenchFigure {
    /// Its name, which stays.
    pub(crate) name: String,
    /// How much.
    pub(crate) value: f64,
    /// Of what.
    pub(crate) unit: String,
    /// What was measured against what, with sizes.
    pub(crate) detail: String,
}

/// What a figure should be; the table shows it beside what it is.
enum FigureGoal {
    AtLeast(f64),
    AtMost(f64),
}

const GOALS: &[(&str, FigureGoal)] = &[
    ("ingest_mixed_vs_connect", FigureGoal::AtLeast(5.0)),
    ("ingest_mixed_cpu_vs_connect", FigureGoal::AtMost(1.0 / 7.0)),
    ("ingest_changed_vs_connect", FigureGoal::AtLeast(1.8)),
    ("ingest_changed_vs_copy_pk", FigureGoal::AtLeast(0.7)),
    ("ingest_unchanged_vs_consume", FigureGoal::AtLeast(0.6)),
    ("ingest_signed_changed_vs_unsigned", FigureGoal::AtLeast(0.95)),
    ("freshness_api_p99_ms", FigureGoal::AtMost(1500.0)),
    ("freshness_p99_ms", FigureGoal::AtMost(1000.0)),
    ("ingester_mb_per_million_pods", FigureGoal::AtMost(400.0)),
    ("emitter_mb_per_10k_pods", FigureGoal::AtMost(60.0)),
    ("bytes_per_unchanged_snapshot", FigureGoal::AtMost(0.0)),
    ("asof_30d_namespace_ms", FigureGoal::AtMost(50.0)),
    ("dashboards_100k_p95_ms", FigureGoal::AtMost(200.0)),
    ("dashboards_100k_month_p95_ms", FigureGoal::AtMost(200.0)),
    ("dashboards_1m_p95_ms", FigureGoal::AtMost(1000.0)),
    ("dashboards_1m_month_p95_ms", FigureGoal::AtMost(1000.0)),
    ("viewers_freshness_p99_ms", FigureGoal::AtMost(2000.0)),
    ("viewers_kept_up", FigureGoal::AtLeast(0.98)),
    // A tenth of a second's changes.
    ("viewers_lag_growth", FigureGoal::AtMost(200.0)),
    ("recovery_after_kill_seconds", FigureGoal::AtMost(15.0)),
    ("rules_200_round_database_seconds", FigureGoal::AtMost(30.0)),
    ("rules_200_round_seconds", FigureGoal::AtMost(30.0)),
    ("rules_slowest_ms", FigureGoal::AtMost(150.0)),
    ("rules_100k_begin_slot_seconds", FigureGoal::AtMost(60.0)),
    ("notifications_per_second_in_storm", FigureGoal::AtLeast(200.0)),
    ("backtest_week_100k_pods_seconds", FigureGoal::AtMost(60.0)),
    ("cost_hour_1m_pods_seconds", FigureGoal::AtMost(60.0)),
    ("cost_team_30d_ms", FigureGoal::AtMost(200.0)),
];

impl BenchFigure {
    /// A figure, rounded to what its noise allows: four significant digits.
    pub(crate) fn new(name: &str, value: f64, unit: &str, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: rounded(value),
            unit: unit.to_owned(),
            detail: detail.into(),
        }
    }

    fn verdict(&self) -> String {
        let goal = GOALS.iter().find(|(name, _)| *name == self.name);
        match goal.map(|(_, goal)| goal) {
            None => String::new(),
            Some(FigureGoal::AtLeast(least)) if self.value >= *least => format!("≥ {} met", rounded(*least)),
            Some(FigureGoal::AtLeast(least)) => format!("≥ {} missed", rounded(*least)),
            Some(FigureGoal::AtMost(most)) if self.value <= *most => format!("≤ {} met", rounded(*most)),
            Some(FigureGoal::AtMost(most)) => format!("≤ {} missed", rounded(*most)),
        }
    }
}

fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}

/// All figures of one run.
#[derive(Debug, Default)]
pub(crate) struct BenchReport {
    figures: Vec<BenchFigure>,
}

impl BenchReport {
    /// Adds a figure and prints its JSON line.
    pub(crate) fn add(&mut self, figure: BenchFigure) {
        if let Ok(line) = serde_json::to_string(&figure) {
            println!("{line}");
        }
        self.figures.push(figure);
    }

    /// True if nothing was measured.
    pub(crate) fn is_empty(&self) -> bool {
        self.figures.is_empty()
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        let width = |of: fn(&BenchFigure) -> usize| self.figures.iter().map(of).max().unwrap_or(0);
        let (names, units) = (
            width(|figure| figure.name.chars().count()),
            width(|figure| figure.unit.chars().count()),
        );
        println!();
        for figure in &self.figures {
            let BenchFigure {
                name,
                value,
                unit,
                detail,
            } = figure;
            println!(
                "{name:names$}  {value:>10}  {unit:units$}  {:18}  {detail}",
                figure.verdict()
            );
        }
    }

    /// Puts the figures into `file`, in place of those of the same names that stand there.
    pub(crate) fn keep(&self, file: &Path) -> anyhow::Result<()> {
        let old = fs::read_to_string(file).unwrap_or_default();
        let old = old
            .lines()
            .filter_map(|line| serde_json::from_str::<BenchFigure>(line).ok());
        let mut all: Vec<BenchFigure> = old.collect();
        for figure in &self.figures {
            match all.iter_mut().find(|old| old.name == figure.name) {
                Some(old) => *old = figure.clone(),
                None => all.push(figure.clone()),
            }
        }
        let lines: Result<Vec<String>, _> = all.iter().map(serde_json::to_string).collect();
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        }
        fs::write(file, lines?.join("\n") + "\n").with_context(|| format!("write {}", file.display()))
    }
}

/// Middle of several values; 0 of none.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value that `percent` of them do not exceed (nearest rank; the middle of two for the median of an even number).
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let count = sorted.len();
    let at = |index: usize| {
        sorted
            .get(index.min(count.saturating_sub(1)))
            .copied()
            .unwrap_or(0.0)
    };
    if percent == 50.0 && count.is_multiple_of(2) {
        return (at((count / 2).saturating_sub(1)) + at(count / 2)) / 2.0;
    }
    at(((percent / 100.0 * count as f64).ceil() as usize).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_percentiles_are_by_rank() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(percentile(&hundred, 99.0), 99.0);
        assert_eq!(percentile(&hundred, 100.0), 100.0);
    }

    #[test]
    fn a_figure_replaces_the_older_one_of_its_name_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("results/latest.jsonl");
        let keep = |name: &str, value| {
            let mut report = BenchReport::default();
            report.add(BenchFigure::new(name, value, "x", ""));
            report.keep(&file).unwrap();
        };
        keep("a", 1.0);
        keep("b", 2.0);
        keep("a", 3.00004);
        let lines = fs::read_to_string(&file).unwrap();
        let values: Vec<f64> = lines
            .lines()
            .map(|line| serde_json::from_str::<BenchFigure>(line).unwrap().value)
            .collect();
        assert_eq!(values, [3.0, 2.0]);
    }

    #[test]
    fn verdicts_compare_with_the_goal() {
        let verdict = |value| BenchFigure::new("ingest_mixed_vs_connect", value, "x", "").verdict();
        assert_eq!(verdict(5.5), "≥ 5 met");
        assert_eq!(verdict(4.5), "≥ 5 missed");
    }
}
