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

/// One record.
#[derive(Debug, Clone)]
pub(crate) struct RawRecord {
    pub(crate) partition: PartitionId,
    pub(crate) offset: i64,
    pub(crate) kafka_at: Option<Instant>,
    pub(crate) key: Option<Box<[u8]>>,
    pub(crate) value: Option<Box<[u8]>>,
    pub(crate) headers: Vec<(Box<str>, Option<Box<[u8]>>)>,
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

/// Bytes of lower-case hexadecimal.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let pairs = digits?;
    let (pairs, rest) = pairs.as_chunks::<2>();
    rest.is_empty()
        .then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}
