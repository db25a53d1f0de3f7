//! Where Alertmanager comes from: the system's package if it is installed, else Debian's, unpacked in the cache.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cache::ArtifactCache;
use crate::debian_package;
use crate::error::{FileContext, LocalResult};

const PACKAGE: &str = "prometheus-alertmanager";

/// Where the package's program looks for its templates.
const SHARE: &str = "/usr/share/prometheus/alertmanager";

/// The same place, as long, seen from the folder the package is unpacked in.
const SHARE_UNPACKED: &str = "usr/share/prometheus/alertmanager/";

/// A program and the folder it is to be started in.
#[derive(Debug, Clone)]
pub(super) struct AlertmanagerProgram {
    pub(super) path: PathBuf,
    pub(super) folder: PathBuf,
}

/// The installed program, or the unpacked one.
pub(super) async fn find(cache: &ArtifactCache) -> LocalResult<AlertmanagerProgram> {
    let installed = PathBuf::from("/usr/bin").join(PACKAGE);
    if installed.is_file() && Path::new(SHARE).join("default.tmpl").is_file() {
        return Ok(AlertmanagerProgram {
            path: installed,
            folder: PathBuf::from("/"),
        });
    }
    let folder = cache
        .artifact("alertmanager", |staging| async move { unpack(&staging).await })
        .await?;
    Ok(AlertmanagerProgram {
        path: folder.join("usr/bin").join(PACKAGE),
        folder,
    })
}

async fn unpack(staging: &Path) -> LocalResult<()> {
    debian_package::unpack(staging, "Alertmanager", PACKAGE).await?;
    relocate(&staging.join("usr/bin").join(PACKAGE))
}

/// Debian's program knows its templates by an absolute path and has no flag for it. As many bytes name the same place
/// from the folder it is started in, so nothing has to be installed.
fn relocate(program: &Path) -> LocalResult<()> {
    let mut bytes = fs::read(program).while_("read", program)?;
    let (from, to) = (SHARE.as_bytes(), SHARE_UNPACKED.as_bytes());
    let mut at = 0;
    while let Some(found) = bytes.get(at..).and_then(|rest| position(rest, from)) {
        at += found;
        if let Some(place) = bytes.get_mut(at..at + from.len()) {
            place.copy_from_slice(to);
        }
        at += from.len();
    }
    fs::write(program, bytes).while_("write", program)?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755)).while_("set permissions of", program)
}

fn position(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_moved_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("program");
        let text = format!("a{SHARE}b{SHARE}/ui/c/usr/share/prometheus/other");
        fs::write(&program, &text).unwrap();
        relocate(&program).unwrap();
        let moved = fs::read_to_string(&program).unwrap();
        assert_eq!(moved, text.replace(SHARE, SHARE_UNPACKED));
        assert_eq!(moved.len(), text.len());
    }
}
