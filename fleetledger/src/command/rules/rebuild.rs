//! `fleetledger rules rebuild`: windows of a rollup, filled again.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use fleetledger_alerts::pool;
use fleetledger_queries::{ReaderPool, RollupFiller, StoredQuery, catalogue, rollup::RollupRule};
use fleetledger_schema::instant::Instant;

use crate::{
    cli::RulesRebuildArgs,
    config::LoadedConfig,
    exit::ExitReason,
    output::counted,
    progress::{self, ProgressName, ProgressReading},
    setup::evaluator,
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
    let filled = rebuild(&filler, query, rule, (from, to)).await?;
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

/// Window by window, so that it can be seen how far it is; how many there were.
async fn rebuild(
    filler: &RollupFiller,
    query: &StoredQuery,
    rule: &RollupRule,
    (from, to): (Instant, Instant),
) -> anyhow::Result<usize> {
    let now = Instant::now();
    let (end, length) = (to.min(rule.window_of(now)), rule.window.micros());
    let first = rule.window_of(from);
    let total = usize::try_from((end.0 - first.0).max(0) / length.max(1)).ok();
    let filled = AtomicUsize::new(0);
    let work = async {
        let mut window = first;
        while window < end {
            let next = window.plus_micros(length);
            filled.fetch_add(filler.rebuild(query, window, next, now).await?, Ordering::Relaxed);
            window = next;
        }
        anyhow::Ok(())
    };
    let name = ProgressName {
        what: "rebuild",
        unit: "windows",
    };
    let reading = || ProgressReading::of(filled.load(Ordering::Relaxed), total);
    progress::show(name, reading, work).await?;
    Ok(filled.into_inner())
}
