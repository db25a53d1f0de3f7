//! The shape of an Avro schema: names resolved, documentation dropped, only the types our records use.

use std::collections::HashMap;

use serde_json::Value as Json;
use thiserror::Error;

/// Deepest nesting a schema may have; ours have 5.
const MAX_DEPTH: usize = 16;
/// Most types a schema may hold; the pod's has about 150.
const MAX_TYPES: usize = 4096;

/// A type of a schema.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum AvroShape {
    Null,
    Boolean,
    Int,
    Long,
    String,
    Array(Box<AvroShape>),
    Map(Box<AvroShape>),
    /// `["null", T]`.
    Optional(Box<AvroShape>),
    Record(Vec<(String, AvroShape)>),
}

/// Why a schema is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// Not JSON, or not an Avro schema.
    #[error("not an avro schema: {0}")]
    Syntax(String),
    /// Not the schema of one of our records.
    #[error("record {0:?} is not one that fleetledger knows")]
    Record(String),
    /// Uses a type our records never use, or nests too deep.
    #[error("{0}")]
    Unsupported(String),
    /// A field that both schemas have changed its type.
    #[error("field {0:?} has another type than in this version's schema")]
    Mismatch(String),
    /// The announced fingerprint is not the schema's own.
    #[error("schema has fingerprint {actual:016x}, announced as {announced:016x}")]
    Fingerprint {
        /// Of the schema's canonical form.
        actual: u64,
        /// In the key that announced it.
        announced: u64,
    },
    /// The schema text is larger than [`super::MAX_SCHEMA_BYTES`].
    #[error("schema of {0} bytes is too large")]
    TooLarge(usize),
}

impl AvroShape {
    /// Reads a schema's JSON; returns the record's full name and its shape.
    pub(crate) fn parse(json: &str) -> Result<(String, AvroShape), SchemaError> {
        let json: Json =
            serde_json::from_str(json).map_err(|error| SchemaError::Syntax(error.to_string()))?;
        let mut parser = ShapeParser {
            named: HashMap::new(),
            types: 0,
        };
        let shape = parser.read(&json, "", 0)?;
        let name = json.get("name").and_then(Json::as_str).unwrap_or_default();
        let namespace = json.get("namespace").and_then(Json::as_str).unwrap_or_default();
        Ok((full_name(name, namespace), shape))
    }

    /// Fields of a record; none for other shapes.
    pub(crate) fn fields(&self) -> &[(String, AvroShape)] {
        match self {
            AvroShape::Record(fields) => fields,
            _ => &[],
        }
    }

    /// Checks that every field both shapes have has the same type in both.
    pub(crate) fn check_agrees(&self, reader: &AvroShape, path: &str) -> Result<(), SchemaError> {
        match (self, reader) {
            (AvroShape::Record(writer), AvroShape::Record(reader)) => {
                for (name, shape) in writer {
                    if let Some((_, known)) = reader.iter().find(|(known, _)| known == name) {
                        shape.check_agrees(known, &format!("{path}{name}"))?;
                    }
                }
                Ok(())
            }
            (AvroShape::Array(a), AvroShape::Array(b))
            | (AvroShape::Map(a), AvroShape::Map(b))
            | (AvroShape::Optional(a), AvroShape::Optional(b)) => a.check_agrees(b, &format!("{path}.")),
            (a, b) if a == b => Ok(()),
            _ => Err(SchemaError::Mismatch(path.to_owned())),
        }
    }

    fn is_empty_on_the_wire(&self) -> bool {
        match self {
            AvroShape::Null => true,
            AvroShape::Record(fields) => fields.iter().all(|(_, shape)| shape.is_empty_on_the_wire()),
            _ => false,
        }
    }
}

struct ShapeParser {
    named: HashMap<String, Option<AvroShape>>,
    types: usize,
}

