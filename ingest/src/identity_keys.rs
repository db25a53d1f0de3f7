//! What a source must prove: the keys of clusters.

use std::sync::Arc;

use fleetledger_schema::{
    key::RecordSource,
    key_file::KeyFile,
    mac::{ClusterKeys, MacKey, parse_cluster_keys},
};
use tokio_util::sync::CancellationToken;

use crate::{IngestError, IngestSettings, settings::UnsignedRecords};

/// What a source must prove.
#[derive(Debug, Clone)]
pub(crate) enum RequiredProof {
    /// Its records carry a MAC of one of these keys.
    Mac(Arc<[MacKey]>),
    /// Every record must carry a MAC, and the source has no key.
    Unknown,
    /// Its records are taken as they are.
    None,
}

/// The keys of clusters.
#[derive(Debug)]
pub(crate) struct IdentityKeys {
    file: Option<KeyFile<ClusterKeys>>,
    unsigned: UnsignedRecords,
}

impl IdentityKeys {
    /// Reads the keys for the first time.
    ///
    /// # Errors
    /// The file cannot be read, or is not of its form: it says the line, and nothing that stands in it.
    pub(crate) fn read(settings: &IngestSettings) -> Result<Self, IngestError> {
        let identity = &settings.identity;
        let file = match identity.key_file.as_str() {
            "" => None,
            file => Some(
                KeyFile::read(file, parse_cluster_keys).map_err(|why| IngestError::Settings {
                    key: "identity.key_file",
                    why,
                })?,
            ),
        };
        Ok(Self {
            file,
            unsigned: identity.unsigned,
        })
    }

    /// A number that changes with the keys.
    pub(crate) fn generation(&self) -> u64 {
        self.file.as_ref().map_or(0, KeyFile::generation)
    }

    /// What the records of `source` must prove.
    pub(crate) fn proof_of(&self, source: &RecordSource) -> RequiredProof {
        let name = format!("{}/{}", source.datacenter, source.cluster);
        let keys = self.file.as_ref().map(KeyFile::keys);
        match keys.as_ref().and_then(|keys| keys.get(&name)) {
            Some(keys) => RequiredProof::Mac(keys.as_slice().into()),
            None if self.unsigned == UnsignedRecords::Refused => RequiredProof::Unknown,
            None => RequiredProof::None,
        }
    }

    /// Takes up keys that change, until `shutdown`.
    pub(crate) async fn follow(self: Arc<Self>, shutdown: CancellationToken) {
        match &self.file {
            Some(file) => {
                shutdown.run_until_cancelled(file.follow()).await;
            }
            // A task that ends before it is asked to is taken for a fault.
            None => shutdown.cancelled().await,
        }
    }
}
