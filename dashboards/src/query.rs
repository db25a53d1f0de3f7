//! What Grafana sends to PostgreSQL in place of a panel's SQL: variables put in, then macros, as the documentation of
//! Grafana's PostgreSQL data source and of its variables says.

use std::collections::BTreeMap;

use jiff::Timestamp;
use regex::{Captures, Regex};
use thiserror::Error;

use crate::variable::{DashboardVariable, VariableArity};

/// What a viewer chose for a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenValues {
    /// These values; exactly one for a variable that takes one.
    Values(Vec<String>),
    /// All of them.
    All,
}

/// A viewer's range and choices.
#[derive(Debug, Clone)]
pub struct DashboardView {
    /// Begin of the range.
    pub from: Timestamp,
    /// End of the range.
    pub to: Timestamp,
    /// Distance of points that the panel asks for, in milliseconds.
    pub interval_ms: i64,
    /// By name of the variable.
    pub chosen: BTreeMap<String, ChosenValues>,
}

/// Why a query cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PanelQueryError {
    /// No variable has this name, or it was not chosen.
    #[error("variable `{0}` is not one of this dashboard")]
    Variable(String),
    /// A macro that the data source does not know.
    #[error("macro `{0}` is not one of Grafana's PostgreSQL data source")]
    Macro(String),
    /// A macro was called wrongly.
    #[error("macro `{name}` is called wrongly: {why}")]
    Call {
        /// The macro.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Several values for a variable that takes one.
    #[error("variable `{0}` takes one value")]
    Several(String),
}

/// The SQL that PostgreSQL gets.
///
/// # Errors
/// [`PanelQueryError`].
pub fn expand(
    sql: &str,
    variables: &[DashboardVariable],
    view: &DashboardView,
) -> Result<String, PanelQueryError> {
    let sql = put_variables(sql, variables, view)?;
    put_macros(&sql, view)
}

/// `$name`, `${name}`, `${name:format}`, `[[name]]`; names that begin with `__` and are called are macros.
fn put_variables(
    sql: &str,
    variables: &[DashboardVariable],
    view: &DashboardView,
) -> Result<String, PanelQueryError> {
    let pattern = pattern(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]");
    replace(&pattern, sql, |found| {
        let name = [1, 2, 4].into_iter().find_map(|group| found.get(group));
        let name = name.map_or("", |name| name.as_str());
        let format = [3, 5].into_iter().find_map(|group| found.get(group));
        let end = found.get(0).map_or(0, |whole| whole.end());
        let is_call = sql.get(end..).is_some_and(|rest| rest.starts_with('('));
        if name.starts_with("__") && is_call {
            return Ok(found.get(0).map_or("", |whole| whole.as_str()).to_owned());
        }
        if let Some(text) = builtin(name, view) {
            return Ok(text);
        }
        let unknown = || PanelQueryError::Variable(name.to_owned());
        let variable = variables.iter().find(|variable| variable.name == name);
        let variable = variable.ok_or_else(unknown)?;
        let chosen = view.chosen.get(name).ok_or_else(unknown)?;
        value(variable, chosen, format.map(|format| format.as_str()))
    })
}

/// Variables every dashboard has. Nothing typed into a drop-down is a pattern that finds all.
fn builtin(name: &str, view: &DashboardView) -> Option<String> {
    let range_ms = view.to.as_millisecond() - view.from.as_millisecond();
    Some(match name {
        "__interval" => duration(view.interval_ms),
        "__interval_ms" => view.interval_ms.to_string(),
        "__from" => view.from.as_millisecond().to_string(),
        "__to" => view.to.as_millisecond().to_string(),
        "__range_ms" => range_ms.to_string(),
        "__range_s" => (range_ms / 1000).to_string(),
        "__range" => format!("{}s", range_ms / 1000),
        "__searchFilter" => "%".to_owned(),
        _ => return None,
    })
}

/// A variable that takes several values stands as a list of quoted ones, even where one is chosen; one that takes one
/// stands as it is, quotes doubled; the current state for all stands as it was written.
fn value(
    variable: &DashboardVariable,
    chosen: &ChosenValues,
    format: Option<&str>,
) -> Result<String, PanelQueryError> {
    let quoted = |value: &String| format!("'{}'", value.replace('\'', "''"));
    match (variable.choice, chosen) {
        (VariableArity::Many { all }, ChosenValues::All) => Ok(all.to_owned()),
        (VariableArity::One, ChosenValues::All) => Err(PanelQueryError::Several(variable.name.to_owned())),
        (_, ChosenValues::Values(values)) if matches!(format, Some("sqlstring" | "singlequote")) => {
            Ok(values.iter().map(quoted).collect::<Vec<_>>().join(","))
        }
        (_, ChosenValues::Values(values)) if matches!(format, Some("raw" | "csv")) => Ok(values.join(",")),
        (VariableArity::Many { .. }, ChosenValues::Values(values)) => {
            Ok(values.iter().map(quoted).collect::<Vec<_>>().join(","))
        }
        (VariableArity::One, ChosenValues::Values(values)) => match values.as_slice() {
            [value] => Ok(value.replace('\'', "''")),
            _ => Err(PanelQueryError::Several(variable.name.to_owned())),
        },
    }
}

