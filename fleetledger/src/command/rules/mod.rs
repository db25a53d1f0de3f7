//! `fleetledger rules …`: the stored SQL, from a folder.

mod ask;
mod backtest;
mod check;
mod list;
mod new;
mod rebuild;
mod test;

use std::path::{Path, PathBuf};

use fleetledger_queries::{QueryRefusal, ReaderPool};

use crate::{
    cli::RulesCommand,
    config::{self, LoadedConfig},
    connect,
    exit::ExitReason,
    output::counted,
};

pub(super) use ask::report;

pub(super) async fn run(loaded: &LoadedConfig, command: RulesCommand) -> anyhow::Result<ExitReason> {
    match command {
        RulesCommand::Check(args) => check::run(loaded, &args).await,
        RulesCommand::List(args) => list::run(loaded, &args).await,
        RulesCommand::New(args) => new::run(&args),
        RulesCommand::Test(args) => test::run(&args).await,
        RulesCommand::Backtest(args) => backtest::run(loaded, &args).await,
        RulesCommand::Rebuild(args) => rebuild::run(loaded, &args).await,
        RulesCommand::Run(args) => ask::file(loaded, &args).await,
    }
}

/// Says what keeps a command from its work, as `file:line:column: what; what to do`, and how much it is.
fn print_refusals(refusals: &[QueryRefusal]) {
    eprint!("{}", refusal_text(refusals));
}

/// What is wrong, as `file:line:column: what; what to do`, and how much it is.
fn refusal_text(refusals: &[QueryRefusal]) -> String {
    let mut text = String::new();
    for refusal in refusals {
        text.push_str(&format!("{refusal}\n"));
    }
    let files: std::collections::BTreeSet<&Path> =
        refusals.iter().map(|refusal| refusal.file.as_path()).collect();
    text.push_str(&format!(
        "{} in {}\n",
        counted(refusals.len(), "fault"),
        counted(files.len(), "file")
    ));
    text
}

/// A reader's way to the database of a url; a mightier user is refused.
async fn reader(url: &str) -> anyhow::Result<ReaderPool> {
    let section = config::of_url(url, &config::PostgresConfig::default())?;
    let connector = connect::postgres::connector(&section)?;
    // Says what is wrong with the way, where something is.
    connect::postgres::connect(&section, &connector, "fleetledger-rules").await?;
    let reader = ReaderPool::new(&connector, 1)?;
    reader.check_role().await?;
    Ok(reader)
}

/// Where runbooks stand: as given, else `docs/runbooks` beside the folder of queries.
fn runbooks(given: Option<&PathBuf>, queries: &Path) -> PathBuf {
    given.cloned().unwrap_or_else(|| {
        // A file of queries/alerts belongs to the runbooks beside queries.
        let known = ["alerts", "metrics", "rollups", "reports"];
        let is_known = |folder: &&Path| {
            let name = folder.file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| known.contains(&name))
        };
        let inner = queries.ancestors().find(is_known).and_then(Path::parent);
        let root = inner.unwrap_or(queries);
        root.parent().unwrap_or(Path::new("")).join("docs/runbooks")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runbooks_are_beside_the_folder_of_queries() {
        let of = |path: &str| runbooks(None, Path::new(path));
        assert_eq!(of("queries"), Path::new("docs/runbooks"));
        assert_eq!(of("/srv/queries/alerts/a.sql"), Path::new("/srv/docs/runbooks"));
        assert_eq!(of("queries/alerts"), Path::new("docs/runbooks"));
    }
}
