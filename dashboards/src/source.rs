//! What a source file says: one question, variables, rows of panels with their SQL.

use serde::Deserialize;
use serde_yaml_ng::Mapping;

use crate::variable::{DashboardVariable, VARIABLES};

/// A dashboard.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    /// Stable identity: links and bookmarks name it.
    pub uid: String,
    /// Title.
    pub title: String,
    /// The one question it answers; becomes its description.
    pub question: String,
    /// Begin of the time range it opens with, such as `now-6h`.
    pub from: String,
    /// Names of its variables, in order.
    pub variables: Vec<String>,
    /// Rows of panels, from top to bottom.
    pub rows: Vec<PanelRow>,
}

/// A row.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PanelRow {
    /// Title.
    pub title: String,
    /// Panels, which flow from left to right.
    pub panels: Vec<Panel>,
}

/// How a panel shows its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PanelKind {
    /// One number, large.
    Stat,
    /// Numbers over time: columns `time`, perhaps `metric`, and numbers.
    Timeseries,
    /// Rows.
    Table,
    /// States over time: columns `time`, `metric`, `state`.
    StateTimeline,
    /// A bar a row: a text and a number.
    Bars,
}

/// A panel.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// Title.
    pub title: String,
    /// How it shows its rows.
    pub kind: PanelKind,
    /// Width and height in cells of Grafana's grid of 24 columns, such as `6x4`.
    pub size: String,
    /// What it means and where its numbers come from.
    pub description: String,
    /// What it says where there are no rows.
    pub empty: String,
    /// Unit of its numbers, as Grafana names it; tables take theirs from the names of columns.
    pub unit: Option<String>,
    /// Colours by number, the lowest first; the first is also that of everything below.
    pub thresholds: Option<Mapping>,
    /// Colours by state, for state timelines.
    pub states: Option<Mapping>,
    /// True if series are stacked.
    #[serde(default)]
    pub stacked: bool,
    /// Columns of a table, in order, which a test compares with what the SQL gives.
    #[serde(default)]
    pub columns: Vec<String>,
    /// One SELECT from `fleet`.
    pub sql: String,
}

/// Columns of Grafana's grid.
const GRID: u32 = 24;

impl Panel {
    /// Width and height, in cells of the grid.
    ///
    /// # Errors
    /// What is wrong with the size that is given.
    pub fn extent(&self) -> Result<(u32, u32), String> {
        let wrong = || format!("size `{}` of `{}` is not such as 6x4", self.size, self.title);
        let (width, height) = self.size.split_once('x').ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u32>().map_err(|_| wrong());
        let (width, height) = (number(width)?, number(height)?);
        if width == 0 || width > GRID || height == 0 {
            return Err(wrong());
        }
        Ok((width, height))
    }

    /// States in order, with their colours.
    #[must_use]
    pub fn state_colours(&self) -> Vec<(String, String)> {
        let pairs = self.states.iter().flatten();
        let text = |value: &serde_yaml_ng::Value| value.as_str().unwrap_or_default().to_owned();
        pairs.map(|(state, colour)| (text(state), text(colour))).collect()
    }

    /// Thresholds in order: number and colour.
    #[must_use]
    pub fn steps(&self) -> Vec<(f64, String)> {
        let pairs = self.thresholds.iter().flatten();
        pairs
            .map(|(at, colour)| {
                let colour = colour.as_str().unwrap_or_default();
                (at.as_f64().unwrap_or_default(), colour.to_owned())
            })
            .collect()
    }

    /// The SQL that stands in the dashboard. States become numbers, which the panel's value mappings name again:
    /// a time series of texts is not something the data source gives.
    #[must_use]
    pub fn raw_sql(&self) -> String {
        let sql = self.sql.trim_end();
        if self.kind != PanelKind::StateTimeline {
            return sql.to_owned();
        }
        let states: Vec<String> = self
            .state_colours()
            .iter()
            .map(|(state, _)| format!("'{state}'"))
            .collect();
        let indented: String = sql.lines().map(|line| format!("\n    {line}")).collect();
        format!(
            "select time, metric, array_position(array[{}], state) as value\nfrom ({indented}\n) as states\norder by time",
            states.join(", ")
        )
    }
}

impl Dashboard {
    /// Its variables.
    pub fn variables(&self) -> impl Iterator<Item = &'static DashboardVariable> + '_ {
        self.variables
            .iter()
            .filter_map(|name| VARIABLES.iter().find(|variable| variable.name == *name))
    }

    /// Its panels, from left to right and top to bottom.
    pub fn panels(&self) -> impl Iterator<Item = &Panel> {
        self.rows.iter().flat_map(|row| &row.panels)
    }
}

/// Reads one.
///
/// # Errors
/// What is wrong, with the line where YAML itself is.
pub fn parse(text: &str) -> Result<Dashboard, String> {
    let dashboard: Dashboard = serde_yaml_ng::from_str(text).map_err(|error| error.to_string())?;
    for name in &dashboard.variables {
        if !VARIABLES.iter().any(|variable| variable.name == name) {
            return Err(format!(
                "variable `{name}` not found; src/variable.rs lists the variables"
            ));
        }
    }
    for panel in dashboard.panels() {
        panel.extent()?;
        let needs_unit = matches!(
            panel.kind,
            PanelKind::Stat | PanelKind::Timeseries | PanelKind::Bars
        );
        if needs_unit && panel.unit.is_none() {
            return Err(format!("`{}` shows numbers and names no unit", panel.title));
        }
        if panel.kind == PanelKind::Table && panel.columns.is_empty() {
            return Err(format!("table `{}` does not list its columns", panel.title));
        }
        if panel.kind == PanelKind::StateTimeline && panel.states.is_none() {
            return Err(format!("timeline `{}` does not list its states", panel.title));
        }
    }
    Ok(dashboard)
}
