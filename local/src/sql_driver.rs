//! Programs that ask a database through drivers others wrote, fetched by the ordinary client of their language: Python's from
//! PyPI, pgx as a Go module, JDBC from Maven Central. Their sources are in `tests/drivers/`.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::process::Command;
use xxhash_rust::xxh3::xxh3_64;

use crate::cache::ArtifactCache;
use crate::error::{FileContext, LocalError, LocalResult};
use crate::go;
use crate::maven;
use crate::pip;
use crate::process;

/// A program, ready to run.
#[derive(Debug, Clone)]
pub struct SqlDriverProgram {
    program: PathBuf,
    arguments: Vec<PathBuf>,
    /// Where Python finds what was fetched.
    python_path: Option<PathBuf>,
}

impl SqlDriverProgram {
    /// What it prints, given these arguments.
    ///
    /// # Errors
    /// If it cannot be started, or ends badly.
    pub async fn run(&self, arguments: &[&str]) -> LocalResult<String> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(arguments);
        if let Some(path) = &self.python_path {
            command.env("PYTHONPATH", path);
        }
        process::run(&mut command).await
    }
}

/// psycopg 2 and 3, SQLAlchemy and asyncpg.
///
/// # Errors
/// [`LocalError::Unavailable`] where there is no Python with pip.
pub async fn python(cache: &ArtifactCache) -> LocalResult<SqlDriverProgram> {
    if !pip::is_there().await {
        return Err(unavailable(pip::MISSING, "sudo apt-get install -y python3-pip"));
    }
    let requirements = source("requirements.txt");
    let name = artifact_name("python-drivers", &requirements)?;
    let wanted = requirements.clone();
    let folder = cache.artifact(&name, |staging| async move {
        pip::install("python3", &staging, &[Path::new("--requirement"), &wanted]).await
    });
    Ok(SqlDriverProgram {
        python_path: Some(folder.await?),
        program: PathBuf::from("python3"),
        arguments: vec![source("read_views.py")],
    })
}

/// pgx.
///
/// # Errors
/// [`LocalError::Unavailable`] where there is no Go.
pub async fn pgx(cache: &ArtifactCache) -> LocalResult<SqlDriverProgram> {
    Ok(SqlDriverProgram {
        program: go::program(cache, "pgx-driver", &source("pgx"), &[]).await?,
        arguments: Vec::new(),
        python_path: None,
    })
}

/// PostgreSQL JDBC.
///
/// # Errors
/// [`LocalError::Unavailable`] where there is no Java or no Maven.
pub async fn jdbc(cache: &ArtifactCache) -> LocalResult<SqlDriverProgram> {
    if let Some(tool) = maven::missing().await {
        return Err(unavailable(&format!("{tool} is not installed"), maven::REMEDY));
    }
    let pom = source("jdbc/pom.xml");
    let name = artifact_name("jdbc-driver", &pom)?;
    let folder = cache.artifact(&name, |staging| async move {
        let copied = staging.join("pom.xml");
        fs::copy(&pom, &copied).while_("copy", &copied)?;
        maven::copy_dependencies(&staging).await
    });
    let jars = folder.await?.join("lib/*");
    Ok(SqlDriverProgram {
        program: PathBuf::from("java"),
        arguments: vec![PathBuf::from("-cp"), jars, source("jdbc/ReadViews.java")],
        python_path: None,
    })
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/drivers")
        .join(name)
}

/// Another name whenever that file changes.
fn artifact_name(stem: &str, file: &Path) -> LocalResult<String> {
    let hash = xxh3_64(&fs::read(file).while_("read", file)?);
    Ok(format!("{stem}-{hash:016x}"))
}

fn unavailable(reason: &str, remedy: &str) -> LocalError {
    LocalError::Unavailable {
        part: "SQL drivers",
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    }
}
