//! Runbooks: their SQL, run over the rows that make their alert fire.

use std::collections::BTreeMap;
use std::path::Path;

use fleetledger_paging::LabelSet;
use fleetledger_schema::postgres::literal;
use jiff::Timestamp;

use super::TestError;
use super::database::TestSession;
use super::file::{TestCase, TestPurpose};
use super::replay::{TestedRule, replay, sources};
use super::row::CaseLedger;
use super::run::{PlannedTests, rows_at, slots};

/// A step of a runbook: SQL with psql's variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookStep {
    /// Line of the file it begins on.
    pub line: usize,
    /// The SQL.
    pub sql: String,
}

/// The SQL of a runbook, block by block.
#[must_use]
pub fn steps(markdown: &str) -> Vec<RunbookStep> {
    let mut steps = Vec::new();
    let mut open: Option<RunbookStep> = None;
    for (index, line) in markdown.lines().enumerate() {
        match (&mut open, line.trim()) {
            (None, "```sql") => {
                open = Some(RunbookStep {
                    line: index + 2,
                    sql: String::new(),
                });
            }
            (Some(_), "```") => steps.extend(open.take()),
            (Some(step), _) => {
                step.sql.push_str(line);
                step.sql.push('\n');
            }
            _ => {}
        }
    }
    steps
}

/// `:'node'` as psql fills it in.
///
/// # Errors
/// The name of a variable that no label gives.
pub fn fill(sql: &str, labels: &BTreeMap<String, String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = sql;
    while let Some((before, after)) = rest.split_once(":'") {
        let (name, tail) = after.split_once('\'').unwrap_or((after, ""));
        let value = labels.get(name).ok_or_else(|| name.to_owned())?;
        filled += before;
        filled += &literal(value);
        rest = tail;
    }
    Ok(filled + rest)
}

/// How many rows each step of a runbook gives while its alert fires, in the first test of the rule that shows that.
///
/// # Errors
/// As [`super::run_file`]; [`TestError::TestedRule`] names the step that fails, or says that no test fires.
pub async fn try_steps(
    session: &mut TestSession,
    test_file: &Path,
    markdown: &str,
) -> Result<Vec<usize>, TestError> {
    let planned = PlannedTests::read(session, test_file).await?;
    let is_firing = |case: &&TestCase| case.purpose == Some(TestPurpose::Firing);
    let (Some(case), Some((rule, prepared))) =
        (planned.file.tests.iter().find(is_firing), planned.rules.first())
    else {
        return Err(TestError::Rule(format!(
            "{}: no alert fires",
            test_file.display()
        )));
    };
    let ledger = session.ledger_of(case)?;
    session.open(&ledger, planned.is_as_of()).await?;
    let slots = slots(case, rule.timing.interval);
    let rows = rows_at(session, prepared, &ledger, &slots, rule).await;
    session.close().await?;
    let rows = rows.map_err(TestError::Rule)?;
    let replayed = replay(case, std::slice::from_ref(rule), &[rows], &sources(&ledger));
    let fired = replayed
        .states
        .iter()
        .rev()
        .find_map(|(slot, states)| Some((*slot, states.first()?.labels.clone())));
    let Some((slot, labels)) = fired else {
        return Err(TestError::Rule(format!(
            "{}: no alert fires",
            test_file.display()
        )));
    };
    let mut counts = Vec::new();
    for step in steps(markdown) {
        let count = one_step(session, &ledger, slot, &step, &labels).await;
        counts.push(
            count.map_err(|why| TestError::Rule(format!("{} line {}: {why}", runbook(rule), step.line)))?,
        );
    }
    Ok(counts)
}

fn runbook(rule: &TestedRule) -> String {
    format!(
        "docs/runbooks/{}.md",
        rule.alert.annotations.runbook().unwrap_or_default()
    )
}

async fn one_step(
    session: &TestSession,
    ledger: &CaseLedger,
    slot: Timestamp,
    step: &RunbookStep,
    labels: &LabelSet,
) -> Result<usize, String> {
    let sql = fill(&step.sql, labels).map_err(|name| format!("no label gives :'{name}'"))?;
    session.live(ledger, slot, &sql).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_sql_are_steps_and_labels_fill_them() {
        let found = steps(
            "# A\n\n```sql\nselect 1\nwhere node = :'node' and x = 'a:b';\n```\n\n```console\n$ ls\n```\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 4);
        let labels = BTreeMap::from([("node".to_owned(), "n'1".to_owned())]);
        assert_eq!(
            fill(&found[0].sql, &labels).unwrap(),
            "select 1\nwhere node = 'n''1' and x = 'a:b';\n"
        );
        assert_eq!(fill(":'pod'", &labels), Err("pod".to_owned()));
    }
}
