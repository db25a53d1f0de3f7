//! What a writer sent that this reader has no field for: kept beside the row, put back when it is encoded again.

use serde_json::{Map, Value as Json};

use super::shape::AvroShape;

/// Takes out of `value` everything that `reader` has a field for; `Null` where nothing is left. Arrays keep
/// their positions, so that the rest finds its way back.
pub(crate) fn extract(value: &Json, reader: &AvroShape) -> Json {
    match (value, reader) {
        (Json::Object(map), AvroShape::Record(fields)) => {
            let mut rest = Map::new();
            for (name, value) in map {
                let left = match fields.iter().find(|(known, _)| known == name) {
                    Some((_, shape)) => extract(value, shape),
                    None => value.clone(),
                };
                if !left.is_null() {
                    rest.insert(name.clone(), left);
                }
            }
            if rest.is_empty() {
                Json::Null
            } else {
                Json::Object(rest)
            }
        }
        (Json::Array(items), AvroShape::Array(shape)) => {
            let rest: Vec<Json> = items.iter().map(|item| extract(item, shape)).collect();
            if rest.iter().all(Json::is_null) {
                Json::Null
            } else {
                Json::Array(rest)
            }
        }
        (value, AvroShape::Optional(inner)) => extract(value, inner),
        _ => Json::Null,
    }
}

/// Puts what [`extract`] took out back into `known`.
pub(crate) fn merge(known: &mut Json, unknown: &Json) {
    match (known, unknown) {
        (Json::Object(known), Json::Object(unknown)) => {
            for (name, value) in unknown {
                match known.get_mut(name) {
                    Some(inner) => merge(inner, value),
                    None => {
                        known.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Json::Array(known), Json::Array(unknown)) => {
            for (known, unknown) in known.iter_mut().zip(unknown) {
                merge(known, unknown);
            }
        }
        _ => {}
    }
}
