//! Saved queries with parameters: what their front matter says, and asking them.

use std::collections::BTreeMap;

use deadpool_postgres::Object;
use fleetledger_schema::instant::Instant;
use thiserror::Error;

use crate::{
    connection::ReaderPool,
    front_matter::FrontMatter,
    period::Period,
    query::StoredQuery,
    run::{QueryArgument, QueryInvocation, ResultTable, RunError, SnapshotSession},
};

/// What every report can be asked: no names of parameters.
const TAKEN: [&str; 2] = ["as_of", "format"];

/// A saved query with parameters.
#[derive(Debug, Clone)]
pub struct ReportRule {
    /// Its title.
    pub report: String,
    /// What may be asked, in order; the SQL writes `:'name'`, as psql does.
    pub parameters: Vec<ReportParameter>,
}

/// A parameter of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportParameter {
    /// Its name.
    pub name: String,
    /// What it may hold.
    pub parameter_type: ParameterType,
    /// Its value where none is given, as text; `None` = it must be given.
    pub default: Option<String>,
    /// What it means.
    pub help: String,
}

/// What a parameter may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// Any text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// An instant in RFC 3339.
    Instant,
    /// A length of time such as `30d`; reaches SQL as an interval.
    Duration,
}

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
    let mut client = reader.get().await.map_err(RunError::from)?;
    let mut session = SnapshotSession::begin(reader, &mut client).await?;
    let answer = session.ask(query, &question).await;
    if !session.end().await {
        drop(Object::take(client));
    }
    Ok(answer?)
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
        return Err(format!(
            "there is no parameter `{name}`; {} has {known}",
            query.id
        ));
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

impl ParameterType {
    const NAMES: [(&'static str, Self); 6] = [
        ("text", Self::Text),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("instant", Self::Instant),
        ("duration", Self::Duration),
    ];

    /// As a file spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(_, found)| *found == self)
            .map_or("text", |(name, _)| name)
    }

    /// The text that reaches SQL for what a person wrote.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn literal(self, text: &str) -> Result<String, String> {
        let wanted = |what: &str| Err(format!("`{text}` is not {what}"));
        match self {
            Self::Text => Ok(text.to_owned()),
            Self::Integer => text
                .parse::<i64>()
                .map(|number| number.to_string())
                .or_else(|_| wanted("a whole number")),
            Self::Number => match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(text.to_owned()),
                _ => wanted("a number"),
            },
            Self::Boolean => match text {
                "true" | "false" => Ok(text.to_owned()),
                _ => wanted("true or false"),
            },
            Self::Instant => Instant::parse(text)
                .map(|instant| instant.to_string())
                .map_or_else(|| wanted("an instant such as 2026-01-31T14:00:00Z"), Ok),
            Self::Duration => text
                .parse::<Period>()
                .map(|period| format!("{} milliseconds", period.as_ms()))
                .map_err(|error| error.to_string()),
        }
    }
}

/// Reads the key `parameters`.
pub(crate) fn read_parameters(front: &mut FrontMatter<'_>) -> Vec<ReportParameter> {
    let parameters = front.each("parameters", "parameters[]", read_parameter);
    for (number, parameter) in parameters.iter().enumerate() {
        if parameters
            .iter()
            .take(number)
            .any(|before| before.name == parameter.name)
        {
            let what = format!("parameter `{}` is there twice", parameter.name);
            front.refuse("parameters", what, "give it another name");
        }
    }
    parameters
}

fn read_parameter(item: &mut FrontMatter<'_>) -> Option<ReportParameter> {
    let name = item.required_text("name");
    let is_name = |name: &str| {
        name.starts_with(|letter: char| letter.is_ascii_lowercase())
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
    };
    if let Some(name) = name.as_deref().filter(|name| !is_name(name)) {
        item.refuse(
            "name",
            format!("`{name}` cannot be the name of a parameter"),
            "write lowercase letters, digits and _",
        );
    }
    if let Some(name) = name.as_deref().filter(|name| TAKEN.contains(name)) {
        item.refuse(
            "name",
            format!("`{name}` means the same for every report"),
            "give the parameter another name",
        );
    }
    let parameter_type = item
        .choice("type", &ParameterType::NAMES)
        .unwrap_or(ParameterType::Text);
    let default = item.scalar("default");
    if let Some(text) = default.as_deref().filter(|text| !text.is_empty())
        && let Err(why) = parameter_type.literal(text)
    {
        item.refuse("default", format!("the default: {why}"), "");
    }
    Some(ReportParameter {
        name: name?,
        parameter_type,
        default,
        help: item.required_text("help")?,
    })
}
