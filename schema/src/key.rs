//! The key of a Kafka record: `<datacenter>/<cluster>/<cluster_uid>/<uid>`, or a control record's own name
//! in place of the uid.

use std::fmt;

use thiserror::Error;

/// Where a record comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RecordSource {
    /// Name of the datacenter.
    pub datacenter: String,
    /// Name of the cluster within it.
    pub cluster: String,
    /// Uid of the cluster's kube-system namespace: its identity.
    pub cluster_uid: String,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordSubject {
    /// An object, by its Kubernetes uid.
    Object(String),
    /// A mark of that shard.
    Mark(u16),
    /// The begin of a sweep of that shard.
    SweepBegin(u16),
    /// The end of a sweep of that shard.
    SweepEnd(u16),
    /// The announcement of an Avro schema by its fingerprint, so that an older central site can read records of a newer emitter.
    Schema(u64),
}

/// The parsed key of a record.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordKey {
    /// Where the record comes from.
    pub source: RecordSource,
    /// What it is about.
    pub subject: RecordSubject,
}

/// Why a key is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The key is not UTF-8.
    #[error("key is not utf-8")]
    NotText,
    /// Not of the form `<datacenter>/<cluster>/<cluster_uid>/<subject>`.
    #[error("key is not of the form <datacenter>/<cluster>/<cluster_uid>/<subject>")]
    Form,
    /// A datacenter or cluster name is empty, too long or holds a character that is not allowed.
    #[error(
        "{what} name {name:?} must be 1 to 63 characters of a-z 0-9 - _ . and begin and end with a letter or \
         digit"
    )]
    Name {
        /// `datacenter` or `cluster`.
        what: &'static str,
        /// The name, cut at 80 characters.
        name: String,
    },
    /// A uid is empty, too long or holds a character that is not allowed.
    #[error("uid {0:?} must be 1 to 128 characters of A-Z a-z 0-9 - _ . :")]
    Uid(String),
    /// A subject begins with `!` but is not a control record this version knows.
    #[error("unknown control record {0:?}")]
    Control(String),
}

impl RecordSource {
    /// A source whose names have been checked.
    ///
    /// # Errors
    /// [`KeyError::Name`] or [`KeyError::Uid`] when a part is not allowed.
    pub fn new(datacenter: &str, cluster: &str, cluster_uid: &str) -> Result<Self, KeyError> {
        check_name("datacenter", datacenter)?;
        check_name("cluster", cluster)?;
        check_uid(cluster_uid)?;
        Ok(Self {
            datacenter: datacenter.to_owned(),
            cluster: cluster.to_owned(),
            cluster_uid: cluster_uid.to_owned(),
        })
    }

    /// `ce_source` of records from here.
    #[must_use]
    pub fn event_source(&self) -> String {
        format!("/{}/{}/{}", self.datacenter, self.cluster, self.cluster_uid)
    }
}

impl fmt::Display for RecordSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.datacenter, self.cluster, self.cluster_uid)
    }
}

impl RecordKey {
    /// Reads a key.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn parse(key: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(key).map_err(|_| KeyError::NotText)?;
        let mut parts = text.splitn(4, '/');
        let (Some(datacenter), Some(cluster), Some(cluster_uid), Some(subject)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(KeyError::Form);
        };
        Ok(Self {
            source: RecordSource::new(datacenter, cluster, cluster_uid)?,
            subject: RecordSubject::parse(subject)?,
        })
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.source, self.subject)
    }
}

impl RecordSubject {
    /// Reads the last part of a key.
    ///
    /// # Errors
    /// [`KeyError::Uid`] or [`KeyError::Control`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let Some(control) = text.strip_prefix('!') else {
            check_uid(text)?;
            return Ok(Self::Object(text.to_owned()));
        };
        let unknown = || KeyError::Control(shorten(text));
        let (name, argument) = control.split_once('/').ok_or_else(unknown)?;
        let shard = || argument.parse::<u16>().map_err(|_| unknown());
        match name {
            "mark" => Ok(Self::Mark(shard()?)),
            "sweep-begin" => Ok(Self::SweepBegin(shard()?)),
            "sweep-end" => Ok(Self::SweepEnd(shard()?)),
            "schema" if argument.len() == 16 => u64::from_str_radix(argument, 16)
                .map(Self::Schema)
                .map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for RecordSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(uid) => f.write_str(uid),
            Self::Mark(shard) => write!(f, "!mark/{shard}"),
            Self::SweepBegin(shard) => write!(f, "!sweep-begin/{shard}"),
            Self::SweepEnd(shard) => write!(f, "!sweep-end/{shard}"),
            Self::Schema(fingerprint) => write!(f, "!schema/{fingerprint:016x}"),
        }
    }
}

fn check_name(what: &'static str, name: &str) -> Result<(), KeyError> {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_' | b'.');
    let edge = |c: Option<&u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let bytes = name.as_bytes();
    if bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|c| allowed(*c)) {
        return Ok(());
    }
    Err(KeyError::Name {
        what,
        name: shorten(name),
    })
}

fn check_uid(uid: &str) -> Result<(), KeyError> {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b':');
    if (1..=128).contains(&uid.len()) && uid.bytes().all(allowed) {
        return Ok(());
    }
    Err(KeyError::Uid(shorten(uid)))
}

fn shorten(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back_as_they_were_written() {
        let source = RecordSource::new("dfw", "prod-1", "0b6c5f6e-7e3c-4f0a-9a58-000000000001").unwrap();
        for subject in [
            RecordSubject::Object("9e1f".into()),
            RecordSubject::Mark(3),
            RecordSubject::SweepBegin(0),
            RecordSubject::SweepEnd(0),
            RecordSubject::Schema(0xdead_beef),
        ] {
            let key = RecordKey {
                source: source.clone(),
                subject,
            };
            assert_eq!(RecordKey::parse(key.to_string().as_bytes()), Ok(key));
        }
    }

    #[test]
    fn wrong_keys_say_what_is_wrong() {
        for (key, expected) in [
            (&b"dfw/prod/u"[..], KeyError::Form),
            (b"\xff", KeyError::NotText),
            (
                b"DFW/prod/u/x",
                KeyError::Name {
                    what: "datacenter",
                    name: "DFW".into(),
                },
            ),
            (
                b"dfw//u/x",
                KeyError::Name {
                    what: "cluster",
                    name: String::new(),
                },
            ),
            (b"dfw/prod/u/a b", KeyError::Uid("a b".into())),
            (b"dfw/prod/u/!new/0", KeyError::Control("!new/0".into())),
        ] {
            assert_eq!(RecordKey::parse(key), Err(expected));
        }
    }
}
