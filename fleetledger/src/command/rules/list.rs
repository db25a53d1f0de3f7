//! `rules list`: what a folder holds, or what the evaluator runs.

use std::{collections::BTreeSet, path::Path};

use anyhow::Context as _;
use fleetledger_alerts::http::RuleRow;
use fleetledger_queries::{QueryKind, QueryRefusal, StoredQuery, alert::AlertMode, catalogue};
use serde_json::{Value, json};

use crate::{
    cli::RulesListArgs,
    config::LoadedConfig,
    connect::console::ConsoleClient,
    exit::ExitReason,
    output::{self, OutputColumn, OutputRow, OutputTable, print_answer, print_text, table::plain},
};

pub(super) async fn run(loaded: &LoadedConfig, args: &RulesListArgs) -> anyhow::Result<ExitReason> {
    if args.running {
        return running(loaded, args).await;
    }
    let (catalogue, refusals) = match catalogue::load_good(&args.path) {
        Ok(found) => found,
        Err(refusals) => {
            print_text(&super::refusal_text(&refusals))?;
            return Ok(ExitReason::Red);
        }
    };
    let columns = vec![
        OutputColumn::new("id"),
        OutputColumn::new("state"),
        OutputColumn::new("kind"),
        OutputColumn::new("group"),
        OutputColumn::new("interval"),
        OutputColumn::new("for"),
        OutputColumn::words("severity", severity_words),
        OutputColumn::new("severity").data(),
        OutputColumn::new("mode").data(),
        OutputColumn::words("about", |row| {
            let fields = ["refused_reason", "description", "name"];
            let mut said = fields.into_iter().filter_map(|name| row.get(name));
            said.find(|said| !said.is_null()).map_or_else(String::new, plain)
        }),
        OutputColumn::new("refused_reason").data(),
        OutputColumn::new("name").data(),
        OutputColumn::new("description").data(),
        OutputColumn::new("file").wide(),
        OutputColumn::new("version").wide(),
    ];
    let mut rows: Vec<Value> = catalogue.iter().map(|query| row(query)).collect();
    rows.extend(refusals.iter().map(refused_row));
    let table = OutputTable::of(columns, &rows).context("read the rules' fields")?;
    let refused: BTreeSet<&Path> = refusals.iter().map(|refusal| refusal.file.as_path()).collect();
    let mut counts = super::check::kinds(&catalogue);
    if !refused.is_empty() {
        counts.push(format!("{} refused", refused.len()));
    }
    let files = output::counted(catalogue.len() + refused.len(), "file");
    print_answer(
        args.server.output.format(),
        |is_wide| format!("{}{files}: {}\n", table.text(is_wide), counts.join(", ")),
        || json!({"version": catalogue.version(), "queries": table}),
        || Ok(table.clone()),
    )?;
    Ok(reason(!refusals.is_empty()))
}

fn reason(is_refused: bool) -> ExitReason {
    if is_refused {
        ExitReason::Red
    } else {
        ExitReason::Done
    }
}

/// What the evaluator runs, as the console shows it: files that only the evaluator's database refuses are refused there alone.
async fn running(loaded: &LoadedConfig, args: &RulesListArgs) -> anyhow::Result<ExitReason> {
    let console = ConsoleClient::new(&args.server, &loaded.config.console)?;
    let rules: Vec<RuleRow> = console.get("/api/v1/rules", &[]).await?;
    let columns = vec![
        OutputColumn::new("rule").titled("id"),
        OutputColumn::new("state"),
        OutputColumn::new("kind"),
        OutputColumn::new("group"),
        OutputColumn::words("last run", |row| output::age_of_field(row, "last_slot")),
        OutputColumn::new("last_slot").data(),
        OutputColumn::new("severity"),
        OutputColumn::words("what is wrong", wrong_words),
        OutputColumn::new("last_error").data(),
        OutputColumn::new("refused_reason").data(),
        OutputColumn::new("refused_since").data(),
        OutputColumn::new("evaluated").data(),
    ];
    let table = OutputTable::of(columns, &rules).context("read the rules' fields")?;
    console.print_rows(&table, "no rules", &table.tally("rule", "state"))?;
    Ok(reason(rules.iter().any(|rule| rule.refused_reason.is_some())))
}

/// Why a rule's file is refused and what is evaluated meanwhile, or how its last run failed.
fn wrong_words(row: &OutputRow) -> String {
    let word = |name: &str| row.get(name).map_or_else(String::new, plain);
    let meanwhile = match row.get("evaluated") {
        Some(Value::Bool(true)) => "the version before goes on",
        _ => "no version of it is evaluated",
    };
    match word("refused_reason") {
        reason if reason.is_empty() => word("last_error"),
        reason => format!("{reason} ({meanwhile})"),
    }
}

/// A row of its own for each thing that is wrong.
fn refused_row(refusal: &QueryRefusal) -> Value {
    let stem = refusal.file.file_stem().unwrap_or_default();
    json!({
        "id": stem.to_string_lossy(),
        "state": "refused",
        "file": refusal.file,
        "refused_reason": refusal.to_string(),
    })
}

fn row(query: &StoredQuery) -> Value {
    let schedule = query.schedule();
    let alert = match &query.kind {
        QueryKind::Alert(rule) => Some(rule),
        _ => None,
    };
    let mode = alert.map(|rule| match rule.mode {
        AlertMode::Live => "live",
        AlertMode::Shadow => "shadow",
        AlertMode::Disabled => "disabled",
    });
    json!({
        "id": query.id.as_str(),
        "state": "good",
        "kind": query.kind.key(),
        "name": query.name(),
        "description": query.description,
        "file": query.path,
        "version": query.version,
        "group": schedule.map(|schedule| &schedule.group),
        "interval": schedule.map(|schedule| schedule.interval),
        "for": alert.map(|rule| rule.pending_for.to_string()),
        "severity": alert.map(|rule| rule.severity.as_str()),
        "mode": mode,
    })
}

/// Severity, and whether the alert notifies nobody.
fn severity_words(row: &OutputRow) -> String {
    let word = |name: &str| row.get(name).map_or_else(String::new, plain);
    match (word("severity"), word("mode")) {
        (severity, mode) if mode == "shadow" || mode == "disabled" => format!("{severity} ({mode})"),
        (severity, _) => severity,
    }
}
