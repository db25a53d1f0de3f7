//! Programs out of packages of Debian that are unpacked in the cache, so that nothing is installed and no service starts.

use std::fs;
use std::path::Path;

use tokio::process::Command;

use crate::error::{FileContext, LocalError, LocalResult};
use crate::process;

/// Unpacks `package` into `folder`; `part` is what it is needed for.
pub(crate) async fn unpack(folder: &Path, part: &'static str, package: &str) -> LocalResult<()> {
    for tool in ["apt-get", "dpkg"] {
        if !process::is_runnable(tool, &["--version"]).await {
            let reason = format!("{tool}, which fetches its package, is not installed");
            return Err(unavailable(part, package, &reason));
        }
    }
    let mut download = Command::new("apt-get");
    download.args(["download", "-q", package]).current_dir(folder);
    if let Err(error) = process::run(&mut download).await {
        let reason = format!("its package cannot be fetched: {error}");
        return Err(unavailable(part, package, &reason));
    }
    for entry in fs::read_dir(folder).while_("list", folder)?.flatten() {
        let archive = entry.path();
        if archive.extension().is_some_and(|extension| extension == "deb") {
            process::run(Command::new("dpkg").arg("-x").arg(&archive).arg(folder)).await?;
            fs::remove_file(&archive).while_("remove", &archive)?;
        }
    }
    Ok(())
}

fn unavailable(part: &'static str, package: &str, reason: &str) -> LocalError {
    LocalError::Unavailable {
        part,
        reason: reason.to_owned(),
        remedy: format!("sudo apt-get update && apt-get download {package}"),
    }
}
