//! `fleetledger cost`: asks the console; `check` does without it where it is away.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::bail;
use fleetledger_cost::{
    allocation::shape::{AllocationResponse, CostAllocation},
    definitions::CostDefinitions,
    http::{CloseRequest, RerateRequest, RerateResponse, UnmatchedResponse},
    store::{ClosedMonth, DefinitionChanges},
};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::json;

use crate::{
    cli::{CostArgs, CostCommand, OutputFormat},
    config::LoadedConfig,
    connect::{console::ConsoleClient, hop::chain},
    exit::ExitReason,
    output::{self, OutputColumn, OutputRow, OutputTable, print_answer, print_document, table::fields},
    progress::{self, ProgressName, ProgressReading},
};

pub(super) async fn run(loaded: &LoadedConfig, args: &CostArgs) -> anyhow::Result<ExitReason> {
    let console = ConsoleClient::new(&args.server, &loaded.config.console);
    if let Some(CostCommand::Check { path }) = &args.command {
        return check(console, path, args.server.output.format()).await;
    }
    let console = console?;
    match &args.command {
        None | Some(CostCommand::Check { .. }) => show(&console, args).await,
        Some(CostCommand::Apply { path }) => apply(&console, path).await,
        Some(CostCommand::Close { month }) => {
            let request = CloseRequest { month: month.clone() };
            let closed: ClosedMonth = console
                .request(Method::POST, "/api/v1/cost/months", Some(&request))
                .await?;
            console.print_response(&closed, || {
                let currency = closed.currency.as_deref().unwrap_or_default();
                format!("{month} is closed: its nodes cost {} {currency}\n", closed.cost)
            })?;
            Ok(ExitReason::Done)
        }
        Some(CostCommand::Rerate { from, to }) => rerate(&console, *from, *to).await,
    }
}

/// What is wrong with the files; then, where the console answers, what of them nothing in the ledger matches, which may be
/// as it should be.
async fn check(
    console: anyhow::Result<ConsoleClient>,
    path: &Path,
    format: OutputFormat,
) -> anyhow::Result<ExitReason> {
    let book = match CostDefinitions::read(path) {
        Ok(book) => book,
        Err(faults) => {
            return print_faults(format, path, &faults.to_string());
        }
    };
    let compared = compare(console, &book).await;
    let (unmatched, why_not) = match &compared {
        Ok(answer) => (Some(&answer.unmatched), None),
        Err(error) => (None, Some(chain(error.as_ref()))),
    };
    let document = json!({
        "path": path, "summary": book.summary(), "unmatched": unmatched, "not_compared": why_not,
    });
    print_document(format, &document, || {
        let mut text = format!("{}: {}\n", path.display(), book.summary());
        match &compared {
            Ok(answer) => text.push_str(&unmatched_text(&answer.unmatched)),
            Err(error) => text.push_str(&format!(
                "not compared with the ledger: {}\n",
                chain(error.as_ref())
            )),
        }
        text
    })?;
    Ok(ExitReason::Done)
}

/// What is wrong with files of cost.
fn print_faults(format: OutputFormat, path: &Path, faults: &str) -> anyhow::Result<ExitReason> {
    let document = json!({"path": path, "faults": faults.lines().collect::<Vec<_>>()});
    print_document(format, &document, || format!("{faults}\n"))?;
    Ok(ExitReason::Red)
}

async fn compare(
    console: anyhow::Result<ConsoleClient>,
    book: &CostDefinitions,
) -> anyhow::Result<UnmatchedResponse> {
    let console = console?;
    console
        .request(Method::POST, "/api/v1/cost/check", Some(book))
        .await
}

fn unmatched_text(unmatched: &[String]) -> String {
    let lines = unmatched.iter().map(|what| format!("warning: {what}\n"));
    lines.collect()
}

async fn apply(console: &ConsoleClient, path: &Path) -> anyhow::Result<ExitReason> {
    let book = match CostDefinitions::read(path) {
        Ok(book) => book,
        Err(faults) => {
            return print_faults(console.format(), path, &faults.to_string());
        }
    };
    let applied: DefinitionChanges = console
        .request(Method::POST, "/api/v1/cost/book", Some(&book))
        .await?;
    console.print_response(&applied, || applied_text(&book, &applied))?;
    Ok(ExitReason::Done)
}

fn applied_text(book: &CostDefinitions, applied: &DefinitionChanges) -> String {
    let mut text = String::new();
    if applied.is_nothing() {
        text.push_str(&format!("nothing to do: {} stand\n", book.summary()));
    }
    let mut line = |what: String| text.push_str(&format!("{what}\n"));
    for sheet in &applied.sheets {
        line(format!("price sheet {sheet} stands"));
    }
    for sheet in &applied.withdrawn {
        line(format!("price sheet {sheet} was withdrawn"));
    }
    for (changed, what) in [
        (applied.owners, "the map of owners stands"),
        (applied.teams, "what teams have set stands"),
        (applied.sharing, "the default of sharing stands"),
    ] {
        if changed {
            line(what.to_owned());
        }
    }
    if let Some(hour) = &applied.rated_before {
        line(format!(
            "hours from {} on were rated before this: fleetledger cost rerate --from {hour} --to … rates them again",
            output::instant(hour)
        ));
    }
    text.push_str(&unmatched_text(&applied.unmatched));
    text
}

