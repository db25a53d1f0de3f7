//! What a plan reads of the copied tables: which columns, and which rows whatever the slot. Pure.
//!
//! Conditions at a scan are all that its rows must meet, so a copy may leave out the rows that fail those of them that
//! say the same at every slot. They are read from EXPLAIN; whatever is not plainly of that kind is left alone, and
//! then the copy is only larger.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Suffix of the copies' names.
pub(super) const SLICE: &str = "_slice";
/// Alias under which [`TableReads::condition`] speaks of a row.
pub(super) const ROW: &str = "v";

/// What a plan reads of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableReads {
    /// Columns; `None` if it may be all of them.
    pub(super) columns: Option<BTreeSet<String>>,
    /// Conditions of each of its scans.
    scans: Vec<BTreeSet<String>>,
}

impl TableReads {
    /// Of a table that no scan was found of yet.
    fn nothing() -> Self {
        Self {
            columns: Some(BTreeSet::new()),
            scans: Vec::new(),
        }
    }

    /// All of a table.
    pub(super) fn everything() -> Self {
        Self {
            columns: None,
            scans: vec![BTreeSet::new()],
        }
    }

    /// What a row must meet to be seen by any scan; empty if it need not meet anything.
    pub(super) fn condition(&self) -> String {
        if self.scans.iter().any(BTreeSet::is_empty) {
            return String::new();
        }
        let scan = |conditions: &BTreeSet<String>| {
            let all: Vec<String> = conditions.iter().map(|one| format!("({one})")).collect();
            format!("({})", all.join(" and "))
        };
        self.scans.iter().map(scan).collect::<Vec<_>>().join(" or ")
    }
}

/// Tables (without [`SLICE`]) that a plan reads, from `explain (verbose, format json)`.
pub(super) fn read_plan(plan: &Value) -> BTreeMap<String, TableReads> {
    let mut found = PlanScans::default();
    found.collect(plan, true);
    let mut reads: BTreeMap<String, TableReads> = BTreeMap::new();
    for (table, alias, filter) in found.scans {
        let reads = reads.entry(table).or_insert_with(TableReads::nothing);
        let columns = columns(&alias, &found.texts);
        reads.columns = reads.columns.take().zip(columns).map(|(mut all, more)| {
            all.extend(more);
            all
        });
        reads
            .scans
            .push(filter.map(|filter| constant(&alias, filter)).unwrap_or_default());
    }
    reads
}

/// The current state in a plan.
#[derive(Default)]
struct PlanScans<'p> {
    /// Table, alias and filter of each scan of a copy.
    scans: Vec<(String, String, Option<&'p str>)>,
    /// Every expression. A scan may put out all columns where that is as cheap; which of them are wanted stands in the
    /// nodes above it, so what scans put out is left away.
    texts: Vec<&'p str>,
}

impl<'p> PlanScans<'p> {
    fn collect(&mut self, value: &'p Value, is_top: bool) {
        match value {
            Value::Array(values) => values.iter().for_each(|value| self.collect(value, is_top)),
            Value::String(text) => self.texts.push(text),
            Value::Object(fields) => {
                let text = |name: &str| fields.get(name).and_then(Value::as_str);
                let table = text("Relation Name").and_then(|name| name.strip_suffix(SLICE));
                if let (Some(table), Some(alias)) = (table, text("Alias")) {
                    self.scans
                        .push((table.to_owned(), alias.to_owned(), text("Filter")));
                }
                for (name, value) in fields {
                    let is_left_away = match name.as_str() {
                        "Alias" | "Relation Name" | "Schema" | "Node Type" => true,
                        "Output" => table.is_some() && !is_top,
                        _ => false,
                    };
                    if !is_left_away {
                        self.collect(value, is_top && name == "Plan");
                    }
                }
            }
            _ => {}
        }
    }
}

/// Columns that are named under `alias`; `None` where a row is named as a whole.
fn columns(alias: &str, texts: &[&str]) -> Option<BTreeSet<String>> {
    let mut columns = BTreeSet::new();
    for text in texts {
        let tokens = tokens(text)?;
        for (at, token) in tokens.iter().enumerate() {
            if !token.is_name(alias) {
                continue;
            }
            let (Some(FilterToken::Other('.')), Some(FilterToken::Name(column))) =
                (tokens.get(at + 1), tokens.get(at + 2))
            else {
                return None;
            };
            columns.insert(column.trim_matches('"').to_owned());
        }
    }
    Some(columns)
}

