//! Where fetched and built parts are kept: outside any clone, shared by all of them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::account;
use crate::error::{FileContext, LocalError, LocalResult};

/// A folder of artifacts, and a folder for the data of running parts.
#[derive(Debug, Clone)]
pub struct ArtifactCache {
    root: PathBuf,
    data_root: PathBuf,
}

impl ArtifactCache {
    /// A cache in `root`. Data of running parts goes to `/var/lib/fleetledger` for root, because
    /// PostgreSQL then runs as another user that cannot enter root's home, else to `root/data`.
    #[must_use]
    pub fn new(root: PathBuf) -> Self {
        let data_root = if account::is_root() {
            PathBuf::from("/var/lib/fleetledger")
        } else {
            root.join("data")
        };
        Self { root, data_root }
    }

    /// `$FLEETLEDGER_CACHE`, else `/var/cache/fleetledger` for root, else
    /// `${XDG_CACHE_HOME:-~/.cache}/fleetledger`. `deploy/bootstrap/places.sh` says the same.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the place of a cache is decided by the environment before any configuration is read"
    )]
    pub fn default_root() -> PathBuf {
        let folder = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        if let Some(chosen) = folder("FLEETLEDGER_CACHE") {
            return chosen;
        }
        if account::is_root() {
            return PathBuf::from("/var/cache/fleetledger");
        }
        let base = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .unwrap_or_else(std::env::temp_dir);
        base.join("fleetledger")
    }

    /// The folder of artifacts.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder for data of running parts.
    #[must_use]
    pub fn data_root(&self) -> &Path {
        &self.data_root
    }

    /// The artifact folder `name`, made by `make` in a staging folder if it is not there yet.
    ///
    /// One process makes it while others wait; it appears whole, by rename, or not at all.
    pub async fn artifact<F, Made>(&self, name: &str, make: F) -> LocalResult<PathBuf>
    where
        F: FnOnce(PathBuf) -> Made,
        Made: Future<Output = LocalResult<()>>,
    {
        make_once(&self.root.join(name), make).await
    }
}

/// Makes the folder `target` once, under a lock beside it, in a staging folder that is renamed.
pub(crate) async fn make_once<F, Made>(target: &Path, make: F) -> LocalResult<PathBuf>
where
    F: FnOnce(PathBuf) -> Made,
    Made: Future<Output = LocalResult<()>>,
{
    if target.is_dir() {
        return Ok(target.to_owned());
    }
    let _lock = lock(beside(target, "lock")).await?;
    if target.is_dir() {
        return Ok(target.to_owned());
    }
    let staging = beside(target, "staging");
    remove_if_there(&staging)?;
    fs::create_dir_all(&staging).while_("create", &staging)?;
    make(staging.clone()).await?;
    fs::rename(&staging, target).while_("move into place", target)?;
    Ok(target.to_owned())
}

/// An exclusive lock on `path`, held until the file is dropped.
pub(crate) async fn lock(path: PathBuf) -> LocalResult<File> {
    let waited = path.clone();
    tokio::task::spawn_blocking(move || {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).while_("create", folder)?;
        }
        let file = File::create(&path).while_("create", &path)?;
        file.lock().while_("lock", &path)?;
        Ok(file)
    })
    .await
    .map_err(|_| LocalError::Setup(format!("waiting for {} was cancelled", waited.display())))?
}

/// Removes a folder tree that may not exist.
pub(crate) fn remove_if_there(folder: &Path) -> LocalResult<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).while_("remove", folder),
        _ => Ok(()),
    }
}

fn beside(target: &Path, suffix: &str) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    target.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn artifact_is_made_once_and_failed_making_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = ArtifactCache::new(folder.path().to_owned());
        let failed = cache
            .artifact("part/1", |staging| async move {
                fs::write(staging.join("half"), "").unwrap();
                Err(LocalError::NoPort)
            })
            .await;
        assert!(failed.is_err());
        assert!(!folder.path().join("part/1").exists());

        let made = cache
            .artifact("part/1", |staging| async move {
                assert!(!staging.join("half").exists());
                fs::write(staging.join("whole"), "").unwrap();
                Ok(())
            })
            .await
            .unwrap();
        assert!(made.join("whole").exists());
        let again = cache
            .artifact("part/1", |_| async { Err(LocalError::NoPort) })
            .await;
        assert_eq!(again.unwrap(), made);
    }
}
