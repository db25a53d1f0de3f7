//! Every panel of every dashboard on a ledger with 30 days of history, as a viewer who chose all opens it.

use std::{collections::BTreeMap, time::Instant};

use anyhow::Context as _;
use deadpool_postgres::{Manager, Pool};
use fleetledger_dashboards::{
    Dashboard, folder, load,
    query::{ChosenValues, DashboardView, expand},
    variable::{VARIABLES, VariableArity},
};
use fleetledger_local::postgres::LocalPostgres;
use fleetledger_schema::instant::Instant as At;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::{
    figure::{BenchFigure, BenchReport, median, percentile},
    parts::{self, BenchContext, BenchLedger},
};

const FILL: &str = include_str!("../../dashboards/testdata/fleet.sql");
const CLUSTERS: usize = 20;
const DAYS: i64 = 30;
/// Closed versions of each pod, container, workload and node.
const VERSIONS: usize = 4;
/// Times each panel is asked; the first warms up and is not counted.
const TURNS: usize = 4;
/// Points of a panel at most, as the dashboards say.
const POINTS: i64 = 360;

/// What a panel took.
struct PanelTiming {
    panel: String,
    duration_ms: f64,
    sql: String,
}

/// Runs it, at a hundred thousand pods and at a million.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    for (size, name) in [(100_000, "100k"), (1_000_000, "1m")] {
        let pods = setting.scaled(size);
        let postgres = server().await?;
        let ledger = BenchLedger::create(&postgres, "dashboards").await?;
        let begin = Instant::now();
        fill(&ledger, pods).await?;
        tracing::info!(pods, seconds = begin.elapsed().as_secs(), "filled");
        let reader = readers(&postgres, "dashboards", 1)?.get().await?;
        let asked = ask_all(&reader, None).await?;
        print_slowest(&reader, &asked).await?;
        let detail = format!(
            "95th percentile over {} panels, each the median of {} after one, as the reader, all chosen, over the range it opens with; {pods} pods, {VERSIONS} versions each, {DAYS} days; {}",
            asked.len(),
            TURNS - 1,
            slowest(&asked)
        );
        report.add(p95(&format!("dashboards_{name}_p95_ms"), &asked, detail));
        let month = ask_all(&reader, Some(DAYS)).await?;
        println!("over {DAYS} days:");
        print_slowest(&reader, &month).await?;
        let detail = format!("the same over {DAYS} days; {}", slowest(&month));
        report.add(p95(&format!("dashboards_{name}_month_p95_ms"), &month, detail));
    }
    Ok(())
}

/// A server that writes no log of what it is filled with, which is most of a part's time: nothing but reading is measured.
async fn server() -> anyhow::Result<LocalPostgres> {
    parts::postgres_with(&[("wal_level", "minimal"), ("max_wal_senders", "0")]).await
}

fn p95(name: &str, asked: &[PanelTiming], detail: String) -> BenchFigure {
    let ms: Vec<f64> = asked.iter().map(|asked| asked.duration_ms).collect();
    BenchFigure::new(name, percentile(&ms, 95.0), "ms", detail)
}

fn slowest(asked: &[PanelTiming]) -> String {
    let all: f64 = asked.iter().map(|asked| asked.duration_ms).sum();
    let slowest = asked.first();
    slowest.map_or_else(String::new, |asked| {
        format!(
            "all of them {all:.0} ms; slowest {:.0} ms: {}",
            asked.duration_ms, asked.panel
        )
    })
}

/// Puts so many pods and their history into an empty ledger.
pub(crate) async fn fill(ledger: &BenchLedger, pods: usize) -> anyhow::Result<()> {
    let sizes = [
        ("{pods}", pods),
        ("{clusters}", CLUSTERS),
        ("{days}", usize::try_from(DAYS)?),
        ("{versions}", VERSIONS),
    ];
    let sql = sizes.iter().fold(FILL.to_owned(), |sql, (name, value)| {
        sql.replace(name, &value.to_string())
    });
    // Tables that are new in a transaction need no log where the server keeps none.
    let sql = format!("truncate ledger.pod, ledger.container, ledger.cost_daily;\n{sql}");
    for statement in [sql.as_str(), "vacuum analyze", "checkpoint"] {
        let done = ledger.client.batch_execute(statement).await;
        done.context("fill the ledger")?;
    }
    Ok(())
}

