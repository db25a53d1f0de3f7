//! The YAML in the leading comment of a stored query: finding it, and reading typed values out of it.
//!
//! Everything that is wrong is collected with its line, so that an author sees all of it at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::Path,
};

use serde_yaml_ng::{Mapping, Value};

use crate::{
    key::{self, Key},
    period::Period,
    refusal::{Place, Refusal},
};

const OPENING: &str = "/*---";
const CLOSING: &str = "---*/";

/// A file, cut in two.
pub(crate) struct Parts<'t> {
    /// The YAML.
    pub(crate) yaml: &'t str,
    /// Line of the file on which it begins.
    pub(crate) yaml_line: u32,
    /// What follows the comment.
    pub(crate) sql: &'t str,
    /// Line of the file on which that begins.
    pub(crate) sql_line: u32,
}

/// Cuts a file at the end of its front matter.
pub(crate) fn split<'t>(file: &Path, text: &'t str) -> Result<Parts<'t>, Refusal> {
    let mut lines = text.split_inclusive('\n');
    let head = lines.next().unwrap_or_default();
    if head.trim_end() != OPENING {
        return Err(
            Refusal::new(file, Place::line(1), "it does not begin with front matter").fix(format!(
                "begin the file with a line `{OPENING}`, keys in YAML, and a line `{CLOSING}`"
            )),
        );
    }
    let mut end = head.len();
    for (line, content) in (2_u32..).zip(lines) {
        if content.trim_end() == CLOSING {
            let sql = end + content.len();
            return Ok(Parts {
                yaml: text.get(head.len()..end).unwrap_or_default(),
                yaml_line: 2,
                sql: text.get(sql..).unwrap_or_default(),
                sql_line: line + 1,
            });
        }
        for mark in ["/*", "*/"] {
            if content.contains(mark) {
                let what = format!("`{mark}` inside the front matter");
                return Err(Refusal::new(file, Place::line(line), what)
                    .fix("take it out: PostgreSQL's comments nest, and the query could vanish in one"));
            }
        }
        end += content.len();
    }
    Err(
        Refusal::new(file, Place::line(1), "the front matter does not end")
            .fix(format!("end it with a line that holds `{CLOSING}` alone")),
    )
}

/// Front matter as it is being read.
pub(crate) struct Front<'f> {
    file: &'f Path,
    yaml: &'f str,
    yaml_line: u32,
    /// Lines of `yaml`, from 0, within which its keys stand.
    lines: RangeInclusive<usize>,
    /// Name of the key it is the value of, such as `parameters[]`; empty at the top.
    prefix: &'static str,
    root: Mapping,
    /// What is wrong so far.
    pub(crate) refusals: Vec<Refusal>,
    asked: BTreeSet<String>,
}

