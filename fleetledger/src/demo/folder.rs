//! The folder of the demo's data; one demo at a time.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use fleetledger_local::ports;

/// The folder, locked for the life of this value.
pub(super) struct DemoFolder {
    path: PathBuf,
    _lock: File,
}

impl DemoFolder {
    /// Opens it; with `fresh` the current state in it is thrown away first.
    pub(super) fn open(path: &Path, fresh: bool) -> anyhow::Result<Self> {
        fs::create_dir_all(path).with_context(|| format!("create {}", path.display()))?;
        let lock_path = path.join("lock");
        let lock = File::create(&lock_path).with_context(|| format!("open {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!(
                "another demo runs in {}; stop it, or set demo.directory (FLEETLEDGER__DEMO__DIRECTORY) to \
                 another folder",
                path.display()
            ),
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", lock_path.display()));
            }
        }
        let folder = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        if fresh {
            folder.remove("postgres")?;
            folder.remove("kafka")?;
        }
        Ok(folder)
    }

    /// A file or folder in it.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The port that was kept under a name, where nobody has taken it since; else one that is free.
    pub(super) fn free_port(&self, name: &str) -> anyhow::Result<u16> {
        match self.kept_port(name).filter(|port| is_free(*port)) {
            Some(port) => Ok(port),
            None => ports::free_port().context("find a free port"),
        }
    }

    /// A number that is kept over restarts.
    pub(super) fn kept_port(&self, name: &str) -> Option<u16> {
        fs::read_to_string(self.join(name)).ok()?.trim().parse().ok()
    }

    /// Keeps a number.
    pub(super) fn keep_port(&self, name: &str, port: u16) -> anyhow::Result<()> {
        let file = self.join(name);
        fs::write(&file, format!("{port}\n")).with_context(|| format!("write {}", file.display()))
    }

    /// Writes a file that nobody else may read.
    pub(super) fn write_private(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        use std::os::unix::fs::OpenOptionsExt as _;
        let file = self.join(name);
        let mut options = fs::OpenOptions::new();
        let opened = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&file);
        opened
            .and_then(|mut opened| std::io::Write::write_all(&mut opened, text.as_bytes()))
            .with_context(|| format!("write {}", file.display()))?;
        Ok(file)
    }

    fn remove(&self, name: &str) -> anyhow::Result<()> {
        let folder = self.join(name);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("remove {}", folder.display()))
            }
            _ => Ok(()),
        }
    }
}

fn is_free(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_demo_on_one_folder_is_refused_and_fresh_throws_data_away() {
        let place = tempfile::tempdir().unwrap();
        let first = DemoFolder::open(place.path(), false).unwrap();
        fs::create_dir(first.join("postgres")).unwrap();
        first.keep_port("port", 5).unwrap();
        assert_eq!(first.kept_port("port"), Some(5));
        assert!(
            DemoFolder::open(place.path(), false)
                .is_err_and(|error| error.to_string().contains("another demo"))
        );
        drop(first);
        let fresh = DemoFolder::open(place.path(), true).unwrap();
        assert!(!fresh.join("postgres").exists());
    }
}
