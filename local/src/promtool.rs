//! Prometheus' own judgement of what is shown to it: `promtool`, from the system's package or out of Debian's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::cache::ArtifactCache;
use crate::debian_package;
use crate::error::{FileContext, LocalError, LocalResult};
use crate::process;

const PART: &str = "promtool";
const PACKAGE: &str = "prometheus";

/// The tool.
#[derive(Debug, Clone)]
pub struct Promtool {
    program: PathBuf,
}

impl Promtool {
    /// The installed tool, or the one of Debian's package.
    ///
    /// # Errors
    /// [`LocalError::Unavailable`] where it is not installed and its package cannot be fetched.
    pub async fn find(cache: &ArtifactCache) -> LocalResult<Self> {
        if process::is_runnable(PART, &["--version"]).await {
            return Ok(Self {
                program: PathBuf::from(PART),
            });
        }
        let folder = cache
            .artifact("promtool", |staging| async move {
                let whole = staging.join("package");
                fs::create_dir(&whole).while_("create", &whole)?;
                debian_package::unpack(&whole, PART, PACKAGE).await?;
                let (from, to) = (whole.join("usr/bin").join(PART), staging.join(PART));
                fs::rename(&from, &to).while_("move into place", &to)?;
                fs::set_permissions(&to, fs::Permissions::from_mode(0o755))
                    .while_("set permissions of", &to)?;
                // The server beside it, 90 MB, has no use here.
                fs::remove_dir_all(&whole).while_("remove", &whole)
            })
            .await?;
        Ok(Self {
            program: folder.join(PART),
        })
    }

    /// What `promtool check metrics` finds wrong with a text that is shown on `/metrics`; empty if nothing is.
    ///
    /// # Errors
    /// The tool cannot be run.
    pub async fn check_metrics(&self, text: &str) -> LocalResult<String> {
        let command = format!("{} check metrics", self.program.display());
        let spawn = |source| LocalError::Spawn {
            command: command.clone(),
            source,
        };
        let mut tool = Command::new(&self.program)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(spawn)?;
        if let Some(mut input) = tool.stdin.take() {
            input.write_all(text.as_bytes()).await.map_err(spawn)?;
        }
        let output = tool.wait_with_output().await.map_err(spawn)?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).trim().to_owned();
        Ok(if said.is_empty() && !output.status.success() {
            output.status.to_string()
        } else {
            said
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::skip;

    #[tokio::test]
    async fn what_prometheus_would_not_name_so_is_found() {
        let cache = ArtifactCache::new(ArtifactCache::default_root());
        let test = "what_prometheus_would_not_name_so_is_found";
        let Some(tool) = skip::unless_available(test, Promtool::find(&cache).await).unwrap() else {
            return;
        };
        let good = "# HELP jobs_total Jobs.\n# TYPE jobs_total counter\njobs_total 1\n";
        assert_eq!(tool.check_metrics(good).await.unwrap(), "");
        let bad = good.replace("jobs_total", "jobs_hours_total");
        let said = tool.check_metrics(&bad).await.unwrap();
        assert!(said.contains("use base unit \"seconds\""), "{said}");
    }
}
