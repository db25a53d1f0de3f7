//! Rules over a fleet of a million pods: what a round costs, what a hundred thousand alerts cost, how fast people are
//! told, and how long a week of history takes.

mod backtest;
mod endpoint;
mod files;
mod firing;

use std::time::Duration;

use anyhow::Context as _;
use fleetledger_local::postgres::LocalPostgres;
use tokio_postgres::Client;

use crate::{
    figure::{BenchFigure, BenchReport, median},
    ingester::BenchProcess,
    parts::{self, BenchContext, BenchLedger},
    usage,
};

const PODS: usize = 1_000_000;
const RULES: usize = 200;
/// Rounds that are looked at; before them one that finds caches cold.
const ROUNDS: usize = 2;
/// How long the rounds are watched at most; what was not done by then is a goal that was missed.
const LIMIT: Duration = Duration::from_secs(300);
/// How often is looked how far the rounds are.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// A fleet whose every row has an honest share of what rules look for.
const FLEET: &str = include_str!("rules/fleet.sql");

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let postgres = parts::postgres().await?;
    rounds(setting, report, &postgres).await?;
    firing::run(setting, report, &postgres).await?;
    backtest::run(setting, report, &postgres).await
}

/// Fills a ledger with a fleet.
async fn fill(ledger: &BenchLedger, pods: usize, more: &str) -> anyhow::Result<()> {
    let fill = format!("set bench.pods = {pods}; {FLEET}");
    ledger.client.batch_execute(&fill).await.context("make a fleet")?;
    if !more.is_empty() {
        ledger
            .client
            .batch_execute(more)
            .await
            .context("make its history")?;
    }
    ledger.client.batch_execute("vacuum analyze").await?;
    Ok(ledger.client.batch_execute("checkpoint").await?)
}

/// How often the rules run: each minute, or often enough for a test.
fn interval(setting: &BenchContext) -> &'static str {
    if setting.scale < 0.1 { "5s" } else { "1m" }
}

/// An evaluator of the rules in a folder.
fn evaluator(
    setting: &BenchContext,
    postgres: &LocalPostgres,
    database: &str,
    rules: &std::path::Path,
    receivers: &str,
) -> anyhow::Result<BenchProcess> {
    let url = postgres
        .url_of(database)
        .replacen("fleetledger@", "fleetledger_evaluate@", 1);
    let toml = format!(
        "[postgres]\nurl = \"{url}\"\ntls = \"off\"\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nfilter = \"warn\"\n\
         [evaluate]\nrules = \"{}\"\n{receivers}\n",
        rules.display()
    );
    BenchProcess::start(&setting.program, &["evaluate"], &toml)
}

/// Every shipped rule, varied until there are enough of them, over the whole fleet.
async fn rounds(
    setting: &BenchContext,
    report: &mut BenchReport,
    postgres: &LocalPostgres,
) -> anyhow::Result<()> {
    let pods = setting.scaled(PODS);
    let ledger = BenchLedger::create(postgres, "rules").await?;
    let seeded = std::time::Instant::now();
    fill(&ledger, pods, "").await?;
    tracing::info!(pods, seconds = seeded.elapsed().as_secs(), "the fleet is made");
    let folder = tempfile::tempdir()?;
    let rules = files::shipped(folder.path(), setting.scaled(RULES), interval(setting))?;
    let roots: Vec<u32> = postgres.pid().into_iter().collect();
    let mut program = evaluator(setting, postgres, "rules", folder.path(), "")?;
    let watch = SlotWatch::new(rules);
    let cold = watch.complete_slots(&ledger.client, &mut program, ROUNDS).await?;
    // From the end of a round to that of the next: the server does nothing else.
    let before = usage::cpu_seconds(&roots)?;
    let slots = watch
        .complete_slots(&ledger.client, &mut program, cold + 1)
        .await?;
    let cpu = usage::cpu_seconds(&roots)? - before;
    program.kill().await?;
    let missed = match slots {
        slots if slots > ROUNDS => String::new(),
        slots => format!("only {slots} whole rounds in {} s; ", LIMIT.as_secs()),
    };

    let sums = "
        select sum(query_seconds), max(extract(epoch from applied_at - slot))::double precision
        from ledger.rule_run where rule like 'bench-%'
        group by slot having count(*) >= $1 order by slot offset 1";
    let enough = i64::try_from(rules)?;
    let rows = ledger.client.query(sums, &[&enough]).await?;
    let database: Vec<f64> = rows.iter().map(|row| row.get(0)).collect();
    let mut wall: Vec<f64> = rows.iter().map(|row| row.get(1)).collect();
    if wall.is_empty() {
        wall.push(LIMIT.as_secs_f64());
    }
    let failed = ledger
        .number("select count(*) from ledger.rule_run where rule like 'bench-%' and outcome = 'error'")
        .await?;
    let fleet = format!("{pods} pods in 50 clusters");
    let what = format!(
        "{missed}{rules} rules over {fleet}; queries' wall time {:.1} s together, 4 at once; {failed} runs failed; load {}",
        median(&database),
        load()
    );
    let detail = format!("CPU of the server in one round, writing its outcome included; {what}");
    report.add(BenchFigure::new(
        "rules_200_round_database_seconds",
        cpu,
        "s",
        detail,
    ));
    let detail = format!(
        "from the slot until the last rule stands, median of {}; {what}",
        wall.len()
    );
    report.add(BenchFigure::new(
        "rules_200_round_seconds",
        median(&wall),
        "s",
        detail,
    ));

    let slowest = "
        select rule, percentile_cont(0.5) within group (order by query_seconds) * 1000 as millis
        from ledger.rule_run where rule like 'bench-0-%' group by rule order by millis desc limit 5";
    let rows = ledger.client.query(slowest, &[]).await?;
    let name = |row: &tokio_postgres::Row| {
        let rule: String = row.get(0);
        format!(
            "{} {:.0} ms",
            rule.trim_start_matches("bench-0-"),
            row.get::<_, f64>(1)
        )
    };
    let names: Vec<String> = rows.iter().map(name).collect();
    let worst = rows.first().map_or(0.0, |row| row.get(1));
    let detail = format!(
        "{fleet}, 4 queries at once; {}; load {}",
        names.join(", "),
        load()
    );
    report.add(BenchFigure::new("rules_slowest_ms", worst, "ms", detail));
    Ok(())
}

/// Rounds that are waited for, up to a limit.
struct SlotWatch {
    rules: usize,
    begun: std::time::Instant,
}

impl SlotWatch {
    fn new(rules: usize) -> Self {
        Self {
            rules,
            begun: std::time::Instant::now(),
        }
    }

    /// Waits until as many slots have been applied for every rule, or the limit is over; returns how many have.
    async fn complete_slots(
        &self,
        client: &Client,
        program: &mut BenchProcess,
        wanted: usize,
    ) -> anyhow::Result<usize> {
        let count = format!(
            "select count(*) from (
                 select slot from ledger.rule_run where rule like 'bench-%' group by slot having count(*) >= {}
             ) as slot",
            self.rules
        );
        loop {
            program.check_alive()?;
            let slots = usize::try_from(parts::number(client, &count).await?)?;
            if slots >= wanted || self.begun.elapsed() >= LIMIT {
                return Ok(slots);
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Processes that wanted a core, on average of the last minute: other work on the machine shows here.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}
