//! Rules with one thing changed: a comparison turned, a threshold moved, `for` lengthened or shortened. A test file
//! that passes with such a mutant does not say what the rule is for.

use std::path::Path;
use std::time::Duration;

use super::TestError;
use super::comparison::differences;
use super::database::TestSession;
use super::file::TestCase;
use super::replay::{RowsBySlot, TestedRule, replay, sources};
use super::row::CaseLedger;
use super::run::{PlannedTests, rows_at, slots};

/// A changed rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleMutant {
    /// What was changed, with its line of the SQL.
    pub what: String,
    /// The SQL.
    pub sql: String,
}

/// How many mutants of a rule there are, and which of them no test noticed.
#[derive(Debug, Default)]
pub struct MutationReport {
    /// Those that PostgreSQL can run.
    pub mutants: usize,
    /// Those that it refuses; they show nothing about the tests.
    pub refused: Vec<String>,
    /// Those that passed every test.
    pub survivors: Vec<String>,
}

/// Tries every mutant of the first rule of a test file against its tests.
///
/// # Errors
/// As [`super::run_file`].
pub async fn try_mutants(session: &mut TestSession, path: &Path) -> Result<MutationReport, TestError> {
    let planned = PlannedTests::read(session, path).await?;
    let mut report = MutationReport::default();
    let Some((rule, _)) = planned.rules.first() else {
        return Ok(report);
    };
    let mut alive = Vec::new();
    for mutant in mutants(&rule.query.sql) {
        match session.prepare(&mutant.sql).await {
            Ok(prepared) => alive.push((mutant, prepared)),
            Err(_) => report.refused.push(mutant.what),
        }
    }
    let mut waits = wait_mutants(rule);
    report.mutants = alive.len() + waits.len();
    for case in &planned.file.tests {
        let ledger = session.ledger_of(case)?;
        let as_of = planned.is_as_of();
        session.open(&ledger, as_of).await?;
        let others = rows_of_other_rules(session, &planned, case, &ledger).await;
        if let Ok(all) = others {
            let mut left = Vec::new();
            for (mutant, prepared) in alive {
                let slots = slots(case, rule.timing.interval);
                let rows = rows_at(session, &prepared, &ledger, &slots, rule).await;
                if rows.is_ok_and(|rows| passes(case, &planned, &ledger, None, with_first(&all, rows))) {
                    left.push((mutant, prepared));
                } else {
                    session.forget(&prepared).await;
                }
            }
            alive = left;
            waits.retain(|(_, changed)| passes(case, &planned, &ledger, Some(changed), all.clone()));
        }
        session.close().await?;
    }
    report.survivors = alive.into_iter().map(|(mutant, _)| mutant.what).collect();
    report.survivors.extend(waits.into_iter().map(|(what, _)| what));
    Ok(report)
}

async fn rows_of_other_rules(
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

fn with_first(all: &[RowsBySlot], first: RowsBySlot) -> Vec<RowsBySlot> {
    std::iter::once(first)
        .chain(all.iter().skip(1).cloned())
        .collect()
}

fn passes(
    case: &TestCase,
    planned: &PlannedTests,
    ledger: &CaseLedger,
    first: Option<&TestedRule>,
    rows: Vec<RowsBySlot>,
) -> bool {
    let rules = planned.rules.iter().map(|(rule, _)| rule);
    let rules: Vec<TestedRule> = match first {
        Some(first) => std::iter::once(first).chain(rules.skip(1)).cloned().collect(),
        None => rules.cloned().collect(),
    };
    let replayed = replay(case, &rules, &rows, &sources(ledger));
    differences(case, &replayed).is_empty()
}

/// The rule with `for` one interval longer, and shorter if there is any.
fn wait_mutants(rule: &TestedRule) -> Vec<(String, TestedRule)> {
    let interval = rule.timing.interval;
    let longer = Some(rule.timing.for_ + interval);
    let shorter = (rule.timing.for_ > Duration::ZERO).then(|| rule.timing.for_.saturating_sub(interval));
    let changed = [longer, shorter].into_iter().flatten().map(|for_| {
        let mut rule = rule.clone();
        rule.timing.for_ = for_;
        (format!("for: {} s", for_.as_secs()), rule)
    });
    changed.collect()
}

/// Every mutant of a SELECT.
#[must_use]
pub fn mutants(sql: &str) -> Vec<RuleMutant> {
    let tokens = tokens(sql);
    let mut mutants = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        let next = |ahead: usize| tokens.get(index + ahead).map_or("", |token| token.text);
        let previous = index
            .checked_sub(1)
            .and_then(|index| tokens.get(index))
            .map_or("", |token| token.text);
        let mut change = |length: usize, to: String| {
            let last = tokens.get(index + length - 1).unwrap_or(token);
            let end = last.start + last.text.len();
            let (Some(before), Some(old), Some(after)) =
                (sql.get(..token.start), sql.get(token.start..end), sql.get(end..))
            else {
                return;
            };
            let line = before.lines().count().max(1);
            mutants.push(RuleMutant {
                what: format!("line {line}: `{old}` → `{to}`"),
                sql: format!("{before}{to}{after}"),
            });
        };
        match token.text {
            "<" => change(1, "<=".to_owned()),
            "<=" => change(1, "<".to_owned()),
            ">" => change(1, ">=".to_owned()),
            ">=" => change(1, ">".to_owned()),
            "=" => change(1, "<>".to_owned()),
            "<>" => change(1, "=".to_owned()),
            "is" if next(1) == "null" => change(2, "is not null".to_owned()),
            "is" if next(1) == "not" && next(2) == "null" => change(3, "is null".to_owned()),
            "is" if next(1) == "distinct" => change(2, "is not distinct".to_owned()),
            "in" if next(1) == "(" => change(1, "not in".to_owned()),
            "like" if previous == "not" => {}
            "like" => change(1, "not like".to_owned()),
            "not" if next(1) == "like" => change(2, "like".to_owned()),
            "not" if !["null", "in"].contains(&next(1)) => change(1, String::new()),
            "interval" if token.is_condition => {
                for factor in ["0.9", "1.1"] {
                    change(2, format!("(interval {} * {factor})", next(1)));
                }
            }
            text if token.is_condition
                && previous != ","
                && text.starts_with(|letter: char| letter.is_ascii_digit()) =>
            {
                for to in moved_thresholds(text) {
                    change(1, to);
                }
            }
            _ => {}
        }
    }
    mutants
}