/// The conditions of a filter that depend on the row alone, with [`ROW`] in place of the alias.
fn constant(alias: &str, filter: &str) -> BTreeSet<String> {
    let Some(all) = tokens(filter) else {
        return BTreeSet::new();
    };
    conjuncts(&all)
        .into_iter()
        .filter(|one| is_constant(alias, one))
        .map(|one| {
            one.iter()
                .map(|token| {
                    if token.is_name(alias) {
                        ROW.to_owned()
                    } else {
                        token.text()
                    }
                })
                .collect()
        })
        .collect()
}

/// Words that look like a call and are syntax.
const SYNTAX: [&str; 2] = ["COALESCE", "NULLIF"];
/// Words that are something else at each slot, or a part of the plan.
const CHANGING: [&str; 12] = [
    "SubPlan",
    "InitPlan",
    "hashed",
    "alternatives",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_USER",
    "SESSION_USER",
    "USER",
];

fn is_constant(alias: &str, condition: &[FilterToken]) -> bool {
    condition.iter().enumerate().all(|(at, token)| match token {
        FilterToken::Other('$') => false,
        FilterToken::Name(name) if CHANGING.contains(&name.as_str()) => false,
        FilterToken::Name(name) => match condition.get(at + 1) {
            // A function may say something else each time, such as the one that says which instant is asked about.
            Some(FilterToken::Other('(')) => SYNTAX.contains(&name.as_str()),
            // A column of another table comes from the outer side of a join.
            Some(FilterToken::Other('.')) => name == alias,
            _ => true,
        },
        _ => true,
    })
}

