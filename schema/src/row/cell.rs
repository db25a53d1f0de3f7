//! Values of columns, between a record and PostgreSQL's binary formats.

use std::borrow::Cow;

use serde::Serialize;

use crate::{instant::Instant, object_uid::ObjectUid};

/// The value of one column of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum RowCell<'a> {
    /// SQL NULL: unknown, or not set.
    Null,
    /// `text`
    Text(Cow<'a, str>),
    /// `uuid`, by the text of the uid.
    Uid(&'a str),
    /// `text[]`
    Texts(&'a [String]),
    /// `jsonb`, as JSON text whose maps are sorted bytewise.
    Json(Vec<u8>),
    /// `bigint`
    Bigint(i64),
    /// `integer`
    Integer(i32),
    /// `boolean`
    Boolean(bool),
    /// `timestamptz`
    Timestamp(Instant),
}

/// Why a value cannot stand in PostgreSQL; the record it is of is poison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// PostgreSQL's text cannot hold U+0000.
    #[error("text holds a NUL character")]
    Nul,
    /// Outside years 1 to 9999.
    #[error("instant is outside the years 1 to 9999")]
    Instant,
}

impl RowCell<'_> {
    /// Checks what PostgreSQL would refuse, so that one bad record never spoils a batch.
    ///
    /// # Errors
    /// See [`CellError`].
    pub fn check(&self) -> Result<(), CellError> {
        let nul = match self {
            RowCell::Text(text) => text.as_bytes().contains(&0),
            RowCell::Uid(text) => text.as_bytes().contains(&0),
            RowCell::Texts(texts) => texts.iter().any(|text| text.as_bytes().contains(&0)),
            RowCell::Json(json) => has_escaped_nul(json),
            RowCell::Timestamp(at) if !at.is_storable() => return Err(CellError::Instant),
            _ => false,
        };
        if nul { Err(CellError::Nul) } else { Ok(()) }
    }

    /// Appends a form in which different values always differ, for hashing.
    pub fn fingerprint(&self, out: &mut Vec<u8>) {
        match self {
            RowCell::Null => out.push(0),
            RowCell::Text(text) => tagged(1, text.as_bytes(), out),
            // The hash of a row is of what travelled: a uid's is its text.
            RowCell::Uid(text) => tagged(1, text.as_bytes(), out),
            RowCell::Texts(texts) => {
                tagged(2, &(texts.len() as u64).to_le_bytes(), out);
                for text in *texts {
                    tagged(1, text.as_bytes(), out);
                }
            }
            RowCell::Json(json) => tagged(3, json, out),
            RowCell::Bigint(number) => tagged(4, &number.to_le_bytes(), out),
            RowCell::Integer(number) => tagged(5, &number.to_le_bytes(), out),
            RowCell::Boolean(value) => tagged(6, &[u8::from(*value)], out),
            RowCell::Timestamp(at) => tagged(7, &at.0.to_le_bytes(), out),
        }
    }
}

fn tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// JSON text of `value`.
pub(crate) fn json<T: Serialize>(value: &T) -> RowCell<'static> {
    serde_json::to_vec(value).map_or(RowCell::Null, RowCell::Json)
}

/// A uid, if there is one.
pub(super) fn uid<'a>(text: impl Into<Option<&'a str>>) -> RowCell<'a> {
    text.into().map_or(RowCell::Null, RowCell::Uid)
}

/// An instant that is 0 where it is not known.
pub(super) fn known<'a>(at: Instant) -> RowCell<'a> {
    if at == Instant(0) {
        RowCell::Null
    } else {
        RowCell::Timestamp(at)
    }
}

/// The text of a uid that its uuid does not write.
pub(super) fn uid_text<'a>(text: impl Into<Option<&'a str>>) -> RowCell<'a> {
    text.into().and_then(ObjectUid::kept_text).into()
}

/// True if JSON text holds the escape `\u0000` (and not an escaped backslash followed by `u0000`).
fn has_escaped_nul(json: &[u8]) -> bool {
    json.windows(6).enumerate().any(|(at, window)| {
        window == b"\\u0000"
            && json
                .iter()
                .take(at)
                .rev()
                .take_while(|byte| **byte == b'\\')
                .count()
                % 2
                == 0
    })
}

impl<'a> From<&'a String> for RowCell<'a> {
    fn from(text: &'a String) -> Self {
        RowCell::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a str> for RowCell<'a> {
    fn from(text: &'a str) -> Self {
        RowCell::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<Cow<'a, str>> for RowCell<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        RowCell::Text(text)
    }
}

impl From<String> for RowCell<'_> {
    fn from(text: String) -> Self {
        RowCell::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a Vec<String>> for RowCell<'a> {
    fn from(texts: &'a Vec<String>) -> Self {
        RowCell::Texts(texts)
    }
}

impl From<i64> for RowCell<'_> {
    fn from(number: i64) -> Self {
        RowCell::Bigint(number)
    }
}

impl From<i32> for RowCell<'_> {
    fn from(number: i32) -> Self {
        RowCell::Integer(number)
    }
}

impl From<bool> for RowCell<'_> {
    fn from(value: bool) -> Self {
        RowCell::Boolean(value)
    }
}

impl From<Instant> for RowCell<'_> {
    fn from(at: Instant) -> Self {
        RowCell::Timestamp(at)
    }
}

impl<'a, T: Into<RowCell<'a>>> From<Option<T>> for RowCell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(RowCell::Null, Into::into)
    }
}

impl<'a> From<&'a Option<String>> for RowCell<'a> {
    fn from(text: &'a Option<String>) -> Self {
        text.as_deref().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_in_text_and_json_but_not_behind_an_escaped_backslash() {
        assert_eq!(RowCell::from("a\0b").check(), Err(CellError::Nul));
        assert_eq!(json(&["a\0b"]).check(), Err(CellError::Nul));
        assert_eq!(json(&["a\\u0000b"]).check(), Ok(()));
        assert_eq!(json(&["\\\0"]).check(), Err(CellError::Nul));
    }

    #[test]
    fn fingerprints_of_different_values_differ() {
        let texts = ["a".to_owned(), "b".to_owned()];
        let joined = ["ab".to_owned()];
        let cells = [
            RowCell::Null,
            RowCell::from(""),
            RowCell::Texts(&[]),
            RowCell::Texts(&texts),
            RowCell::Texts(&joined),
            RowCell::Bigint(0),
        ];
        let prints: std::collections::HashSet<Vec<u8>> = cells
            .iter()
            .map(|cell| {
                let mut out = Vec::new();
                cell.fingerprint(&mut out);
                out
            })
            .collect();
        assert_eq!(prints.len(), cells.len());
    }
}
