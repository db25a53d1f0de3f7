//! Folders of one run, removed at its end; what a killed run left is removed by the next one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::cache::{self, remove_if_there};
use crate::error::{FileContext, LocalResult};

/// A folder that lives as long as this value.
#[derive(Debug)]
pub struct ScratchFolder {
    path: PathBuf,
    lock_path: PathBuf,
    _lock: File,
}

impl ScratchFolder {
    /// A new folder in `parent`, its name beginning with `prefix`.
    ///
    /// A lock file beside it, held for its life, tells a later run whether its owner still lives.
    pub async fn create(parent: &Path, prefix: &str) -> LocalResult<Self> {
        let _sweeping = cache::lock(parent.join(".sweep")).await?;
        remove_orphans(parent)?;
        let (unique, _, _, _) = uuid::Uuid::new_v4().as_fields();
        let path = parent.join(format!("{prefix}-{unique:08x}"));
        let lock_path = path.with_extension("lock");
        let lock = File::create_new(&lock_path).while_("create", &lock_path)?;
        lock.lock().while_("lock", &lock_path)?;
        fs::create_dir(&path).while_("create", &path)?;
        Ok(Self {
            path,
            lock_path,
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        if let Err(error) = remove_if_there(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a scratch folder could not be removed");
            return;
        }
        let _ = fs::remove_file(&self.lock_path);
    }
}

/// Removes the folders whose lock nobody holds any more.
fn remove_orphans(parent: &Path) -> LocalResult<()> {
    for entry in fs::read_dir(parent).while_("list", parent)?.flatten() {
        let lock_path = entry.path();
        if lock_path.extension().is_none_or(|extension| extension != "lock") {
            continue;
        }
        if File::open(&lock_path).is_ok_and(|file| file.try_lock().is_ok()) {
            tracing::info!(path = %lock_path.display(), "removing the scratch folders of a killed run");
            remove_if_there(&lock_path.with_extension(""))?;
            fs::remove_file(&lock_path).while_("remove", &lock_path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn folders_of_killed_runs_are_removed_and_living_ones_stay() {
        let parent = tempfile::tempdir().unwrap();
        let living = ScratchFolder::create(parent.path(), "part").await.unwrap();
        let orphan = parent.path().join("part-dead");
        fs::create_dir(&orphan).unwrap();
        fs::write(orphan.with_extension("lock"), "").unwrap();

        let next = ScratchFolder::create(parent.path(), "part").await.unwrap();
        assert!(!orphan.exists());
        assert!(living.path().exists());
        let path = next.path().to_owned();
        drop(next);
        assert!(!path.exists());
    }
}
