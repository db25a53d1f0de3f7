//! `report NAME` and `rules run FILE`: one query once, as the reader, through the console or straight from the database.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use fleetledger_alerts::http::{QueryResponse, ReportRow, RunRequest};
use fleetledger_queries::{StoredQuery, catalogue, report_run::run_with_parameters};
use fleetledger_schema::instant::Instant;
use reqwest::Method;
use serde_json::Value;

use crate::{
    cli::{AskArgs, OutputFormat, ReportArgs, RulesRunArgs},
    config::LoadedConfig,
    connect::console::ConsoleClient,
    exit::ExitReason,
    output::{self, OutputColumn, OutputTable, print_answer, table::plain},
};

pub(super) async fn file(loaded: &LoadedConfig, args: &RulesRunArgs) -> anyhow::Result<ExitReason> {
    if args.ask.postgres.is_some() {
        return Ok(match catalogue::load(&args.file) {
            Err(refusals) => refuse(&refusals),
            Ok(catalogue) => match catalogue.iter().next() {
                Some(query) => direct(query, &args.ask).await?,
                None => anyhow::bail!("{} is no .sql file", args.file.display()),
            },
        });
    }
    // What is wrong with the text is said here; the console is asked what only PostgreSQL knows.
    if let Err(refusals) = catalogue::load(&args.file) {
        return Ok(refuse(&refusals));
    }
    let file = args.file.file_name().unwrap_or_default().to_string_lossy();
    let request = RunRequest {
        file: file.into_owned(),
        text: std::fs::read_to_string(&args.file).with_context(|| format!("read {}", args.file.display()))?,
        parameters: args.ask.param.iter().cloned().collect(),
        as_of: args.ask.as_of.clone(),
    };
    let console = ConsoleClient::new(&args.ask.server, &loaded.config.console)?;
    let answer: QueryResponse = console
        .request(Method::POST, "/api/v1/rules/run", Some(&request))
        .await?;
    print(&answer, console.format())?;
    Ok(ExitReason::Done)
}

pub(in super::super) async fn report(loaded: &LoadedConfig, args: &ReportArgs) -> anyhow::Result<ExitReason> {
    let Some(name) = &args.name else {
        return list(loaded, args).await;
    };
    if args.ask.postgres.is_some() {
        let path = find(&args.path, name)?;
        let catalogue = match catalogue::load(&path) {
            Ok(catalogue) => catalogue,
            Err(refusals) => return Ok(refuse(&refusals)),
        };
        let query = catalogue.get(name).context("read the report")?;
        return direct(query, &args.ask).await;
    }
    let mut query: Vec<(&str, String)> = Vec::new();
    for (name, value) in &args.ask.param {
        query.push((name, value.clone()));
    }
    query.extend(args.ask.as_of.clone().map(|as_of| ("as_of", as_of)));
    let console = ConsoleClient::new(&args.ask.server, &loaded.config.console)?;
    let answer: QueryResponse = console.get(&format!("/api/v1/reports/{name}"), &query).await?;
    print(&answer, console.format())?;
    Ok(ExitReason::Done)
}

/// The reports there are, with what may be asked.
async fn list(loaded: &LoadedConfig, args: &ReportArgs) -> anyhow::Result<ExitReason> {
    anyhow::ensure!(
        args.ask.postgres.is_none(),
        "name a report; there are {}",
        names(&args.path)?.join(", ")
    );
    let console = ConsoleClient::new(&args.ask.server, &loaded.config.console)?;
    let reports: Vec<ReportRow> = console.get("/api/v1/reports", &[]).await?;
    let columns = vec![
        OutputColumn::new("name").titled("report"),
        OutputColumn::words("parameters", |row| {
            let parameters = row.get("parameters").and_then(Value::as_array);
            let words = parameters.into_iter().flatten().map(|parameter| {
                let default = parameter.get("default").and_then(Value::as_str).unwrap_or("…");
                format!(
                    "{}={default}",
                    parameter.get("name").map_or_else(String::new, plain)
                )
            });
            words.collect::<Vec<_>>().join(" ")
        }),
        OutputColumn::new("parameters").data(),
        OutputColumn::new("title"),
        OutputColumn::new("description").wide(),
    ];
    let table = OutputTable::of(columns, &reports).context("read the reports' fields")?;
    let after = output::counted(reports.len(), "report");
    console.print_rows(&table, "there are no reports", &after)?;
    Ok(ExitReason::Done)
}

/// The file of a report; a broken one beside it does not matter.
fn find(queries: &Path, name: &str) -> anyhow::Result<PathBuf> {
    let path = queries.join("reports").join(format!("{name}.sql"));
    if path.is_file() {
        return Ok(path);
    }
    let names = names(queries)?.join(", ");
    anyhow::bail!("there is no report `{name}`; there are {names}")
}

fn names(queries: &Path) -> anyhow::Result<Vec<String>> {
    let folder = queries.join("reports");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .filter_map(|path| stem(&path))
        .collect();
    names.sort();
    Ok(names)
}

fn refuse(refusals: &[fleetledger_queries::QueryRefusal]) -> ExitReason {
    super::print_refusals(refusals);
    ExitReason::Red
}

/// Without the console, for when it is down.
async fn direct(query: &StoredQuery, args: &AskArgs) -> anyhow::Result<ExitReason> {
    let values: BTreeMap<String, String> = args.param.iter().cloned().collect();
    let as_of = match &args.as_of {
        None => None,
        Some(text) => Some(Instant::parse(text).with_context(|| {
            format!("--as-of `{text}` is no instant; write such as 2026-01-31T14:00:00Z")
        })?),
    };
    let url = args.postgres.as_deref().unwrap_or_default();
    let reader = super::reader(url).await?;
    let answer = run_with_parameters(&reader, query, &values, as_of).await?;
    print(&QueryResponse::new(&answer), args.server.output.format())?;
    Ok(ExitReason::Done)
}

fn print(answer: &QueryResponse, format: OutputFormat) -> anyhow::Result<()> {
    let columns = answer
        .columns
        .iter()
        .map(|column| match column.r#type == "timestamptz" {
            true => OutputColumn::new(column.name.clone()).instant(),
            false => OutputColumn::new(column.name.clone()),
        });
    let table = OutputTable::new(columns.collect(), answer.rows.clone());
    let after = match answer.exceeded {
        true => format!(
            "the first {}; there are more",
            output::counted(answer.rows.len(), "row")
        ),
        false => output::counted(answer.rows.len(), "row"),
    };
    let text = |is_wide| format!("{}{after}\n", table.text(is_wide));
    // A file of rows cannot say that it lacks some.
    if answer.exceeded && format == OutputFormat::Csv {
        eprintln!("fleetledger: {after}");
    }
    print_answer(format, text, || answer, || Ok(table.clone()))
}
