//! The shape of an Avro schema: names resolved, documentation dropped, only the types our records use.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value as Json;
use thiserror::Error;

/// Deepest nesting a schema may have; ours have 5.
const MAX_DEPTH: usize = 16;
/// Most types a schema may come to with every name replaced by what it names; the pod's comes to about 150. A named type
/// counts each time it is used: names that are used level by level double with every level.
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
    /// Shared by all the places that name it.
    Record(Arc<[(String, AvroShape)]>),
}

/// Why a schema is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SchemaError {
    /// Not JSON, or not an Avro schema.
    #[error("not an avro schema: {0}")]
    Syntax(String),
    /// Not the schema of one of our records.
    #[error("record {0:?} is unknown to fleetledger")]
    Record(String),
    /// Uses a type our records never use, or nests too deep.
    #[error("{0}")]
    Unsupported(String),
    /// A field that both schemas have changed its type.
    #[error("field {0:?} has a different type than in this version's schema")]
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
        let shape = ShapeParser::default().read(&json, "", 0)?;
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
                for (name, shape) in writer.iter() {
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

/// A named type, and what it comes to.
#[derive(Clone)]
struct NamedShape {
    shape: AvroShape,
    /// Types within it, itself included.
    types: usize,
    /// Levels below it.
    height: usize,
}

#[derive(Default)]
struct ShapeParser {
    /// `None` for a type that is being read.
    named: HashMap<String, Option<NamedShape>>,
    /// Types so far, those behind names included.
    types: usize,
    /// The deepest level so far.
    deepest: usize,
    /// Nodes of the text that were read.
    #[cfg(test)]
    nodes: usize,
}

impl ShapeParser {
    fn read(&mut self, json: &Json, namespace: &str, depth: usize) -> Result<AvroShape, SchemaError> {
        #[cfg(test)]
        {
            self.nodes += 1;
        }
        self.count(1, depth)?;
        match json {
            Json::String(name) => self.read_name(name, namespace, depth),
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

    /// Adds so many types that reach down to `depth`.
    fn count(&mut self, types: usize, depth: usize) -> Result<(), SchemaError> {
        self.types = self.types.saturating_add(types);
        self.deepest = self.deepest.max(depth);
        if depth > MAX_DEPTH || self.types > MAX_TYPES {
            return Err(SchemaError::Unsupported(
                "schema is nested too deep or too large".to_owned(),
            ));
        }
        Ok(())
    }

    fn read_name(&mut self, name: &str, namespace: &str, depth: usize) -> Result<AvroShape, SchemaError> {
        match name {
            "null" => Ok(AvroShape::Null),
            "boolean" => Ok(AvroShape::Boolean),
            "int" => Ok(AvroShape::Int),
            "long" => Ok(AvroShape::Long),
            "string" => Ok(AvroShape::String),
            _ => match self.named.get(&full_name(name, namespace)).cloned() {
                Some(Some(named)) => {
                    // The name itself was counted when it was read.
                    self.count(named.types.saturating_sub(1), depth.saturating_add(named.height))?;
                    Ok(named.shape)
                }
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
        let before = self.types;
        let deepest = std::mem::replace(&mut self.deepest, depth);
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
        let shape = AvroShape::Record(shapes.into());
        let named = NamedShape {
            shape: shape.clone(),
            types: self.types - before + 1,
            height: self.deepest - depth,
        };
        self.deepest = self.deepest.max(deepest);
        self.named.insert(name, Some(named));
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

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use proptest::prelude::*;

    use super::*;

    /// A field of a random record.
    #[derive(Debug, Clone)]
    enum Field {
        Long,
        /// One of the records before, by a share of their number.
        Record(prop::sample::Index),
        OptionalRecord(prop::sample::Index),
        ArrayOfRecords(prop::sample::Index),
    }

    fn field() -> impl Strategy<Value = Field> {
        let index = any::<prop::sample::Index>();
        prop_oneof![
            Just(Field::Long),
            index.clone().prop_map(Field::Record),
            index.clone().prop_map(Field::OptionalRecord),
            index.prop_map(Field::ArrayOfRecords),
        ]
    }

    /// The record, inline where it is used first and by name from then on.
    fn write(records: &[Vec<Field>], number: usize, written: &mut HashSet<usize>) -> Json {
        if !written.insert(number) {
            return Json::from(format!("R{number}"));
        }
        let fields: Vec<Json> = records[number]
            .iter()
            .enumerate()
            .map(|(place, field)| {
                let kind = match field {
                    _ if number == 0 => Json::from("long"),
                    Field::Long => Json::from("long"),
                    Field::Record(of) => write(records, of.index(number), written),
                    Field::OptionalRecord(of) => {
                        serde_json::json!(["null", write(records, of.index(number), written)])
                    }
                    Field::ArrayOfRecords(of) => {
                        serde_json::json!({"type": "array", "items": write(records, of.index(number), written)})
                    }
                };
                serde_json::json!({"name": format!("f{place}"), "type": kind})
            })
            .collect();
        serde_json::json!({"type": "record", "name": format!("R{number}"), "fields": fields})
    }

    /// Types and levels of every record with all names replaced, from those of the records before it.
    fn expanded(records: &[Vec<Field>]) -> Vec<(u128, usize)> {
        let mut sizes: Vec<(u128, usize)> = Vec::new();
        for (number, fields) in records.iter().enumerate() {
            let of_field = |field: &Field| match field {
                _ if number == 0 => (1, 0),
                Field::Long => (1, 0),
                Field::Record(of) => sizes[of.index(number)],
                Field::OptionalRecord(of) | Field::ArrayOfRecords(of) => {
                    let (types, height) = sizes[of.index(number)];
                    (types + 1, height + 1)
                }
            };
            let fields: Vec<(u128, usize)> = fields.iter().map(of_field).collect();
            sizes.push((
                1 + fields.iter().map(|(types, _)| types).sum::<u128>(),
                1 + fields.iter().map(|(_, height)| *height).max().unwrap_or(0),
            ));
        }
        sizes
    }

    fn count(shape: &AvroShape) -> usize {
        1 + match shape {
            AvroShape::Array(inner) | AvroShape::Map(inner) | AvroShape::Optional(inner) => count(inner),
            AvroShape::Record(fields) => fields.iter().map(|(_, shape)| count(shape)).sum(),
            _ => 0,
        }
    }

    /// Nodes that are read of a schema in which each of so many levels holds two fields of the level below it.
    fn nodes_read(levels: usize) -> (usize, bool) {
        let leaf =
            serde_json::json!({"type": "record", "name": "L0", "fields": [{"name": "x", "type": "long"}]});
        let nested = (1..=levels).fold(leaf, |below, level| {
            let again = format!("L{}", level - 1);
            serde_json::json!({"type": "record", "name": format!("L{level}"),
                "fields": [{"name": "a", "type": below}, {"name": "b", "type": again}]})
        });
        let mut parser = ShapeParser::default();
        let is_read = parser.read(&nested, "", 0).is_ok();
        (parser.nodes, is_read)
    }

    #[test]
    fn what_a_name_refers_to_is_counted_and_not_walked() {
        // Three times 2 to the power of levels with every name replaced: 3,071 types in 10 levels, 12,287 in 12.
        for levels in 1..=12 {
            let (nodes, is_read) = nodes_read(levels);
            assert!(nodes <= 2 * levels + 2, "{nodes} nodes of {levels} levels");
            assert_eq!(is_read, levels <= 10, "{levels} levels");
        }
        assert_eq!(nodes_read(12), (25, false));
    }

    #[test]
    fn schemas_with_references_hold_no_more_types_than_are_allowed() {
        let (read, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let schemas = proptest::collection::vec(proptest::collection::vec(field(), 1..5), 1..60);
        let config = ProptestConfig {
            cases: 1_000,
            ..ProptestConfig::default()
        };
        proptest!(config, |(records in schemas)| {
            let text = write(&records, records.len() - 1, &mut HashSet::new()).to_string();
            let (types, levels) = expanded(&records)[records.len() - 1];
            match AvroShape::parse(&text) {
                Ok((_, shape)) => {
                    read.fetch_add(1, Ordering::Relaxed);
                    prop_assert_eq!(count(&shape) as u128, types);
                    prop_assert!(types <= MAX_TYPES as u128 && levels <= MAX_DEPTH, "{types} in {levels}: {text}");
                }
                Err(error) => {
                    refused.fetch_add(1, Ordering::Relaxed);
                    prop_assert!(types > MAX_TYPES as u128 || levels > MAX_DEPTH, "{error}: {types} in {levels}: {text}");
                }
            }
        });
        let (read, refused) = (read.into_inner(), refused.into_inner());
        println!("{read} schemas read, {refused} refused");
        assert!(read > 100 && refused > 50, "{read} read, {refused} refused");
    }
}