impl ShapeParser {
    fn read(&mut self, json: &Json, namespace: &str, depth: usize) -> Result<AvroShape, SchemaError> {
        self.types += 1;
        if depth > MAX_DEPTH || self.types > MAX_TYPES {
            return Err(SchemaError::Unsupported(
                "schema is nested too deep or too large".to_owned(),
            ));
        }
        match json {
            Json::String(name) => self.read_name(name, namespace),
            Json::Array(variants) => match variants.as_slice() {
                [Json::String(null), variant] if null == "null" => Ok(AvroShape::Optional(Box::new(
                    self.read(variant, namespace, depth + 1)?,
                ))),
                _ => Err(SchemaError::Unsupported(
                    "unions other than [\"null\", T] are not used".to_owned(),
                )),
            },
            Json::Object(object) => {
                let kind = object.get("type").unwrap_or(&Json::Null);
                match kind.as_str() {
                    Some("record") => self.read_record(json, namespace, depth),
                    Some("array") => self
                        .read_items(object.get("items"), namespace, depth)
                        .map(AvroShape::Array),
                    Some("map") => self
                        .read_items(object.get("values"), namespace, depth)
                        .map(AvroShape::Map),
                    _ => self.read(kind, namespace, depth + 1),
                }
            }
            _ => Err(SchemaError::Syntax(
                "a type is neither name, list nor object".to_owned(),
            )),
        }
    }

    fn read_name(&self, name: &str, namespace: &str) -> Result<AvroShape, SchemaError> {
        match name {
            "null" => Ok(AvroShape::Null),
            "boolean" => Ok(AvroShape::Boolean),
            "int" => Ok(AvroShape::Int),
            "long" => Ok(AvroShape::Long),
            "string" => Ok(AvroShape::String),
            _ => match self.named.get(&full_name(name, namespace)) {
                Some(Some(shape)) => Ok(shape.clone()),
                Some(None) => Err(SchemaError::Unsupported(format!("type {name:?} contains itself"))),
                None => Err(SchemaError::Unsupported(format!(
                    "type {name:?} is not used by fleetledger"
                ))),
            },
        }
    }

    fn read_items(
        &mut self,
        items: Option<&Json>,
        namespace: &str,
        depth: usize,
    ) -> Result<Box<AvroShape>, SchemaError> {
        let items = items.ok_or_else(|| SchemaError::Syntax("array or map without items".to_owned()))?;
        let shape = self.read(items, namespace, depth + 1)?;
        if shape.is_empty_on_the_wire() {
            // A block of 2^62 of these would take no bytes and for ever.
            return Err(SchemaError::Unsupported(
                "arrays of empty items are not used".to_owned(),
            ));
        }
        Ok(Box::new(shape))
    }

    fn read_record(&mut self, json: &Json, namespace: &str, depth: usize) -> Result<AvroShape, SchemaError> {
        let namespace = json.get("namespace").and_then(Json::as_str).unwrap_or(namespace);
        let name = json.get("name").and_then(Json::as_str);
        let name = full_name(
            name.ok_or_else(|| SchemaError::Syntax("record without name".to_owned()))?,
            namespace,
        );
        self.named.insert(name.clone(), None);
        let fields = json.get("fields").and_then(Json::as_array);
        let fields = fields.ok_or_else(|| SchemaError::Syntax(format!("record {name:?} without fields")))?;
        let mut shapes = Vec::with_capacity(fields.len());
        for field in fields {
            let field_name = field.get("name").and_then(Json::as_str);
            let field_name =
                field_name.ok_or_else(|| SchemaError::Syntax(format!("field without name in {name:?}")))?;
            let kind = field.get("type").unwrap_or(&Json::Null);
            shapes.push((field_name.to_owned(), self.read(kind, namespace, depth + 1)?));
        }
        let shape = AvroShape::Record(shapes);
        self.named.insert(name, Some(shape.clone()));
        Ok(shape)
    }
}

fn full_name(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}
