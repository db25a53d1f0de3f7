//! A record as Kafka delivered it, copied out of the fetch buffer.

use fleetledger_schema::instant::Instant;
use rdkafka::{
    Message,
    message::{BorrowedMessage, Headers},
};
use serde_json::{Value as Json, json};

/// A partition of one of the topics that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PartitionId {
    /// Index into [`crate::topics::Topics`].
    pub(crate) topic: usize,
    pub(crate) partition: i32,
}

/// Headers in one piece of memory, because every record has nine: length of the name, length of the value
/// ([`NO_VALUE`] where it has none), name, value, and so on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RawHeaders(Box<[u8]>);

/// Length of a value that is not there.
const NO_VALUE: u32 = u32::MAX;
/// Room for the headers that records have; what is not needed is given back.
const HEADERS_BYTES: usize = 448;

impl RawHeaders {
    /// Names, and bytes where there are any.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || {
            let (name_length, after) = rest.split_first_chunk::<4>()?;
            let (value_length, after) = after.split_first_chunk::<4>()?;
            let (name, after) = after.split_at_checked(u32::from_le_bytes(*name_length) as usize)?;
            let value_length = u32::from_le_bytes(*value_length);
            let is_there = value_length != NO_VALUE;
            let (value, after) = after.split_at_checked(if is_there { value_length as usize } else { 0 })?;
            rest = after;
            Some((std::str::from_utf8(name).ok()?, is_there.then_some(value)))
        })
    }
}

impl<'a> FromIterator<(&'a str, Option<&'a [u8]>)> for RawHeaders {
    fn from_iter<T: IntoIterator<Item = (&'a str, Option<&'a [u8]>)>>(pairs: T) -> Self {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(NO_VALUE - 1);
        let mut packed = Vec::with_capacity(HEADERS_BYTES);
        for (name, value) in pairs {
            packed.extend(length(name.as_bytes()).to_le_bytes());
            packed.extend(value.map_or(NO_VALUE, length).to_le_bytes());
            packed.extend_from_slice(name.as_bytes());
            packed.extend_from_slice(value.unwrap_or_default());
        }
        Self(packed.into_boxed_slice())
    }
}

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct RawRecord {
    pub(crate) partition: PartitionId,
    pub(crate) offset: i64,
    pub(crate) kafka_at: Option<Instant>,
    pub(crate) key: Option<Box<[u8]>>,
    pub(crate) value: Option<Box<[u8]>>,
    pub(crate) headers: RawHeaders,
}

/// What a record is counted with beside its key, value and headers: itself twice, because lists of records grow by
/// doubling, and what the allocator keeps of three pieces of memory.
const RECORD_OVERHEAD_BYTES: usize = 2 * size_of::<RawRecord>() + 3 * 16;

impl RawRecord {
    /// Copies a message: a borrowed one pins its whole fetch buffer.
    pub(crate) fn copy(topic: usize, message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(RawHeaders::default, |headers| {
            headers.iter().map(|header| (header.key, header.value)).collect()
        });
        Self {
            partition: PartitionId {
                topic,
                partition: message.partition(),
            },
            offset: message.offset(),
            kafka_at: message.timestamp().to_millis().map(Instant::from_millis),
            key: message.key().map(Into::into),
            value: message.payload().map(Into::into),
            headers,
        }
    }

    /// Bytes it is counted with in the buffer's budget.
    pub(crate) fn bytes(&self) -> usize {
        RECORD_OVERHEAD_BYTES
            + self.headers.0.len()
            + self.key.as_ref().map_or(0, |key| key.len())
            + self.value.as_ref().map_or(0, |value| value.len())
    }

    /// Headers as pairs for [`fleetledger_schema::headers::Headers::parse`]; one without a value is left out.
    pub(crate) fn header_pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers
            .iter()
            .filter_map(|(name, value)| Some((name, value?)))
    }

    /// Headers as `ledger.dead_letter.record_headers` keeps them.
    pub(crate) fn headers_json(&self) -> Json {
        let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => json!(text),
            _ => json!({ "hex": hex(bytes) }),
        };
        let pairs = self.headers.iter().map(|(name, value)| {
            let value = value.map_or(Json::Null, text);
            json!([name.replace('\0', "\\0"), value])
        });
        Json::Array(pairs.collect())
    }

    /// CRC-32 of key and value, by which a rewritten topic is noticed.
    pub(crate) fn crc(&self) -> i64 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.key.as_deref().unwrap_or_default());
        hasher.update(self.value.as_deref().unwrap_or_default());
        i64::from(hasher.finalize())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Headers from [`RawRecord::headers_json`].
pub(crate) fn headers_from_json(json: &Json) -> RawHeaders {
    let pairs = json.as_array().map(Vec::as_slice).unwrap_or_default();
    let pairs: Vec<_> = pairs.iter().filter_map(header_from_json).collect();
    pairs
        .iter()
        .map(|(name, bytes)| (*name, bytes.as_deref()))
        .collect()
}

fn header_from_json(pair: &Json) -> Option<(&str, Option<Vec<u8>>)> {
    let name = pair.get(0)?.as_str()?;
    let value = pair.get(1)?;
    let bytes = match value.get("hex").and_then(Json::as_str) {
        Some(hex) => unhex(hex),
        None => value.as_str().map(|text| text.as_bytes().to_vec()),
    };
    Some((name, bytes))
}

/// Bytes of lower-case hexadecimal.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_dead_letters() {
        let record = RawRecord {
            partition: PartitionId {
                topic: 0,
                partition: 0,
            },
            offset: 0,
            kafka_at: None,
            key: None,
            value: None,
            headers: [
                ("ce_id", Some(&b"1"[..])),
                ("odd", Some(&[0xff, 0][..])),
                ("none", None),
                ("empty", Some(&[][..])),
            ]
            .into_iter()
            .collect(),
        };
        assert_eq!(record.headers.iter().count(), 4);
        assert_eq!(record.header_pairs().count(), 3);
        assert_eq!(headers_from_json(&record.headers_json()), record.headers);
    }
}