/// `$__name(arguments)`. Arguments hold no closing bracket, since the data source looks for the first one.
///
/// `$__timeGroup(…)` with a comma right behind it names its column, as before Grafana 5.3. Grafana looks for that comma behind the
/// first call of the query that has the same text, so that one decides for all of them.
fn put_macros(sql: &str, view: &DashboardView) -> Result<String, PanelQueryError> {
    replace(&pattern(r"\$(__\w+)\(([^)]*)\)"), sql, |found| {
        let text = |group| found.get(group).map_or("", |part| part.as_str());
        let arguments: Vec<&str> = text(2).split(',').map(str::trim).collect();
        let behind_first = sql.split_once(text(0)).map_or("", |(_, behind)| behind);
        let name = match text(1) {
            "__timeGroup" if behind_first.starts_with(',') => "__timeGroupAlias",
            name => name,
        };
        evaluate(name, &arguments, view)
    })
}

fn evaluate(name: &str, arguments: &[&str], view: &DashboardView) -> Result<String, PanelQueryError> {
    let wrong = |why: &str| PanelQueryError::Call {
        name: name.to_owned(),
        why: why.to_owned(),
    };
    let column = arguments.first().copied().filter(|column| !column.is_empty());
    let column = column.ok_or_else(|| wrong("it needs a column"));
    let (from, to) = (view.from, view.to);
    let seconds = || {
        let interval = arguments.get(1).ok_or_else(|| wrong("it needs an interval"))?;
        let interval = interval.trim_matches('\'');
        parse_duration_ms(interval)
            .map(|interval_ms| interval_ms as f64 / 1000.0)
            .ok_or_else(|| wrong("its interval is none"))
    };
    let alias =
        |grouped: Result<String, PanelQueryError>| grouped.map(|grouped| format!("{grouped} AS \"time\""));
    match name {
        "__time" => Ok(format!("{} AS \"time\"", column?)),
        "__timeEpoch" => Ok(format!("extract(epoch from {}) as \"time\"", column?)),
        "__timeFilter" => Ok(format!("{} BETWEEN '{from}' AND '{to}'", column?)),
        "__timeFrom" => Ok(format!("'{from}'")),
        "__timeTo" => Ok(format!("'{to}'")),
        "__timeGroup" => {
            let (column, seconds) = (column?, seconds()?);
            Ok(format!("floor(extract(epoch from {column})/{seconds})*{seconds}"))
        }
        "__timeGroupAlias" => alias(evaluate("__timeGroup", arguments, view)),
        "__unixEpochFilter" => {
            let column = column?;
            Ok(format!(
                "{column} >= {} AND {column} <= {}",
                from.as_second(),
                to.as_second()
            ))
        }
        "__unixEpochFrom" => Ok(from.as_second().to_string()),
        "__unixEpochTo" => Ok(to.as_second().to_string()),
        "__unixEpochNanoFilter" => {
            let column = column?;
            Ok(format!(
                "{column} >= {} AND {column} <= {}",
                from.as_nanosecond(),
                to.as_nanosecond()
            ))
        }
        "__unixEpochNanoFrom" => Ok(from.as_nanosecond().to_string()),
        "__unixEpochNanoTo" => Ok(to.as_nanosecond().to_string()),
        "__unixEpochGroup" => {
            let (column, seconds) = (column?, seconds()?);
            Ok(format!("floor(({column})/{seconds})*{seconds}"))
        }
        "__unixEpochGroupAlias" => alias(evaluate("__unixEpochGroup", arguments, view)),
        _ => Err(PanelQueryError::Macro(name.to_owned())),
    }
}

/// Units of intervals, in milliseconds, the longest first.
const UNITS: [(&str, i64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// `5m` and the like, in milliseconds.
fn parse_duration_ms(text: &str) -> Option<i64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit)?;
    number.parse::<i64>().ok()?.checked_mul(size)
}

/// Milliseconds in the longest unit they are a whole number of.
fn duration(duration_ms: i64) -> String {
    let unit = UNITS.into_iter().find(|(_, size)| duration_ms % size == 0);
    unit.map_or_else(
        || format!("{duration_ms}ms"),
        |(name, size)| format!("{}{name}", duration_ms / size),
    )
}

fn pattern(text: &str) -> Regex {
    #[expect(
        clippy::expect_used,
        reason = "the patterns of this file are constants that tests use"
    )]
    Regex::new(text).expect("a pattern of this file")
}

fn replace(
    pattern: &Regex,
    text: &str,
    mut with: impl FnMut(&Captures<'_>) -> Result<String, PanelQueryError>,
) -> Result<String, PanelQueryError> {
    let (mut replaced, mut rest) = (String::with_capacity(text.len()), 0);
    for found in pattern.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        replaced.push_str(text.get(rest..whole.start()).unwrap_or_default());
        replaced.push_str(&with(&found)?);
        rest = whole.end();
    }
    replaced.push_str(text.get(rest..).unwrap_or_default());
    Ok(replaced)
}

#[cfg(test)]
mod tests;
