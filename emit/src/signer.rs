//! Signs what this emitter sends, and tells its records from others in its logs.

use std::sync::Arc;

use fleetledger_schema::{
    headers::{RecordHeadersRef, is_possible_epoch},
    instant::Instant,
    key_file::KeyFile,
    mac::{MacKey, SignedContent, parse_own_keys},
};
use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Headers as _},
};

use crate::{EmitError, producer::OutgoingRecord, settings::EmitIdentitySettings};

/// The key of the cluster, where it has one.
#[derive(Debug, Clone, Default)]
pub(crate) struct RecordSigner {
    keys: Option<Arc<KeyFile<Vec<MacKey>>>>,
}

/// Which record of which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochStamp {
    pub(crate) epoch: i64,
    pub(crate) sequence: i64,
    /// When its content began, as far as it says so.
    pub(crate) began_at: Instant,
}

impl RecordSigner {
    /// Reads the key.
    ///
    /// # Errors
    /// [`EmitError::Settings`] if its file cannot be used.
    pub(crate) fn read(settings: &EmitIdentitySettings) -> Result<Self, EmitError> {
        if settings.key_file.is_empty() {
            return Ok(Self::default());
        }
        let keys = KeyFile::read(&settings.key_file, parse_own_keys)
            .map_err(|why| EmitError::settings("identity.key_file", why))?;
        Ok(Self {
            keys: Some(Arc::new(keys)),
        })
    }

    /// Takes up keys that change, for ever.
    pub(crate) async fn follow(&self) {
        if let Some(keys) = &self.keys {
            keys.follow().await;
        }
    }

    /// The MAC of a record, where there is a key.
    pub(crate) fn sign(&self, record: &OutgoingRecord<'_>) -> Option<String> {
        let keys = self.keys.as_ref()?.keys();
        let key = record.key.as_bytes();
        let content = SignedContent::of_sent(record.topic, key, record.value, record.headers);
        keys.first().map(|key| key.sign(&content))
    }

    /// The stamp of a record that an ingester may take for this cluster's: signed where there is a key, and of a possible
    /// epoch.
    pub(crate) fn stamp_of(&self, message: &BorrowedMessage<'_>) -> Option<EpochStamp> {
        let pairs = message.headers()?.iter();
        let pairs = pairs.filter_map(|header| Some((header.key, header.value?)));
        let headers = RecordHeadersRef::parse(pairs).ok()?;
        let content = SignedContent::of(message.topic(), message.key()?, message.payload(), &headers);
        let is_own = self.keys.as_ref().is_none_or(|keys| {
            let keys = keys.keys();
            headers
                .mac
                .is_some_and(|mac| keys.iter().any(|key| key.verify(&content, mac)))
        });
        let stamp = EpochStamp {
            epoch: headers.epoch,
            sequence: headers.sequence,
            began_at: headers.since.unwrap_or(headers.time),
        };
        (is_own && is_possible_epoch(headers.epoch, Instant::now())).then_some(stamp)
    }
}