/// A threshold a little lower and a little higher.
fn moved_thresholds(number: &str) -> Vec<String> {
    match number.parse::<i64>() {
        Ok(whole) => vec![(whole - 1).to_string(), (whole + 1).to_string()],
        Err(_) => ["0.9", "1.1"]
            .map(|factor| format!("({number} * {factor})"))
            .to_vec(),
    }
}

struct SqlToken<'s> {
    text: &'s str,
    start: usize,
    /// True within `where`, `having` and `on`.
    is_condition: bool,
}

/// Words, numbers, operators and texts of a SELECT; comments left out.
fn tokens(sql: &str) -> Vec<SqlToken<'_>> {
    let mut tokens: Vec<SqlToken<'_>> = Vec::new();
    // Whether a condition is being read, at each depth of parentheses.
    let mut conditions = vec![false];
    let mut start = 0;
    while let Some(rest) = sql.get(start..).filter(|rest| !rest.is_empty()) {
        let length = token_length(rest);
        let text = rest.get(..length).unwrap_or(rest);
        let is_blank = text.starts_with(char::is_whitespace) || text.starts_with("--");
        if !is_blank {
            match text {
                "(" => conditions.push(conditions.last().copied().unwrap_or(false)),
                ")" => {
                    conditions.pop();
                }
                "where" | "having" | "on" => set_last(&mut conditions, true),
                "select" | "from" | "join" | "left" | "cross" | "group" | "order" | "limit" => {
                    set_last(&mut conditions, false);
                }
                _ => {}
            }
            tokens.push(SqlToken {
                text,
                start,
                is_condition: conditions.last().copied().unwrap_or(false),
            });
        }
        start += text.len().max(1);
    }
    tokens
}

fn set_last(conditions: &mut [bool], to: bool) {
    if let Some(last) = conditions.last_mut() {
        *last = to;
    }
}

/// Length in bytes of the token that `rest` begins with.
fn token_length(rest: &str) -> usize {
    let first = rest.chars().next().unwrap_or(' ');
    let span = |is: fn(char) -> bool| rest.find(|letter: char| !is(letter)).unwrap_or(rest.len());
    match first {
        _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
        '\'' => text_length(rest),
        letter if letter.is_whitespace() => span(char::is_whitespace),
        letter if letter.is_ascii_digit() => span(|letter| letter.is_ascii_digit() || letter == '.'),
        letter if letter.is_alphabetic() || letter == '_' => {
            span(|letter| letter.is_alphanumeric() || letter == '_')
        }
        '<' | '>' | '=' | '-' | '@' => span(|letter| matches!(letter, '<' | '>' | '=' | '-' | '@')),
        letter => letter.len_utf8(),
    }
}

/// Up to the closing quote; a doubled one goes on.
fn text_length(rest: &str) -> usize {
    let mut from = 1;
    loop {
        let Some(close) = rest.get(from..).and_then(|tail| tail.find('\'')) else {
            return rest.len();
        };
        from += close + 1;
        if !rest.get(from..).is_some_and(|tail| tail.starts_with('\'')) {
            return from;
        }
        from += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(sql: &str) -> Vec<String> {
        mutants(sql).into_iter().map(|mutant| mutant.what).collect()
    }

    #[test]
    fn comparisons_are_turned_and_thresholds_moved() {
        let found = changes(
            "select a, 7 from pod\nwhere n >= 3 and at < as_of() - interval '5 minutes' and x is not null",
        );
        assert_eq!(
            found,
            [
                "line 2: `>=` → `>`",
                "line 2: `3` → `2`",
                "line 2: `3` → `4`",
                "line 2: `<` → `<=`",
                "line 2: `interval '5 minutes'` → `(interval '5 minutes' * 0.9)`",
                "line 2: `interval '5 minutes'` → `(interval '5 minutes' * 1.1)`",
                "line 2: `is not null` → `is null`",
            ]
        );
    }

    #[test]
    fn texts_comments_selections_and_arguments_are_left_alone() {
        assert_eq!(
            changes("select coalesce(n, 0), 'a = 1', x ->> 'b' -- c > 1\nfrom pod group by 1, 2"),
            Vec::<String>::new()
        );
        assert_eq!(
            changes("select 1 where coalesce(n, 0) < m"),
            ["line 1: `<` → `<=`"]
        );
        assert_eq!(changes("select from p where not a").len(), 1);
    }
}
