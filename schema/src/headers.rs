//! Headers of a record: CloudEvents 1.0 in the binary mode of its Kafka binding, and our own extensions.

use thiserror::Error;

use crate::{instant::Instant, key::RecordSource, mac::MAC_HEADER};

/// `ce_type` of marks and of the begin and end of sweeps.
pub const MARK_EVENT_TYPE: &str = "fleetledger.mark.v1";
/// `ce_type` of schema announcements.
pub const SCHEMA_EVENT_TYPE: &str = "fleetledger.schema.v1";
/// `content-type` of records in Avro's single-object encoding.
const AVRO_CONTENT_TYPE: &str = "application/avro";
/// `content-type` of schema announcements.
const SCHEMA_CONTENT_TYPE: &str = "application/json";
/// Header of [`RecordHeaders::sequence`]. CloudEvents' extension `sequence` counts the events of a source in an order of
/// texts; ours begins anew in each log and term, so it has a name of its own.
const SEQUENCE_HEADER: &str = "ce_logsequence";
/// Its name before reader version 2.
const FORMER_SEQUENCE_HEADER: &str = "ce_sequence";

/// No epoch lies further ahead of a clock than this, in microseconds: an epoch is the microsecond in which a leadership term
/// began, and clocks do not differ by a day. What lies further ahead is forged, or of a clock that must be set.
const EPOCH_AHEAD_MICROS: i64 = 86_400_000_000;

/// Whether an emitter whose clock is right may have this epoch at `now`.
#[must_use]
pub fn is_possible_epoch(epoch: i64, now: Instant) -> bool {
    epoch <= now.0.saturating_add(EPOCH_AHEAD_MICROS)
}

/// Headers of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordHeaders {
    /// `ce_id`: unique within the source.
    pub id: String,
    /// `ce_source`: [`RecordSource::event_source`].
    pub source: String,
    /// `ce_type`: such as `fleetledger.pod.v1`.
    pub event_type: String,
    /// `ce_time`: when the emitter observed the content.
    pub time: Instant,
    /// `ce_epoch`: leadership term of the emitter that wrote the record.
    pub epoch: i64,
    /// `ce_logsequence`: number of the record within (cluster, topic, shard) and epoch, from 1 without holes.
    pub sequence: i64,
    /// `ce_since`: when this content began, where the emitter knows; sweeps carry it.
    pub since: Option<Instant>,
    /// `resource_version`: the object's, for debugging only.
    pub resource_version: Option<String>,
}

/// Why headers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// A header that every record has is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header has a value that is not of its form.
    #[error("header {name} has the value {value:?}")]
    Value {
        /// Name of the header.
        name: &'static str,
        /// Its value, cut at 80 characters.
        value: String,
    },
}

impl RecordHeaders {
    /// Headers of a record from `source`; `id` is made of epoch, type, shard and sequence.
    #[must_use]
    pub fn new(
        source: &RecordSource,
        event_type: &str,
        shard: u16,
        time: Instant,
        epoch: i64,
        sequence: i64,
    ) -> Self {
        Self {
            id: format!("{epoch}-{event_type}-{shard}-{sequence}"),
            source: source.event_source(),
            event_type: event_type.to_owned(),
            time,
            epoch,
            sequence,
            since: None,
            resource_version: None,
        }
    }

    /// As pairs of name and text, in the order in which they are written; `content-type` is made of the event's type.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(&'static str, String)> {
        let content_type = match self.event_type.as_str() {
            SCHEMA_EVENT_TYPE => SCHEMA_CONTENT_TYPE,
            _ => AVRO_CONTENT_TYPE,
        };
        let mut pairs = vec![
            ("content-type", content_type.to_owned()),
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.clone()),
            ("ce_source", self.source.clone()),
            ("ce_type", self.event_type.clone()),
            ("ce_time", self.time.to_string()),
            ("ce_epoch", self.epoch.to_string()),
            (SEQUENCE_HEADER, self.sequence.to_string()),
        ];
        if let Some(since) = self.since {
            pairs.push(("ce_since", since.to_string()));
        }
        if let Some(version) = &self.resource_version {
            pairs.push(("resource_version", version.clone()));
        }
        pairs
    }

    /// Reads headers from pairs of name and bytes; unknown ones are passed over.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn parse<'a>(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Self, HeaderError> {
        let read = RecordHeadersRef::parse(pairs)?;
        Ok(Self {
            id: read.id.to_owned(),
            source: read.source.to_owned(),
            event_type: read.event_type.to_owned(),
            time: read.time,
            epoch: read.epoch,
            sequence: read.sequence,
            since: read.since,
            resource_version: read.resource_version.map(str::to_owned),
        })
    }
}

/// [`RecordHeaders`] that borrow their texts: what a reader of many records wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordHeadersRef<'a> {
    /// See [`RecordHeaders::id`].
    pub id: &'a str,
    /// See [`RecordHeaders::source`].
    pub source: &'a str,
    /// See [`RecordHeaders::event_type`].
    pub event_type: &'a str,
    /// See [`RecordHeaders::time`].
    pub time: Instant,
    /// See [`RecordHeaders::epoch`].
    pub epoch: i64,
    /// See [`RecordHeaders::sequence`].
    pub sequence: i64,
    /// See [`RecordHeaders::since`].
    pub since: Option<Instant>,
    /// See [`RecordHeaders::resource_version`].
    pub resource_version: Option<&'a str>,
    /// The record's MAC, where it has one; see [`crate::mac`].
    pub mac: Option<&'a [u8]>,
}

