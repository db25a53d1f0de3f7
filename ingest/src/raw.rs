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

/// A header: its name, and its value where it has one.
pub(crate) type RawHeader<'a> = (&'a str, Option<&'a [u8]>);

/// Length of what is not there.
const ABSENT: u32 = u32::MAX;

fn length(bytes: Option<&[u8]>) -> u32 {
    // No message of Kafka's has four gigabytes.
    bytes.map_or(ABSENT, |bytes| u32::try_from(bytes.len()).unwrap_or(ABSENT - 1))
}

/// One record, in one piece of memory: millions pass through, and are freed by another thread than made them.
#[derive(Debug, Clone)]
pub(crate) struct RawRecord {
    pub(crate) partition: PartitionId,
    pub(crate) offset: i64,
    pub(crate) kafka_at: Option<Instant>,
    key_length: u32,
    value_length: u32,
    /// Key, value, and of each header: length of its name, length of its value, name, value.
    bytes: Box<[u8]>,
}

/// What a record is counted with beside its key, value and headers: itself twice, because lists of records grow by
/// doubling, and what the allocator keeps of a piece of memory.
const RECORD_OVERHEAD_BYTES: usize = 2 * size_of::<RawRecord>() + 16;

impl RawRecord {
    pub(crate) fn new<'a>(
        partition: PartitionId,
        offset: i64,
        kafka_at: Option<Instant>,
        (key, value): (Option<&[u8]>, Option<&[u8]>),
        headers: impl Iterator<Item = RawHeader<'a>> + Clone,
    ) -> Self {
        let size = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let of_headers: usize = headers
            .clone()
            .map(|(name, value)| 8 + name.len() + size(value))
            .sum();
        let mut bytes = Vec::with_capacity(size(key) + size(value) + of_headers);
        bytes.extend_from_slice(key.unwrap_or_default());
        bytes.extend_from_slice(value.unwrap_or_default());
        for (name, value) in headers {
            bytes.extend(length(Some(name.as_bytes())).to_le_bytes());
            bytes.extend(length(value).to_le_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(value.unwrap_or_default());
        }
        Self {
            partition,
            offset,
            kafka_at,
            key_length: length(key),
            value_length: length(value),
            bytes: bytes.into_boxed_slice(),
        }
    }

    /// Copies a message: a borrowed one pins its whole fetch buffer.
    pub(crate) fn copy(topic: usize, message: &BorrowedMessage<'_>) -> Self {
        let partition = PartitionId {
            topic,
            partition: message.partition(),
        };
        let kafka_at = message.timestamp().to_millis().map(Instant::from_ms);
        let content = (message.key(), message.payload());
        match message.headers() {
            Some(headers) => {
                let headers = (0..headers.count()).filter_map(|index| headers.try_get(index));
                let pairs = headers.map(|header| (header.key, header.value));
                Self::new(partition, message.offset(), kafka_at, content, pairs)
            }
            None => Self::new(partition, message.offset(), kafka_at, content, [].into_iter()),
        }
    }

    /// Its key, if it has one.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        (self.key_length != ABSENT).then(|| self.split().0)
    }

    /// Its value; a tombstone has none.
    pub(crate) fn value(&self) -> Option<&[u8]> {
        (self.value_length != ABSENT).then(|| self.split().1)
    }

    /// Key, value, headers.
    fn split(&self) -> (&[u8], &[u8], &[u8]) {
        let at = |length: u32| if length == ABSENT { 0 } else { length as usize };
        let (key, rest) = self
            .bytes
            .split_at_checked(at(self.key_length))
            .unwrap_or_default();
        let (value, headers) = rest.split_at_checked(at(self.value_length)).unwrap_or_default();
        (key, value, headers)
    }

    /// Bytes it is counted with in the buffer's budget.
    pub(crate) fn bytes(&self) -> usize {
        RECORD_OVERHEAD_BYTES + self.bytes.len()
    }

    fn headers(&self) -> impl Iterator<Item = RawHeader<'_>> {
        let mut rest = self.split().2;
        std::iter::from_fn(move || {
            let (name_length, after) = rest.split_first_chunk::<4>()?;
            let (value_length, after) = after.split_first_chunk::<4>()?;
            let (name, after) = after.split_at_checked(u32::from_le_bytes(*name_length) as usize)?;
            let value_length = u32::from_le_bytes(*value_length);
            let is_there = value_length != ABSENT;
            let (value, after) = after.split_at_checked(if is_there { value_length as usize } else { 0 })?;
            rest = after;
            Some((std::str::from_utf8(name).ok()?, is_there.then_some(value)))
        })
    }

    /// Headers as pairs for [`fleetledger_schema::headers::Headers::parse`]; one without a value is left out.
    pub(crate) fn header_pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers().filter_map(|(name, value)| Some((name, value?)))
    }

    /// Headers as `ledger.dead_letter.record_headers` keeps them.
    pub(crate) fn headers_json(&self) -> Json {
        let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => json!(text),
            _ => json!({ "hex": hex(bytes) }),
        };
        let pairs = self.headers().map(|(name, value)| {
            let value = value.map_or(Json::Null, text);
            json!([name.replace('\0', "\\0"), value])
        });
        Json::Array(pairs.collect())
    }

    /// CRC-32 of key and value, by which a rewritten topic is noticed.
    pub(crate) fn crc(&self) -> i64 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(self.key().unwrap_or_default());
        hasher.update(self.value().unwrap_or_default());
        i64::from(hasher.finalize())
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Headers from [`RawRecord::headers_json`].
pub(crate) fn headers_from_json(json: &Json) -> Vec<(&str, Option<Vec<u8>>)> {
    let pairs = json.as_array().map(Vec::as_slice).unwrap_or_default();
    pairs.iter().filter_map(header_from_json).collect()
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

    fn record(key: Option<&[u8]>, value: Option<&[u8]>, headers: &[RawHeader<'_>]) -> RawRecord {
        let partition = PartitionId {
            topic: 0,
            partition: 0,
        };
        RawRecord::new(partition, 0, None, (key, value), headers.iter().copied())
    }

    #[test]
    fn headers_survive_the_dead_letters() {
        let headers = [
            ("ce_id", Some(&b"1"[..])),
            ("odd", Some(&[0xff, 0][..])),
            ("none", None),
            ("empty", Some(&[][..])),
        ];
        let record = record(Some(b"k"), None, &headers);
        assert_eq!(record.headers().collect::<Vec<_>>(), headers);
        assert_eq!(record.header_pairs().count(), 3);
        let json = record.headers_json();
        let again = headers_from_json(&json);
        let again: Vec<RawHeader<'_>> = again
            .iter()
            .map(|(name, value)| (*name, value.as_deref()))
            .collect();
        assert_eq!(again, headers);
    }

    #[test]
    fn what_is_empty_is_not_what_is_absent() {
        for key in [None, Some(&b""[..]), Some(&b"key"[..])] {
            for value in [None, Some(&b""[..]), Some(&b"value"[..])] {
                let record = record(key, value, &[("a", Some(b"b"))]);
                assert_eq!((record.key(), record.value()), (key, value));
                assert_eq!(record.header_pairs().collect::<Vec<_>>(), [("a", &b"b"[..])]);
            }
        }
    }
}
