//! Folders that follow from who runs the process.

use std::{
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Folder of the demo's data: `/var/lib/fleetledger/demo` for root, else
/// `${XDG_STATE_HOME:-~/.local/state}/fleetledger/demo`.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "configuration: the folder's place follows from the environment"
)]
pub fn demo_directory() -> PathBuf {
    if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
        return PathBuf::from("/var/lib/fleetledger/demo");
    }
    let folder = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let state = folder("XDG_STATE_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/state")));
    state
        .unwrap_or_else(|| Path::new("/tmp").to_owned())
        .join("fleetledger/demo")
}
