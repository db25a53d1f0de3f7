//! The YAML in the leading comment of a stored query: finding it, and reading typed values out of it.
//!
//! Everything that is wrong is collected with its line, so that an author sees all of it at once.

mod cut;
mod line;
mod unknown;
mod value;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::Path,
};

use serde_yaml_ng::{Mapping, Value};

use crate::{
    key,
    refusal::{FilePosition, QueryRefusal},
};

pub(crate) use cut::{SplitFile, split};

/// Front matter as it is being read.
pub(crate) struct FrontMatter<'f> {
    file: &'f Path,
    yaml: &'f str,
    yaml_line: u32,
    /// Lines of `yaml`, from 0, within which its keys stand.
    lines: RangeInclusive<usize>,
    /// Name of the key it is the value of, such as `parameters[]`; empty at the top.
    prefix: &'static str,
    root: Mapping,
    /// What is wrong so far.
    pub(crate) refusals: Vec<QueryRefusal>,
    asked_keys: BTreeSet<String>,
}

impl<'f> FrontMatter<'f> {
    /// Reads the YAML.
    pub(crate) fn read(file: &'f Path, parts: &SplitFile<'f>) -> Result<Self, QueryRefusal> {
        let value: Value = serde_yaml_ng::from_str(parts.yaml).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line().max(1));
            let place = FilePosition::line(parts.yaml_line + u32::try_from(line).unwrap_or(1) - 1);
            // Its own place counts from the begin of the YAML.
            let error = error.to_string();
            let why = error.split(" at line ").next().unwrap_or(&error);
            let refusal =
                QueryRefusal::new(file, place, format!("the front matter is not valid YAML: {why}"));
            match why.contains("mapping values are not allowed") {
                true => refusal.fix("put a text that contains `: ` in quotes"),
                false => refusal,
            }
        })?;
        let Value::Mapping(root) = value else {
            let refusal = QueryRefusal::new(
                file,
                FilePosition::line(parts.yaml_line),
                "the front matter contains no keys",
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
            asked_keys: BTreeSet::new(),
        })
    }

    /// True if the key is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// Says that a key is wrong.
    pub(crate) fn refuse(&mut self, path: &str, what: impl Into<String>, remedy: impl Into<String>) {
        let place = self.position_of(path);
        self.refusals
            .push(QueryRefusal::new(self.file, place, what).fix(remedy));
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
        self.asked_keys.insert(full);
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
            let mut front = FrontMatter {
                file: self.file,
                yaml: self.yaml,
                yaml_line: self.yaml_line,
                lines: self.lines_of_item(path, number),
                prefix,
                root,
                refusals: Vec::new(),
                asked_keys: BTreeSet::new(),
            };
            found.extend(read(&mut front));
            front.refuse_unknown("");
            self.refusals.append(&mut front.refusals);
            self.asked_keys.append(&mut front.asked_keys);
        }
        found
    }

    /// Lines of the keys that are there, and of each template.
    pub(crate) fn lines(&self) -> BTreeMap<String, u32> {
        let there = self.asked_keys.iter().filter(|key| self.has(key)).cloned();
        let annotations = self.root.get("annotations").and_then(Value::as_mapping);
        let names = annotations.into_iter().flat_map(|texts| texts.keys());
        let templates = names.filter_map(|name| Some(format!("annotations.{}", name.as_str()?)));
        there
            .chain(templates)
            .map(|key| (key.clone(), self.position_of(&key).line))
            .collect()
    }

    /// Names of the keys that were asked for.
    #[cfg(test)]
    pub(crate) fn asked_keys(&self) -> &BTreeSet<String> {
        &self.asked_keys
    }
}

fn remedy_of(full: &str) -> String {
    let key = key::KEYS.iter().find(|key| key.name == full);
    key.map_or_else(String::new, |key| format!("write such as `{}`", key.example))
}
