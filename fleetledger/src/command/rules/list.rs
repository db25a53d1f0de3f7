//! `rules list`: what a folder holds.

use fleetledger_queries::{Catalogue, QueryKind, StoredQuery, alert::AlertMode, catalogue};
use serde_json::{Value, json};

use crate::{
    cli::RulesListArgs,
    exit::ExitReason,
    output::{self, print_json},
};

pub(super) fn run(args: &RulesListArgs) -> anyhow::Result<ExitReason> {
    let catalogue = match catalogue::load(&args.path) {
        Ok(catalogue) => catalogue,
        Err(refusals) => {
            super::print_refusals(&refusals);
            return Ok(ExitReason::Red);
        }
    };
    if args.json {
        print_json(&document(&catalogue));
    } else {
        let head = ["id", "kind", "group", "interval", "for", "severity", "about"];
        let rows: Vec<Vec<String>> = catalogue.iter().map(|query| row(query)).collect();
        print!("{}", output::text(&head, &rows));
    }
    Ok(ExitReason::Done)
}

fn row(query: &StoredQuery) -> Vec<String> {
    let schedule = query.schedule();
    let (wait, severity) = match &query.kind {
        QueryKind::Alert(rule) => (rule.pending_for.to_string(), severity(rule)),
        _ => (String::new(), String::new()),
    };
    vec![
        query.id.to_string(),
        query.kind.key().to_owned(),
        schedule
            .map(|schedule| schedule.group.clone())
            .unwrap_or_default(),
        schedule
            .map(|schedule| schedule.interval.to_string())
            .unwrap_or_default(),
        wait,
        severity,
        query
            .description
            .clone()
            .unwrap_or_else(|| query.name().to_owned()),
    ]
}

fn severity(rule: &fleetledger_queries::alert::AlertRule) -> String {
    let severity = rule.severity.as_str();
    match rule.mode {
        AlertMode::Live => severity.to_owned(),
        AlertMode::Shadow => format!("{severity} (shadow)"),
        AlertMode::Disabled => format!("{severity} (disabled)"),
    }
}

fn document(catalogue: &Catalogue) -> Value {
    let query = |query: &StoredQuery| {
        json!({
            "id": query.id.as_str(),
            "kind": query.kind.key(),
            "name": query.name(),
            "description": query.description,
            "file": query.path,
            "version": query.version,
            "group": query.schedule().map(|schedule| &schedule.group),
            "interval": query.schedule().map(|schedule| schedule.interval),
        })
    };
    let queries: Vec<Value> = catalogue.iter().map(|found| query(found)).collect();
    json!({"version": catalogue.version(), "queries": queries})
}
