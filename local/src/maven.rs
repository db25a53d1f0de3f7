//! Jars, fetched by Maven.

use std::path::Path;

use tokio::process::Command;

use crate::error::LocalResult;
use crate::process;

/// What installs Java and Maven.
pub(crate) const REMEDY: &str = "sudo apt-get install -y default-jre-headless maven";

/// The first tool that is missing of those that fetch jars and run them.
pub(crate) async fn missing() -> Option<&'static str> {
    for (tool, version) in [("java", "-version"), ("mvn", "--version")] {
        if !process::is_runnable(tool, &[version]).await {
            return Some(tool);
        }
    }
    None
}

/// Copies what the `pom.xml` of `folder` needs to run into its folder `lib`.
///
/// # Errors
/// If Maven cannot be started, or fetch what is asked for.
pub async fn copy_dependencies(folder: &Path) -> LocalResult<()> {
    let mut maven = Command::new("mvn");
    maven.args([
        "-q",
        "-B",
        "dependency:copy-dependencies",
        "-DoutputDirectory=lib",
        "-DincludeScope=runtime",
    ]);
    process::run(maven.current_dir(folder)).await?;
    Ok(())
}
