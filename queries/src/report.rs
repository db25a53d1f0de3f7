//! Saved queries with parameters: what their front matter says. [`crate::report_run`] runs them.

use fleetledger_schema::instant::Instant;

use crate::{front_matter::FrontMatter, period::Period};

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
            let what = format!("parameter `{}` appears twice", parameter.name);
            front.refuse("parameters", what, "rename it");
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
            format!("`{name}` has the same meaning in every report"),
            "rename the parameter",
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
