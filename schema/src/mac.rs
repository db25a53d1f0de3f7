//! The keyed MAC of a record: whoever may write to a topic cannot speak for a cluster whose key it does not have.
//!
//! HMAC-SHA-256 over everything of a record that decides what becomes of it: topic, key, type, epoch, sequence, instants
//! and value. Tombstones, marks, sweeps and announcements of schemas are signed like any other record.

use std::{collections::BTreeMap, fmt};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

use crate::{
    headers::{RecordHeaders, RecordHeadersRef},
    instant::Instant,
    key::RecordSource,
};

/// Header of the MAC: 64 lower-case hexadecimal digits.
pub const MAC_HEADER: &str = "fl_mac";
/// What every MAC begins with: one of another form is never one of this.
const DOMAIN: &[u8] = b"fleetledger record mac 1";
/// Fewest bytes of a key.
const KEY_BYTES: usize = 32;
/// Most keys that one cluster has at a time: the new one and the one it takes the place of.
pub const KEYS_AT_ONCE: usize = 2;

/// A key. It is never shown.
#[derive(Clone)]
pub struct MacKey(Hmac<Sha256>);

impl fmt::Debug for MacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a MAC is over.
#[derive(Debug, Clone, Copy)]
pub struct SignedContent<'r> {
    /// Topic.
    pub topic: &'r str,
    /// Key of the record.
    pub key: &'r [u8],
    /// `ce_type`.
    pub event_type: &'r str,
    /// `ce_epoch`.
    pub epoch: i64,
    /// `ce_logsequence`.
    pub sequence: i64,
    /// `ce_time`.
    pub time: Instant,
    /// `ce_since`.
    pub since: Option<Instant>,
    /// Value; a tombstone has none.
    pub value: Option<&'r [u8]>,
}

impl<'r> SignedContent<'r> {
    /// What the MAC of a received record must be over.
    #[must_use]
    pub fn of(
        topic: &'r str,
        key: &'r [u8],
        value: Option<&'r [u8]>,
        headers: &RecordHeadersRef<'r>,
    ) -> Self {
        Self {
            topic,
            key,
            event_type: headers.event_type,
            epoch: headers.epoch,
            sequence: headers.sequence,
            time: headers.time,
            since: headers.since,
            value,
        }
    }

    /// What the MAC of a record that is being sent must be over.
    #[must_use]
    pub fn of_sent(
        topic: &'r str,
        key: &'r [u8],
        value: Option<&'r [u8]>,
        headers: &'r RecordHeaders,
    ) -> Self {
        Self {
            topic,
            key,
            event_type: &headers.event_type,
            epoch: headers.epoch,
            sequence: headers.sequence,
            time: headers.time,
            since: headers.since,
            value,
        }
    }

    /// Every part with its length before it, so that no two contents are the same bytes.
    fn feed(&self, mac: &mut Hmac<Sha256>) {
        let mut part = |bytes: &[u8]| {
            mac.update(&(bytes.len() as u64).to_be_bytes());
            mac.update(bytes);
        };
        part(DOMAIN);
        part(self.topic.as_bytes());
        part(self.key);
        part(self.event_type.as_bytes());
        let mut numbers = [0_u8; 34];
        let since = self.since.map_or(0, |since| since.0);
        for (place, number) in
            numbers
                .chunks_exact_mut(8)
                .zip([self.epoch, self.sequence, self.time.0, since])
        {
            place.copy_from_slice(&number.to_be_bytes());
        }
        let [.., has_since, has_value] = &mut numbers;
        (*has_since, *has_value) = (u8::from(self.since.is_some()), u8::from(self.value.is_some()));
        part(&numbers);
        part(self.value.unwrap_or_default());
    }
}

/// Why a file of keys cannot be used. It says the line and never what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFileError {
    /// A line is not of its form.
    #[error("line {line}: must be {form}, the key as at least 64 hexadecimal digits (openssl rand -hex 32)")]
    Form {
        /// Its number, from 1.
        line: usize,
        /// What it must be.
        form: &'static str,
    },
    /// A cluster has too many keys.
    #[error("line {line}: a third key; a cluster has at most two, the new one and the previous one")]
    TooMany {
        /// Its number, from 1.
        line: usize,
    },
    /// There is no key in it.
    #[error("contains no key")]
    Empty,
}

impl MacKey {
    /// A key from its hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = unhex(text.as_bytes())?;
        if bytes.len() < KEY_BYTES {
            return None;
        }
        Hmac::new_from_slice(&bytes).ok().map(Self)
    }

    /// The MAC, as [`MAC_HEADER`] has it.
    #[must_use]
    pub fn sign(&self, content: &SignedContent<'_>) -> String {
        let mut mac = self.0.clone();
        content.feed(&mut mac);
        mac.finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// Whether `mac`, as [`MAC_HEADER`] has it, is this key's. Takes as long for a wrong one as for the right one.
    #[must_use]
    pub fn verify(&self, content: &SignedContent<'_>, mac: &[u8]) -> bool {
        let Some(claimed) = unhex(mac) else { return false };
        let mut own = self.0.clone();
        content.feed(&mut own);
        own.verify_slice(&claimed).is_ok()
    }
}

