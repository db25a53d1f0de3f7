//! Grafana dashboards: `source/*.yaml` says what each asks and shows, [`json`] makes Grafana's JSON of it (kept in
//! `json/`, which a test compares), and [`query`] makes of a panel's SQL what Grafana's PostgreSQL data source would,
//! so that tests and benchmarks can run it without a Grafana.
//!
//! Invariants: panels select from schema `fleet` alone; every panel has a description, an empty state and, where it
//! shows numbers, a unit; panels do not overlap. Entry point: [`load`].

pub mod json;
pub mod panel;
pub mod query;
pub mod source;
pub mod variable;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

pub use source::{Dashboard, Panel};

/// Why the sources could not be read.
#[derive(Debug, Error)]
pub enum DashboardLoadError {
    /// A folder or file cannot be read.
    #[error("read {path}")]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file is not what a dashboard's source is.
    #[error("{path}: {why}")]
    Source {
        /// The file.
        path: PathBuf,
        /// What is wrong and where.
        why: String,
    },
}

/// The folder of this room in the tree it was built from.
#[must_use]
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every dashboard of `source/`, by file name without ending.
///
/// # Errors
/// [`DashboardLoadError`], of the first file that is wrong.
pub fn load(folder: &Path) -> Result<Vec<(String, Dashboard)>, DashboardLoadError> {
    let sources = folder.join("source");
    let read = |path: &Path| {
        fs::read_to_string(path).map_err(|source| DashboardLoadError::Read {
            path: path.to_owned(),
            source,
        })
    };
    let entries = fs::read_dir(&sources).map_err(|source| DashboardLoadError::Read {
        path: sources.clone(),
        source,
    })?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    let mut dashboards = Vec::new();
    for path in paths {
        let dashboard = source::parse(&read(&path)?).map_err(|why| DashboardLoadError::Source {
            path: path.clone(),
            why,
        })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        dashboards.push((name.into_owned(), dashboard));
    }
    Ok(dashboards)
}
