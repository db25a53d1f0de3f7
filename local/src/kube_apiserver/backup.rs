//! What befalls the data of a control plane: it is backed up and restored.

use std::{fs, path::Path};

use super::KubeApiserver;
use crate::cache::remove_if_there;
use crate::error::{FileContext, LocalResult};

impl KubeApiserver {
    /// Copies all data to `backup`, a folder that does not exist yet, as it is now. The server is stopped meanwhile.
    pub async fn back_up(&mut self, backup: &Path) -> LocalResult<()> {
        self.stop().await?;
        copy_folder(&self.data_dir(), backup)?;
        self.start().await
    }

    /// Kills the server and starts it with the data of a backup. As with a snapshot that is restored without
    /// `--bump-revision`, resource versions go on from where they were at the backup.
    pub async fn restore(&mut self, backup: &Path) -> LocalResult<()> {
        self.kill().await?;
        remove_if_there(&self.data_dir())?;
        copy_folder(backup, &self.data_dir())?;
        self.start().await
    }

    /// Where etcd keeps its data.
    fn data_dir(&self) -> std::path::PathBuf {
        self.folder.join("etcd")
    }
}

fn copy_folder(from: &Path, to: &Path) -> LocalResult<()> {
    fs::create_dir_all(to).while_("create", to)?;
    for entry in fs::read_dir(from).while_("list", from)? {
        let entry = entry.while_("list", from)?;
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &copy)?;
        } else {
            fs::copy(&path, &copy).while_("copy", &path)?;
        }
    }
    Ok(())
}
