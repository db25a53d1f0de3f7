//! The uid of an object as PostgreSQL keeps it: a `uuid` of 16 bytes.
//!
//! Kubernetes gives uids of one form, 36 characters in lower case, and those are the uuids they write. Any other text that may
//! stand in a key is hashed into a uuid of version 8, which no API server gives; its text is kept beside it.

use std::{error::Error, fmt};

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

/// Identity of an object within its cluster. In the order of its number, which for uids of Kubernetes' form is that of their texts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectUid(u128);

impl ObjectUid {
    /// The least of all.
    pub const MIN: Self = Self(0);

    /// Of a text: what it writes if it is in canonical form, else what it is hashed into. Two texts never share one, but for
    /// collisions of 122 bits of xxh3-128.
    #[must_use]
    pub fn of(text: &str) -> Self {
        match number_of(text) {
            Some(number) => Self(number),
            // Its version and variant are set: what is random or of time has another version.
            None => Self(Uuid::new_v8(xxh3_128(text.as_bytes()).to_be_bytes()).as_u128()),
        }
    }

    /// Its 16 bytes, as PostgreSQL sends and takes them.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The text of a uid that cannot be made again from its uuid; `None` for one in canonical form.
    #[must_use]
    pub fn kept_text(text: &str) -> Option<&str> {
        number_of(text).is_none().then_some(text)
    }
}

/// The number that a text of the form `9e1f0a2c-…` writes: 8, 4, 4, 4 and 12 digits, all in lower case, so that the text can be
/// made again.
fn number_of(text: &str) -> Option<u128> {
    let bytes: &[u8; 36] = text.as_bytes().try_into().ok()?;
    let mut number = 0_u128;
    for (at, byte) in bytes.iter().enumerate() {
        let digit = match byte {
            b'-' if matches!(at, 8 | 13 | 18 | 23) => continue,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        if matches!(at, 8 | 13 | 18 | 23) {
            return None;
        }
        number = number << 4 | u128::from(digit);
    }
    Some(number)
}

impl fmt::Display for ObjectUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Uuid::from_u128(self.0).fmt(f)
    }
}

impl<'a> FromSql<'a> for ObjectUid {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self(Uuid::from_sql(kind, raw)?.as_u128()))
    }

    fn accepts(kind: &Type) -> bool {
        <Uuid as FromSql>::accepts(kind)
    }
}

impl ToSql for ObjectUid {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        Uuid::from_u128(self.0).to_sql(kind, out)
    }

    fn accepts(kind: &Type) -> bool {
        <Uuid as ToSql>::accepts(kind)
    }

    to_sql_checked!();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_that_is_not_canonical_becomes_a_uuid_of_version_8_and_is_kept() {
        for (text, expected) in [
            ("web", "0e2d47b7-8206-8f7e-a2fd-8ad0bcfe2d1f"),
            (
                "9E1F0A2C-0000-4000-8000-000000000001",
                "c763419c-dc4c-8c29-bdf3-8e7bfd3aa482",
            ),
            ("", "99aa06d3-0147-88d8-a001-c324468d497f"),
        ] {
            let uid = ObjectUid::of(text);
            assert_eq!(uid.to_string(), expected);
            let uuid = Uuid::from_u128(uid.0);
            assert_eq!(
                (uuid.get_version_num(), uuid.get_variant()),
                (8, uuid::Variant::RFC4122)
            );
            assert_eq!(ObjectUid::kept_text(text), Some(text));
        }
    }

    proptest! {
        #[test]
        fn canonical_texts_are_made_again_from_their_uuid(number: u128, at in 0_usize..36, byte in "[0-9a-fA-F-]") {
            let text = ObjectUid(number).to_string();
            prop_assert_eq!(ObjectUid::of(&text), ObjectUid(number));
            prop_assert_eq!(ObjectUid::kept_text(&text), None);
            let mut other = text.clone();
            other.replace_range(at..=at, &byte);
            if ObjectUid::kept_text(&other).is_none() {
                prop_assert_eq!(ObjectUid::of(&other).to_string(), other);
            } else {
                prop_assert_eq!(ObjectUid::of(&other).to_string().as_bytes()[14], b'8');
            }
        }
    }
}
