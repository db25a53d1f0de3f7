//! Types of columns.

use serde_json::Value as Json;

/// Every type that a column may have.
const TYPES: [&str; 8] = [
    "text",
    "uuid",
    "text[]",
    "jsonb",
    "bigint",
    "integer",
    "boolean",
    "timestamptz",
];

/// The type of that name, as `create table` has it, and whether it is never NULL.
pub(crate) fn named(name: &str) -> (&'static str, bool) {
    let (bare, not_null) = match name.strip_suffix(" not null") {
        Some(bare) => (bare, true),
        None => (name, false),
    };
    let found = TYPES.into_iter().find(|known| *known == bare);
    (
        found.unwrap_or_else(|| panic!("no column is of type {name:?}")),
        not_null,
    )
}

/// Type of the column of a field, and whether it is never NULL.
pub(crate) fn of_field(kind: &Json) -> (&'static str, bool) {
    match kind {
        Json::Array(variants) => (of_field(&variants[1]).0, false),
        Json::Object(object) if object["type"] == "map" => ("jsonb", true),
        Json::Object(object) if object["type"] == "array" => match object["items"].as_str() {
            Some("string") => ("text[]", true),
            _ => ("jsonb", true),
        },
        Json::Object(object) if object.contains_key("logicalType") => ("timestamptz", true),
        Json::String(name) => match name.as_str() {
            "string" => ("text", true),
            "long" => ("bigint", true),
            "int" => ("integer", true),
            "boolean" => ("boolean", true),
            _ => panic!("type {name:?} needs \"columns\" or \"column\": false"),
        },
        _ => panic!("type {kind} needs \"columns\" or \"column\": false"),
    }
}
