//! Typed values of keys.

use std::{collections::BTreeMap, ops::RangeInclusive};

use serde_yaml_ng::Value;

use super::{FrontMatter, remedy_of};
use crate::period::Period;

impl FrontMatter<'_> {
    /// A text.
    pub(crate) fn text(&mut self, path: &str) -> Option<String> {
        match self.take(path)? {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            _ => self.wrong(path, "a text"),
        }
    }

    /// A text that must be there.
    pub(crate) fn required_text(&mut self, path: &str) -> Option<String> {
        if !self.has(path) {
            let full = self.full(path);
            self.take(path);
            self.refuse(path, format!("`{full}` is missing"), remedy_of(&full));
            return None;
        }
        self.text(path)
    }

    /// A length of time.
    pub(crate) fn period(&mut self, path: &str, default: Period) -> Period {
        let read = match self.take(path) {
            None => return default,
            Some(Value::String(text)) => text.parse().map_err(|error| format!("{error}")),
            Some(Value::Number(number)) if number.as_u64() == Some(0) => return Period::ZERO,
            Some(_) => Err("a duration needs a unit; write it as in 90s, 5m or 30d".to_owned()),
        };
        read.unwrap_or_else(|error| {
            let full = self.full(path);
            self.refuse(path, format!("`{full}`: {error}"), "");
            default
        })
    }

    /// A length of time within bounds.
    pub(crate) fn period_within(
        &mut self,
        path: &str,
        default: Period,
        bounds: RangeInclusive<Period>,
    ) -> Period {
        let period = self.period(path, default);
        if bounds.contains(&period) {
            return period;
        }
        let what = format!(
            "`{}` is {period}, but must be from {} to {}",
            self.full(path),
            bounds.start(),
            bounds.end()
        );
        self.refuse(path, what, "");
        default
    }

    /// A whole number within bounds.
    pub(crate) fn number(&mut self, path: &str, default: u32, bounds: RangeInclusive<u32>) -> u32 {
        let Some(value) = self.take(path) else {
            return default;
        };
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => number,
            None => {
                let wanted = format!("a whole number from {} to {}", bounds.start(), bounds.end());
                self.wrong(path, &wanted).unwrap_or(default)
            }
        }
    }

    /// True if the key holds this very word.
    pub(crate) fn is_text(&mut self, path: &str, word: &str) -> bool {
        self.take(path).is_some_and(|value| value.as_str() == Some(word))
    }

    /// A text, number or truth value, as text; an empty one is allowed.
    pub(crate) fn scalar(&mut self, path: &str) -> Option<String> {
        match self.take(path)? {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            _ => self.wrong(path, "a text"),
        }
    }

    /// One of several words.
    pub(crate) fn choice<T: Copy>(&mut self, path: &str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.take(path)?;
        let found = value
            .as_str()
            .and_then(|word| choices.iter().find(|(name, _)| *name == word));
        if let Some((_, choice)) = found {
            return Some(*choice);
        }
        let words: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.wrong(path, &format!("one of {}", words.join(", ")))
    }

    /// A list of texts.
    pub(crate) fn names(&mut self, path: &str) -> Vec<String> {
        match self.take(path) {
            None => Vec::new(),
            Some(value) => match texts(&value) {
                Some(names) => names,
                None => self.wrong(path, "a list of texts").unwrap_or_default(),
            },
        }
    }

    /// Texts by name.
    pub(crate) fn text_map(&mut self, path: &str) -> BTreeMap<String, String> {
        let Some(value) = self.take(path) else {
            return BTreeMap::new();
        };
        let pairs = value.as_mapping().and_then(|map| {
            map.iter()
                .map(|(name, value)| Some((name.as_str()?.to_owned(), value.as_str()?.to_owned())))
                .collect::<Option<_>>()
        });
        match pairs {
            Some(pairs) => pairs,
            None => self
                .wrong(path, "texts by name (put numbers, true and false in quotes)")
                .unwrap_or_default(),
        }
    }

    /// One or more texts by name.
    pub(crate) fn values_map(&mut self, path: &str) -> BTreeMap<String, Vec<String>> {
        let Some(value) = self.take(path) else {
            return BTreeMap::new();
        };
        let one_or_more = |value: &Value| match value {
            Value::String(text) => Some(vec![text.clone()]),
            other => texts(other).filter(|texts| !texts.is_empty()),
        };
        let pairs = value.as_mapping().and_then(|map| {
            map.iter()
                .map(|(name, value)| Some((name.as_str()?.to_owned(), one_or_more(value)?)))
                .collect::<Option<_>>()
        });
        match pairs {
            Some(pairs) => pairs,
            None => self
                .wrong(path, "a text, or a list of texts, by name")
                .unwrap_or_default(),
        }
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_sequence()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}
