//! Running test files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fleetledger_queries::{StoredQuery, near_names::did_you_mean, parse};
use jiff::{SignedDuration, Timestamp};

use super::TestError;
use super::comparison::differences;
use super::database::{PlannedQuery, TestSession};
use super::file::{TestCase, TestFile};
use super::replay::{CaseReplay, RowsBySlot, TestedRule, replay, sources};
use super::row::CaseLedger;

/// What became of the tests of one file.
#[derive(Debug)]
pub struct FileReport {
    /// The test file.
    pub path: PathBuf,
    /// Its tests, in order.
    pub tests: Vec<CaseReport>,
}

/// What became of one test.
#[derive(Debug)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// Differences, line by line; none if it passed.
    pub differences: Vec<String>,
    /// What happened; for whoever reads the differences.
    pub timeline: Vec<String>,
    /// How many slots were evaluated.
    pub slots: usize,
}

impl FileReport {
    /// True if all tests passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.tests.iter().all(|test| test.differences.is_empty())
    }
}

/// The test files below a folder, or the one that `path` names: itself, or that of a rule.
///
/// # Errors
/// A folder cannot be read.
pub fn test_files(path: &Path) -> Result<Vec<PathBuf>, TestError> {
    if path.is_dir() {
        let mut found = Vec::new();
        walk(path, &mut found)?;
        found.sort();
        return Ok(found);
    }
    let name = path.to_string_lossy();
    Ok(vec![match name.strip_suffix(".sql") {
        Some(stem) => PathBuf::from(format!("{stem}.test.yaml")),
        None => path.to_owned(),
    }])
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), TestError> {
    let read = |source| TestError::Read {
        path: folder.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_dir() {
            walk(&path, found)?;
        } else if path.to_string_lossy().ends_with(".test.yaml") {
            found.push(path);
        }
    }
    Ok(())
}

/// Rules of a test file, each planned.
pub(crate) struct PlannedTests {
    pub(crate) file: TestFile,
    pub(crate) rules: Vec<(TestedRule, PlannedQuery)>,
}

impl PlannedTests {
    /// Reads a test file and the rules it names, and plans their queries.
    pub(crate) async fn read(session: &mut TestSession, path: &Path) -> Result<Self, TestError> {
        let file = TestFile::read(path)?;
        let interval = file.evaluation_interval.map(|interval| interval.duration());
        let mut rules = Vec::new();
        for name in &file.rule_files {
            let rule_path = path.with_file_name(name);
            let query = read_rule(&rule_path)?;
            let rule = TestedRule::of(&query, interval)
                .ok_or_else(|| TestError::Rule(format!("{}: it is not an alert", rule_path.display())))?;
            let prepared = session.prepare(&query.sql).await;
            let prepared =
                prepared.map_err(|message| TestError::Rule(format!("{}: {message}", rule_path.display())))?;
            rules.push((rule, prepared));
        }
        if let Some(message) = unknown_alert(&file, &rules) {
            return Err(TestError::File {
                path: path.to_owned(),
                message,
            });
        }
        Ok(Self { file, rules })
    }

    /// True if no rule asks a view without as-of form.
    pub(crate) fn is_as_of(&self) -> bool {
        self.rules.iter().all(|(_, prepared)| prepared.is_as_of())
    }
}

/// The first alert that an expectation names and no rule of the file has: nothing is ever expected of it, so that a test of
/// silence would pass whatever the rule does.
fn unknown_alert(file: &TestFile, rules: &[(TestedRule, PlannedQuery)]) -> Option<String> {
    let known: Vec<&str> = rules.iter().map(|(rule, _)| rule.alert.alert.as_str()).collect();
    let checks = file.tests.iter().flat_map(|case| {
        let alerts = case.alert_rule_test.iter().map(|check| check.alertname.as_str());
        let notifications = case.notification_test.iter().flat_map(|check| &check.exp);
        let notified = notifications.filter_map(|expected| expected.labels.get("alertname"));
        let named = alerts.chain(notified.map(String::as_str));
        named.map(|name| (case.name.as_str(), name))
    });
    let mut unknown = checks.filter(|(_, name)| !known.contains(name));
    let (case, name) = unknown.next()?;
    let near = did_you_mean(name, known.iter().copied()).map_or(String::new(), |near| format!("{near} "));
    Some(format!(
        "test `{case}` expects alert `{name}`, which no file of rule_files has; {near}they have {}",
        known.join(", ")
    ))
}

