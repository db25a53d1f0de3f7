//! A file of keys that is read again when it changes: a key is taken up, or given up, without a restart.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::mac::KeyFileError;

/// How often the file is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Reads keys from the text of a file.
type KeyParser<K> = fn(&str) -> Result<K, KeyFileError>;

/// The keys of a file. What stands in it is never shown.
#[derive(Debug)]
pub struct KeyFile<K> {
    file: PathBuf,
    parse: KeyParser<K>,
    keys: RwLock<Arc<K>>,
    generation: AtomicU64,
}

impl<K> KeyFile<K> {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// Why it cannot be used, in one sentence that names the file and the line.
    pub fn read(file: impl Into<PathBuf>, parse: KeyParser<K>) -> Result<Self, String> {
        let file = file.into();
        let keys = read(&file, parse)?;
        Ok(Self {
            file,
            parse,
            keys: RwLock::new(Arc::new(keys)),
            generation: AtomicU64::new(1),
        })
    }

    /// The keys that were read last.
    #[must_use]
    pub fn keys(&self) -> Arc<K> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A number that changes with the keys.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Looks at the file for ever. One that cannot be used changes nothing.
    pub async fn follow(&self) {
        let mut last = LastLook::default();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look_again(&mut last);
        }
    }

    fn look_again(&self, last: &mut LastLook) {
        let found_at = modified_at_of(&self.file);
        if found_at.is_some() && found_at == last.modified_at {
            return;
        }
        match read(&self.file, self.parse) {
            Ok(keys) => {
                (last.modified_at, last.fault) = (found_at, String::new());
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                self.generation.fetch_add(1, Ordering::AcqRel);
                tracing::info!(file = %self.file.display(), "keys were read");
            }
            Err(why) if why != last.fault => {
                tracing::error!(%why, "the keys cannot be read again; the previous ones stay in use");
                last.fault = why;
            }
            Err(_) => {}
        }
    }
}

/// What the newest look at a file found.
#[derive(Debug, Default)]
struct LastLook {
    modified_at: Option<SystemTime>,
    fault: String,
}

fn modified_at_of(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|found| found.modified()).ok()
}

fn read<K>(file: &Path, parse: KeyParser<K>) -> Result<K, String> {
    let text =
        std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    parse(&text).map_err(|error| format!("{}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac::parse_own_keys;

    #[test]
    fn keys_are_taken_up_when_their_file_changes_and_kept_when_it_breaks() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("keys");
        let key = "ab".repeat(32);
        std::fs::write(&file, &key).unwrap();
        let keys = KeyFile::read(&file, parse_own_keys).unwrap();
        assert_eq!(keys.keys().len(), 1);
        for (text, count) in [(format!("{key}\n{key}"), 2), ("broken".to_owned(), 2), (key, 1)] {
            std::fs::write(&file, text).unwrap();
            keys.look_again(&mut LastLook::default());
            assert_eq!(keys.keys().len(), count);
        }
        let error = KeyFile::read(folder.path().join("none"), parse_own_keys).unwrap_err();
        assert!(error.contains("none"), "{error}");
    }
}
