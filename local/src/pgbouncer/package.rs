//! Where PgBouncer comes from: the system's package if it is installed, else Debian's, unpacked in the cache with the
//! libraries that a machine without it lacks.

use std::path::PathBuf;

use crate::cache::ArtifactCache;
use crate::debian_package;
use crate::error::LocalResult;
use crate::process;

const PART: &str = "PgBouncer";
const PACKAGE: &str = "pgbouncer";
const LIBRARIES: [&str; 2] = ["libc-ares2", "libevent-2.1-7"];

/// A program, and where libraries of its own lie.
#[derive(Debug, Clone)]
pub struct PgbouncerProgram {
    pub(super) path: PathBuf,
    libraries: Option<PathBuf>,
}

impl PgbouncerProgram {
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let path = |folder: &PathBuf| ("LD_LIBRARY_PATH".to_owned(), folder.display().to_string());
        self.libraries.iter().map(path).collect()
    }
}

/// The installed program, or the unpacked one.
pub(super) async fn find(cache: &ArtifactCache) -> LocalResult<PgbouncerProgram> {
    for installed in ["/usr/sbin/pgbouncer", "/usr/local/bin/pgbouncer"] {
        if process::is_runnable(installed, &["--version"]).await {
            return Ok(PgbouncerProgram {
                path: PathBuf::from(installed),
                libraries: None,
            });
        }
    }
    let folder = cache
        .artifact("pgbouncer", |staging| async move {
            for package in [PACKAGE].into_iter().chain(LIBRARIES) {
                debian_package::unpack(&staging, PART, package).await?;
            }
            Ok(())
        })
        .await?;
    let libraries = format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    Ok(PgbouncerProgram {
        path: folder.join("usr/sbin").join(PACKAGE),
        libraries: Some(folder.join(libraries)),
    })
}
