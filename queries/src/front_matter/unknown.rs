//! Keys that nobody knows, or that belong to files of another kind.

use serde_yaml_ng::Value;

use super::FrontMatter;
use crate::key::{self, FrontMatterKey};

impl FrontMatter<'_> {
    /// Refuses keys that do not belong to a file of this kind.
    pub(crate) fn refuse_unknown(&mut self, kind: &str) {
        let known: Vec<&FrontMatterKey> = key::KEYS
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
            let matching: Vec<&&FrontMatterKey> = known.iter().filter(|key| key.names(&full)).collect();
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
}

fn suggestion(full: &str, known: &[&FrontMatterKey]) -> String {
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
