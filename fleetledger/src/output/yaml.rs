//! A document as YAML that readers of versions 1.1 and 1.2 take for the same: text that one of them would take for something
//! else (`no`, `12:30:45`, `0123`) stands in quotes, which the library's own writer leaves out for 1.1.

use serde::Serialize;
use serde_yaml_ng::Value;

/// The document as YAML; keys keep their order.
///
/// # Errors
/// A value that YAML cannot hold.
pub(super) fn write<T: Serialize>(document: &T) -> Result<String, serde_yaml_ng::Error> {
    let value = serde_yaml_ng::to_value(document)?;
    let mut out = String::new();
    match is_inline(&value) {
        true => out.push_str(&format!("{}\n", inline(&value))),
        false => block(&value, 0, &mut out),
    }
    Ok(out)
}

/// Whether a value stands on the line of its key.
fn is_inline(value: &Value) -> bool {
    match value {
        Value::Sequence(members) => members.is_empty(),
        Value::Mapping(members) => members.is_empty(),
        _ => true,
    }
}

fn inline(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => scalar(text),
        Value::Sequence(_) => "[]".to_owned(),
        Value::Mapping(_) => "{}".to_owned(),
        Value::Tagged(tagged) => inline(&tagged.value),
    }
}

fn block(value: &Value, indent: usize, out: &mut String) {
    let space = " ".repeat(indent);
    match value {
        Value::Mapping(members) => {
            for (name, member) in members {
                out.push_str(&format!("{space}{}:", inline(name)));
                below(member, indent + 2, out);
            }
        }
        Value::Sequence(members) => {
            for member in members {
                if is_inline(member) {
                    out.push_str(&format!("{space}- {}\n", inline(member)));
                    continue;
                }
                let mut inner = String::new();
                block(member, indent + 2, &mut inner);
                // The dash takes the place of the first line's indent.
                out.push_str(&format!("{space}- {}", inner.trim_start_matches(' ')));
            }
        }
        other => out.push_str(&format!("{space}{}\n", inline(other))),
    }
}

fn below(member: &Value, indent: usize, out: &mut String) {
    if is_inline(member) {
        out.push_str(&format!(" {}\n", inline(member)));
    } else {
        out.push('\n');
        block(member, indent, out);
    }
}

/// Text without quotes where every reader takes it for text, else in double quotes.
fn scalar(text: &str) -> String {
    let is_plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_./-".contains(letter))
        && !["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
            .contains(&text.to_lowercase().as_str());
    if is_plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // What 1.1 takes for an end of line, or refuses.
            letter if letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_document_is_read_back_as_it_was() {
        let document = json!({
            "rows": [
                {"a": "no", "b": "12:30:45", "c": 1.5, "d": null, "e": ["x", 1, [true, []], {"f": {}}]},
                {"a": "- x", "b": "two\nlines", "c": "", "d": "#", "e": "é \u{2028}\u{7f}"},
            ],
            "key: with colon": {"n": -3, "0123": "~"},
        });
        let text = write(&document).unwrap();
        let back: serde_json::Value = serde_yaml_ng::from_str(&text).unwrap();
        assert_eq!(back, document, "{text}");
        assert!(
            text.contains("  - a: \"no\"\n    b: \"12:30:45\"\n    c: 1.5\n"),
            "{text}"
        );
        assert!(
            text.contains("\"key: with colon\":\n  \"0123\": \"~\"\n  \"n\": -3\n"),
            "{text}"
        );
        assert_eq!(write(&json!([])).unwrap(), "[]\n");
    }
}
