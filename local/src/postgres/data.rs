//! Data directories: made by initdb once a version, then copied.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokio::process::Command;

use super::SUPERUSER;
use super::binaries::PostgresBinaries;
use crate::account::{self, SystemAccount};
use crate::cache::{self, ArtifactCache};
use crate::error::{FileContext, LocalError, LocalResult};
use crate::process;

/// Makes `data_dir` a data directory of this version, unless it is one already.
pub(super) async fn prepare(
    cache: &ArtifactCache,
    binaries: &PostgresBinaries,
    account: Option<&SystemAccount>,
    data_dir: &Path,
) -> LocalResult<()> {
    account::check_reachable(account, data_dir)?;
    if data_dir.join("PG_VERSION").exists() {
        return check_version(binaries, data_dir);
    }
    let templates = cache.data_root().join("templates");
    let template = templates.join(format!("postgres-{}", binaries.version));
    let template = cache::make_once(&template, |staging| async move {
        initdb(binaries, account, &staging).await
    })
    .await?;
    if let Some(parent) = data_dir.parent() {
        fs::create_dir_all(parent).while_("create", parent)?;
    }
    // A copy takes a tenth of initdb's time. It keeps owner and permissions.
    let mut copy = Command::new("cp");
    copy.args(["-a", "--reflink=auto", "-T"])
        .arg(&template)
        .arg(data_dir);
    process::run(&mut copy).await?;
    Ok(())
}

async fn initdb(
    binaries: &PostgresBinaries,
    account: Option<&SystemAccount>,
    folder: &Path,
) -> LocalResult<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).while_("set permissions of", folder)?;
    account::hand_over(account, folder)?;
    let mut initdb = Command::new("env");
    initdb.args(account::command_line(account, &binaries.program("initdb")));
    initdb.envs(binaries.environment()).current_dir("/");
    initdb.args(["-E", "UTF8", "--locale=C", "--auth=trust", "-U", SUPERUSER, "-D"]);
    process::run(initdb.arg(folder)).await?;
    Ok(())
}

/// A server opens data of its own major version only.
fn check_version(binaries: &PostgresBinaries, data_dir: &Path) -> LocalResult<()> {
    let file = data_dir.join("PG_VERSION");
    let found = fs::read_to_string(&file).while_("read", &file)?;
    let ours = binaries.version.split('.').next().unwrap_or_default();
    if found.trim() == ours {
        return Ok(());
    }
    Err(LocalError::Setup(format!(
        "{} contains data of PostgreSQL {}, but the installed server is version {}; install the former \
         version or choose another folder",
        data_dir.display(),
        found.trim(),
        binaries.version
    )))
}
