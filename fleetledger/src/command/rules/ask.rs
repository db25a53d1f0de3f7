//! `report NAME` and `rules run FILE`: one query once, as the reader, straight from the database.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use fleetledger_queries::{Query, Table, catalogue, report::ask};
use fleetledger_schema::instant::Instant;
use serde_json::{Map, Value, json};

use super::super::{print_json, table};
use crate::{
    cli::{AskArgs, ReportArgs, RulesRunArgs},
    exit::Exit,
};

pub(super) async fn file(args: &RulesRunArgs) -> anyhow::Result<Exit> {
    match catalogue::load(&args.file) {
        Err(refusals) => {
            super::print_refusals(&refusals);
            Ok(Exit::Red)
        }
        Ok(catalogue) => match catalogue.iter().next() {
            Some(query) => run(query, &args.ask).await,
            None => anyhow::bail!("{} is no .sql file", args.file.display()),
        },
    }
}

pub(in super::super) async fn report(args: &ReportArgs) -> anyhow::Result<Exit> {
    let path = find(&args.path, &args.name)?;
    let catalogue = match catalogue::load(&path) {
        Ok(catalogue) => catalogue,
        Err(refusals) => {
            super::print_refusals(&refusals);
            return Ok(Exit::Red);
        }
    };
    let query = catalogue.get(&args.name).context("read the report")?;
    run(query, &args.ask).await
}

/// The file of a report; a broken one beside it does not matter.
fn find(queries: &Path, name: &str) -> anyhow::Result<std::path::PathBuf> {
    let folder = queries.join("reports");
    let path = folder.join(format!("{name}.sql"));
    if path.is_file() {
        return Ok(path);
    }
    let entries = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let stem = |path: &Path| path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .filter_map(|path| stem(&path))
        .collect();
    names.sort();
    anyhow::bail!("there is no report `{name}`; there are {}", names.join(", "))
}

async fn run(query: &Query, args: &AskArgs) -> anyhow::Result<Exit> {
    let values: BTreeMap<String, String> = args.param.iter().cloned().collect();
    let as_of = match &args.as_of {
        None => None,
        Some(text) => Some(Instant::parse(text).with_context(|| {
            format!("--as-of `{text}` is no instant; write such as 2026-01-31T14:00:00Z")
        })?),
    };
    let reader = super::reader(&args.postgres).await?;
    let answer = ask(&reader, query, &values, as_of).await?;
    if args.json {
        print_json(&document(&answer));
        return Ok(Exit::Done);
    }
    let head: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    let rows: Vec<Vec<String>> = answer
        .rows
        .iter()
        .map(|row| row.iter().map(fleetledger_queries::Cell::text).collect())
        .collect();
    print!("{}", table::text(&head, &rows));
    match answer.exceeded {
        true => println!("the first {} rows; there are more", rows.len()),
        false => println!("{} rows", rows.len()),
    }
    Ok(Exit::Done)
}

fn document(answer: &Table) -> Value {
    let row = |cells: &Vec<fleetledger_queries::Cell>| {
        let pairs = answer.columns.iter().zip(cells);
        Value::Object(
            pairs
                .map(|(column, cell)| (column.name.clone(), cell.json()))
                .collect::<Map<_, _>>(),
        )
    };
    let rows: Vec<Value> = answer.rows.iter().map(row).collect();
    json!({"rows": rows, "exceeded": answer.exceeded})
}
