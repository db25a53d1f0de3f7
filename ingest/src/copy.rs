//! PostgreSQL's binary COPY format, straight from a row's cells.
//!
//! The driver's own writer flushes every 4 KiB; this one hands over chunks of [`CHUNK_BYTES`].

use bytes::{BufMut, Bytes, BytesMut};
use fleetledger_schema::{instant::Instant, object_uid::ObjectUid, row::RowCell};

/// Size at which a chunk is handed over, in bytes.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Type id of `text`.
const TEXT_OID: i32 = 25;

/// Rows of one stage, encoded.
#[derive(Debug)]
pub(crate) struct CopyStream {
    chunks: Vec<Bytes>,
    current: BytesMut,
    rows: usize,
}

impl CopyStream {
    pub(crate) fn new() -> Self {
        let mut current = BytesMut::with_capacity(CHUNK_BYTES + CHUNK_BYTES / 4);
        current.put_slice(SIGNATURE);
        current.put_i32(0);
        current.put_i32(0);
        Self {
            chunks: Vec::new(),
            current,
            rows: 0,
        }
    }

    /// Begins a row of `fields` fields, which must all follow.
    pub(crate) fn row(&mut self, fields: usize) {
        if self.current.len() >= CHUNK_BYTES {
            self.chunks.push(self.current.split().freeze());
        }
        self.rows += 1;
        self.current.put_i16(i16::try_from(fields).unwrap_or(i16::MAX));
    }

    /// Rows so far.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Ends the stream.
    pub(crate) fn finish(mut self) -> Vec<Bytes> {
        self.current.put_i16(-1);
        self.chunks.push(self.current.freeze());
        self.chunks
    }

    pub(crate) fn cell(&mut self, cell: &RowCell<'_>) {
        match cell {
            RowCell::Null => self.null(),
            RowCell::Text(text) => self.bytes(text.as_bytes()),
            RowCell::Uid(text) => self.uid(ObjectUid::of(text)),
            RowCell::Texts(texts) => self.texts(texts.iter().map(String::as_str)),
            RowCell::Json(json) => self.json(json),
            RowCell::Bigint(number) => self.bigint(*number),
            RowCell::Integer(number) => self.integer(*number),
            RowCell::Boolean(value) => self.boolean(*value),
            RowCell::Timestamp(at) => self.timestamp(*at),
        }
    }

    pub(crate) fn null(&mut self) {
        self.current.put_i32(-1);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.current.put_slice(bytes);
    }

    pub(crate) fn uid(&mut self, uid: ObjectUid) {
        self.bytes(&uid.to_bytes());
    }

    /// `jsonb`: a version byte, then text.
    pub(crate) fn json(&mut self, json: &[u8]) {
        self.length(json.len() + 1);
        self.current.put_u8(1);
        self.current.put_slice(json);
    }

    pub(crate) fn bigint(&mut self, number: i64) {
        self.current.put_i32(8);
        self.current.put_i64(number);
    }

    pub(crate) fn integer(&mut self, number: i32) {
        self.current.put_i32(4);
        self.current.put_i32(number);
    }

    pub(crate) fn smallint(&mut self, number: i16) {
        self.current.put_i32(2);
        self.current.put_i16(number);
    }

    pub(crate) fn boolean(&mut self, value: bool) {
        self.current.put_i32(1);
        self.current.put_u8(u8::from(value));
    }

    pub(crate) fn timestamp(&mut self, at: Instant) {
        self.bigint(at.to_postgres());
    }

    /// `text[]` of one dimension; an empty one has none.
    pub(crate) fn texts<'a>(&mut self, texts: impl ExactSizeIterator<Item = &'a str> + Clone) {
        let count = texts.len();
        let size: usize = texts.clone().map(|text| text.len() + 4).sum();
        self.length(if count == 0 { 12 } else { 20 + size });
        self.current.put_i32(i32::from(count > 0));
        self.current.put_i32(0);
        self.current.put_i32(TEXT_OID);
        if count > 0 {
            self.length(count);
            self.current.put_i32(1);
            for text in texts {
                self.bytes(text.as_bytes());
            }
        }
    }

    fn length(&mut self, bytes: usize) {
        self.current.put_i32(i32::try_from(bytes).unwrap_or(i32::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_split_into_chunks_between_rows() {
        let mut stream = CopyStream::new();
        for _ in 0..10 {
            stream.row(1);
            stream.cell(&RowCell::from("x".repeat(100 * 1024)));
        }
        assert_eq!(stream.rows(), 10);
        let chunks = stream.finish();
        assert_eq!(chunks.len(), 4);
        assert!(chunks[0].starts_with(SIGNATURE));
        assert!(chunks[3].ends_with(&[0xff, 0xff]));
    }
}
