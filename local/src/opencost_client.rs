//! A client of OpenCost's `/allocation` that others wrote: unalloc, of PyPI. kubectl-cost is no module that Go's proxy has, and
//! opencost-ui is no package.

use std::path::PathBuf;

use tokio::process::Command;

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::pip;
use crate::process;

/// Release of the client.
pub const RELEASE: &str = "0.3.2";

/// Exits with 0 for a Python that it runs on.
const IS_NEW_ENOUGH: &str = "import sys; sys.exit(sys.version_info < (3, 11))";

/// Asks for days and prints what the client makes of the answer: name, amount, begin, end and labels of each row.
const ASK: &str = "
import json, sys
from datetime import datetime, timezone
from unalloc.sources.opencost import OpenCostSource
day = lambda text: datetime.fromisoformat(text).replace(tzinfo=timezone.utc)
rows = OpenCostSource(base_url=sys.argv[1]).fetch(day(sys.argv[2]), day(sys.argv[3]))
print(json.dumps([[row.name, str(row.amount_usd), row.start.isoformat(), row.end.isoformat(), row.labels] for row in rows]))
";

/// The client's package.
#[derive(Debug, Clone)]
pub struct OpencostClient {
    packages: PathBuf,
}

/// Fetches it into the cache, through pip.
///
/// # Errors
/// [`LocalError::Unavailable`] without Python 3.11 or later and pip.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<OpencostClient> {
    if !pip::is_there().await || !process::is_runnable("python3", &["-c", IS_NEW_ENOUGH]).await {
        return Err(LocalError::Unavailable {
            part: "a client of OpenCost",
            reason: "Python 3.11 or later with pip is not installed".to_owned(),
            remedy: "sudo apt-get install -y python3 python3-pip".to_owned(),
        });
    }
    let packages = cache
        .artifact(&format!("unalloc-{RELEASE}"), |staging| async move {
            pip::install("python3", &staging, &[format!("unalloc=={RELEASE}")]).await
        })
        .await?;
    Ok(OpencostClient { packages })
}

impl OpencostClient {
    /// What it reads of the API at `url` from one day to another, as JSON.
    ///
    /// # Errors
    /// It does not run, or takes no such answer.
    pub async fn rows(&self, url: &str, from: &str, to: &str) -> LocalResult<String> {
        let mut command = Command::new("python3");
        command
            .args(["-c", ASK, url, from, to])
            .env("PYTHONPATH", &self.packages);
        process::run(&mut command).await
    }
}
