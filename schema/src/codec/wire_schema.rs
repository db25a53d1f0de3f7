//! The part of an `.avsc` file that travels: the schema without what only says how its fields stand in PostgreSQL.

use serde_json::Value as Json;

use super::SchemaError;

/// Attributes of records and fields that `avro/README.md` describes. The parsing canonical form drops them, as it drops
/// `doc`: a fingerprint says nothing of them.
const ATTRIBUTES: [&str; 14] = [
    "after",
    "column",
    "column_type",
    "columns",
    "comment",
    "derived",
    "hashed",
    "key",
    "since",
    "table",
    "unit",
    "unknown",
    "view",
    "view_comment",
];

/// The text of `schema` as emitters announce it.
///
/// # Errors
/// [`SchemaError::Syntax`] if it is no JSON.
pub fn wire_schema(schema: &str) -> Result<String, SchemaError> {
    let mut json: Json =
        serde_json::from_str(schema).map_err(|error| SchemaError::Syntax(error.to_string()))?;
    strip(&mut json);
    Ok(json.to_string())
}

fn strip(kind: &mut Json) {
    match kind {
        Json::Array(variants) => variants.iter_mut().for_each(strip),
        Json::Object(object) => {
            object.retain(|name, _| !ATTRIBUTES.contains(&name.as_str()));
            for (name, value) in object {
                match (name.as_str(), value) {
                    ("type" | "items" | "values", inner) => strip(inner),
                    ("fields", Json::Array(fields)) => fields.iter_mut().for_each(strip),
                    _ => {}
                }
            }
        }
        _ => {}
    }
}
