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

/// A header: its name, and its bytes if it has any.
pub(crate) type RawHeader = (Box<str>, Option<Box<[u8]>>);

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct RawRecord {
    pub(crate) partition: PartitionId,
    pub(crate) offset: i64,
    pub(crate) kafka_at: Option<Instant>,
    pub(crate) key: Option<Box<[u8]>>,
    pub(crate) value: Option<Box<[u8]>>,
    pub(crate) headers: Vec<RawHeader>,
}

/// What a record is counted with beside its key and value: headers and the structs that hold it.
const RECORD_OVERHEAD_BYTES: usize = 400;

impl RawRecord {
    /// Copies a message: a borrowed one pins its whole fetch buffer.
    pub(crate) fn copy(topic: usize, message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().map_or_else(Vec::new, |headers| {
            headers
                .iter()
                .map(|header| (header.key.into(), header.value.map(Into::into)))
                .collect()
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
            + self.key.as_ref().map_or(0, |key| key.len())
            + self.value.as_ref().map_or(0, |value| value.len())
    }

    /// Headers as pairs for [`fleetledger_schema::headers::Headers::parse`]; one without a value is left out.
    pub(crate) fn header_pairs(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.headers
            .iter()
            .filter_map(|(name, value)| Some((&**name, &**value.as_ref()?)))
    }

    /// Headers as `ledger.dead_letter.record_headers` keeps them.
    pub(crate) fn headers_json(&self) -> Json {
        let text = |bytes: &[u8]| match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => json!(text),
            _ => json!({ "hex": hex(bytes) }),
        };
        let pairs = self.headers.iter().map(|(name, value)| {
            let value = value.as_ref().map_or(Json::Null, |value| text(value));
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
pub(crate) fn headers_from_json(json: &Json) -> Vec<RawHeader> {
    let pairs = json.as_array().map(Vec::as_slice).unwrap_or_default();
    let pair = |pair: &Json| {
        let name = pair.get(0)?.as_str()?;
        let value = pair.get(1)?;
        let bytes = match value.get("hex").and_then(Json::as_str) {
            Some(hex) => unhex(hex),
            None => value.as_str().map(|text| text.as_bytes().to_vec()),
        };
        Some((name.into(), bytes.map(Vec::into_boxed_slice)))
    };
    pairs.iter().filter_map(pair).collect()
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
            headers: vec![
                ("ce_id".into(), Some(b"1".to_vec().into())),
                ("odd".into(), Some(vec![0xff, 0].into())),
                ("none".into(), None),
            ],
        };
        assert_eq!(headers_from_json(&record.headers_json()), record.headers);
    }
}
