//! A stored query: one file.

use std::{collections::BTreeMap, fmt, path::PathBuf, sync::Arc};

use crate::{
    alert::AlertRule,
    period::Period,
    record::RecordRule,
    refusal::{FilePosition, QueryRefusal},
    report::ReportRule,
    rollup::RollupRule,
};

/// A stored query, as its file says.
#[derive(Debug, Clone)]
pub struct StoredQuery {
    /// Its identity: the name of its file without `.sql`. A rename is a new query, unless `renamed_from` says otherwise.
    pub id: QueryId,
    /// The file, for messages.
    pub path: PathBuf,
    /// SHA-256 of the file, in hex.
    pub version: String,
    /// One sentence about it; the key `description`.
    pub description: Option<String>,
    /// How long it may run.
    pub timeout: Period,
    /// How many rows it may give.
    pub limit: u32,
    /// The SELECT, as it stands in the file, without the front matter and without the closing semicolon.
    pub sql: String,
    /// Line of the file on which [`StoredQuery::sql`] begins, from 1.
    pub sql_line: u32,
    /// What its rows are for.
    pub kind: QueryKind,
    /// Lines of the keys that are there, for messages.
    pub(crate) lines: BTreeMap<String, u32>,
}

/// What the rows of a query are for.
#[derive(Debug, Clone)]
pub enum QueryKind {
    /// Each row is a problem (or, with a column `status`, says whether there is one).
    Alert(Arc<AlertRule>),
    /// Each row is a sample of one or more Prometheus series.
    Record(Arc<RecordRule>),
    /// Each row is a row of a table, for one window of time.
    Rollup(Arc<RollupRule>),
    /// The rows are shown to whoever asks.
    Report(Arc<ReportRule>),
}

impl QueryKind {
    /// `alert`, `record`, `rollup` or `report`: the key that says so.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Alert(_) => "alert",
            Self::Record(_) => "record",
            Self::Rollup(_) => "rollup",
            Self::Report(_) => "report",
        }
    }
}

impl StoredQuery {
    /// The name it goes by: `NodeNotReporting`, `fleet_pods`, …
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            QueryKind::Alert(rule) => &rule.alert,
            QueryKind::Record(rule) => &rule.record,
            QueryKind::Rollup(rule) => &rule.rollup,
            QueryKind::Report(rule) => &rule.report,
        }
    }

    /// A refusal of this file, at the line of `key` or, where that is not written, of the name.
    #[must_use]
    pub fn refusal(&self, key: &str, what: impl Into<String>) -> QueryRefusal {
        let line = self.lines.get(key).or_else(|| self.lines.get(self.kind.key()));
        QueryRefusal::new(&self.path, FilePosition::line(line.copied().unwrap_or(1)), what)
    }

    /// When it is evaluated; `None` for a report.
    #[must_use]
    pub fn schedule(&self) -> Option<&QuerySchedule> {
        match &self.kind {
            QueryKind::Alert(rule) => Some(&rule.schedule),
            QueryKind::Record(rule) => Some(&rule.schedule),
            QueryKind::Rollup(rule) => Some(&rule.schedule),
            QueryKind::Report(_) => None,
        }
    }

    /// Its alert rule, if it is one.
    #[must_use]
    pub fn alert(&self) -> Option<&Arc<AlertRule>> {
        match &self.kind {
            QueryKind::Alert(rule) => Some(rule),
            _ => None,
        }
    }

    /// Its record rule, if it is one.
    #[must_use]
    pub fn record(&self) -> Option<&Arc<RecordRule>> {
        match &self.kind {
            QueryKind::Record(rule) => Some(rule),
            _ => None,
        }
    }

    /// Its rollup rule, if it is one.
    #[must_use]
    pub fn rollup(&self) -> Option<&Arc<RollupRule>> {
        match &self.kind {
            QueryKind::Rollup(rule) => Some(rule),
            _ => None,
        }
    }

    /// Its report, if it is one.
    #[must_use]
    pub fn report(&self) -> Option<&Arc<ReportRule>> {
        match &self.kind {
            QueryKind::Report(rule) => Some(rule),
            _ => None,
        }
    }
}

/// When a query is evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuerySchedule {
    /// Queries of one group have one interval and are evaluated together, as of one slot.
    pub group: String,
    /// Distance of two slots.
    pub interval: Period,
    /// How far `as_of()` lies behind the slot; not zero = it runs on `fleet_asof`.
    pub query_offset: Period,
}

/// Name of a stored query: lowercase letters, digits and single hyphens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(Arc<str>);

impl QueryId {
    /// The id that `text` spells, if it spells one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_word = |word: &str| {
            !word.is_empty()
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        (text.len() <= 100 && text.split('-').all(is_word)).then(|| Self(text.into()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_lowercase_words_with_hyphens() {
        assert!(QueryId::parse("node-not-reporting").is_some());
        assert!(QueryId::parse("n1").is_some());
        for wrong in ["", "Node", "a--b", "-a", "a-", "a_b", "a.b", "a b"] {
            assert_eq!(QueryId::parse(wrong), None, "{wrong}");
        }
    }
}
