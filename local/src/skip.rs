//! Skipping a test because a tool is missing: loudly and counted here, a failure under CI.

use std::fs::OpenOptions;
use std::io::Write;

use crate::error::{FileContext, LocalResult};

/// Turns [`crate::Error::Unavailable`] into `None`, after saying so on standard error and in the file that
/// `FLEETLEDGER_SKIPPED_FILE` names (one line a test; `make test` counts them). With `CI=true` the
/// error stays an error.
#[expect(
    clippy::disallowed_methods,
    reason = "the test runner speaks to tests through the environment"
)]
pub fn unless_available<T>(test: &str, result: LocalResult<T>) -> LocalResult<Option<T>> {
    let error = match result {
        Ok(part) => return Ok(Some(part)),
        Err(error) if error.is_unavailable() => error,
        Err(error) => return Err(error),
    };
    if std::env::var_os("CI").is_some_and(|value| value == "true") {
        return Err(error);
    }
    eprintln!("SKIPPED {test}: {error}");
    if let Some(path) = std::env::var_os("FLEETLEDGER_SKIPPED_FILE") {
        let path = std::path::PathBuf::from(path);
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .while_("open", &path)?;
        writeln!(file, "{test}: {error}").while_("write", &path)?;
    }
    Ok(None)
}
