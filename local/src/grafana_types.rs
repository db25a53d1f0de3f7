//! Grafana's published types of dashboards and panels (`@grafana/schema`, TypeScript) and the compiler that checks
//! something against them. There is no published JSON schema of what Grafana 11 and 12 import; these types are what
//! Grafana's own frontend is compiled with.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalError, LocalResult};
use crate::process;
use crate::scratch::ScratchFolder;

/// Releases of Grafana whose types are there.
pub const RELEASES: [&str; 2] = ["11.6.0", "12.4.0"];

const COMPILER: &str = "typescript@5.8.3";

/// Folders of the types, and the compiler.
#[derive(Debug, Clone)]
pub struct GrafanaTypes {
    folder: PathBuf,
    scratch: PathBuf,
}

/// Fetches them into the cache, through npm.
///
/// # Errors
/// [`LocalError::Unavailable`] without node and npm, or where npm cannot fetch.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<GrafanaTypes> {
    for tool in ["node", "npm"] {
        if !process::is_runnable(tool, &["--version"]).await {
            return Err(unavailable(format!("{tool} is not installed")));
        }
    }
    let folder = cache
        .artifact("grafana-types-1", |staging| async move {
            for release in RELEASES {
                install(&staging.join(release), &format!("@grafana/schema@{release}")).await?;
            }
            install(&staging.join("compiler"), COMPILER).await
        })
        .await?;
    let scratch = cache.data_root().to_owned();
    std::fs::create_dir_all(&scratch).while_("create", &scratch)?;
    Ok(GrafanaTypes { folder, scratch })
}

async fn install(folder: &Path, package: &str) -> LocalResult<()> {
    std::fs::create_dir_all(folder).while_("create", folder)?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--no-save",
        "--prefix",
    ])
    .arg(folder)
    .arg(package);
    process::run(&mut npm)
        .await
        .map(|_| ())
        .map_err(|error| unavailable(format!("{package} cannot be fetched: {error}")))
}

fn unavailable(reason: String) -> LocalError {
    LocalError::Unavailable {
        part: "Grafana's types",
        reason,
        remedy: "apt-get install nodejs npm".to_owned(),
    }
}

impl GrafanaTypes {
    /// Compiles `program`, TypeScript that imports `@grafana/schema`, against a release; what the compiler says.
    /// Nothing is emitted.
    ///
    /// # Errors
    /// The compiler does not run.
    pub async fn check(&self, release: &str, program: &str) -> LocalResult<String> {
        let scratch = ScratchFolder::create(&self.scratch, "check").await?;
        let modules = scratch.path().join("node_modules");
        let types = self.folder.join(release).join("node_modules");
        std::os::unix::fs::symlink(types, &modules).while_("link", &modules)?;
        let file = scratch.path().join("check.ts");
        std::fs::write(&file, program).while_("write", &file)?;
        let compiler = self.folder.join("compiler/node_modules/typescript/bin/tsc");
        let output = Command::new("node")
            .arg(compiler)
            .args([
                "--noEmit",
                "--strict",
                "--skipLibCheck",
                "--module",
                "esnext",
                "--moduleResolution",
                "node",
            ])
            .args(["--target", "es2022"])
            .arg(&file)
            .output()
            .await
            .map_err(|source| LocalError::Spawn {
                command: "node tsc".to_owned(),
                source,
            })?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
    }
}
