//! What only a server can say of a query: that its names exist, which columns it gives, and how it would be run.

mod destination;
mod resolved;
mod unknown_name;

use std::sync::Arc;

use deadpool_postgres::Object;
use fleetledger_schema::instant::Instant;

use crate::{
    alert::AlertRule,
    cell::{self, ColumnRole},
    connection::ReaderPool,
    query::{QueryKind, StoredQuery},
    refusal::QueryRefusal,
    report::ReportRule,
    rows,
    run::{QueryArgument, QueryInvocation, ResultColumn, ResultTable, RunError, SnapshotSession},
};

/// A query that a server accepts.
#[derive(Debug, Clone, PartialEq)]
pub struct PreparedQuery {
    /// Its columns.
    pub columns: Vec<ResultColumn>,
    /// True if it reads what has no past: it is refused on `fleet_asof`, so it can be asked about no other instant and
    /// cannot be backtested.
    pub is_live_only: bool,
    /// The planner's cost on `fleet`, in its own units.
    pub cost: f64,
}

/// Prepares and explains queries on `fleet` and on `fleet_asof`, as the reader; each has its outcome.
///
/// # Errors
/// The database cannot be asked.
pub async fn prepare(
    reader: &ReaderPool,
    queries: &[Arc<StoredQuery>],
) -> Result<Vec<Result<PreparedQuery, Vec<QueryRefusal>>>, RunError> {
    let mut client = reader.get().await?;
    // First, because explaining a query runs the immutable functions that it calls.
    let refused = resolved::check(&mut client, queries).await?;
    let mut session = SnapshotSession::begin(reader, &mut client, false).await?;
    let mut outcomes = Vec::with_capacity(queries.len());
    for (query, refusals) in queries.iter().zip(refused) {
        if !refusals.is_empty() {
            outcomes.push(Err(refusals));
            continue;
        }
        match prepare_one(&mut session, query).await {
            Err(error @ (RunError::Unavailable(_) | RunError::SessionLost(_))) => {
                drop(session);
                drop(Object::take(client));
                return Err(error);
            }
            Err(RunError::Refused(refusal)) => {
                outcomes.push(Err(vec![with_near_names(&mut session, query, refusal).await]));
            }
            Err(timeout) => outcomes.push(Err(vec![query.refusal("timeout", timeout.to_string())])),
            Ok(outcome) => outcomes.push(outcome),
        }
    }
    if !session.end().await {
        drop(Object::take(client));
    }
    Ok(outcomes)
}

/// The same refusal; where it is about a name that is not there, with names that are.
async fn with_near_names(
    session: &mut SnapshotSession<'_>,
    query: &StoredQuery,
    refusal: QueryRefusal,
) -> QueryRefusal {
    if !unknown_name::is_about_a_name(&refusal) {
        return refusal;
    }
    match unknown_name::read_views(session, query).await {
        Ok(views) => unknown_name::suggest(query, refusal, &views),
        // What is wrong is known; a session that is lost is noticed by the next query.
        Err(_) => refusal,
    }
}

/// Has the server judge what a query calls, without running it.
///
/// # Errors
/// The query calls what is forbidden, or the database cannot be asked.
pub async fn refuse_forbidden_calls(reader: &ReaderPool, query: &Arc<StoredQuery>) -> Result<(), RunError> {
    let mut client = reader.get().await?;
    let refused = resolved::check(&mut client, std::slice::from_ref(query)).await?;
    match refused.into_iter().flatten().next() {
        Some(refusal) => Err(RunError::Refused(refusal)),
        None => Ok(()),
    }
}

async fn prepare_one(
    session: &mut SnapshotSession<'_>,
    query: &StoredQuery,
) -> Result<Result<PreparedQuery, Vec<QueryRefusal>>, RunError> {
    let live = session.describe(query, &question(query, false)).await?;
    let past = match session.describe(query, &question(query, true)).await {
        Ok(_) => None,
        Err(RunError::Refused(refusal)) => Some(refusal),
        Err(other) => return Err(other),
    };
    let mut refusals = columns(query, &live.columns);
    refusals.extend(destination::check(session, query, &live.columns).await?);
    let offset = query
        .schedule()
        .is_some_and(|schedule| !schedule.query_offset.is_zero());
    if let Some(refusal) = past.as_ref().filter(|_| offset) {
        let what = format!("on schema fleet_asof: {}", refusal.what);
        let remedy = "with a query_offset it may read only views that docs/sql-reference.md marks as of";
        refusals.push(
            QueryRefusal {
                what,
                ..refusal.clone()
            }
            .fix(remedy),
        );
    }
    Ok(match refusals.is_empty() {
        true => Ok(PreparedQuery {
            columns: live.columns,
            is_live_only: past.is_some(),
            cost: live.cost,
        }),
        false => Err(refusals),
    })
}

fn question(query: &StoredQuery, is_past: bool) -> QueryInvocation {
    let now = Instant::now();
    let window = query.rollup().map(|rule| rule.last_window(now));
    let parameters = query.report().map_or_else(Vec::new, |report| defaults(report));
    QueryInvocation {
        as_of: now,
        is_past,
        window,
        parameters,
        ..QueryInvocation::default()
    }
}

