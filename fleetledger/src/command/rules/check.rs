//! `rules check`: parses every file, and prepares and explains it on a real PostgreSQL.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use fleetledger_local::{ArtifactCache, postgres::LocalPostgres};
use fleetledger_queries::{
    Catalogue, PreparedQuery, QueryRefusal, ReaderPool, StoredQuery,
    catalogue::{self, UncheckedCatalogue},
    near_names::did_you_mean,
    prepare,
};
use fleetledger_schema::postgres::{PostgresConnector, migrate};
use serde_json::json;

use crate::{
    cli::{OutputFormat, RulesCheckArgs},
    config::LoadedConfig,
    exit::ExitReason,
    output::{OutputColumn, OutputTable, counted, print_answer},
};

pub(super) async fn run(loaded: &LoadedConfig, args: &RulesCheckArgs) -> anyhow::Result<ExitReason> {
    let UncheckedCatalogue { catalogue, templates } = match catalogue::load_unchecked(&args.path) {
        Ok(unchecked) => unchecked,
        Err(refusals) => {
            report(args.output.format(), &refusals, None, &[])?;
            return Ok(ExitReason::Red);
        }
    };
    let mut refusals = without_runbook(&catalogue, &super::runbooks(args.runbooks.as_ref(), &args.path));
    refusals.extend(without_receiver(&catalogue, loaded));
    let queries: Vec<Arc<StoredQuery>> = catalogue.iter().cloned().collect();
    let outcomes = match &args.postgres {
        Some(url) => on_yours(url, &queries).await?,
        None => on_a_throw_away_one(&queries).await?,
    };
    let mut live_only = Vec::new();
    for (query, outcome) in queries.iter().zip(outcomes) {
        match outcome {
            Ok(prepared) if prepared.is_live_only => live_only.push(query.id.as_str()),
            Ok(_) => {}
            Err(found) => refusals.extend(found),
        }
        // After the columns of its labels, which the server was asked about: a template may be right and a label wrong.
        let of_query = templates.iter().filter(|refusal| refusal.file == query.path);
        refusals.extend(of_query.cloned());
    }
    if !refusals.is_empty() {
        report(args.output.format(), &refusals, Some(&catalogue), &live_only)?;
        return Ok(ExitReason::Red);
    }
    report(args.output.format(), &[], Some(&catalogue), &live_only)?;
    Ok(ExitReason::Done)
}

/// What is wrong, or else what is good; as CSV a line per fault.
fn report(
    format: OutputFormat,
    refusals: &[QueryRefusal],
    catalogue: Option<&Catalogue>,
    live_only: &[&str],
) -> anyhow::Result<()> {
    let faults = || {
        let fault = |refusal: &QueryRefusal| {
            json!({
                "file": refusal.file, "line": refusal.line, "column": refusal.column,
                "what": refusal.what, "fix": refusal.remedy,
            })
        };
        refusals.iter().map(fault).collect::<Vec<_>>()
    };
    let text = |_| match (refusals.is_empty(), catalogue) {
        (true, Some(catalogue)) => {
            let mut text = String::new();
            if !live_only.is_empty() {
                text.push_str(&format!(
                    "these read views without a past and cannot be backtested: {}\n",
                    live_only.join(", ")
                ));
            }
            format!("{text}{}\n", summary(catalogue))
        }
        _ => super::refusal_text(refusals),
    };
    let document = || {
        json!({
            "files": catalogue.map(Catalogue::len), "faults": faults(), "live_only": live_only,
        })
    };
    let rows = || {
        let names = ["file", "line", "column", "what", "fix"];
        OutputTable::of(names.map(OutputColumn::new).to_vec(), &faults())
    };
    print_answer(format, text, document, rows)
}

fn summary(catalogue: &Catalogue) -> String {
    let verb = if catalogue.len() == 1 { "is" } else { "are" };
    let files = counted(catalogue.len(), "file");
    format!("{files} {verb} good: {}", kinds(catalogue).join(", "))
}

/// How many there are of each kind.
pub(super) fn kinds(catalogue: &Catalogue) -> Vec<String> {
    let counts = [
        (catalogue.alerts().count(), "alert"),
        (catalogue.records().count(), "metric"),
        (catalogue.rollups().count(), "rollup"),
        (catalogue.reports().count(), "report"),
    ];
    counts.iter().map(|(count, what)| counted(*count, what)).collect()
}

/// Receivers that rules name and the configuration has not. Nothing is said by a configuration without any: it is no
/// evaluator's.
fn without_receiver(catalogue: &Catalogue, loaded: &LoadedConfig) -> Vec<QueryRefusal> {
    let known: Vec<&str> = loaded.config.receivers.keys().map(String::as_str).collect();
    if known.is_empty() {
        return Vec::new();
    }
    let mut refusals = Vec::new();
    for (query, rule) in catalogue.alerts() {
        let unknown = rule
            .receivers
            .iter()
            .filter(|name| !known.contains(&name.as_str()));
        refusals.extend(unknown.map(|name| {
            let what = format!("the configuration has no receiver `{name}`");
            let remedy = match did_you_mean(name, known.iter().copied()) {
                Some(near) => near,
                None => format!("it has {}; add [receivers.{name}]", known.join(", ")),
            };
            query.refusal("receivers", what).fix(remedy)
        }));
    }
    refusals
}

/// Alerts whose runbook is not there.
fn without_runbook(catalogue: &Catalogue, runbooks: &Path) -> Vec<QueryRefusal> {
    let missing = catalogue.alerts().filter_map(|(query, rule)| {
        let path = runbooks.join(format!("{}.md", rule.annotations.runbook()?));
        (!path.is_file()).then(|| {
            let what = format!("the runbook {} is not there", path.display());
            query
                .refusal("annotations", what)
                .fix("write it, with steps that can be run")
        })
    });
    missing.collect()
}

type PreparationResults = Vec<Result<PreparedQuery, Vec<QueryRefusal>>>;

async fn on_yours(url: &str, queries: &[Arc<StoredQuery>]) -> anyhow::Result<PreparationResults> {
    let reader = super::reader(url).await?;
    Ok(prepare(&reader, queries).await?)
}

async fn on_a_throw_away_one(queries: &[Arc<StoredQuery>]) -> anyhow::Result<PreparationResults> {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let server = LocalPostgres::builder().temporary().fast().start(&cache).await;
    let mut server = server.context("start a PostgreSQL to check on; or name one with --postgres")?;
    let mut config: tokio_postgres::Config = server.url().parse().context("read the server's url")?;
    migrate(&PostgresConnector::new(config.clone(), None), |_| {})
        .await
        .context("migrate the database to check on")?;
    config.user("fleetledger_rules");
    let reader = ReaderPool::new(&PostgresConnector::new(config, None), 1)?;
    let outcomes = prepare(&reader, queries).await;
    drop(reader);
    server
        .stop_fast()
        .await
        .context("stop the PostgreSQL to check on")?;
    Ok(outcomes?)
}
