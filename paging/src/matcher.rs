//! Label matchers, in Alertmanager's words: `node=n1`, `node!=n1`, `node=~"n[12]"`, `node!~n.*`.

use std::fmt;
use std::str::FromStr;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::labels::LabelSet;

/// What a compiled expression may take, in bytes: matchers come from people.
const REGEX_SIZE_BYTES: usize = 256 * 1024;

/// One condition on one label. A label that is missing is an empty one; expressions match the whole value.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Matcher {
    label: String,
    operator: MatchOperator,
    value: String,
    regex: Option<Regex>,
}

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchOperator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Matches,
    /// `!~`
    MatchesNot,
}

/// What is wrong with a matcher's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MatcherError {
    /// No operator.
    #[error(
        "{0:?} is an invalid matcher: write label=value, label!=value, label=~expression or label!~expression"
    )]
    NoOperator(String),
    /// No label, or not one.
    #[error("{0:?} is an invalid label name: use letters, digits and _ only, and do not begin with a digit")]
    Label(String),
    /// A quote that is not closed.
    #[error("the value of {0:?} has an unclosed quote")]
    Quote(String),
    /// An expression that cannot be compiled.
    #[error("the regular expression {expression:?} is invalid: {reason}")]
    Expression {
        /// As written.
        expression: String,
        /// What the compiler says, on one line.
        reason: String,
    },
}

impl Matcher {
    /// A matcher from its parts.
    ///
    /// # Errors
    /// The label's name or the expression is not valid.
    pub fn new(
        label: impl Into<String>,
        operator: MatchOperator,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let (label, value) = (label.into(), value.into());
        if !is_label_name(&label) {
            return Err(MatcherError::Label(label));
        }
        let regex = match operator {
            MatchOperator::Equal | MatchOperator::NotEqual => None,
            MatchOperator::Matches | MatchOperator::MatchesNot => Some(compile(&value)?),
        };
        Ok(Self {
            label,
            operator,
            value,
            regex,
        })
    }

    /// Which label it looks at.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// How it compares.
    #[must_use]
    pub fn operator(&self) -> MatchOperator {
        self.operator
    }

    /// What it compares with.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it holds for these labels.
    #[must_use]
    pub fn is_met_by(&self, labels: &LabelSet) -> bool {
        let found = labels.get(&self.label).map_or("", String::as_str);
        let same = match &self.regex {
            Some(regex) => regex.is_match(found),
            None => found == self.value,
        };
        match self.operator {
            MatchOperator::Equal | MatchOperator::Matches => same,
            MatchOperator::NotEqual | MatchOperator::MatchesNot => !same,
        }
    }
}

/// Whether all hold; none at all hold for everything.
#[must_use]
pub fn all_met(matchers: &[Matcher], labels: &LabelSet) -> bool {
    matchers.iter().all(|matcher| matcher.is_met_by(labels))
}

fn compile(expression: &str) -> Result<Regex, MatcherError> {
    let build = |text: &str| RegexBuilder::new(text).size_limit(REGEX_SIZE_BYTES).build();
    // Alone first: `a)|(b` is an expression only between the parentheses of the other.
    build(expression)
        .and_then(|_| build(&format!("^(?s:{expression})$")))
        .map_err(|error| MatcherError::Expression {
            expression: expression.to_owned(),
            reason: error.to_string().split_whitespace().collect::<Vec<_>>().join(" "),
        })
}

fn is_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, MatcherError> {
        let no_operator = || MatcherError::NoOperator(text.to_owned());
        let at = text.find(['=', '!']).ok_or_else(no_operator)?;
        let (label, rest) = text.split_at(at);
        let operators = [
            ("=~", MatchOperator::Matches),
            ("!~", MatchOperator::MatchesNot),
            ("!=", MatchOperator::NotEqual),
            ("=", MatchOperator::Equal),
        ];
        let found = operators
            .into_iter()
            .find_map(|(sign, operator)| Some((operator, rest.strip_prefix(sign)?)));
        let (operator, value) = found.ok_or_else(no_operator)?;
        Self::new(label.trim(), operator, unquote(value.trim(), text)?)
    }
}

/// A value in double quotes may hold anything, with `\"` and `\\` for the two.
fn unquote(value: &str, text: &str) -> Result<String, MatcherError> {
    let Some(inner) = value.strip_prefix('"') else {
        return Ok(value.to_owned());
    };
    let unclosed = || MatcherError::Quote(text.to_owned());
    let mut unquoted = String::new();
    let mut characters = inner.chars();
    loop {
        match characters.next().ok_or_else(unclosed)? {
            '"' if characters.as_str().is_empty() => return Ok(unquoted),
            '"' => return Err(unclosed()),
            '\\' => match characters.next().ok_or_else(unclosed)? {
                'n' => unquoted.push('\n'),
                escaped @ ('"' | '\\') => unquoted.push(escaped),
                // Expressions are full of backslashes that mean themselves.
                other => unquoted.extend(['\\', other]),
            },
            other => unquoted.push(other),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.operator {
            MatchOperator::Equal => "=",
            MatchOperator::NotEqual => "!=",
            MatchOperator::Matches => "=~",
            MatchOperator::MatchesNot => "!~",
        };
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "{}{sign}\"{}\"", self.label, value.replace('\n', "\\n"))
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.operator, &self.value) == (&other.label, other.operator, &other.value)
    }
}

impl Eq for Matcher {}

impl TryFrom<String> for Matcher {
    type Error = MatcherError;

    fn try_from(text: String) -> Result<Self, MatcherError> {
        text.parse()
    }
}

impl From<Matcher> for String {
    fn from(matcher: Matcher) -> Self {
        matcher.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::labels::labels;

    #[test]
    fn each_operator_compares_as_in_alertmanager() {
        let n1 = labels(&[("node", "n1")]);
        for (matcher, holds) in [
            ("node=n1", true),
            ("node=n", false),
            ("node = \"n1\"", true),
            ("node!=n1", false),
            ("node!=n2", true),
            ("node=~n[12]", true),
            ("node=~n", false),
            ("node=~n1|x", true),
            ("node!~n.*", false),
            ("node!~n", true),
            ("pool=", true),
            ("pool!=\"\"", false),
            ("pool=~.*", true),
        ] {
            let parsed: Matcher = matcher.parse().unwrap();
            assert_eq!(parsed.is_met_by(&n1), holds, "{matcher}");
        }
    }

    #[test]
    fn wrong_matchers_are_refused_with_a_reason() {
        for (text, reason) in [
            ("node", "invalid matcher"),
            ("node!n1", "invalid matcher"),
            ("=n1", "invalid label name"),
            ("1a=b", "invalid label name"),
            ("node=\"n1", "unclosed quote"),
            ("node=\"n\"1", "unclosed quote"),
            ("node=~(", "is invalid"),
            ("node=~a)|(b", "is invalid"),
            ("node=~(a{1000}){1000}", "is invalid"),
        ] {
            let error = text.parse::<Matcher>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_written_matcher_reads_as_the_same_one(value in "[ -~\n]{0,20}") {
            let matcher = Matcher::new("node", MatchOperator::NotEqual, value).unwrap();
            prop_assert_eq!(matcher.to_string().parse::<Matcher>().unwrap(), matcher);
        }
    }
}