/// The defaults of a report's parameters; NULL where there is none.
fn defaults(report: &ReportRule) -> Vec<QueryArgument> {
    let default = |parameter: &crate::report::ReportParameter| {
        let text = parameter.default.as_deref().filter(|text| !text.is_empty());
        text.and_then(|text| parameter.parameter_type.literal(text).ok())
    };
    report
        .parameters
        .iter()
        .map(|parameter| QueryArgument::Literal(default(parameter)))
        .collect()
}

/// What is wrong with the columns of a result.
fn columns(query: &StoredQuery, columns: &[ResultColumn]) -> Vec<QueryRefusal> {
    let mut refusals = Vec::new();
    for column in columns
        .iter()
        .filter(|column| cell::role(&column.column_type).is_none())
    {
        let what = format!(
            "column `{}` is of type {}, which is not supported",
            column.name, column.column_type
        );
        refusals.push(query.refusal("columns", what).fix("cast it to text"));
    }
    match &query.kind {
        QueryKind::Alert(rule) => {
            names(
                query,
                columns,
                "columns.labels",
                &rule.columns.labels,
                &mut refusals,
            );
            numbers(
                query,
                columns,
                "columns.value",
                rule.columns.value.as_slice(),
                &mut refusals,
            );
            for name in &rule.columns.annotations {
                find(query, columns, "columns.annotations", name, &mut refusals);
            }
            status(query, columns, rule, &mut refusals);
        }
        QueryKind::Record(rule) => {
            names(query, columns, "columns.labels", &rule.labels, &mut refusals);
            let key = match rule.values.columns().len() {
                1 => "columns.value",
                _ => "columns.values",
            };
            numbers(query, columns, key, rule.values.columns(), &mut refusals);
        }
        QueryKind::Rollup(rule) => {
            names(
                query,
                columns,
                "columns.dimensions",
                &rule.dimensions,
                &mut refusals,
            );
            numbers(query, columns, "columns.values", &rule.values, &mut refusals);
        }
        QueryKind::Report(_) => {}
    }
    refusals
}

fn find<'c>(
    query: &StoredQuery,
    columns: &'c [ResultColumn],
    key: &str,
    name: &str,
    refusals: &mut Vec<QueryRefusal>,
) -> Option<&'c ResultColumn> {
    let mut found = columns.iter().filter(|column| column.name == name);
    let first = found.next();
    if first.is_none() {
        let has: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let refusal = query.refusal(key, format!("the query has no column `{name}`"));
        refusals.push(refusal.fix(format!("it has {}", has.join(", "))));
    } else if found.next().is_some() {
        let refusal = query.refusal(key, format!("the query has several columns `{name}`"));
        refusals.push(refusal.fix("rename one with `as`"));
    }
    first
}

/// Columns that identify.
fn names(
    query: &StoredQuery,
    columns: &[ResultColumn],
    key: &str,
    names: &[String],
    refusals: &mut Vec<QueryRefusal>,
) {
    for name in names {
        let Some(column) = find(query, columns, key, name, refusals) else {
            continue;
        };
        let why = match cell::role(&column.column_type) {
            Some(ColumnRole::Name) | None => continue,
            Some(ColumnRole::Number) => "a value",
            Some(ColumnRole::Time) => "an instant",
            Some(ColumnRole::Document) => "a document",
        };
        let what = format!("{why} as a label: `{name}` is of type {}", column.column_type);
        let remedy = "a column that changes would create new instances again and again; remove it, or cast \
             it to text if it identifies";
        refusals.push(query.refusal(key, what).fix(remedy));
    }
}

/// Columns that are numbers.
fn numbers(
    query: &StoredQuery,
    columns: &[ResultColumn],
    key: &str,
    names: &[String],
    refusals: &mut Vec<QueryRefusal>,
) {
    for name in names {
        let Some(column) = find(query, columns, key, name, refusals) else {
            continue;
        };
        if !cell::is_number(&column.column_type) {
            let what = format!(
                "`{name}` is of type {}, but a value must be a number",
                column.column_type
            );
            refusals.push(
                query
                    .refusal(key, what)
                    .fix("for a duration write extract(epoch from …)"),
            );
        }
    }
}

fn status(query: &StoredQuery, columns: &[ResultColumn], rule: &AlertRule, refusals: &mut Vec<QueryRefusal>) {
    let table = ResultTable::empty(columns.to_vec());
    let place = rows::status_position(rule, &table);
    let column = place.and_then(|place| columns.get(place));
    if let Some(column) = column.filter(|column| cell::role(&column.column_type) != Some(ColumnRole::Name)) {
        let what = format!("column `status` is of type {}", column.column_type);
        let remedy = "this column must contain ok, alarm, skip, error or info; name a column with other \
             content differently";
        refusals.push(query.refusal("alert", what).fix(remedy));
    }
}