impl<'a> RecordHeadersRef<'a> {
    /// Reads headers from pairs of name and bytes; unknown ones are passed over.
    ///
    /// # Errors
    /// See [`HeaderError`].
    pub fn parse(pairs: impl Iterator<Item = (&'a str, &'a [u8])>) -> Result<Self, HeaderError> {
        let (mut id, mut source, mut event_type) = (None, None, None);
        let (mut time, mut epoch, mut sequence) = (None, None, None);
        let (mut since, mut resource_version, mut former_sequence, mut mac) = (None, None, None, None);
        for (name, value) in pairs {
            match name {
                "ce_id" => id = Some(text("ce_id", value)?),
                "ce_source" => source = Some(text("ce_source", value)?),
                "ce_type" => event_type = Some(text("ce_type", value)?),
                "ce_time" => time = Some(instant("ce_time", value)?),
                "ce_since" => since = Some(instant("ce_since", value)?),
                "ce_epoch" => epoch = Some(number("ce_epoch", value)?),
                SEQUENCE_HEADER => sequence = Some(number(SEQUENCE_HEADER, value)?),
                FORMER_SEQUENCE_HEADER => {
                    former_sequence = Some(number(FORMER_SEQUENCE_HEADER, value)?);
                }
                MAC_HEADER => mac = Some(value),
                "resource_version" => resource_version = Some(text("resource_version", value)?),
                _ => {}
            }
        }
        Ok(Self {
            id: id.ok_or(HeaderError::Missing("ce_id"))?,
            source: source.ok_or(HeaderError::Missing("ce_source"))?,
            event_type: event_type.ok_or(HeaderError::Missing("ce_type"))?,
            time: time.ok_or(HeaderError::Missing("ce_time"))?,
            epoch: epoch.ok_or(HeaderError::Missing("ce_epoch"))?,
            sequence: sequence
                .or(former_sequence)
                .ok_or(HeaderError::Missing(SEQUENCE_HEADER))?,
            since,
            resource_version,
            mac,
        })
    }
}

fn text<'a>(name: &'static str, value: &'a [u8]) -> Result<&'a str, HeaderError> {
    std::str::from_utf8(value).map_err(|_| invalid(name, value))
}

fn number(name: &'static str, value: &[u8]) -> Result<i64, HeaderError> {
    text(name, value)?
        .parse()
        .ok()
        .filter(|n| *n >= 0)
        .ok_or_else(|| invalid(name, value))
}

fn instant(name: &'static str, value: &[u8]) -> Result<Instant, HeaderError> {
    Instant::parse(text(name, value)?)
        .filter(|at| at.is_storable())
        .ok_or_else(|| invalid(name, value))
}

fn invalid(name: &'static str, value: &[u8]) -> HeaderError {
    HeaderError::Value {
        name,
        value: String::from_utf8_lossy(value).chars().take(80).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_read_back_as_they_were_written() {
        let source = RecordSource::new("dfw", "prod", "u").unwrap();
        let mut headers = RecordHeaders::new(&source, "fleetledger.pod.v1", 2, Instant(1_000_001), 7, 9);
        headers.since = Some(Instant(5));
        headers.resource_version = Some("12".into());
        let pairs = headers.to_pairs();
        let read = RecordHeaders::parse(pairs.iter().map(|(n, v)| (*n, v.as_bytes())));
        assert_eq!(read, Ok(headers));
    }

    #[test]
    fn every_record_says_what_its_value_is() {
        let source = RecordSource::new("dfw", "prod", "u").unwrap();
        for (event_type, content_type) in [
            ("fleetledger.pod.v1", "application/avro"),
            (MARK_EVENT_TYPE, "application/avro"),
            (SCHEMA_EVENT_TYPE, "application/json"),
        ] {
            let pairs = RecordHeaders::new(&source, event_type, 0, Instant(1), 1, 1).to_pairs();
            assert!(
                pairs.contains(&("content-type", content_type.to_owned())),
                "{event_type}"
            );
        }
    }

    #[test]
    fn names_of_attributes_are_those_that_cloudevents_allows_and_none_of_its_extensions_is_claimed() {
        let source = RecordSource::new("dfw", "prod", "u").unwrap();
        let mut headers = RecordHeaders::new(&source, "fleetledger.pod.v1", 0, Instant(1), 1, 1);
        headers.since = Some(Instant(5));
        for (name, _) in headers.to_pairs() {
            let Some(attribute) = name.strip_prefix("ce_") else {
                continue;
            };
            let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            assert!(attribute.chars().all(allowed) && attribute.len() <= 20, "{name}");
            assert!(
                !["sequence", "sequencetype", "partitionkey"].contains(&attribute),
                "{name}"
            );
        }
    }

    #[test]
    fn a_sequence_under_its_former_name_is_read() {
        let source = RecordSource::new("dfw", "prod", "u").unwrap();
        let headers = RecordHeaders::new(&source, "fleetledger.pod.v1", 0, Instant(1), 7, 9);
        let pairs = headers.to_pairs();
        let former = pairs.iter().map(|(name, value)| match *name {
            SEQUENCE_HEADER => ("ce_sequence", value.as_bytes()),
            name => (name, value.as_bytes()),
        });
        assert_eq!(RecordHeaders::parse(former), Ok(headers.clone()));
    }

    #[test]
    fn a_missing_epoch_and_a_wrong_time_are_named() {
        assert_eq!(
            RecordHeaders::parse([("ce_id", &b"1"[..])].into_iter()),
            Err(HeaderError::Missing("ce_source"))
        );
        let wrong = RecordHeaders::parse([("ce_time", &b"yesterday"[..])].into_iter());
        assert_eq!(
            wrong,
            Err(HeaderError::Value {
                name: "ce_time",
                value: "yesterday".into()
            })
        );
    }
}