/// Hour by hour, so that each answer is soon there.
async fn rerate(console: &ConsoleClient, from: Timestamp, to: Timestamp) -> anyhow::Result<ExitReason> {
    if from >= to {
        bail!("--from {from} is not before --to {to}");
    }
    let asked = AtomicUsize::new(0);
    let work = async {
        let (mut hour, mut hours) = (from, 0);
        while hour < to {
            let end = hour.checked_add(SignedDuration::from_hours(1))?.min(to);
            let request = RerateRequest {
                from: hour.to_string(),
                to: end.to_string(),
            };
            let rated: RerateResponse = console
                .request(Method::POST, "/api/v1/cost/rerate", Some(&request))
                .await?;
            asked.fetch_add(1, Ordering::Relaxed);
            hours += rated.hours;
            hour = end;
        }
        anyhow::Ok(hours)
    };
    let name = ProgressName {
        what: "rerate",
        unit: "hours",
    };
    let total = usize::try_from((to.as_second() - from.as_second() + 3_599) / 3_600).ok();
    let reading = || ProgressReading::of(asked.load(Ordering::Relaxed), total);
    let hours = progress::show(name, reading, work).await?;
    console.print_response(&RerateResponse { hours }, || {
        format!("{} rated again\n", output::counted(hours, "hour"))
    })?;
    Ok(ExitReason::Done)
}

async fn show(console: &ConsoleClient, args: &CostArgs) -> anyhow::Result<ExitReason> {
    let mut query = vec![
        ("window", args.window.clone()),
        ("aggregate", args.by.clone()),
        ("includeIdle", "true".to_owned()),
    ];
    query.extend(args.step.iter().map(|step| ("step", step.clone())));
    query.extend(args.filter.iter().map(|filter| ("filter", filter.clone())));
    if args.shared {
        query.push(("sharing", "default".to_owned()));
    }
    let answer: AllocationResponse = console.get("/api/allocation", &query).await?;
    let rows = || {
        // As the console's own CSV: a line for each name of each period.
        let sets = answer.data.iter().flat_map(BTreeMap::values);
        let rows: serde_json::Result<Vec<OutputRow>> = sets
            .map(|one| {
                let mut row = fields(one)?;
                row.insert("currency".to_owned(), answer.currency.clone().into());
                Ok(row)
            })
            .collect();
        let names = fleetledger_cost::allocation::shape::COLUMNS.iter().copied();
        let columns = names.chain(["currency"]).map(OutputColumn::new);
        Ok(OutputTable::new(columns.collect(), rows?))
    };
    print_answer(
        console.format(),
        |is_wide| text(&args.by, &answer, is_wide),
        || &answer,
        rows,
    )?;
    Ok(ExitReason::Done)
}

/// A table for people: money, and in a wide one hours as well. Where there is one period, the window has said which.
fn text(by: &str, answer: &AllocationResponse, is_wide: bool) -> String {
    let Some(currency) = &answer.currency else {
        return "no price sheet stands: fleetledger cost apply\n".to_owned();
    };
    let mut rows = Vec::new();
    let mut sums = [0.0; 8];
    for set in &answer.data {
        let mut all: Vec<&CostAllocation> = set.values().collect();
        all.sort_by(|a, b| b.total_cost.total_cmp(&a.total_cost));
        for one in all {
            for (sum, amount) in sums.iter_mut().zip(amounts(one)) {
                *sum += amount;
            }
            rows.push(row(one));
        }
    }
    if rows.is_empty() {
        return "no hour of this window was rated\n".to_owned();
    }
    let head = [
        by,
        "from",
        "cost",
        "cpu",
        "memory",
        "gpu",
        "shared",
        "core-hours",
        "GiB-hours",
        "gpu-hours",
        "efficiency",
    ];
    let has_periods = answer.data.iter().filter(|set| !set.is_empty()).count() > 1;
    let is_shown = |title: &str| match title {
        "from" => is_wide || has_periods,
        "core-hours" | "GiB-hours" | "gpu-hours" => is_wide,
        _ => true,
    };
    let [total, ..] = sums;
    let mut last = vec!["total".to_owned(), String::new()];
    last.extend(amount_cells(sums));
    rows.push(last);
    for row in &mut rows {
        let mut titles = head.iter();
        row.retain(|_| titles.next().is_none_or(|title| is_shown(title)));
    }
    let head: Vec<&str> = head.into_iter().filter(|title| is_shown(title)).collect();
    let table = match is_wide {
        true => output::text(&head, &rows),
        false => output::list(&head, &rows),
    };
    let rest = format!("total {total:.2} {currency}; compute only: no storage, network or load balancers");
    format!("{table}\n{}\n", output::folded(&rest, 0))
}

/// What adds up: cost and its parts, core-hours, GiB-hours, card-hours. What is idle is a row, so that the sums are the
/// machines'.
fn amounts(one: &CostAllocation) -> [f64; 8] {
    [
        one.total_cost,
        one.cpu_cost,
        one.ram_cost,
        one.gpu_cost,
        one.shared_cost,
        one.cpu_core_hours,
        one.ram_byte_hours / f64::from(1 << 30),
        one.gpu_hours,
    ]
}

fn amount_cells([total, cpu, memory, gpu, shared, cores, gib, cards]: [f64; 8]) -> Vec<String> {
    let money = [total, cpu, memory, gpu, shared].map(|amount| format!("{amount:.2}"));
    let hours = [cores, gib, cards].map(|amount| format!("{amount:.1}"));
    money.into_iter().chain(hours).collect()
}

fn row(one: &CostAllocation) -> Vec<String> {
    let mut cells = vec![one.name.clone(), output::instant(&one.start)];
    cells.extend(amount_cells(amounts(one)));
    let efficiency = one.total_efficiency;
    cells.push(efficiency.map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0)));
    cells
}
