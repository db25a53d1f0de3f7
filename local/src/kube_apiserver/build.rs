//! The binary: built from the Go module in `tests/kube-apiserver`, once a version of it and of Go.

use std::fs;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::Xxh3;

use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalResult};
use crate::go::{self, GoToolchain};

/// What the server says of itself in `/version`; the same version stands in the module's go.mod.
const KUBERNETES_VERSION: &str = "v1.35.4";

const SOURCES: [&str; 3] = ["go.mod", "go.sum", "main.go"];

/// The server built from the module in `source_dir`.
pub(super) async fn binary(cache: &ArtifactCache, source_dir: &Path) -> LocalResult<PathBuf> {
    let go = go::find(cache).await?;
    let mut hash = Xxh3::new();
    hash.update(go.version.as_bytes());
    for name in SOURCES {
        let file = source_dir.join(name);
        hash.update(&fs::read(&file).while_("read", &file)?);
    }
    let name = format!("kube-apiserver-{:016x}", hash.digest());
    let folder = cache
        .artifact(
            &name,
            |staging| async move { build(&go, source_dir, &staging).await },
        )
        .await?;
    Ok(folder.join("kube-apiserver"))
}

async fn build(go: &GoToolchain, source_dir: &Path, staging: &Path) -> LocalResult<()> {
    tracing::info!(
        version = KUBERNETES_VERSION,
        "building kube-apiserver, which takes some minutes"
    );
    let stamp = format!("-ldflags=-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}");
    go::build(go, source_dir, &staging.join("kube-apiserver"), &[&stamp]).await
}
