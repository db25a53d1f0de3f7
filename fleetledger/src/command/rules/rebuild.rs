//! `fleetledger rules rebuild`: windows of a rollup, filled again.

use anyhow::Context as _;
use fleetledger_alerts::pool;
use fleetledger_queries::{ReaderPool, RollupFiller, catalogue};
use fleetledger_schema::instant::Instant;

use crate::{
    cli::RulesRebuildArgs, config::LoadedConfig, exit::ExitReason, output::counted, setup::evaluator,
};

pub(super) async fn run(loaded: &LoadedConfig, args: &RulesRebuildArgs) -> anyhow::Result<ExitReason> {
    let catalogue = match catalogue::load(&args.file) {
        Ok(catalogue) => catalogue,
        Err(refusals) => {
            super::print_refusals(&refusals);
            return Ok(ExitReason::Red);
        }
    };
    let (query, rule) = catalogue
        .rollups()
        .next()
        .with_context(|| format!("{} holds no rollup", args.file.display()))?;
    anyhow::ensure!(
        args.from < args.to,
        "--from {} is not before --to {}",
        args.from,
        args.to
    );
    let ways = evaluator::connectors(loaded)?;
    let reader = ReaderPool::new(&ways.rules, 1)?;
    reader
        .check_role()
        .await
        .context("check the user that runs the rollup's SQL")?;
    let writer = pool::new(&ways.own, 1, "fleetledger-rebuild").context("make a pool of connections")?;
    let filler = RollupFiller::new(reader, writer).context("count windows")?;
    let (from, to) = (
        Instant(args.from.as_microsecond()),
        Instant(args.to.as_microsecond()),
    );
    let filled = filler.rebuild(query, from, to, Instant::now()).await?;
    let filled = i64::try_from(filled).unwrap_or(i64::MAX);
    println!(
        "{} of {} of rollup {} {} filled",
        counted(filled, "window"),
        rule.window,
        rule.rollup,
        if filled == 1 { "was" } else { "were" }
    );
    Ok(ExitReason::Done)
}
