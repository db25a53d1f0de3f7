//! `fleetledger cost`: asks the console; `check` asks nobody.

use std::path::Path;

use anyhow::bail;
use fleetledger_cost::{
    allocation::shape::{Allocation, Answer},
    book::Book,
    http::{CloseRequest, RerateRequest, Rerated},
    store::{Applied, Closed},
};
use jiff::{SignedDuration, Timestamp};
use reqwest::Method;

use super::table;
use crate::{
    cli::{CostArgs, CostCommand},
    connect::console::Console,
    exit::Exit,
};

pub(super) async fn run(args: &CostArgs) -> anyhow::Result<Exit> {
    if let Some(CostCommand::Check { path }) = &args.command {
        return Ok(check(path));
    }
    let console = Console::new(&args.server)?;
    match &args.command {
        None | Some(CostCommand::Check { .. }) => show(&console, args).await,
        Some(CostCommand::Apply { path }) => apply(&console, path).await,
        Some(CostCommand::Close { month }) => {
            let request = CloseRequest { month: month.clone() };
            let closed: Closed = console
                .ask(Method::POST, "/api/v1/cost/months", Some(&request))
                .await?;
            console.say(&closed, || {
                let currency = closed.currency.as_deref().unwrap_or_default();
                format!("{month} is closed: its nodes cost {} {currency}\n", closed.cost)
            });
            Ok(Exit::Done)
        }
        Some(CostCommand::Rerate { from, to }) => rerate(&console, *from, *to).await,
    }
}

fn check(path: &Path) -> Exit {
    match Book::read(path) {
        Ok(book) => {
            println!("{}: {}", path.display(), book.summary());
            Exit::Done
        }
        Err(faults) => {
            println!("{faults}");
            Exit::Red
        }
    }
}

async fn apply(console: &Console, path: &Path) -> anyhow::Result<Exit> {
    let book = match Book::read(path) {
        Ok(book) => book,
        Err(faults) => {
            println!("{faults}");
            return Ok(Exit::Red);
        }
    };
    let applied: Applied = console
        .ask(Method::POST, "/api/v1/cost/book", Some(&book))
        .await?;
    console.say(&applied, || applied_text(&book, &applied));
    Ok(Exit::Done)
}

fn applied_text(book: &Book, applied: &Applied) -> String {
    if applied.is_nothing() {
        return format!("nothing to do: {} stand\n", book.summary());
    }
    let mut text = String::new();
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
            "hours from {hour} on were rated before this: fleetledger cost rerate --from {hour} --to … rates them again"
        ));
    }
    text
}

/// Hour by hour, so that each answer is soon there.
async fn rerate(console: &Console, from: Timestamp, to: Timestamp) -> anyhow::Result<Exit> {
    if from >= to {
        bail!("--from {from} is not before --to {to}");
    }
    let mut hour = from;
    let mut hours = 0;
    while hour < to {
        let end = hour.checked_add(SignedDuration::from_hours(1))?.min(to);
        let request = RerateRequest {
            from: hour.to_string(),
            to: end.to_string(),
        };
        let rated: Rerated = console
            .ask(Method::POST, "/api/v1/cost/rerate", Some(&request))
            .await?;
        hours += rated.hours;
        hour = end;
    }
    console.say(&Rerated { hours }, || format!("{hours} hours were rated again\n"));
    Ok(Exit::Done)
}

async fn show(console: &Console, args: &CostArgs) -> anyhow::Result<Exit> {
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
    let answer: Answer = console.get("/api/allocation", &query).await?;
    console.say(&answer, || text(&args.by, &answer));
    Ok(Exit::Done)
}

fn text(by: &str, answer: &Answer) -> String {
    let Some(currency) = &answer.currency else {
        return "no price sheet stands: fleetledger cost apply\n".to_owned();
    };
    let mut rows = Vec::new();
    let mut total = 0.0;
    for set in &answer.data {
        let mut all: Vec<&Allocation> = set.values().collect();
        all.sort_by(|a, b| b.total_cost.total_cmp(&a.total_cost));
        for one in all {
            total += one.total_cost;
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
    format!(
        "{}\ntotal {total:.2} {currency}; compute only: no storage, network or load balancers\n",
        table::text(&head, &rows)
    )
}

fn row(one: &Allocation) -> Vec<String> {
    let money = |amount: f64| format!("{amount:.2}");
    vec![
        one.name.clone(),
        one.start.clone(),
        money(one.total_cost),
        money(one.cpu_cost),
        money(one.ram_cost),
        money(one.gpu_cost),
        money(one.shared_cost),
        format!("{:.1}", one.cpu_core_hours),
        format!("{:.1}", one.ram_byte_hours / f64::from(1 << 30)),
        format!("{:.1}", one.gpu_hours),
        one.total_efficiency
            .map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", share * 100.0)),
    ]
}
