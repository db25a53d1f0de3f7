//! Avro binary ⇄ JSON by [`AvroShape`], for bodies whose writer had another version of the schema. Everything the
//! writer sent is kept; every length is checked against the bytes that are there before anything is allocated.

use serde_json::{Map, Value as Json};
use thiserror::Error;

use super::shape::AvroShape;

/// Most values a body may come to: a field takes some hundred bytes here and may take none on the wire. The largest bodies
/// of ours have some ten thousand.
const MAX_VALUES: usize = 262_144;

/// Why a body does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BodyError {
    /// The body ends within a value.
    #[error("body is truncated")]
    Truncated,
    /// Bytes are left after the last field.
    #[error("body has {0} bytes after its end")]
    Trailing(usize),
    /// An array, map or string is longer than the body.
    #[error("body declares {0} items or bytes, more than it contains")]
    Length(i64),
    /// It comes to more values than any record has.
    #[error("body holds more than {MAX_VALUES} values")]
    TooManyValues,
    /// A number, boolean or union branch is not valid.
    #[error("body holds an invalid {0}")]
    Invalid(&'static str),
    /// A text is not UTF-8.
    #[error("body holds text that is not utf-8")]
    NotText,
    /// What the schema-aware reader said.
    #[error("body does not fit its schema: {0}")]
    Shape(String),
}

pub(crate) fn read(shape: &AvroShape, input: &mut &[u8]) -> Result<Json, BodyError> {
    read_value(shape, input, &mut { MAX_VALUES })
}

fn read_value(shape: &AvroShape, input: &mut &[u8], left: &mut usize) -> Result<Json, BodyError> {
    *left = left.checked_sub(1).ok_or(BodyError::TooManyValues)?;
    Ok(match shape {
        AvroShape::Null => Json::Null,
        AvroShape::Boolean => match take(input, 1)? {
            [0] => Json::Bool(false),
            [1] => Json::Bool(true),
            _ => return Err(BodyError::Invalid("boolean")),
        },
        AvroShape::Int => {
            Json::from(i32::try_from(read_long(input)?).map_err(|_| BodyError::Invalid("32-bit number"))?)
        }
        AvroShape::Long => Json::from(read_long(input)?),
        AvroShape::String => Json::String(read_text(input)?),
        AvroShape::Optional(inner) => match read_long(input)? {
            0 => Json::Null,
            1 => read_value(inner, input, left)?,
            _ => return Err(BodyError::Invalid("union branch")),
        },
        AvroShape::Array(items) => {
            let mut array = Vec::new();
            read_blocks(input, |input| {
                array.push(read_value(items, input, left)?);
                Ok(())
            })?;
            Json::Array(array)
        }
        AvroShape::Map(values) => {
            let mut map = Map::new();
            read_blocks(input, |input| {
                let key = read_text(input)?;
                map.insert(key, read_value(values, input, left)?);
                Ok(())
            })?;
            Json::Object(map)
        }
        AvroShape::Record(fields) => {
            let mut map = Map::new();
            for (name, shape) in fields.iter() {
                map.insert(name.clone(), read_value(shape, input, left)?);
            }
            Json::Object(map)
        }
    })
}

pub(crate) fn write(shape: &AvroShape, json: &Json, out: &mut Vec<u8>) -> Result<(), BodyError> {
    match (shape, json) {
        (AvroShape::Null, _) => {}
        (AvroShape::Boolean, Json::Bool(value)) => out.push(u8::from(*value)),
        (AvroShape::Boolean, Json::Null) => out.push(0),
        (AvroShape::Int | AvroShape::Long, Json::Number(number)) => {
            write_long(number.as_i64().ok_or(BodyError::Invalid("number"))?, out);
        }
        (AvroShape::String, Json::String(text)) => write_text(text, out),
        (AvroShape::Optional(_), Json::Null) => write_long(0, out),
        (AvroShape::Optional(inner), value) => {
            write_long(1, out);
            write(inner, value, out)?;
        }
        (AvroShape::Array(items), Json::Array(array)) => {
            if !array.is_empty() {
                write_long(i64::try_from(array.len()).unwrap_or(i64::MAX), out);
                for item in array {
                    write(items, item, out)?;
                }
            }
            write_long(0, out);
        }
        (AvroShape::Array(_) | AvroShape::Map(_), Json::Null) => write_long(0, out),
        (AvroShape::Map(values), Json::Object(map)) => {
            if !map.is_empty() {
                write_long(i64::try_from(map.len()).unwrap_or(i64::MAX), out);
                // serde_json's map is a BTreeMap here (feature preserve_order is off): sorted bytewise.
                for (key, value) in map {
                    write_text(key, out);
                    write(values, value, out)?;
                }
            }
            write_long(0, out);
        }
        (AvroShape::Record(fields), Json::Object(map)) => {
            for (name, shape) in fields.iter() {
                write(shape, map.get(name).unwrap_or(&Json::Null), out)?;
            }
        }
        _ => return Err(BodyError::Invalid("value for its type")),
    }
    Ok(())
}

fn read_blocks(
    input: &mut &[u8],
    mut item: impl FnMut(&mut &[u8]) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    loop {
        let mut count = read_long(input)?;
        if count == 0 {
            return Ok(());
        }
        if count < 0 {
            count = count.checked_neg().ok_or(BodyError::Length(count))?;
            read_long(input)?; // size of the block in bytes, for readers that skip
        }
        if usize::try_from(count).map_or(true, |count| count > input.len()) {
            return Err(BodyError::Length(count));
        }
        for _ in 0..count {
            item(input)?;
        }
    }
}

fn read_text(input: &mut &[u8]) -> Result<String, BodyError> {
    let length = read_long(input)?;
    let bytes = usize::try_from(length)
        .ok()
        .filter(|length| *length <= input.len());
    let bytes = take(input, bytes.ok_or(BodyError::Length(length))?)?;
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| BodyError::NotText)
}

fn take<'a>(input: &mut &'a [u8], length: usize) -> Result<&'a [u8], BodyError> {
    let (head, tail) = input.split_at_checked(length).ok_or(BodyError::Truncated)?;
    *input = tail;
    Ok(head)
}

/// Zigzag variable-length number, at most ten bytes.
fn read_long(input: &mut &[u8]) -> Result<i64, BodyError> {
    let mut value: u64 = 0;
    for shift in (0..70).step_by(7) {
        let Some((byte, rest)) = input.split_first() else {
            return Err(BodyError::Truncated);
        };
        *input = rest;
        if shift == 63 && *byte > 1 {
            break;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(((value >> 1) as i64) ^ -((value & 1) as i64));
        }
    }
    Err(BodyError::Invalid("number"))
}

fn write_long(value: i64, out: &mut Vec<u8>) {
    let mut zigzag = ((value << 1) ^ (value >> 63)) as u64;
    while zigzag >= 0x80 {
        out.push((zigzag as u8 & 0x7f) | 0x80);
        zigzag >>= 7;
    }
    out.push(zigzag as u8);
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    write_long(i64::try_from(text.len()).unwrap_or(i64::MAX), out);
    out.extend_from_slice(text.as_bytes());
}
