//! A program around robfig/cron, the library that Kubernetes reads schedules with: the judge of `fleet.cron_next`.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use xxhash_rust::xxh3::Xxh3;

use crate::cache::{self, ArtifactCache};
use crate::error::{FileContext, LocalResult};
use crate::kube_apiserver::build::find_go;
use crate::process;

const SOURCES: [&str; 3] = ["go.mod", "go.sum", "main.go"];

/// The program, built from the Go module in `source_dir` once a version of it and of Go.
///
/// # Errors
/// [`crate::LocalError::Unavailable`] without Go, and whatever the build says.
pub async fn binary(cache: &ArtifactCache, source_dir: &Path) -> LocalResult<PathBuf> {
    let go = find_go(cache).await?;
    let mut hash = Xxh3::new();
    hash.update(go.version.as_bytes());
    for name in SOURCES {
        let file = source_dir.join(name);
        hash.update(&fs::read(&file).while_("read", &file)?);
    }
    let name = format!("cron-next-{:016x}", hash.digest());
    let program = &go.program;
    let folder = cache
        .artifact(&name, |staging| async move {
            let go_cache = staging.join("go-build");
            let mut build = Command::new(program);
            build.args(["build", "-trimpath", "-mod=readonly", "-buildvcs=false"]);
            build.arg("-o").arg(staging.join("cron-next")).arg(".");
            build.current_dir(source_dir);
            build
                .env("CGO_ENABLED", "0")
                .env("GOFLAGS", "")
                .env("GOWORK", "off")
                .env("GOCACHE", &go_cache);
            process::run(&mut build).await?;
            cache::remove_if_there(&go_cache)
        })
        .await?;
    Ok(folder.join("cron-next"))
}
