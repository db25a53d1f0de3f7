//! A real kubectl: the installed one, else Debian's, unpacked in the cache.

use std::path::PathBuf;

use crate::cache::ArtifactCache;
use crate::debian_package;
use crate::error::LocalResult;
use crate::process;

const PART: &str = "kubectl";
const PACKAGE: &str = "kubernetes-client";

/// Fetches it, unless it is installed or in the cache.
///
/// # Errors
/// [`crate::LocalError::Unavailable`] where its package cannot be fetched.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<()> {
    folder(cache).await.map(|_| ())
}

/// The folder that it is in, for a `PATH`.
///
/// # Errors
/// As [`fetch`].
pub async fn folder(cache: &ArtifactCache) -> LocalResult<PathBuf> {
    for installed in ["/usr/local/bin", "/usr/bin"] {
        let program = format!("{installed}/kubectl");
        if process::is_runnable(&program, &["version", "--client"]).await {
            return Ok(PathBuf::from(installed));
        }
    }
    let unpacked = cache
        .artifact("kubectl", |staging| async move {
            debian_package::unpack(&staging, PART, PACKAGE).await
        })
        .await?;
    Ok(unpacked.join("usr/bin"))
}
