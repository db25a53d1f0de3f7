//! The keys that exist, from the JSON schema of [`super::FleetledgerConfig`].

use std::collections::BTreeMap;

use serde_json::Value;

use super::FleetledgerConfig;

/// What one key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyShape {
    /// Text, or one of several words.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// A list of texts.
    List,
    /// A table with names of the user's choice.
    Map,
    /// A section.
    Section,
    /// Sections with names of the user's choice; their keys stand under the name `NAME`.
    Sections,
}

/// Stands for a name of the user's choice.
pub(super) const ANY_NAME: &str = "NAME";

/// One key.
#[derive(Debug, Clone)]
pub(super) struct ConfigKey {
    /// What it takes.
    pub(super) shape: KeyShape,
    /// The part of the schema that describes it.
    pub(super) schema: Value,
}

/// Every key by its dotted name, sections included, in the order of the schema.
pub(super) fn all() -> Vec<(String, ConfigKey)> {
    let root = schema();
    let mut keys = Vec::new();
    collect(&root, &root, "", &mut keys);
    keys
}

/// The same, to look up.
pub(super) fn by_name() -> BTreeMap<String, ConfigKey> {
    all().into_iter().collect()
}

fn schema() -> Value {
    schemars::schema_for!(FleetledgerConfig).to_value()
}

fn collect(root: &Value, schema: &Value, prefix: &str, keys: &mut Vec<(String, ConfigKey)>) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    for (name, property) in properties {
        let path = if prefix.is_empty() {
            name.clone()
        } else {
            format!("{prefix}.{name}")
        };
        let target = resolve(root, property);
        let shape = shape_of(root, &target);
        // The current state beside a reference (its description here) wins over the type's own.
        let mut described = target.clone();
        if let (Some(target), Some(text)) = (described.as_object_mut(), property.get("description")) {
            target.insert("description".to_owned(), text.clone());
        }
        keys.push((
            path.clone(),
            ConfigKey {
                shape,
                schema: described,
            },
        ));
        match shape {
            KeyShape::Section => collect(root, &target, &path, keys),
            KeyShape::Sections => {
                let element = resolve(root, target.get("additionalProperties").unwrap_or(&Value::Null));
                let path = format!("{path}.{ANY_NAME}");
                keys.push((
                    path.clone(),
                    ConfigKey {
                        shape: KeyShape::Section,
                        schema: element.clone(),
                    },
                ));
                collect(root, &element, &path, keys);
            }
            _ => {}
        }
    }
}

/// Follows `$ref`, and the alternative of an optional value that is not null.
pub(super) fn resolve(root: &Value, schema: &Value) -> Value {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        let pointer = name.trim_start_matches('#');
        return root
            .pointer(pointer)
            .map_or(Value::Null, |target| resolve(root, target));
    }
    let is_null = |schema: &Value| schema.get("type").and_then(Value::as_str) == Some("null");
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array)
        && let [only] = choices
            .iter()
            .filter(|choice| !is_null(choice))
            .collect::<Vec<_>>()
            .as_slice()
    {
        return resolve(root, only);
    }
    schema.clone()
}

fn shape_of(root: &Value, schema: &Value) -> KeyShape {
    if schema.get("properties").is_some() {
        return KeyShape::Section;
    }
    if let Some(element) = schema.get("additionalProperties")
        && resolve(root, element).get("properties").is_some()
    {
        return KeyShape::Sections;
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array)
        && let Some(first) = choices.first()
    {
        return shape_of(root, &resolve(root, first));
    }
    let name = match schema.get("type") {
        Some(Value::String(name)) => name.as_str(),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| *name != "null")
            .unwrap_or("string"),
        _ => "string",
    };
    match name {
        "boolean" => KeyShape::Boolean,
        "integer" => KeyShape::Integer,
        "number" => KeyShape::Number,
        "array" => KeyShape::List,
        "object" => KeyShape::Map,
        _ => KeyShape::Text,
    }
}

/// The known key most like `unknown`: by its whole name, or by its last part in another section.
pub(super) fn nearest(unknown: &str) -> String {
    let leaf = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let keys = all();
    let distance = |known: &str| {
        let whole = strsim::damerau_levenshtein(unknown, known);
        whole.min(strsim::damerau_levenshtein(&leaf(unknown), &leaf(known)) + 2)
    };
    let best = keys.iter().min_by_key(|(name, _)| distance(name));
    best.map_or_else(String::new, |(name, _)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_every_section_are_known_with_their_shapes() {
        let keys = by_name();
        for (name, shape) in [
            ("kafka", KeyShape::Section),
            ("kafka.bootstrap_servers", KeyShape::Text),
            ("kafka.tls", KeyShape::Section),
            ("kafka.tls.ca", KeyShape::Text),
            ("kafka.sasl.mechanism", KeyShape::Text),
            ("kafka.properties", KeyShape::Map),
            ("postgres.port", KeyShape::Integer),
            ("postgres.password", KeyShape::Text),
            ("emit.labels", KeyShape::List),
            ("emit.streaming_lists", KeyShape::Boolean),
            ("demo.postgres_port", KeyShape::Integer),
            ("receivers", KeyShape::Sections),
            ("receivers.NAME", KeyShape::Section),
            ("receivers.NAME.routing_key", KeyShape::Text),
            ("receivers.NAME.tls.ca", KeyShape::Text),
            ("console.tokens.NAME.role", KeyShape::Text),
            ("routes.routes", KeyShape::List),
        ] {
            assert_eq!(keys.get(name).map(|key| key.shape), Some(shape), "{name}");
        }
    }

    #[test]
    fn nearest_key_is_found_by_spelling_and_by_leaf() {
        assert_eq!(nearest("kafka.bootstrap_server"), "kafka.bootstrap_servers");
        assert_eq!(nearest("kafka.namespace_label"), "owners.namespace_label");
        assert_eq!(nearest("postgress"), "postgres");
    }
}
