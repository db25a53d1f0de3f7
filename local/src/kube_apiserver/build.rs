//! The binary: built from the Go module in `tests/kube-apiserver`, once a version of it and of Go; it takes some minutes.

use std::path::{Path, PathBuf};

use crate::cache::ArtifactCache;
use crate::error::LocalResult;
use crate::go;

/// What the server says of itself in `/version`; the same version stands in the module's go.mod.
const KUBERNETES_VERSION: &str = "v1.35.4";

/// The server built from the module in `source_dir`.
pub(super) async fn binary(cache: &ArtifactCache, source_dir: &Path) -> LocalResult<PathBuf> {
    let stamp = format!("-ldflags=-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}");
    go::program(cache, "kube-apiserver", source_dir, &[&stamp]).await
}
