//! Who runs this process, and who may run a server that refuses root.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use tokio::process::Command;

use crate::error::{FileContext, LocalError, LocalResult};
use crate::process;

/// A system user, with the numbers the kernel knows it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemAccount {
    /// Its name in the user database.
    pub name: String,
    /// Its user id.
    pub uid: u32,
    /// Its primary group id.
    pub gid: u32,
}

/// Whether this process runs as root.
#[must_use]
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The user that runs servers which refuse root: `None` when this process is not root.
///
/// `postgres` where it exists, else `fleetledger`, created as a system user without a login shell.
pub async fn for_servers() -> LocalResult<Option<SystemAccount>> {
    if !is_root() {
        return Ok(None);
    }
    for name in ["postgres", "fleetledger"] {
        if let Some(account) = find(name).await? {
            return Ok(Some(account));
        }
    }
    let mut useradd = Command::new("useradd");
    useradd.args([
        "--system",
        "--user-group",
        "--no-create-home",
        "--home-dir",
        "/nonexistent",
    ]);
    useradd.args(["--shell", "/usr/sbin/nologin", "fleetledger"]);
    process::run(&mut useradd).await?;
    find("fleetledger").await
}

async fn find(name: &str) -> LocalResult<Option<SystemAccount>> {
    let number = |flag: &'static str| async move {
        let output = process::run(Command::new("id").args([flag, name])).await.ok()?;
        output.trim().parse::<u32>().ok()
    };
    let (Some(uid), Some(gid)) = (number("-u").await, number("-g").await) else {
        return Ok(None);
    };
    Ok(Some(SystemAccount {
        name: name.to_owned(),
        uid,
        gid,
    }))
}

/// `program` as a command of `account`, or of this process's own user. The process becomes the
/// program (no shell, no fork), so its pid is the program's.
pub(crate) fn command_line(account: Option<&SystemAccount>, program: &Path) -> Vec<String> {
    let mut line = Vec::new();
    if let Some(account) = account {
        line.push("setpriv".to_owned());
        line.push(format!("--reuid={}", account.uid));
        line.push(format!("--regid={}", account.gid));
        line.push("--init-groups".to_owned());
        line.push("--".to_owned());
    }
    line.push(program.display().to_string());
    line
}

/// Gives one file or folder to `account`.
pub(crate) fn hand_over(account: Option<&SystemAccount>, path: &Path) -> LocalResult<()> {
    match account {
        Some(account) => {
            std::os::unix::fs::chown(path, Some(account.uid), Some(account.gid)).while_("hand over", path)
        }
        None => Ok(()),
    }
}

/// Refuses a folder that another user cannot reach because a parent is closed to it.
pub(crate) fn check_reachable(account: Option<&SystemAccount>, folder: &Path) -> LocalResult<()> {
    let Some(account) = account else { return Ok(()) };
    for parent in folder.ancestors().skip(1) {
        let Ok(metadata) = parent.metadata() else { continue };
        let mode = metadata.permissions().mode();
        let reachable = mode & 0o001 != 0
            || (metadata.uid() == account.uid && mode & 0o100 != 0)
            || (metadata.gid() == account.gid && mode & 0o010 != 0);
        if !reachable {
            return Err(LocalError::Setup(format!(
                "user {} runs the server but cannot access {}; choose a folder such as /var/lib/fleetledger",
                account.name,
                parent.display()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_parent_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = SystemAccount {
            name: "stranger".to_owned(),
            uid: 4_000_000_000,
            gid: 4_000_000_000,
        };
        let refused = check_reachable(Some(&stranger), &folder.path().join("data")).unwrap_err();
        assert!(refused.to_string().contains(&folder.path().display().to_string()));
        assert!(check_reachable(None, &folder.path().join("data")).is_ok());
    }
}
