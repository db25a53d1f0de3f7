//! Values of columns, between a record and PostgreSQL's binary formats.

use serde::Serialize;

use crate::instant::Instant;

/// The value of one column of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// SQL NULL: unknown, or not set.
    Null,
    /// `text`
    Text(&'a str),
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

impl Cell<'_> {
    /// Checks what PostgreSQL would refuse, so that one bad record never spoils a batch.
    ///
    /// # Errors
    /// See [`CellError`].
    pub fn check(&self) -> Result<(), CellError> {
        let nul = match self {
            Cell::Text(text) => text.as_bytes().contains(&0),
            Cell::Texts(texts) => texts.iter().any(|text| text.as_bytes().contains(&0)),
            Cell::Json(json) => has_escaped_nul(json),
            Cell::Timestamp(at) if !at.is_storable() => return Err(CellError::Instant),
            _ => false,
        };
        if nul { Err(CellError::Nul) } else { Ok(()) }
    }

    /// Appends a form in which different values always differ, for hashing.
    pub fn fingerprint(&self, out: &mut Vec<u8>) {
        match self {
            Cell::Null => out.push(0),
            Cell::Text(text) => tagged(1, text.as_bytes(), out),
            Cell::Texts(texts) => {
                tagged(2, &(texts.len() as u64).to_le_bytes(), out);
                for text in *texts {
                    tagged(1, text.as_bytes(), out);
                }
            }
            Cell::Json(json) => tagged(3, json, out),
            Cell::Bigint(number) => tagged(4, &number.to_le_bytes(), out),
            Cell::Integer(number) => tagged(5, &number.to_le_bytes(), out),
            Cell::Boolean(value) => tagged(6, &[u8::from(*value)], out),
            Cell::Timestamp(at) => tagged(7, &at.0.to_le_bytes(), out),
        }
    }
}

fn tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// JSON text of `value`.
pub(crate) fn json<T: Serialize>(value: &T) -> Cell<'static> {
    serde_json::to_vec(value).map_or(Cell::Null, Cell::Json)
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

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Cell::Text(text)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Cell::Text(text)
    }
}

impl<'a> From<&'a Vec<String>> for Cell<'a> {
    fn from(texts: &'a Vec<String>) -> Self {
        Cell::Texts(texts)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Cell::Bigint(number)
    }
}

impl From<i32> for Cell<'_> {
    fn from(number: i32) -> Self {
        Cell::Integer(number)
    }
}

impl From<bool> for Cell<'_> {
    fn from(value: bool) -> Self {
        Cell::Boolean(value)
    }
}

impl From<Instant> for Cell<'_> {
    fn from(at: Instant) -> Self {
        Cell::Timestamp(at)
    }
}

impl<'a, T: Into<Cell<'a>>> From<Option<T>> for Cell<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Cell::Null, Into::into)
    }
}

impl<'a> From<&'a Option<String>> for Cell<'a> {
    fn from(text: &'a Option<String>) -> Self {
        text.as_deref().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_found_in_text_and_json_but_not_behind_an_escaped_backslash() {
        assert_eq!(Cell::Text("a\0b").check(), Err(CellError::Nul));
        assert_eq!(json(&["a\0b"]).check(), Err(CellError::Nul));
        assert_eq!(json(&["a\\u0000b"]).check(), Ok(()));
        assert_eq!(json(&["\\\0"]).check(), Err(CellError::Nul));
    }

    #[test]
    fn fingerprints_of_different_values_differ() {
        let texts = ["a".to_owned(), "b".to_owned()];
        let joined = ["ab".to_owned()];
        let cells = [
            Cell::Null,
            Cell::Text(""),
            Cell::Texts(&[]),
            Cell::Texts(&texts),
            Cell::Texts(&joined),
            Cell::Bigint(0),
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
