//! `rules check`: parses every file, and prepares and explains it on a real PostgreSQL.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use fleetledger_local::{ArtifactCache, postgres::LocalPostgres};
use fleetledger_queries::{
    Catalogue, PreparedQuery, QueryRefusal, ReaderPool, StoredQuery, catalogue, prepare,
};
use fleetledger_schema::postgres::{PostgresConnector, migrate};

use crate::{cli::RulesCheckArgs, exit::ExitReason};

pub(super) async fn run(args: &RulesCheckArgs) -> anyhow::Result<ExitReason> {
    let catalogue = match catalogue::load(&args.path) {
        Ok(catalogue) => catalogue,
        Err(refusals) => {
            super::print_refusals(&refusals);
            return Ok(ExitReason::Red);
        }
    };
    let mut refusals = without_runbook(&catalogue, &super::runbooks(args.runbooks.as_ref(), &args.path));
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
    }
    if !refusals.is_empty() {
        super::print_refusals(&refusals);
        return Ok(ExitReason::Red);
    }
    if !live_only.is_empty() {
        println!(
            "these read views without a past and cannot be backtested: {}",
            live_only.join(", ")
        );
    }
    println!("{}", summary(&catalogue));
    Ok(ExitReason::Done)
}

fn summary(catalogue: &Catalogue) -> String {
    let counts = [
        (catalogue.alerts().count(), "alerts"),
        (catalogue.records().count(), "metrics"),
        (catalogue.rollups().count(), "rollups"),
        (catalogue.reports().count(), "reports"),
    ];
    let counts: Vec<String> = counts
        .iter()
        .map(|(count, what)| format!("{count} {what}"))
        .collect();
    format!("{} files are good: {}", catalogue.len(), counts.join(", "))
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