/// Sessions as Grafana's data source has them: so many at most, and who asks first gets the next that is free.
pub(crate) fn readers(postgres: &LocalPostgres, database: &str, sessions: usize) -> anyhow::Result<Pool> {
    let url = postgres
        .url_of(database)
        .replacen("fleetledger@", "fleetledger_reader@", 1);
    let manager = Manager::new(url.parse()?, NoTls);
    Ok(Pool::builder(manager).max_size(sessions).build()?)
}

/// Every panel, the slowest first; over so many days, or over the range its dashboard opens with.
async fn ask_all(reader: &Client, days: Option<i64>) -> anyhow::Result<Vec<PanelTiming>> {
    let mut all = Vec::new();
    for (name, dashboard) in load(folder())? {
        let hours = days.map_or_else(|| hours(&dashboard.from), |days| Ok(days * 24))?;
        let view = view(reader, &dashboard, hours, 0).await?;
        for panel in dashboard.panels() {
            let sql = expand(&panel.raw_sql(), VARIABLES, &view)?;
            let mut ms = Vec::new();
            for turn in 0..TURNS {
                let begin = Instant::now();
                reader
                    .simple_query(&sql)
                    .await
                    .with_context(|| format!("{name}, {}", panel.title))?;
                if turn > 0 {
                    ms.push(begin.elapsed().as_secs_f64() * 1000.0);
                }
            }
            all.push(PanelTiming {
                panel: format!("{} / {}", dashboard.title, panel.title),
                duration_ms: median(&ms),
                sql,
            });
        }
    }
    all.sort_by(|a, b| b.duration_ms.total_cmp(&a.duration_ms));
    Ok(all)
}

/// Hours of a range such as `now-6h`.
pub(crate) fn hours(from: &str) -> anyhow::Result<i64> {
    let length = from.strip_prefix("now-").context("a range begins with now-")?;
    match length.split_at_checked(length.len().saturating_sub(1)) {
        Some((number, "h")) => Ok(number.parse()?),
        Some((number, "d")) => Ok(number.parse::<i64>()? * 24),
        _ => anyhow::bail!("range {from}"),
    }
}

/// The view of somebody who chose all where all can be chosen, and else one of the values, by its place among them.
/// Every variable is asked for, as Grafana does whenever the range moves.
pub(crate) async fn view(
    reader: &Client,
    dashboard: &Dashboard,
    hours: i64,
    place: usize,
) -> anyhow::Result<DashboardView> {
    let now = At::now();
    let from = At(now.0 - hours * 3_600_000_000);
    let mut view = DashboardView {
        from: from.to_string().parse()?,
        to: now.to_string().parse()?,
        interval_ms: (hours * 3_600_000 / POINTS / 60_000 + 1) * 60_000,
        chosen: BTreeMap::new(),
    };
    for variable in dashboard.variables() {
        let sql = expand(variable.sql, VARIABLES, &view)?;
        let messages = reader.simple_query(&sql).await?;
        let values: Vec<String> = messages
            .iter()
            .filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .collect();
        let chosen = match variable.choice {
            VariableArity::Many { .. } => ChosenValues::All,
            VariableArity::One => {
                let chosen = values.iter().cycle().nth(place % values.len().max(1));
                ChosenValues::Values(chosen.cloned().into_iter().collect())
            }
        };
        view.chosen.insert(variable.name.to_owned(), chosen);
    }
    Ok(view)
}

/// The slowest first, and how the slowest is answered.
async fn print_slowest(reader: &Client, asked: &[PanelTiming]) -> anyhow::Result<()> {
    for one in asked.iter().take(10) {
        println!("{:8.1} ms  {}", one.duration_ms, one.panel);
    }
    let Some(slowest) = asked.first() else {
        return Ok(());
    };
    println!("plan of {}:", slowest.panel);
    let plan = format!(
        "explain (analyze, buffers, costs off, timing off) {}",
        slowest.sql
    );
    for message in reader.simple_query(&plan).await? {
        if let SimpleQueryMessage::Row(row) = message {
            println!("  {}", row.get(0).unwrap_or_default());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_hours() {
        assert_eq!(hours("now-6h").unwrap(), 6);
        assert_eq!(hours("now-7d").unwrap(), 168);
        assert!(hours("yesterday").is_err());
    }
}
