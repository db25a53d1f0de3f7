//! Running a stored query once, with values for its parameters.

use std::collections::BTreeMap;

use deadpool_postgres::Object;
use fleetledger_schema::instant::Instant;
use thiserror::Error;

use crate::{
    connection::ReaderPool,
    query::StoredQuery,
    report::{ParameterType, ReportParameter},
    run::{QueryArgument, QueryInvocation, ResultTable, RunError, SessionAttempts, SnapshotSession},
};

/// Why a question got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    /// What was asked makes no sense: the asker's fault.
    #[error("{0}")]
    Question(String),
    /// The query gave no answer.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// Runs any query once, with values for its parameters: as of now on `fleet`, or as of an instant on `fleet_asof`.
/// More rows than its limit are cut off, and the table says so. A rollup is asked about its last window that is over.
///
/// # Errors
/// [`AskError`].
pub async fn run_with_parameters(
    reader: &ReaderPool,
    query: &StoredQuery,
    values: &BTreeMap<String, String>,
    as_of: Option<Instant>,
) -> Result<ResultTable, AskError> {
    let instant = as_of.unwrap_or_else(Instant::now);
    let question = QueryInvocation {
        as_of: instant,
        is_past: as_of.is_some(),
        window: query.rollup().map(|rule| rule.last_window(instant)),
        parameters: arguments(query, values).map_err(AskError::Question)?,
        ..QueryInvocation::default()
    };
    let mut attempts = SessionAttempts::new();
    loop {
        match run_in_session(reader, query, &question, attempts.is_again()).await {
            Err(RunError::SessionLost(_)) if attempts.may_try_again() => {}
            answer => return Ok(answer?),
        }
    }
}

async fn run_in_session(
    reader: &ReaderPool,
    query: &StoredQuery,
    question: &QueryInvocation,
    is_again: bool,
) -> Result<ResultTable, RunError> {
    let mut client = reader.get().await?;
    let mut session = SnapshotSession::begin(reader, &mut client, is_again).await?;
    let answer = session.ask(query, question).await;
    if !session.end().await {
        drop(Object::take(client));
    }
    answer
}

/// Values in the order of the parameters.
fn arguments(query: &StoredQuery, values: &BTreeMap<String, String>) -> Result<Vec<QueryArgument>, String> {
    let declared = query.report().map_or(&[][..], |report| &report.parameters[..]);
    if let Some(name) = values
        .keys()
        .find(|name| declared.iter().all(|known| known.name != **name))
    {
        let names: Vec<&str> = declared.iter().map(|known| known.name.as_str()).collect();
        let known = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        return Err(format!("parameter `{name}` not found; {} has {known}", query.id));
    }
    let argument = |parameter: &ReportParameter| {
        let text = values.get(&parameter.name).or(parameter.default.as_ref());
        let Some(text) = text else {
            return Err(format!(
                "parameter `{}` must be given: {}",
                parameter.name, parameter.help
            ));
        };
        if text.is_empty() && parameter.parameter_type != ParameterType::Text {
            return Ok(QueryArgument::Literal(None));
        }
        let literal = parameter.parameter_type.literal(text);
        literal
            .map(|literal| QueryArgument::Literal(Some(literal)))
            .map_err(|why| format!("parameter `{}`: {why}", parameter.name))
    };
    declared.iter().map(argument).collect()
}
