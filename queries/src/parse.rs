//! One file's text → a [`StoredQuery`], or everything that is wrong with it.

mod alert;
mod freshness;
mod record;
mod rollup;

use std::{path::Path, sync::Arc};

use sha2::{Digest as _, Sha256};

use crate::{
    front_matter::{FrontMatter, SplitFile, split},
    period::Period,
    query::{QueryId, QueryKind, QuerySchedule, StoredQuery},
    refusal::{FilePosition, QueryRefusal},
    report::ReportRule,
    statement,
};
use alert::{check_templates, read_alert};
use record::read_record;
use rollup::read_rollup;

/// The longest that `for`, `cooldown` and their like may be.
const MAX_WAIT: Period = Period::from_days(30);

/// Reads one file. `folder` is the folder it lies in, as the catalogue names it: the default group.
///
/// # Errors
/// Everything that is wrong with it, by line.
pub fn parse(path: &Path, folder: &str, text: &str) -> Result<StoredQuery, Vec<QueryRefusal>> {
    match parse_apart(path, folder, text)? {
        (query, templates) if templates.is_empty() => Ok(query),
        (_, templates) => Err(in_order(templates)),
    }
}

/// Reads one file, with what is wrong with its templates apart: whether the query has the columns that its labels name is
/// said first, and only a server knows it.
///
/// # Errors
/// Everything that is wrong with it, its templates among it, where it cannot be asked.
pub(crate) fn parse_apart(
    path: &Path,
    folder: &str,
    text: &str,
) -> Result<(StoredQuery, Vec<QueryRefusal>), Vec<QueryRefusal>> {
    let parts = split(path, text).map_err(|refusal| vec![refusal])?;
    let mut front = FrontMatter::read(path, &parts).map_err(|refusal| vec![refusal])?;
    let id = read_id(path, &mut front);
    let query = read_query(path, folder, text, &parts, &mut front);
    let mut refusals = std::mem::take(&mut front.refusals);
    let templates = query.as_ref().map(check_templates).unwrap_or_default();
    match (id, query) {
        (Some(id), Some(query)) if refusals.is_empty() => Ok((StoredQuery { id, ..query }, templates)),
        _ => {
            refusals.extend(templates);
            Err(in_order(refusals))
        }
    }
}

fn in_order(mut refusals: Vec<QueryRefusal>) -> Vec<QueryRefusal> {
    refusals.sort_by_key(|refusal| (refusal.line, refusal.column));
    refusals.dedup();
    refusals
}

fn read_id(path: &Path, front: &mut FrontMatter<'_>) -> Option<QueryId> {
    let stem = path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    let id = QueryId::parse(stem);
    if id.is_none() {
        let refusal = QueryRefusal::new(
            path,
            FilePosition::line(1),
            format!("`{stem}` cannot be the name of a query"),
        );
        front.refusals.push(
            refusal.fix("name the file in lowercase words with hyphens, such as node-not-reporting.sql"),
        );
    }
    id
}

fn read_query(
    path: &Path,
    folder: &str,
    text: &str,
    parts: &SplitFile<'_>,
    front: &mut FrontMatter<'_>,
) -> Option<StoredQuery> {
    let kind_name = read_kind_name(front)?;
    front.refuse_unknown(kind_name);
    let description = front.text("description");
    let (timeout, limit) = match kind_name {
        "alert" => (Period::from_secs(20), 500),
        "record" => (Period::from_secs(20), 10_000),
        "rollup" => (Period::from_secs(20), 100_000),
        _ => (Period::from_secs(60), 10_000),
    };
    let timeout = front.period_within("timeout", timeout, Period::from_ms(10)..=Period::from_mins(10));
    let limit = front.number("limit", limit, 1..=100_000);
    let kind = match kind_name {
        "alert" => read_alert(folder, front).map(|rule| QueryKind::Alert(Arc::new(rule))),
        "record" => read_record(folder, front).map(|rule| QueryKind::Record(Arc::new(rule))),
        "rollup" => read_rollup(folder, front).map(|rule| QueryKind::Rollup(Arc::new(rule))),
        _ => read_report(front).map(|rule| QueryKind::Report(Arc::new(rule))),
    };
    let parameters = match &kind {
        Some(QueryKind::Report(report)) => report
            .parameters
            .iter()
            .map(|parameter| parameter.name.as_str())
            .collect(),
        _ => Vec::new(),
    };
    let sql = match statement::check(path, parts.sql, parts.sql_line, &parameters) {
        Ok(sql) => Some(sql),
        Err(mut refusals) => {
            front.refusals.append(&mut refusals);
            None
        }
    };
    let query = StoredQuery {
        id: QueryId::parse("unnamed")?,
        path: path.to_owned(),
        version: sha256(text),
        description,
        timeout,
        limit,
        sql: sql?,
        sql_line: parts.sql_line,
        kind: kind?,
        lines: front.lines(),
    };
    if let Some(schedule) = query.schedule()
        && timeout > schedule.interval
    {
        let what = format!(
            "`timeout` of {timeout} is longer than the interval of {}",
            schedule.interval
        );
        front.refuse("timeout", what, "a slot must be over when the next one begins");
    }
    Some(query)
}

fn read_kind_name(front: &mut FrontMatter<'_>) -> Option<&'static str> {
    let kinds = ["alert", "record", "rollup", "report"];
    let found: Vec<&'static str> = kinds.into_iter().filter(|kind| front.has(kind)).collect();
    match found.as_slice() {
        [kind] => Some(kind),
        [] => {
            // A misspelt `alert` is named as such.
            front.refuse_unknown("");
            front.refuse(
                "",
                "none of `alert`, `record`, `rollup`, `report` is present",
                "say what the query is for",
            );
            None
        }
        [_, second, ..] => {
            let what = format!(
                "{} are present",
                found
                    .iter()
                    .map(|kind| format!("`{kind}`"))
                    .collect::<Vec<_>>()
                    .join(" and ")
            );
            front.refuse(second, what, "a file must have exactly one of them");
            None
        }
    }
}

fn read_schedule(folder: &str, front: &mut FrontMatter<'_>, with_offset: bool) -> QuerySchedule {
    let group = front.text("group").unwrap_or_else(|| folder.to_owned());
    let interval = front.period_within(
        "interval",
        Period::from_mins(1),
        Period::from_secs(1)..=Period::from_days(1),
    );
    let query_offset = match with_offset {
        true => front.period("query_offset", Period::ZERO),
        false => Period::ZERO,
    };
    QuerySchedule {
        group,
        interval,
        query_offset,
    }
}

fn read_report(front: &mut FrontMatter<'_>) -> Option<ReportRule> {
    let report = front.required_text("report");
    let parameters = crate::report::read_parameters(front);
    Some(ReportRule {
        report: report?,
        parameters,
    })
}

/// A name in the sense of Prometheus.
fn is_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// SHA-256 in hex.
pub(crate) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