impl<'f> Front<'f> {
    /// Reads the YAML.
    pub(crate) fn read(file: &'f Path, parts: &Parts<'f>) -> Result<Self, Refusal> {
        let value: Value = serde_yaml_ng::from_str(parts.yaml).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line().max(1));
            let place = Place::line(parts.yaml_line + u32::try_from(line).unwrap_or(1) - 1);
            // Its own place counts from the begin of the YAML.
            let error = error.to_string();
            let why = error.split(" at line ").next().unwrap_or(&error);
            let refusal = Refusal::new(file, place, format!("the front matter is no YAML: {why}"));
            match why.contains("mapping values are not allowed") {
                true => refusal.fix("a text that holds `: ` goes into quotes"),
                false => refusal,
            }
        })?;
        let Value::Mapping(root) = value else {
            let refusal = Refusal::new(
                file,
                Place::line(parts.yaml_line),
                "the front matter holds no keys",
            );
            return Err(refusal.fix("write such as `alert: NodeNotReporting`"));
        };
        Ok(Self {
            file,
            yaml: parts.yaml,
            yaml_line: parts.yaml_line,
            lines: 0..=parts.yaml.lines().count(),
            prefix: "",
            root,
            refusals: Vec::new(),
            asked: BTreeSet::new(),
        })
    }

    /// True if the key is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// Says that a key is wrong.
    pub(crate) fn refuse(&mut self, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let place = self.place(path);
        self.refusals
            .push(Refusal::new(self.file, place, what).fix(remedy));
    }

    /// Where a key stands; where it is missing, where its section or the front matter begins.
    pub(crate) fn place(&self, path: &str) -> Place {
        let (head, tail) = path.split_once('.').unwrap_or((path, ""));
        let lines: Vec<&str> = self.yaml.lines().collect();
        let within = |range: RangeInclusive<usize>, name: &str| {
            range
                .into_iter()
                .find(|number| lines.get(*number).is_some_and(|line| opens(line, name)))
        };
        // A key of the top stands at the begin of its line; one of the same name within braces is another.
        let top = match self.prefix {
            "" => self.lines.clone().find(|number| {
                let line = lines.get(*number).filter(|line| !line.starts_with([' ', '-']));
                line.is_some_and(|line| opens(line.split_inclusive(':').next().unwrap_or_default(), head))
            }),
            _ => within(self.lines.clone(), head),
        };
        let line = top.map_or(*self.lines.start(), |head_line| {
            let indent = |line: &str| line.len() - line.trim_start().len();
            let own = lines.get(head_line).map_or(0, |line| indent(line));
            let block = lines.iter().enumerate().skip(head_line + 1).find(|(_, line)| {
                !line.trim().is_empty() && indent(line) <= own && !line.trim_start().starts_with(['#', '-'])
            });
            let last = block.map_or(*self.lines.end(), |(number, _)| number - 1);
            match tail {
                "" => head_line,
                name => within(head_line..=last, name).unwrap_or(head_line),
            }
        });
        Place::line(self.yaml_line + u32::try_from(line).unwrap_or(0))
    }

    fn find(&self, path: &str) -> Option<&Value> {
        let mut names = path.split('.');
        let mut value = self.root.get(names.next()?)?;
        for name in names {
            value = value.as_mapping()?.get(name)?;
        }
        Some(value)
    }

    fn take(&mut self, path: &str) -> Option<Value> {
        let full = self.full(path);
        debug_assert!(
            key::KEYS.iter().any(|key| key.name == full),
            "{full} is not in the table of keys"
        );
        self.asked.insert(full);
        self.find(path).cloned()
    }

    fn full(&self, path: &str) -> String {
        match self.prefix {
            "" => path.to_owned(),
            prefix => format!("{prefix}.{path}"),
        }
    }

    fn wrong<T>(&mut self, path: &str, wanted: &str) -> Option<T> {
        let full = self.full(path);
        self.refuse(path, format!("`{full}` is not {wanted}"), remedy_of(&full));
        None
    }

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
            Some(_) => Err("a length of time needs its unit; write such as 90s, 5m or 30d".to_owned()),
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
            "`{}` is {period}, and must lie from {} to {}",
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
                .wrong(path, "texts by name (numbers and true or false go into quotes)")
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

    /// Reads each mapping of a list; `prefix` is what the table of keys calls it, such as `parameters[]`.
    pub(crate) fn each<T>(
        &mut self,
        path: &str,
        prefix: &'static str,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Vec<T> {
        let items = match self.take(path) {
            None => return Vec::new(),
            Some(Value::Sequence(items)) => items,
            Some(_) => return self.wrong(path, "a list").unwrap_or_default(),
        };
        let mut found = Vec::new();
        for (number, item) in items.into_iter().enumerate() {
            let Value::Mapping(root) = item else {
                self.wrong::<()>(path, "a list of keys and values");
                continue;
            };
            let mut front = Front {
                file: self.file,
                yaml: self.yaml,
                yaml_line: self.yaml_line,
                lines: self.lines_of_item(path, number),
                prefix,
                root,
                refusals: Vec::new(),
                asked: BTreeSet::new(),
            };
            found.extend(read(&mut front));
            front.refuse_unknown("");
            self.refusals.append(&mut front.refusals);
            self.asked.append(&mut front.asked);
        }
        found
    }

    /// Lines on which item `number` of the list `path` stands: from its dash, or where the key stands.
    fn lines_of_item(&self, path: &str, number: usize) -> RangeInclusive<usize> {
        let first = usize::try_from(self.place(path).line - self.yaml_line).unwrap_or(0);
        let mut dashes = self
            .yaml
            .lines()
            .enumerate()
            .skip(first + 1)
            .take_while(|(_, line)| line.is_empty() || line.starts_with([' ', '-', '#']))
            .filter(|(_, line)| line.trim_start().starts_with("- "))
            .map(|(number, _)| number)
            .skip(number);
        match dashes.next() {
            None => first..=first,
            Some(begin) => begin..=dashes.next().map_or(*self.lines.end(), |next| next - 1),
        }
    }

    /// Refuses keys that do not belong to a file of this kind.
    pub(crate) fn refuse_unknown(&mut self, kind: &str) {
        let known: Vec<&Key> = key::KEYS
            .iter()
            .filter(|key| key.prefix_matches(self.prefix))
            .collect();
        let mut found: Vec<String> = Vec::new();
        for (name, value) in &self.root {
            let name = name.as_str().unwrap_or("?").to_owned();
            let is_section =
                self.prefix.is_empty() && known.iter().any(|key| key.name.starts_with(&format!("{name}.")));
            match value {
                Value::Mapping(inner) if is_section => {
                    let inner = inner
                        .keys()
                        .map(|key| format!("{name}.{}", key.as_str().unwrap_or("?")));
                    found.extend(inner);
                    found.push(name);
                }
                _ => found.push(name),
            }
        }
        for name in found {
            let full = self.full(&name);
            let matching: Vec<&&Key> = known.iter().filter(|key| key.names(&full)).collect();
            if matching.is_empty() {
                let remedy = suggestion(&full, &known);
                self.refuse(&name, format!("unknown key `{full}`"), remedy);
            } else if !kind.is_empty() && matching.iter().all(|key| !key.kinds.contains(&kind)) {
                let kinds: Vec<&str> = matching.iter().flat_map(|key| key.kinds).copied().collect();
                let what = format!("key `{full}` does not belong to a file with `{kind}`");
                self.refuse(&name, what, format!("it belongs to {}", kinds.join(", ")));
            }
        }
    }

    /// Lines of the keys that are there.
    pub(crate) fn lines(&self) -> BTreeMap<String, u32> {
        let there = self.asked.iter().filter(|key| self.has(key));
        there.map(|key| (key.clone(), self.place(key).line)).collect()
    }

    /// Names of the keys that were asked for.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> &BTreeSet<String> {
        &self.asked
    }
}

