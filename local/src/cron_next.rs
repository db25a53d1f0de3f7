//! A program around robfig/cron, the library that Kubernetes reads schedules with: the judge of `fleet.cron_next`.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalResult};
use crate::go;

const SOURCES: [&str; 3] = ["go.mod", "go.sum", "main.go"];

/// The program, built from the Go module in `source_dir` once a version of it and of Go.
///
/// # Errors
/// [`crate::LocalError::Unavailable`] without Go, and whatever the build says.
pub async fn binary(cache: &ArtifactCache, source_dir: &Path) -> LocalResult<PathBuf> {
    let toolchain = go::find(cache).await?;
    let mut hash = Xxh3::new();
    hash.update(toolchain.version.as_bytes());
    for name in SOURCES {
        let file = source_dir.join(name);
        hash.update(&fs::read(&file).while_("read", &file)?);
    }
    let name = format!("cron-next-{:016x}", hash.digest());
    let toolchain = &toolchain;
    let folder = cache
        .artifact(&name, |staging| async move {
            go::build(toolchain, source_dir, &staging.join("cron-next"), &[]).await
        })
        .await?;
    Ok(folder.join("cron-next"))
}
