//! The validator of the FOCUS specification that its project publishes on PyPI. The rules of FOCUS 1.2 come with it;
//! those of other versions it would fetch from GitHub.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::cache::ArtifactCache;
use crate::error::{LocalError, LocalResult};
use crate::pip;
use crate::process;

/// Release of the validator.
pub const RELEASE: &str = "2.2.1";

/// It asks for any pyarrow and for NumPy before 2, which later releases of pyarrow refuse.
const ARROW: &str = "pyarrow<22";

/// Version of its rules, of FOCUS 1.2.
const RULES: &str = "1.2.0.1";

/// Exits with 0 for a Python that the validator runs on.
const IS_NEW_ENOUGH: &str = "import sys; sys.exit(sys.version_info < (3, 12))";

/// The validator's package, and the Python it was installed for.
#[derive(Debug, Clone)]
pub struct FocusValidator {
    python: PathBuf,
    packages: PathBuf,
}

/// Fetches it into the cache, through pip.
///
/// # Errors
/// [`LocalError::Unavailable`] without Python 3.12 or later, or where pip cannot fetch.
pub async fn fetch(cache: &ArtifactCache) -> LocalResult<FocusValidator> {
    let python = python()
        .await
        .ok_or_else(|| unavailable("Python 3.12 or later is not installed".to_owned()))?;
    let installer = python.clone();
    let packages = cache
        .artifact(&format!("focus-validator-{RELEASE}"), |staging| async move {
            let what = [format!("focus-validator=={RELEASE}"), ARROW.to_owned()];
            pip::install(&installer, &staging, &what)
                .await
                .map_err(|error| unavailable(format!("pip cannot fetch it: {error}")))
        })
        .await?;
    Ok(FocusValidator { python, packages })
}

/// The first Python that is new enough: of the path, or of those that pyenv keeps beside it.
async fn python() -> Option<PathBuf> {
    for name in ["python3", "python3.14", "python3.13", "python3.12"] {
        if process::is_runnable(name, &["-c", IS_NEW_ENOUGH]).await {
            return Some(name.into());
        }
    }
    let kept = process::run(Command::new("pyenv").args(["versions", "--bare"]))
        .await
        .ok()?;
    for version in kept.lines() {
        let mut pyenv = Command::new("pyenv");
        let Ok(prefix) = process::run(pyenv.args(["prefix", version.trim()])).await else {
            continue;
        };
        let python = Path::new(prefix.trim()).join("bin/python3");
        if process::is_runnable(&python.to_string_lossy(), &["-c", IS_NEW_ENOUGH]).await {
            return Some(python);
        }
    }
    None
}

fn unavailable(reason: String) -> LocalError {
    LocalError::Unavailable {
        part: "the FOCUS validator",
        reason,
        remedy: "apt-get install python3.12 python3-pip (or any Python 3.12 or later)".to_owned(),
    }
}

/// What the export is: whoever publishes prices by unit, for resources, sub accounts and regions, with tags.
const CRITERIA: &str = "ACCOUNT_NAMING_SUPPORTED,BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED,\
    NEGOTIATED_PRICING_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,REGION_SUPPORTED,RESOURCE_TYPE_ASSIGNMENT_SUPPORTED,\
    SUB_ACCOUNT_SUPPORTED,TAGGING_SUPPORTED,UNIT_PRICING_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED";

impl FocusValidator {
    /// Validates a CSV file by the rules of FOCUS 1.2; how many were passed, and the lines of those that were not. The
    /// validator exits with 0 whatever it finds.
    ///
    /// # Errors
    /// It does not run.
    pub async fn check(&self, csv: &Path) -> LocalResult<(usize, Vec<String>)> {
        let mut command = Command::new(&self.python);
        command
            .args([
                "-c",
                "from focus_validator.main import main; main()",
                "--data-file",
            ])
            .arg(csv)
            .args(["--validate-version", RULES, "--block-download"])
            .args(["--applicability-criteria", CRITERIA])
            .env("PYTHONPATH", &self.packages)
            // It looks for the list of currencies below the folder in which it is started.
            .current_dir(&self.packages);
        let report = process::run(&mut command).await?;
        let passed = report
            .lines()
            .find_map(|line| line.split("Pass: ").nth(1)?.split(' ').next()?.parse().ok());
        let failed = report.lines().filter(|line| line.contains(": FAIL "));
        Ok((passed.unwrap_or(0), failed.map(str::to_owned).collect()))
    }
}