/// Parts that an expression's outermost ANDs join.
fn conjuncts(expression: &[FilterToken]) -> Vec<&[FilterToken]> {
    let expression = strip_parentheses(expression);
    let (mut parts, mut depth, mut from) = (Vec::new(), 0_usize, 0);
    for (at, token) in expression.iter().enumerate() {
        match token {
            FilterToken::Other('(' | '[') => depth += 1,
            FilterToken::Other(')' | ']') => depth = depth.saturating_sub(1),
            FilterToken::Name(name) if depth == 0 && name == "AND" => {
                parts.extend(expression.get(from..at).map(strip_parentheses));
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(expression.get(from..).map(strip_parentheses));
    parts
}

/// Without the blanks and the parentheses around all of it.
fn strip_parentheses(mut expression: &[FilterToken]) -> &[FilterToken] {
    while let [FilterToken::Other(' '), inner @ ..] | [inner @ .., FilterToken::Other(' ')] = expression {
        expression = inner;
    }
    let [FilterToken::Other('('), inner @ .., FilterToken::Other(')')] = expression else {
        return expression;
    };
    let mut depth = 0_usize;
    for token in inner {
        match token {
            FilterToken::Other('(') => depth += 1,
            FilterToken::Other(')') if depth == 0 => return expression,
            FilterToken::Other(')') => depth -= 1,
            _ => {}
        }
    }
    inner
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FilterToken {
    /// A word, a number, or a quoted name with its quotes.
    Name(String),
    /// A literal with its quotes.
    Literal(String),
    /// Any other character, blanks included.
    Other(char),
}

impl FilterToken {
    fn is_name(&self, name: &str) -> bool {
        matches!(self, Self::Name(own) if own == name || own.strip_prefix('"').and_then(|own| own.strip_suffix('"')) == Some(name))
    }

    fn text(&self) -> String {
        match self {
            Self::Name(text) | Self::Literal(text) => text.clone(),
            Self::Other(one) => one.to_string(),
        }
    }
}

/// `None` for a text whose quotes are not understood.
fn tokens(text: &str) -> Option<Vec<FilterToken>> {
    let mut tokens = Vec::new();
    let mut left = text.chars().peekable();
    while let Some(first) = left.next() {
        match first {
            '\'' | '"' => {
                let mut quoted = String::from(first);
                loop {
                    let next = left.next()?;
                    quoted.push(next);
                    // A backslash may escape the quote in some literals and not in others.
                    if next == '\\' {
                        return None;
                    }
                    if next == first {
                        match left.next_if_eq(&first) {
                            Some(doubled) => quoted.push(doubled),
                            None => break,
                        }
                    }
                }
                tokens.push(if first == '"' {
                    FilterToken::Name(quoted)
                } else {
                    FilterToken::Literal(quoted)
                });
            }
            _ if first.is_alphanumeric() || first == '_' => {
                let mut name = String::from(first);
                while let Some(next) = left.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    name.push(next);
                }
                tokens.push(FilterToken::Name(name));
            }
            _ => tokens.push(FilterToken::Other(first)),
        }
    }
    Some(tokens)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn condition(filter: &str) -> String {
        let plan = json!([{"Plan": {"Plans": [
            {"Relation Name": "pod_slice", "Alias": "p", "Filter": filter, "Output": ["p.pod"]}
        ]}}]);
        read_plan(&plan).get("pod").unwrap().condition()
    }

    #[test]
    fn what_says_the_same_at_every_slot_is_kept() {
        let filter = "((p.deletion_requested_at IS NOT NULL) AND (p.phase = 'Pending'::text) AND \
            (p.valid_from <= COALESCE((NULLIF(current_setting('fleet.as_of'::text, true), ''::text))::timestamp with time zone, now())))";
        assert_eq!(
            condition(filter),
            "((v.deletion_requested_at IS NOT NULL) and (v.phase = 'Pending'::text))"
        );
    }

    #[test]
    fn literals_may_hold_anything_but_a_backslash() {
        assert_eq!(
            condition("(p.reason = 'a) AND (b''c'::text)"),
            "((v.reason = 'a) AND (b''c'::text))"
        );
        assert_eq!(condition("(p.reason ~ E'a\\\\d'::text)"), "");
        assert_eq!(condition("(p.reason ~ '\\d'::text)"), "");
    }

    #[test]
    fn an_or_is_one_condition() {
        let filter = "((p.phase = 'Failed'::text) OR (p.reason IS NULL))";
        assert_eq!(
            condition(filter),
            "(((v.phase = 'Failed'::text) OR (v.reason IS NULL)))"
        );
    }

    #[test]
    fn functions_parameters_subplans_and_other_tables_are_left_alone() {
        for filter in [
            "(lower(p.pod) = 'a'::text)",
            "(p.pod = $1)",
            "(p.node = n.node)",
            "(NOT (SubPlan 1))",
            "(p.created_at < CURRENT_TIMESTAMP)",
        ] {
            assert_eq!(condition(filter), "", "{filter}");
        }
        assert_ne!(condition("(COALESCE(p.available, 0) < p.desired)"), "");
    }

    #[test]
    fn columns_are_those_that_the_nodes_above_a_scan_want() {
        let plan = json!([{"Plan": {
            "Node Type": "Aggregate", "Output": ["p.node", "sum((p.size + 1))"], "Group Key": ["p.node"],
            "Plans": [{
                "Relation Name": "pod_slice", "Alias": "p", "Filter": "(p.phase = 'Failed'::text)",
                "Output": ["p.uid", "p.node", "p.size", "p.phase", "p.labels"]
            }]
        }}]);
        let columns = read_plan(&plan).get("pod").unwrap().columns.clone();
        assert_eq!(columns, Some(["node", "phase", "size"].map(str::to_owned).into()));
        let alone = json!([{"Plan": {"Relation Name": "pod_slice", "Alias": "p", "Output": ["p.uid"]}}]);
        let columns = read_plan(&alone).get("pod").unwrap().columns.clone();
        assert_eq!(columns, Some(BTreeSet::from(["uid".to_owned()])));
        let whole = json!([{"Plan": {"Relation Name": "pod_slice", "Alias": "p", "Output": ["p.*"]}}]);
        assert_eq!(read_plan(&whole).get("pod").unwrap().columns, None);
    }

    #[test]
    fn a_table_that_is_read_twice_keeps_what_either_scan_reads() {
        let plan = json!([{"Plan": {"Output": ["p.pod", "p_1.uid", "(p_1.\"limit\" + 1)"], "Plans": [
            {"Relation Name": "pod_slice", "Alias": "p", "Filter": "(p.phase = 'Failed'::text)"},
            {"Relation Name": "pod_slice", "Alias": "p_1", "Filter": "(p_1.node IS NULL)"},
            {"Relation Name": "node", "Alias": "n", "Output": ["n.node"]}
        ]}}]);
        let reads = read_plan(&plan);
        assert_eq!(reads.keys().collect::<Vec<_>>(), ["pod"]);
        let pod = reads.get("pod").unwrap();
        assert_eq!(
            pod.condition(),
            "((v.phase = 'Failed'::text)) or ((v.node IS NULL))"
        );
        let columns = ["limit", "node", "phase", "pod", "uid"].map(str::to_owned);
        assert_eq!(pod.columns, Some(BTreeSet::from(columns)));
        let both = json!([
            {"Relation Name": "pod_slice", "Alias": "p", "Filter": "(p.phase = 'Failed'::text)"},
            {"Relation Name": "pod_slice", "Alias": "p_1", "Output": ["p_1"]}
        ]);
        assert_eq!(read_plan(&both).get("pod").unwrap().condition(), "");
    }
}
