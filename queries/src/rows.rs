//! Rows of an alert's query: labels, value, annotations, status.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    alert::{AlertRule, RowStatus, STATUS_COLUMN},
    cell::ResultCell,
    query::StoredQuery,
    run::{QueryArgument, QueryInvocation, ResultTable, RunError},
};

/// Labels that identify an instance.
pub type InstanceLabels = BTreeMap<String, String>;

/// One row of an alert's query.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertResultRow {
    /// The columns that identify; `alertname` and the rule's own labels are not among them.
    pub labels: InstanceLabels,
    /// The number; `None` where the rule names none, or it is NULL or NaN.
    pub value: Option<f64>,
    /// The columns that are shown.
    pub annotations: BTreeMap<String, String>,
    /// What a control-mode query says; `None` in rows mode, where each row is a problem.
    pub status: Option<RowStatus>,
}

/// Rows of an alert's query at one slot.
#[derive(Debug, Clone, Default)]
pub struct AlertResultSet {
    /// The rows; their labels differ.
    pub rows: Vec<AlertResultRow>,
    /// True if there were more than the limit: `rows` are then those of known instances, and the first others by their labels.
    pub exceeded: bool,
    /// True for a control-mode query.
    pub has_status: bool,
}

/// Reads the rows as the rule's columns say.
///
/// # Errors
/// A column that is missing, a status that is none, two rows with equal labels.
pub(crate) fn read(
    query: &StoredQuery,
    rule: &AlertRule,
    table: &ResultTable,
) -> Result<AlertResultSet, RunError> {
    let labels = column_positions(query, table, "columns.labels", &rule.columns.labels)?;
    let annotations = column_positions(query, table, "columns.annotations", &rule.columns.annotations)?;
    let value = column_positions(query, table, "columns.value", rule.columns.value.as_slice())?;
    let status = status_position(rule, table);
    let mut seen = BTreeSet::new();
    let mut rows = AlertResultSet {
        exceeded: table.exceeded,
        has_status: status.is_some(),
        ..AlertResultSet::default()
    };
    for cells in &table.rows {
        let row = AlertResultRow {
            labels: texts(cells, &labels),
            value: value.first().and_then(|(_, place)| cells.get(*place)?.number()),
            annotations: texts(cells, &annotations),
            status: match status {
                Some(place) => Some(read_status(query, cells.get(place))?),
                None => None,
            },
        };
        if !seen.insert(row.labels.clone()) {
            let what = format!("two rows with the labels {}", show(&row.labels));
            let refusal = query.refusal("columns.labels", what);
            let remedy = "add identifying columns, or group by those that are named";
            return Err(RunError::Refused(refusal.fix(remedy)));
        }
        rows.rows.push(row);
    }
    Ok(rows)
}

/// Where columns stand in the result.
pub(crate) fn column_positions<'n>(
    query: &StoredQuery,
    table: &ResultTable,
    key: &str,
    names: &'n [String],
) -> Result<Vec<(&'n str, usize)>, RunError> {
    let place = |name: &'n String| {
        let found = table.columns.iter().position(|column| column.name == *name);
        found.map(|place| (name.as_str(), place)).ok_or_else(|| {
            let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
            let refusal = query.refusal(key, format!("the query has no column `{name}`"));
            RunError::Refused(refusal.fix(format!("it has {}", columns.join(", "))))
        })
    };
    names.iter().map(place).collect()
}

/// The cells at these places, as text by name.
pub(crate) fn texts(cells: &[ResultCell], places: &[(&str, usize)]) -> BTreeMap<String, String> {
    places
        .iter()
        .map(|(name, place)| {
            (
                (*name).to_owned(),
                cells.get(*place).map(ResultCell::text).unwrap_or_default(),
            )
        })
        .collect()
}

/// Where the column is that switches to control mode.
pub(crate) fn status_position(rule: &AlertRule, table: &ResultTable) -> Option<usize> {
    let columns = &rule.columns;
    let mut named = columns
        .labels
        .iter()
        .chain(&columns.annotations)
        .chain(&columns.value);
    if named.any(|column| column == STATUS_COLUMN) {
        return None;
    }
    table
        .columns
        .iter()
        .position(|column| column.name == STATUS_COLUMN)
}

fn read_status(query: &StoredQuery, cell: Option<&ResultCell>) -> Result<RowStatus, RunError> {
    let text = cell.map(ResultCell::text).unwrap_or_default();
    RowStatus::parse(&text).ok_or_else(|| {
        let refusal = query.refusal("alert", format!("column `status` contains `{text}`"));
        RunError::Refused(refusal.fix(
            "it may contain ok, alarm, skip, error or info; name a column with other content differently",
        ))
    })
}

/// Labels as people write them.
pub(crate) fn show(labels: &InstanceLabels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// A query with a restriction around it.
pub(crate) struct RestrictedQuery {
    sql: String,
    parameters: Vec<QueryArgument>,
}

impl RestrictedQuery {
    /// Asks it as `question` asks the query itself.
    pub(crate) fn of(self, question: &QueryInvocation) -> QueryInvocation {
        QueryInvocation {
            sql: Some(self.sql),
            parameters: self.parameters,
            ..question.clone()
        }
    }
}

/// The query, restricted to the instances that are known; and to all others, in the order of their labels, problems first.
/// An order by labels is the same at every slot, whatever the plan and whatever comes and goes.
pub(crate) fn restricted(
    query: &StoredQuery,
    rule: &AlertRule,
    known: &[InstanceLabels],
    has_status: bool,
) -> (RestrictedQuery, RestrictedQuery) {
    let names = &rule.columns.labels;
    let (mut arrays, mut aliases, mut equal, mut order) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    if has_status {
        order.push(format!(
            "asked.\"{STATUS_COLUMN}\"::text is distinct from 'alarm'"
        ));
    }
    for (number, name) in names.iter().enumerate() {
        let label = format!("coalesce(asked.\"{}\"::text, '')", name.replace('"', "\"\""));
        arrays.push(format!("${}::text[]", number + 1));
        aliases.push(format!("label{number}"));
        equal.push(format!("known.label{number} = {label}"));
        order.push(format!("{label} collate \"C\""));
    }
    let is_known = format!(
        "exists (select from unnest({}) as known ({}) where {})",
        arrays.join(", "),
        aliases.join(", "),
        equal.join(" and ")
    );
    let values = |name: &String| {
        known
            .iter()
            .map(|labels| labels.get(name).cloned().unwrap_or_default())
            .collect()
    };
    let with = |rest: String| RestrictedQuery {
        sql: format!("select asked.* from (\n{}\n) as asked where {rest}", query.sql),
        parameters: names
            .iter()
            .map(|name| QueryArgument::Texts(values(name)))
            .collect(),
    };
    (
        with(is_known.clone()),
        with(format!("not {is_known} order by {}", order.join(", "))),
    )
}
