//! Where in a file something stands, and the values every part of the files has.

use std::ops::Range;

use jiff::{Timestamp, civil};
use serde::Deserialize;
use toml::Spanned;

use super::DefinitionFault;

/// A file while it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct DefinitionText<'t> {
    pub(super) file: &'t str,
    pub(super) text: &'t str,
}

/// A number that stands as it is written: 0.1 is a tenth.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
pub(super) enum TomlNumber {
    Whole(i64),
    Broken(f64),
}

impl TomlNumber {
    pub(super) fn value(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Broken(number) => number,
        }
    }
}

impl DefinitionText<'_> {
    /// What the parser could not read.
    pub(super) fn unreadable(&self, error: &toml::de::Error) -> DefinitionFault {
        let line = error.span().map_or(0, |span| self.line(&span));
        self.fault(line, "", error.message().replace('\n', " "))
    }

    pub(super) fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.get(..span.start).unwrap_or_default();
        before.matches('\n').count() + 1
    }

    pub(super) fn fault(&self, line: usize, key: &str, what: impl Into<String>) -> DefinitionFault {
        DefinitionFault {
            file: self.file.to_owned(),
            line,
            key: key.to_owned(),
            what: what.into(),
        }
    }

    /// A name that is there.
    pub(super) fn name(
        &self,
        key: &str,
        name: &Spanned<String>,
        faults: &mut Vec<DefinitionFault>,
    ) -> String {
        if name.get_ref().trim().is_empty() {
            faults.push(self.fault(self.line(&name.span()), key, "is empty"));
        }
        name.get_ref().clone()
    }

    /// A day or an instant; a day begins at midnight UTC.
    pub(super) fn instant(
        &self,
        key: &str,
        value: &Spanned<toml::value::Datetime>,
        faults: &mut Vec<DefinitionFault>,
    ) -> Timestamp {
        let text = value.get_ref().to_string();
        let day = || {
            let day: civil::Date = text.parse().ok()?;
            Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        };
        text.parse().ok().or_else(day).unwrap_or_else(|| {
            let what = format!(
                "`{text}` is neither a day such as 2026-01-01 nor an instant such as 2026-01-01T12:00:00Z"
            );
            faults.push(self.fault(self.line(&value.span()), key, what));
            Timestamp::UNIX_EPOCH
        })
    }

    /// Since when and until when; the end is after the begin.
    pub(super) fn dates(
        &self,
        from: &Spanned<toml::value::Datetime>,
        to: Option<&Spanned<toml::value::Datetime>>,
        faults: &mut Vec<DefinitionFault>,
    ) -> (Timestamp, Option<Timestamp>) {
        let begin = self.instant("valid_from", from, faults);
        let end = to.map(|to| (self.instant("valid_to", to, faults), self.line(&to.span())));
        if let Some((_, line)) = end.filter(|(end, _)| *end <= begin) {
            faults.push(self.fault(line, "valid_to", "is not after valid_from"));
        }
        (begin, end.map(|(end, _)| end))
    }

    /// A number of 0 or more, as text that PostgreSQL reads exactly.
    pub(super) fn price(
        &self,
        key: &str,
        number: &Spanned<TomlNumber>,
        faults: &mut Vec<DefinitionFault>,
    ) -> String {
        let value = number.get_ref().value();
        if !value.is_finite() || value < 0.0 {
            let what = format!("{value} is not a price; it must be 0 or more");
            faults.push(self.fault(self.line(&number.span()), key, what));
        }
        decimal(value)
    }
}

/// A number without exponent, in as few digits as name it.
pub(super) fn decimal(value: f64) -> String {
    format!("{value}")
}
