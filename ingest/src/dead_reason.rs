//! Why a record cannot land.

use std::fmt;

use fleetledger_schema::{
    codec::BodyError, framing::FrameError, headers::HeaderError, key::KeyError, row::CellError,
};

/// Class of a fault of one record. Names are stable: `dead-letters replay --reason` selects by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DeadReason {
    /// No key, or not one of ours.
    BadKey,
    /// A header is missing or has a value that is not of its form.
    BadHeaders,
    /// `ce_source` is not the source that the key names.
    SourceMismatch,
    /// `ce_type` is not the one of the topic's kind.
    TypeMismatch,
    /// The topic belongs to another datacenter.
    SourceNotAllowed,
    /// The record stands in another partition than its source's log.
    WrongPartition,
    /// The body names another uid than the key.
    WrongKey,
    /// The value is no frame.
    BadMagic,
    /// Its schema is not known, or is not one of this topic's kind.
    UnknownSchema,
    /// The body ends within a value, or claims more than it has room for.
    Truncated,
    /// Bytes are left after the last field.
    TrailingBytes,
    /// The body does not fit its schema.
    BadBody,
    /// Text holds U+0000.
    NulInText,
    /// An instant lies outside the years 1 to 9999.
    InstantOutOfRange,
    /// A window of usage is not made of whole minutes of one hour, or lies in the future.
    BadWindow,
    /// The body, a label or a name is larger than Kubernetes allows.
    Oversized,
    /// A schema announcement that cannot be read or contradicts its fingerprint.
    BadSchema,
    /// PostgreSQL refused its row.
    RefusedByDatabase,
    /// Its source is in quarantine.
    Quarantined,
    /// Its source may not send: it is not listed, or too many new ones came within the hour.
    NotAdmitted,
    /// It does not carry the MAC of its cluster's key.
    BadMac,
    /// Its epoch is more than a day ahead of the ingester's clock, or its sequence is one that no emitter reaches.
    EpochOutOfRange,
}

impl DeadReason {
    /// All of them.
    pub const ALL: [DeadReason; 22] = [
        DeadReason::BadKey,
        DeadReason::BadHeaders,
        DeadReason::SourceMismatch,
        DeadReason::TypeMismatch,
        DeadReason::SourceNotAllowed,
        DeadReason::WrongPartition,
        DeadReason::WrongKey,
        DeadReason::BadMagic,
        DeadReason::UnknownSchema,
        DeadReason::Truncated,
        DeadReason::TrailingBytes,
        DeadReason::BadBody,
        DeadReason::NulInText,
        DeadReason::InstantOutOfRange,
        DeadReason::BadWindow,
        DeadReason::Oversized,
        DeadReason::BadSchema,
        DeadReason::RefusedByDatabase,
        DeadReason::Quarantined,
        DeadReason::NotAdmitted,
        DeadReason::BadMac,
        DeadReason::EpochOutOfRange,
    ];

    /// False for what anybody who may write to a topic can do in a neighbour's name: it never counts against the source
    /// that it names, and says nothing of that source's log.
    #[must_use]
    pub fn counts_against_source(self) -> bool {
        match self {
            DeadReason::SourceMismatch
            | DeadReason::SourceNotAllowed
            | DeadReason::Quarantined
            | DeadReason::NotAdmitted
            | DeadReason::BadMac
            | DeadReason::EpochOutOfRange => false,
            DeadReason::BadKey
            | DeadReason::BadHeaders
            | DeadReason::TypeMismatch
            | DeadReason::WrongPartition
            | DeadReason::WrongKey
            | DeadReason::BadMagic
            | DeadReason::UnknownSchema
            | DeadReason::Truncated
            | DeadReason::TrailingBytes
            | DeadReason::BadBody
            | DeadReason::NulInText
            | DeadReason::InstantOutOfRange
            | DeadReason::BadWindow
            | DeadReason::Oversized
            | DeadReason::BadSchema
            | DeadReason::RefusedByDatabase => true,
        }
    }

    /// Its name in `ledger.dead_letter.reason`, in metrics and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            DeadReason::BadKey => "bad_key",
            DeadReason::BadHeaders => "bad_headers",
            DeadReason::SourceMismatch => "source_mismatch",
            DeadReason::TypeMismatch => "type_mismatch",
            DeadReason::SourceNotAllowed => "source_not_allowed",
            DeadReason::WrongPartition => "wrong_partition",
            DeadReason::WrongKey => "wrong_key",
            DeadReason::BadMagic => "bad_magic",
            DeadReason::UnknownSchema => "unknown_schema",
            DeadReason::Truncated => "truncated",
            DeadReason::TrailingBytes => "trailing_bytes",
            DeadReason::BadBody => "bad_body",
            DeadReason::NulInText => "nul_in_text",
            DeadReason::InstantOutOfRange => "instant_out_of_range",
            DeadReason::BadWindow => "bad_window",
            DeadReason::Oversized => "oversized",
            DeadReason::BadSchema => "bad_schema",
            DeadReason::RefusedByDatabase => "refused_by_database",
            DeadReason::Quarantined => "quarantined",
            DeadReason::NotAdmitted => "not_admitted",
            DeadReason::BadMac => "bad_mac",
            DeadReason::EpochOutOfRange => "epoch_out_of_range",
        }
    }
}

impl fmt::Display for DeadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A fault of one record: its class and what exactly is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordFault {
    pub(crate) reason: DeadReason,
    pub(crate) detail: String,
}

impl RecordFault {
    pub(crate) fn new(reason: DeadReason, detail: impl Into<String>) -> Self {
        // PostgreSQL cannot keep U+0000, and nobody reads more than a few lines.
        let detail: String = detail.into().replace('\0', "\\0");
        Self {
            reason,
            detail: detail.chars().take(500).collect(),
        }
    }
}

impl From<KeyError> for RecordFault {
    fn from(error: KeyError) -> Self {
        RecordFault::new(DeadReason::BadKey, error.to_string())
    }
}

impl From<HeaderError> for RecordFault {
    fn from(error: HeaderError) -> Self {
        RecordFault::new(DeadReason::BadHeaders, error.to_string())
    }
}

impl From<FrameError> for RecordFault {
    fn from(error: FrameError) -> Self {
        let reason = match error {
            FrameError::Magic => DeadReason::BadMagic,
            FrameError::Short(_) => DeadReason::Truncated,
        };
        RecordFault::new(reason, error.to_string())
    }
}

impl From<BodyError> for RecordFault {
    fn from(error: BodyError) -> Self {
        let reason = match error {
            BodyError::Truncated | BodyError::Length(_) => DeadReason::Truncated,
            BodyError::Trailing(_) => DeadReason::TrailingBytes,
            BodyError::TooManyValues | BodyError::Invalid(_) | BodyError::NotText | BodyError::Shape(_) => {
                DeadReason::BadBody
            }
        };
        RecordFault::new(reason, error.to_string())
    }
}

impl From<CellError> for RecordFault {
    fn from(error: CellError) -> Self {
        let reason = match error {
            CellError::Nul => DeadReason::NulInText,
            CellError::Instant => DeadReason::InstantOutOfRange,
        };
        RecordFault::new(reason, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct() {
        let names: std::collections::HashSet<_> = DeadReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(names.len(), DeadReason::ALL.len());
    }
}
