//! `fleetledger rules backtest`.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc, time::Instant};

use anyhow::Context as _;
use fleetledger_trials::{
    backtest::{BacktestEpisode, BacktestProgress, BacktestRange, BacktestReport, backtest_with_progress},
    run::read_rule,
};
use serde_json::{Value, json};

use crate::{
    cli::RulesBacktestArgs,
    config::{self, LoadedConfig},
    connect,
    exit::ExitReason,
    output::{self, OutputColumn, OutputTable, count, counted, print_answer},
    progress::{self, ProgressName, ProgressReading},
};

/// Instances that are named; the rest is counted.
const NAMED: usize = 20;

pub(super) async fn run(loaded: &LoadedConfig, args: &RulesBacktestArgs) -> anyhow::Result<ExitReason> {
    let query = read_rule(&args.file)?;
    anyhow::ensure!(
        args.from < args.to,
        "--from {} is not before --to {}",
        args.from,
        args.to
    );
    let connector = match &args.postgres {
        Some(url) => {
            let section = config::of_url(url, &config::PostgresConfig::default())?;
            let connector = connect::postgres::connector(&section)?;
            connect::postgres::connect(&section, &connector, "fleetledger-backtest").await?;
            connector
        }
        None => connect::postgres::connector(&loaded.config.postgres)?,
    };
    let stretch = BacktestRange {
        from: args.from,
        to: args.to,
        connections: args.connections,
    };
    let started = Instant::now();
    let progress = Arc::<BacktestProgress>::default();
    let name = ProgressName {
        what: "backtest",
        unit: "slots",
    };
    let reading = || {
        let (asked, planned) = progress.counts();
        ProgressReading::of(asked, Some(planned))
    };
    let playing = backtest_with_progress(&connector, &query, &stretch, &progress);
    let found = progress::show(name, reading, playing)
        .await
        .context("play the rule over history")?;
    let seconds = started.elapsed().as_secs_f64();
    print_answer(
        args.output.format(),
        |_| text(&found, seconds),
        || document(&found, seconds),
        || {
            let names = ["from", "to", "labels"];
            OutputTable::of(names.map(OutputColumn::new).to_vec(), &episodes(&found))
        },
    )?;
    Ok(if found.failed == 0 {
        ExitReason::Done
    } else {
        ExitReason::Red
    })
}

/// Episodes as fields.
fn episodes(found: &BacktestReport) -> Vec<Value> {
    let episodes = found.episodes.iter();
    episodes
        .map(|episode| {
            json!({
                "from": episode.from.to_string(),
                "to": episode.to.map(|to| to.to_string()),
                "labels": episode.labels,
            })
        })
        .collect()
}

fn document(found: &BacktestReport, seconds: f64) -> Value {
    let receivers = found.receivers.iter().map(|(receiver, counts)| {
        json!({
            "receiver": receiver, "new": counts.new, "repeated": counts.repeated, "resolved": counts.resolved,
        })
    });
    json!({
        "slots": found.slots,
        "asked": found.queried,
        "failed": found.failed,
        "failure": found.failure,
        "seconds": seconds,
        "episodes": episodes(found),
        "receivers": receivers.collect::<Vec<_>>(),
    })
}

fn text(found: &BacktestReport, seconds: f64) -> String {
    let mut out = String::new();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let _ = writeln!(
        out,
        "{}, {} asked, the others lie between empty ones; {seconds:.1} s",
        counted(found.slots, "slot"),
        count(number(found.queried))
    );
    if let Some(failure) = &found.failure {
        let _ = writeln!(out, "{} failed: {failure}", counted(found.failed, "slot"));
    }
    let mut episodes: BTreeMap<String, Vec<&BacktestEpisode>> = BTreeMap::new();
    for episode in &found.episodes {
        episodes.entry(name(episode)).or_default().push(episode);
    }
    let _ = writeln!(
        out,
        "{} of {}",
        counted(found.episodes.len(), "episode"),
        counted(episodes.len(), "instance")
    );
    let rows: Vec<Vec<String>> = found
        .receivers
        .iter()
        .map(|(receiver, notifications)| {
            let counts = [notifications.new, notifications.repeated, notifications.resolved]
                .map(|count| count.to_string());
            [receiver.clone()].into_iter().chain(counts).collect()
        })
        .collect();
    out.push_str(&output::text(&["receiver", "new", "repeated", "resolved"], &rows));
    let mut most: Vec<_> = episodes.into_iter().collect();
    most.sort_by_key(|(_, episodes)| std::cmp::Reverse(episodes.len()));
    for (name, episodes) in most.iter().take(NAMED) {
        let Some(first) = episodes.first() else { continue };
        let to = first.to.map_or_else(|| "the end".to_owned(), |to| to.to_string());
        let _ = writeln!(
            out,
            "{} × {name}, first from {} to {to}",
            episodes.len(),
            first.from
        );
    }
    if most.len() > NAMED {
        let _ = writeln!(out, "… {} more", counted(most.len() - NAMED, "instance"));
    }
    out
}

fn name(episode: &BacktestEpisode) -> String {
    let own = episode
        .labels
        .iter()
        .filter(|(name, _)| !["severity", "team"].contains(&name.as_str()));
    let own: Vec<String> = own.map(|(name, value)| format!("{name}={value}")).collect();
    own.join(" ")
}
