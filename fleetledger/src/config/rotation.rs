//! Taking up files that are rotated.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use fleetledger_schema::renewable::Renewable;

use super::{FileWatch, SecretRef};

/// Between two lines of the log about the same files.
const LOG_EVERY: Duration = Duration::from_secs(30);

struct RotatedValue<T> {
    value: T,
    version: u64,
    watch: FileWatch,
    failed_at: Option<Instant>,
}

/// What `read` makes of `files`, made anew when one of them changes. While they cannot be used, such as a certificate
/// whose key has yet to follow, the value from before stays. `what` names it in the log.
///
/// # Errors
/// The first reading failed.
pub fn renewable<T>(
    what: impl Into<String>,
    files: Vec<PathBuf>,
    read: impl Fn() -> anyhow::Result<T> + Send + Sync + 'static,
) -> anyhow::Result<Renewable<T>>
where
    T: Clone + Send + 'static,
{
    renewable_by(what, move || files.clone(), read)
}

/// The same where one of the files names the others: they are listed anew before each reading.
///
/// # Errors
/// The first reading failed.
pub fn renewable_by<T>(
    what: impl Into<String>,
    files: impl Fn() -> Vec<PathBuf> + Send + Sync + 'static,
    read: impl Fn() -> anyhow::Result<T> + Send + Sync + 'static,
) -> anyhow::Result<Renewable<T>>
where
    T: Clone + Send + 'static,
{
    let what = what.into();
    // Looked at before they are read: a change between the two is noticed.
    let watch = FileWatch::new(files());
    let state = Mutex::new(RotatedValue {
        value: read()?,
        version: 0,
        watch,
        failed_at: None,
    });
    Ok(Renewable::new(move || {
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.watch.has_changed_now() {
            let watch = FileWatch::new(files());
            match read() {
                Ok(value) => {
                    state.value = value;
                    state.version += 1;
                    state.watch = watch;
                    state.failed_at = None;
                    tracing::info!(what, "files have changed; using the new contents");
                }
                Err(error) if state.failed_at.is_none_or(|at| at.elapsed() > LOG_EVERY) => {
                    state.failed_at = Some(Instant::now());
                    tracing::error!(
                        what,
                        error = format!("{error:#}"),
                        "files have changed but cannot be used; continuing with their previous contents"
                    );
                }
                Err(_) => {}
            }
        }
        (state.version, state.value.clone())
    }))
}

/// The files among these secrets and files.
pub fn files<'f>(
    secrets: impl IntoIterator<Item = Option<&'f SecretRef>>,
    files: impl IntoIterator<Item = Option<&'f PathBuf>>,
) -> Vec<PathBuf> {
    let of_secrets = secrets.into_iter().flatten().filter_map(SecretRef::file);
    let files = files.into_iter().flatten().map(PathBuf::as_path);
    of_secrets.chain(files).map(Path::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_value_is_made_anew_when_its_file_changes_and_kept_while_that_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("number");
        std::fs::write(&file, "1").unwrap();
        let read = {
            let file = file.clone();
            move || {
                std::fs::read_to_string(&file)?
                    .parse::<u32>()
                    .context("no number")
            }
        };
        let number = renewable("a number", vec![file.clone()], read).unwrap();
        assert_eq!(number.newest_with_version(), (0, 1));
        for broken in ["", "one"] {
            std::fs::write(&file, broken).unwrap();
            assert_eq!(number.newest_with_version(), (0, 1), "{broken}");
        }
        std::fs::remove_file(&file).unwrap();
        assert_eq!(number.newest(), 1);
        std::fs::write(&file, "22").unwrap();
        assert!(number.is_newer_than(0));
        assert_eq!(number.clone().newest_with_version(), (1, 22));
    }

    #[test]
    fn a_file_that_names_another_one_is_followed_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in [("first", "1"), ("second", "22"), ("list", "first")] {
            std::fs::write(path(name), text).unwrap();
        }
        let named = {
            let list = path("list");
            move || list.with_file_name(std::fs::read_to_string(&list).unwrap())
        };
        let files = {
            let (list, named) = (path("list"), named.clone());
            move || vec![list.clone(), named()]
        };
        let text = renewable_by("a list", files, move || Ok(std::fs::read_to_string(named())?)).unwrap();
        assert_eq!(text.newest(), "1");
        std::fs::write(path("list"), "second").unwrap();
        assert_eq!(text.newest(), "22");
        std::fs::write(path("second"), "333").unwrap();
        assert_eq!(text.newest_with_version(), (2, "333".to_owned()));
        std::fs::write(path("first"), "4444").unwrap();
        assert!(!text.is_newer_than(2));
    }
}
