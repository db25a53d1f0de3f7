//! `rules list`: what a folder holds, or what the evaluator runs.

use std::{collections::BTreeSet, path::Path};

use fleetledger_alerts::http::RuleRow;
use fleetledger_queries::{Catalogue, QueryKind, QueryRefusal, StoredQuery, alert::AlertMode, catalogue};
use serde_json::{Value, json};

use crate::{
    cli::RulesListArgs,
    config::LoadedConfig,
    connect::console::ConsoleClient,
    exit::ExitReason,
    output::{self, print_json},
};

pub(super) async fn run(loaded: &LoadedConfig, args: &RulesListArgs) -> anyhow::Result<ExitReason> {
    if args.running {
        return running(loaded, args).await;
    }
    let (catalogue, refusals) = match catalogue::load_good(&args.path) {
        Ok(found) => found,
        Err(refusals) => {
            super::print_refusals(&refusals);
            return Ok(ExitReason::Red);
        }
    };
    if args.server.json {
        print_json(&document(&catalogue, &refusals));
    } else {
        let head = [
            "id", "state", "kind", "group", "interval", "for", "severity", "about",
        ];
        let mut rows: Vec<Vec<String>> = catalogue.iter().map(|query| row(query)).collect();
        rows.extend(refusals.iter().map(refused_row));
        print!("{}", output::list(&head, &rows));
        let refused: BTreeSet<&Path> = refusals.iter().map(|refusal| refusal.file.as_path()).collect();
        let mut counts = super::check::kinds(&catalogue);
        if !refused.is_empty() {
            counts.push(format!("{} refused", refused.len()));
        }
        let files = output::counted(catalogue.len() + refused.len(), "file");
        println!("{files}: {}", counts.join(", "));
    }
    Ok(if refusals.is_empty() {
        ExitReason::Done
    } else {
        ExitReason::Red
    })
}

/// What the evaluator runs, as the console shows it: files that only the evaluator's database refuses are refused there alone.
async fn running(loaded: &LoadedConfig, args: &RulesListArgs) -> anyhow::Result<ExitReason> {
    let console = ConsoleClient::new(&args.server, &loaded.config.console)?;
    let rules: Vec<RuleRow> = console.get("/api/v1/rules", &[]).await?;
    console.print_response(&rules, || {
        let head = [
            "id",
            "state",
            "kind",
            "group",
            "last run",
            "severity",
            "what is wrong",
        ];
        let rows: Vec<Vec<String>> = rules.iter().map(running_row).collect();
        let states = rules.iter().map(|rule| rule.state.as_str());
        format!(
            "{}{}\n",
            output::list(&head, &rows),
            output::tally("rule", states)
        )
    });
    let is_refused = rules.iter().any(|rule| rule.refused_reason.is_some());
    Ok(if is_refused {
        ExitReason::Red
    } else {
        ExitReason::Done
    })
}

fn running_row(rule: &RuleRow) -> Vec<String> {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let meanwhile = match rule.evaluated {
        true => "the version before goes on",
        false => "no version of it is evaluated",
    };
    let refused = rule.refused_reason.as_ref();
    vec![
        rule.rule.clone(),
        rule.state.clone(),
        rule.kind.clone(),
        rule.group.clone(),
        rule.last_slot.as_deref().map(output::age_of).unwrap_or_default(),
        text(&rule.severity),
        refused.map_or_else(
            || text(&rule.last_error),
            |reason| format!("{reason} ({meanwhile})"),
        ),
    ]
}

/// A line of its own for each thing that is wrong.
fn refused_row(refusal: &QueryRefusal) -> Vec<String> {
    let stem = refusal.file.file_stem().unwrap_or_default();
    let mut cells = vec![stem.to_string_lossy().into_owned(), "refused".to_owned()];
    cells.resize(7, String::new());
    cells.push(refusal.to_string());
    cells
}

fn row(query: &StoredQuery) -> Vec<String> {
    let schedule = query.schedule();
    let (wait, severity) = match &query.kind {
        QueryKind::Alert(rule) => (rule.pending_for.to_string(), severity(rule)),
        _ => (String::new(), String::new()),
    };
    vec![
        query.id.to_string(),
        "good".to_owned(),
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

fn document(catalogue: &Catalogue, refusals: &[QueryRefusal]) -> Value {
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
    let refused = refusals.iter().map(|refusal| {
        json!({
            "file": refusal.file,
            "line": refusal.line,
            "column": refusal.column,
            "what": refusal.what,
            "remedy": refusal.remedy,
        })
    });
    let refused: Vec<Value> = refused.collect();
    json!({"version": catalogue.version(), "queries": queries, "refused": refused})
}