fn remedy_of(full: &str) -> String {
    let key = key::KEYS.iter().find(|key| key.name == full);
    key.map_or_else(String::new, |key| format!("write such as `{}`", key.example))
}

fn suggestion(full: &str, known: &[&Key]) -> String {
    let near = known
        .iter()
        .map(|key| (strsim::damerau_levenshtein(full, key.name), key.name))
        .min()
        .filter(|(distance, _)| *distance <= 1 + full.len() / 4);
    match near {
        Some((_, name)) => format!("did you mean `{name}`?"),
        None => "see docs/writing-a-rule.md for all keys".to_owned(),
    }
}

/// True if `line` holds the key `name`, at its begin, after a dash or within braces.
fn opens(line: &str, name: &str) -> bool {
    if name.is_empty() {
        return false;
    }
    let mut from = 0;
    while let Some(found) = line.get(from..).and_then(|rest| rest.find(name)) {
        let begin = from + found;
        let before = line
            .get(..begin)
            .unwrap_or_default()
            .trim_end_matches(['"', '\'']);
        let behind = line
            .get(begin + name.len()..)
            .unwrap_or_default()
            .trim_start_matches(['"', '\'']);
        let starts = before.trim().is_empty() || before.trim_end().ends_with(['{', ',', '-']);
        if starts && behind.starts_with(':') {
            return true;
        }
        from = begin + name.len();
    }
    false
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_sequence()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Result<Parts<'_>, String> {
        split(Path::new("a.sql"), text).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn front_matter_ends_at_its_own_line_and_sql_keeps_its_line_number() {
        let parts = cut("/*---\nalert: A\nfor: 5m\n---*/\nselect 1\n").unwrap();
        assert_eq!(parts.yaml, "alert: A\nfor: 5m\n");
        assert_eq!((parts.sql, parts.sql_line), ("select 1\n", 5));
    }

    #[test]
    fn comment_marks_inside_are_refused_by_line() {
        let nested = cut("/*---\nalert: A # /* see\n---*/\nselect 1").err().unwrap();
        assert!(
            nested.starts_with("a.sql:2: `/*` inside the front matter"),
            "{nested}"
        );
        let early = cut("/*---\nalert: A\nsummary: x */\n---*/\nselect 1")
            .err()
            .unwrap();
        assert!(early.starts_with("a.sql:3: `*/` inside"), "{early}");
        let open = cut("/*---\nalert: A\n").err().unwrap();
        assert!(
            open.starts_with("a.sql:1: the front matter does not end"),
            "{open}"
        );
        let none = cut("select 1").err().unwrap();
        assert!(
            none.starts_with("a.sql:1: it does not begin with front matter"),
            "{none}"
        );
    }

    #[test]
    fn a_key_is_found_on_its_line_in_both_notations() {
        assert!(opens("labels: {severity: page, team: x}", "team"));
        assert!(opens("  - name: days", "name"));
        assert!(opens("\"for\": 5m", "for"));
        assert!(!opens("summary: waits for: it", "for"));
    }
}