/// Reads one rule file.
///
/// # Errors
/// It cannot be read, or is refused.
pub fn read_rule(path: &Path) -> Result<Arc<StoredQuery>, TestError> {
    let text = std::fs::read_to_string(path).map_err(|source| TestError::Read {
        path: path.to_owned(),
        source,
    })?;
    let folder = path
        .parent()
        .and_then(Path::file_name)
        .map(|name| name.to_string_lossy().into_owned());
    parse(path, &folder.unwrap_or_default(), &text)
        .map(Arc::new)
        .map_err(|refusals| {
            let lines: Vec<String> = refusals.iter().map(ToString::to_string).collect();
            TestError::Rule(lines.join("\n"))
        })
}

/// Runs the tests of one file, one after the other.
///
/// # Errors
/// The file, a rule or an input row is wrong, or the database is gone; a test that fails is no error.
pub async fn run_file(session: &mut TestSession, path: &Path) -> Result<FileReport, TestError> {
    let planned = PlannedTests::read(session, path).await?;
    let mut tests = Vec::new();
    for case in &planned.file.tests {
        let in_file = |error: TestError| match error {
            TestError::Row(why) => TestError::File {
                path: path.to_owned(),
                message: why,
            },
            other => other,
        };
        tests.push(run_case(session, &planned, case).await.map_err(in_file)?);
    }
    for (_, prepared) in &planned.rules {
        session.forget(prepared).await;
    }
    Ok(FileReport {
        path: path.to_owned(),
        tests,
    })
}

async fn run_case(
    session: &TestSession,
    planned: &PlannedTests,
    case: &TestCase,
) -> Result<CaseReport, TestError> {
    let ledger = session.ledger_of(case)?;
    session.open(&ledger, planned.is_as_of()).await?;
    let rows = rows_of(session, planned, case, &ledger).await;
    session.close().await?;
    let (replayed, differences) = match rows {
        Ok(rows) => {
            let rules: Vec<TestedRule> = planned.rules.iter().map(|(rule, _)| rule.clone()).collect();
            let replayed = replay(case, &rules, &rows, &sources(&ledger));
            let differences = differences(case, &replayed);
            (replayed, differences)
        }
        Err(message) => (
            CaseReplay::default(),
            vec![format!("the query failed: {message}")],
        ),
    };
    Ok(CaseReport {
        name: case.name.clone(),
        differences,
        slots: replayed.states.len(),
        timeline: replayed.timeline,
    })
}

async fn rows_of(
    session: &TestSession,
    planned: &PlannedTests,
    case: &TestCase,
    ledger: &CaseLedger,
) -> Result<Vec<RowsBySlot>, String> {
    let mut all = Vec::new();
    for (rule, prepared) in &planned.rules {
        let slots = slots(case, rule.timing.interval);
        all.push(rows_at(session, prepared, ledger, &slots, rule).await?);
    }
    Ok(all)
}

/// Rows of one query at each slot.
pub(crate) async fn rows_at(
    session: &TestSession,
    prepared: &PlannedQuery,
    ledger: &CaseLedger,
    slots: &[Timestamp],
    rule: &TestedRule,
) -> Result<RowsBySlot, String> {
    let offset = SignedDuration::try_from(rule.alert.schedule.query_offset.duration()).unwrap_or_default();
    let instants: Vec<Timestamp> = slots
        .iter()
        .map(|slot| slot.checked_sub(offset).unwrap_or(*slot))
        .collect();
    let rows = session.rows(prepared, ledger, &instants).await?;
    Ok(slots.iter().copied().zip(rows).collect::<BTreeMap<_, _>>())
}

/// Slots of a test: from its start to the last instant it asks about.
pub(crate) fn slots(case: &TestCase, interval: Duration) -> Vec<Timestamp> {
    let checks = case.alert_rule_test.iter().map(|check| check.eval_time);
    let notifications = case
        .notification_test
        .iter()
        .flat_map(|check| check.exp.iter().map(|expected| expected.at));
    let last = checks
        .chain(notifications)
        .max()
        .unwrap_or_default()
        .after(case.start_timestamp);
    let interval = SignedDuration::try_from(interval).unwrap_or(SignedDuration::from_mins(1));
    let mut slots = Vec::new();
    let mut slot = case.start_timestamp;
    while slot <= last {
        slots.push(slot);
        match slot.checked_add(interval) {
            Ok(next) if next > slot => slot = next,
            _ => break,
        }
    }
    slots
}
