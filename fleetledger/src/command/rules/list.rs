//! `rules list`: what a folder holds.

use anyhow::Context as _;
use fleetledger_queries::{QueryKind, StoredQuery, alert::AlertMode, catalogue};
use serde_json::{Value, json};

use crate::{
    cli::RulesListArgs,
    exit::ExitReason,
    output::{OutputColumn, OutputRow, OutputTable, print_answer, table::plain},
};

pub(super) fn run(args: &RulesListArgs) -> anyhow::Result<ExitReason> {
    let catalogue = match catalogue::load(&args.path) {
        Ok(catalogue) => catalogue,
        Err(refusals) => {
            super::print_refusals(&refusals);
            return Ok(ExitReason::Red);
        }
    };
    let columns = vec![
        OutputColumn::new("id"),
        OutputColumn::new("kind"),
        OutputColumn::new("group"),
        OutputColumn::new("interval"),
        OutputColumn::new("for"),
        OutputColumn::words("severity", severity_words),
        OutputColumn::new("severity").data(),
        OutputColumn::new("mode").data(),
        OutputColumn::words("about", |row| {
            let said = row.get("description").filter(|said| !said.is_null());
            said.or(row.get("name")).map_or_else(String::new, plain)
        }),
        OutputColumn::new("name").data(),
        OutputColumn::new("description").data(),
        OutputColumn::new("file").wide(),
        OutputColumn::new("version").wide(),
    ];
    let rows: Vec<Value> = catalogue.iter().map(|query| row(query)).collect();
    let table = OutputTable::of(columns, &rows).context("read the rules' fields")?;
    print_answer(
        args.output.format(),
        |is_wide| table.text(is_wide),
        || json!({"version": catalogue.version(), "queries": table}),
        || Ok(table.clone()),
    )?;
    Ok(ExitReason::Done)
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
