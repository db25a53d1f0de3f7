//! The configuration reference, written from the code: `fleetledger config reference`.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    FleetledgerConfig,
    key::{self, ConfigKey, KeyShape},
};

const HEAD: &str = "\
# Configuration

<!-- Written by `fleetledger config reference`; a test compares it with the code. -->

One TOML file, whose values environment variables override.

* The file is the one named by `--config` or `FLEETLEDGER_CONFIG`, else `/etc/fleetledger/fleetledger.toml` if it
  exists. `deploy/config/fleetledger.toml` is an example with comments.
* `FLEETLEDGER__SECTION__KEY` in the environment overrides the file: `FLEETLEDGER__KAFKA__TLS__CA` is `kafka.tls.ca`.
  Lists are separated by commas.
* An unknown key is refused before any port or connection is opened; the error names the key, where it is, and the
  nearest existing key. `fleetledger config check` reports faults and opens nothing.
* A secret is never written in the configuration: its key holds a reference to it, `file:/path` (a newline at the end
  of the file is not part of the secret) or `env:NAME`. Secrets appear in no log and no error.

";

/// The whole reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let defaults = serde_json::to_value(FleetledgerConfig::default()).unwrap_or(Value::Null);
    let mut text = HEAD.to_owned();
    let keys = key::all();
    for (section, key) in keys.iter().filter(|(_, key)| key.shape == KeyShape::Section) {
        let _ = writeln!(text, "## [{section}]\n\n{}\n", description(key));
        text.push_str("| key | type | default | meaning |\n| --- | --- | --- | --- |\n");
        for (name, key) in &keys {
            let Some((parent, leaf)) = name.rsplit_once('.') else {
                continue;
            };
            if parent == section && is_value(key) {
                let default = default_of(&defaults, name);
                let meaning = description(key).replace('|', "\\|");
                let _ = writeln!(text, "| `{leaf}` | {} | {default} | {meaning} |", type_of(key));
            }
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

/// Names of every key that takes a value.
#[must_use]
pub fn key_names() -> Vec<String> {
    let keys = key::all().into_iter().filter(|(_, key)| is_value(key));
    keys.map(|(name, _)| name).collect()
}

/// True for a key that takes a value of its own.
fn is_value(key: &ConfigKey) -> bool {
    !matches!(key.shape, KeyShape::Section | KeyShape::Sections)
}

/// A key's doc comment, on one line, with the meaning of each word it takes.
fn description(key: &ConfigKey) -> String {
    let own = key
        .schema
        .get("description")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let mut text = own.split_whitespace().collect::<Vec<_>>().join(" ");
    for choice in key
        .schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let word = choice.get("const").and_then(Value::as_str);
        let meaning = choice.get("description").and_then(Value::as_str);
        if let (Some(word), Some(meaning)) = (word, meaning) {
            let meaning = meaning.trim_end_matches('.');
            let _ = write!(text, " `{word}`: {}.", lower_first(meaning));
        }
    }
    text
}

fn is_list_of_tables(key: &ConfigKey) -> bool {
    key.schema.pointer("/items/$ref").is_some()
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let keep = text.chars().nth(1).is_some_and(char::is_uppercase);
    match letters.next() {
        Some(first) if !keep => first.to_lowercase().chain(letters).collect(),
        _ => text.to_owned(),
    }
}

fn type_of(key: &ConfigKey) -> String {
    let words = |name: &str| {
        let choices = key
            .schema
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let words = choices.filter_map(|choice| choice.get("const").or(Some(choice)).and_then(Value::as_str));
        words
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match key.shape {
        KeyShape::Boolean => "true, false".to_owned(),
        KeyShape::Integer => "integer".to_owned(),
        KeyShape::Number => "number".to_owned(),
        KeyShape::List if is_list_of_tables(key) => "list of tables".to_owned(),
        KeyShape::List => "list of text".to_owned(),
        KeyShape::Map => "table of text".to_owned(),
        KeyShape::Section | KeyShape::Sections => "section".to_owned(),
        KeyShape::Text if key.schema.get("oneOf").is_some() => words("oneOf"),
        KeyShape::Text if key.schema.get("enum").is_some() => words("enum"),
        KeyShape::Text => "text".to_owned(),
    }
}

fn default_of(defaults: &Value, name: &str) -> String {
    let value = defaults.pointer(&format!("/{}", name.replace('.', "/")));
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "–".to_owned(),
        Some(Value::Array(list)) if list.is_empty() => "–".to_owned(),
        Some(Value::Object(map)) if map.is_empty() => "–".to_owned(),
        Some(Value::Array(list)) => list
            .iter()
            .map(|item| format!("`{item}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Some(value) => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_meaning() {
        for (name, key) in key::all() {
            assert!(description(&key).len() > 3, "{name} has no doc comment");
        }
    }

    #[test]
    fn every_key_is_in_the_reference_once() {
        let text = markdown();
        for name in key_names() {
            let (section, leaf) = name.rsplit_once('.').unwrap();
            let begin = text.find(&format!("## [{section}]")).unwrap();
            let body = &text[begin..];
            let body = &body[..body[3..].find("\n## [").map_or(body.len(), |end| end + 3)];
            assert_eq!(body.matches(&format!("\n| `{leaf}` |")).count(), 1, "{name}");
        }
    }
}