/// The keys of one cluster's emitter, one a line: the first signs.
///
/// # Errors
/// See [`KeyFileError`].
pub fn parse_own_keys(text: &str) -> Result<Vec<MacKey>, KeyFileError> {
    let form = "a key";
    let mut keys = Vec::new();
    for (line, text) in lines(text) {
        keys.push(MacKey::parse(text).ok_or(KeyFileError::Form { line, form })?);
        if keys.len() > KEYS_AT_ONCE {
            return Err(KeyFileError::TooMany { line });
        }
    }
    if keys.is_empty() {
        return Err(KeyFileError::Empty);
    }
    Ok(keys)
}

/// Keys by `<datacenter>/<cluster>`, for who verifies: a cluster's name and its key, one a line.
pub type ClusterKeys = BTreeMap<String, Vec<MacKey>>;

/// Reads keys of clusters.
///
/// # Errors
/// See [`KeyFileError`].
pub fn parse_cluster_keys(text: &str) -> Result<ClusterKeys, KeyFileError> {
    let form = "<datacenter>/<cluster> and a key";
    let mut clusters = ClusterKeys::new();
    for (line, text) in lines(text) {
        let wrong = KeyFileError::Form { line, form };
        let (name, key) = text.split_once(char::is_whitespace).ok_or(wrong)?;
        let (datacenter, cluster) = name.split_once('/').ok_or(wrong)?;
        if RecordSource::new(datacenter, cluster, "unknown").is_err() {
            return Err(wrong);
        }
        let keys = clusters.entry(name.to_owned()).or_default();
        keys.push(MacKey::parse(key.trim()).ok_or(wrong)?);
        if keys.len() > KEYS_AT_ONCE {
            return Err(KeyFileError::TooMany { line });
        }
    }
    Ok(clusters)
}

/// Lines that say something, numbered from 1.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let numbered = (1..).zip(text.lines().map(str::trim));
    numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn content() -> SignedContent<'static> {
        SignedContent {
            topic: "fleetledger.pod",
            key: b"dfw/prod/uid/pod",
            event_type: "fleetledger.pod.v1",
            epoch: 7,
            sequence: 9,
            time: Instant(11),
            since: None,
            value: Some(b"body"),
        }
    }

    #[test]
    fn a_mac_is_of_every_part_of_its_record_and_of_its_key() {
        let key = MacKey::parse(KEY).unwrap();
        let own = content();
        let mac = key.sign(&own);
        assert_eq!(mac.len(), 64);
        assert!(key.verify(&own, mac.as_bytes()));
        let others = [
            SignedContent {
                topic: "fleetledger.node",
                ..own
            },
            SignedContent {
                key: b"dfw/prod/uid/pox",
                ..own
            },
            SignedContent {
                event_type: "fleetledger.mark.v1",
                ..own
            },
            SignedContent { epoch: 8, ..own },
            SignedContent { sequence: 10, ..own },
            SignedContent {
                time: Instant(12),
                ..own
            },
            SignedContent {
                since: Some(Instant(0)),
                ..own
            },
            SignedContent {
                value: Some(b"bodY"),
                ..own
            },
            SignedContent {
                value: Some(b""),
                ..own
            },
            SignedContent { value: None, ..own },
            // The same bytes, parted elsewhere.
            SignedContent {
                topic: "fleetledger.podd",
                key: b"fw/prod/uid/pod",
                ..own
            },
        ];
        for (number, other) in others.iter().enumerate() {
            assert!(!key.verify(other, mac.as_bytes()), "{number}");
        }
        let another = MacKey::parse(&KEY.replace("1f", "20")).unwrap();
        assert!(!another.verify(&own, mac.as_bytes()));
        for wrong in [&b""[..], b"00", b"zz", &mac.as_bytes()[..62]] {
            assert!(!key.verify(&own, wrong), "{wrong:?}");
        }
    }

    #[test]
    fn files_of_keys_are_read_and_what_is_wrong_is_said_by_its_line_alone() {
        let text = format!("# of the fleet\n\ndfw/prod {KEY}\ndfw/prod {KEY}\nams/a\t{KEY}\n");
        let keys = parse_cluster_keys(&text).unwrap();
        assert_eq!((keys["dfw/prod"].len(), keys["ams/a"].len()), (2, 1));
        assert_eq!(format!("{:?}", keys["ams/a"]), "[[redacted]]");
        for (text, line) in [
            (format!("dfw/prod {KEY}\nprod {KEY}"), 2),
            ("dfw/prod secret-but-no-hex".to_owned(), 1),
            ("dfw/prod 00ff".to_owned(), 1),
        ] {
            let error = parse_cluster_keys(&text).unwrap_err();
            assert!(
                matches!(error, KeyFileError::Form { line: found, .. } if found == line),
                "{error}"
            );
            assert!(!error.to_string().contains("secret-but-no-hex"));
        }
        let third = format!("a/b {KEY}\na/b {KEY}\na/b {KEY}");
        assert_eq!(
            parse_cluster_keys(&third).unwrap_err(),
            KeyFileError::TooMany { line: 3 }
        );
        assert_eq!(parse_own_keys(&format!("{KEY}\n")).unwrap().len(), 1);
        assert_eq!(parse_own_keys("# none\n").unwrap_err(), KeyFileError::Empty);
    }
}
