//! Packages of Python, fetched into a folder of their own by pip.

use std::ffi::OsStr;
use std::path::Path;

use tokio::process::Command;

use crate::error::LocalResult;
use crate::process;

/// Why nothing is fetched, where pip is missing.
pub(crate) const MISSING: &str = "python3 with pip is not installed";

/// Whether the machine's Python has pip.
pub(crate) async fn is_there() -> bool {
    process::is_runnable("python3", &["-m", "pip", "--version"]).await
}

/// Has `python` install `what`, packages and options of `pip install`, into `folder`.
pub(crate) async fn install(
    python: impl AsRef<OsStr>,
    folder: &Path,
    what: &[impl AsRef<OsStr>],
) -> LocalResult<()> {
    let mut install = Command::new(python);
    install.args(["-m", "pip", "install", "--quiet", "--target"]);
    process::run(install.arg(folder).args(what)).await?;
    Ok(())
}
