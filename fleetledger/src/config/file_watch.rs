//! Files that are replaced while a process runs: secrets, keys and certificates that are rotated.

use std::{
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::{Duration, Instant},
};

/// How often files are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What tells one content of a file from the next without reading it. Whoever rotates writes a new file, or into it.
type FileState = Option<(u64, u64, i64, i64, u64)>;

/// Files, and what they were when they were taken up.
#[derive(Debug, Clone)]
pub struct FileWatch {
    files: Vec<PathBuf>,
    taken: Vec<FileState>,
    seen: Vec<FileState>,
    looked_at: Instant,
}

impl FileWatch {
    /// Watches these files, as they are now.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        let taken = states(&files);
        Self {
            seen: taken.clone(),
            taken,
            files,
            looked_at: Instant::now(),
        }
    }

    /// Whether one of them is another than the one taken up; looked at once a second at most. Stays true until
    /// [`FileWatch::taken_up`].
    pub fn has_changed(&mut self) -> bool {
        self.looked_at.elapsed() >= EVERY && self.has_changed_now()
    }

    /// The same, looked at in any case.
    pub fn has_changed_now(&mut self) -> bool {
        self.looked_at = Instant::now();
        self.seen = states(&self.files);
        self.seen != self.taken
    }

    /// What was seen has been taken up.
    pub fn taken_up(&mut self) {
        self.taken = self.seen.clone();
    }
}

/// Symlinks are followed: Kubernetes swaps one to replace all files of a secret at once.
fn states(files: &[PathBuf]) -> Vec<FileState> {
    let state = |file: &PathBuf| {
        let found = std::fs::metadata(file).ok()?;
        Some((
            found.dev(),
            found.ino(),
            found.mtime(),
            found.mtime_nsec(),
            found.len(),
        ))
    };
    files.iter().map(state).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As if the last look were long ago.
    fn changed(watch: &mut FileWatch) -> bool {
        watch.looked_at = Instant::now().checked_sub(EVERY * 2).unwrap();
        watch.has_changed()
    }

    #[test]
    fn a_file_that_is_replaced_written_or_linked_anew_has_changed_until_it_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a"), "one").unwrap();
        std::fs::write(path("b"), "two").unwrap();
        std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
        let mut watch = FileWatch::new(vec![path("link")]);
        assert!(!watch.has_changed() && !changed(&mut watch));

        std::fs::write(path("a"), "longer").unwrap();
        assert!(changed(&mut watch) && changed(&mut watch));
        watch.taken_up();
        assert!(!changed(&mut watch));

        std::os::unix::fs::symlink(path("b"), path("link.new")).unwrap();
        std::fs::rename(path("link.new"), path("link")).unwrap();
        assert!(changed(&mut watch));
        watch.taken_up();

        std::fs::remove_file(path("b")).unwrap();
        assert!(changed(&mut watch));
    }
}
