//! How a body names the schema it was written with.
//!
//! Avro single-object encoding (`C3 01`, little-endian CRC-64-AVRO fingerprint, body) by default; Confluent's
//! framing (`00`, big-endian schema id, body) where a registry is configured.

use thiserror::Error;

/// Length of the single-object header in bytes.
pub const SINGLE_OBJECT_HEADER_BYTES: usize = 10;
/// Length of Confluent's header in bytes.
pub const CONFLUENT_HEADER_BYTES: usize = 5;

/// The schema that a frame names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SchemaRef {
    /// CRC-64-AVRO fingerprint of the schema's parsing canonical form.
    Fingerprint(u64),
    /// Id in a Confluent schema registry.
    RegistryId(u32),
}

/// Why a value is not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Neither `C3 01` nor `00` at its begin.
    #[error("value begins with neither the avro single-object marker c3 01 nor the registry marker 00")]
    Magic,
    /// Shorter than its header.
    #[error("value of {0} bytes is shorter than its frame header")]
    Short(usize),
}

/// Splits a value into the schema it names and its body.
///
/// # Errors
/// See [`FrameError`].
pub fn split(value: &[u8]) -> Result<(SchemaRef, &[u8]), FrameError> {
    match value {
        [0xc3, 0x01, rest @ ..] => {
            let (header, body) = rest
                .split_first_chunk::<8>()
                .ok_or(FrameError::Short(value.len()))?;
            Ok((SchemaRef::Fingerprint(u64::from_le_bytes(*header)), body))
        }
        [0x00, rest @ ..] => {
            let (header, body) = rest
                .split_first_chunk::<4>()
                .ok_or(FrameError::Short(value.len()))?;
            Ok((SchemaRef::RegistryId(u32::from_be_bytes(*header)), body))
        }
        _ => Err(FrameError::Magic),
    }
}

/// Puts the header that names `schema` before `body`.
#[must_use]
pub fn join(schema: SchemaRef, body: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(SINGLE_OBJECT_HEADER_BYTES + body.len());
    match schema {
        SchemaRef::Fingerprint(fingerprint) => {
            value.extend_from_slice(&[0xc3, 0x01]);
            value.extend_from_slice(&fingerprint.to_le_bytes());
        }
        SchemaRef::RegistryId(id) => {
            value.push(0x00);
            value.extend_from_slice(&id.to_be_bytes());
        }
    }
    value.extend_from_slice(body);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_read_back_and_wrong_ones_are_refused() {
        for schema in [
            SchemaRef::Fingerprint(0x0102_0304_0506_0708),
            SchemaRef::RegistryId(77),
        ] {
            assert_eq!(split(&join(schema, b"body")), Ok((schema, &b"body"[..])));
        }
        assert_eq!(split(b"{}"), Err(FrameError::Magic));
        assert_eq!(split(b"\xc3\x01abc"), Err(FrameError::Short(5)));
        assert_eq!(split(b""), Err(FrameError::Magic));
    }
}
