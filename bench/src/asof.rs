//! The fleet as it was 30 days ago: a namespace of it, and all of it.

use std::time::Instant;

use anyhow::Context as _;
use fleetledger_local::postgres::LocalPostgres;
use fleetledger_schema::postgres::PostgresConnector;
use tokio_postgres::Client;

use crate::{
    figure::{BenchFigure, BenchReport, median, percentile},
    fleet::RecordShape,
    ours::{LedgerSide, PodRevisions},
    parts::{self, BenchContext, BenchLedger},
};

const PODS: usize = 100_000;
/// Closed versions of each pod, one every six days back from now.
const VERSIONS: i32 = 10;
const QUERIES: usize = 40;

/// Runs it.
pub(crate) async fn run(setting: &BenchContext, report: &mut BenchReport) -> anyhow::Result<()> {
    let count = setting.scaled(PODS);
    let (kafka, postgres) = (setting.kafka().await?, parts::postgres().await?);
    let mut ours = LedgerSide::start(setting, &kafka, &postgres, "asof", 1, "").await?;
    ours.sweep(&PodRevisions::new(count, RecordShape::Flat)).await?;
    make_history(&ours.ledger).await?;
    let rows = ours
        .ledger
        .number("select count(*) from ledger.pod_history")
        .await?;
    let partitions = ours
        .ledger
        .number("select count(*) from ledger.partition_bounds('pod_history')")
        .await?;
    let reader = reader(&postgres).await?;
    let fleet = format!("{count} pods, {rows} closed versions of 60 days in {partitions} partitions");

    let namespace =
        "select pod, node, phase, cpu_request_cores from pod where namespace = $1 and cluster = 'prod-7'";
    let (ms, found) = ask(&reader, namespace, true).await?;
    let detail = format!(
        "fleet_asof.pod 30 days ago, one namespace of one cluster ({found:.0} pods), planning included; {fleet}; median of {QUERIES}, worst {:.1} ms",
        percentile(&ms, 100.0)
    );
    report.add(BenchFigure::new(
        "asof_30d_namespace_ms",
        median(&ms),
        "ms",
        detail,
    ));

    let all =
        "select datacenter, cluster, count(*), sum(cpu_request_cores) from pod group by datacenter, cluster";
    let (ms, _) = ask(&reader, all, false).await?;
    let detail = format!(
        "pods and requests of every cluster 30 days ago; {fleet}; median of {}",
        ms.len()
    );
    report.add(BenchFigure::new(
        "asof_30d_fleet_seconds",
        median(&ms) / 1000.0,
        "s",
        detail,
    ));
    Ok(())
}

/// Asks as of 30 days ago: milliseconds of each query, and rows on average. The first one warms up.
async fn ask(reader: &Client, query: &str, of_namespace: bool) -> anyhow::Result<(Vec<f64>, f64)> {
    let (mut ms, mut rows) = (Vec::new(), 0);
    let turns = if of_namespace { QUERIES } else { 5 };
    for turn in 0..=turns {
        let statement = query.replace("$1", &format!("'team-{}'", turn % 40));
        let begin = Instant::now();
        let found = reader
            .query(&statement, &[])
            .await
            .context("ask as of 30 days ago")?;
        if turn > 0 {
            ms.push(begin.elapsed().as_secs_f64() * 1000.0);
            rows += found.len();
        }
    }
    anyhow::ensure!(rows > 0, "nothing was found 30 days ago");
    Ok((ms, rows as f64 / turns as f64))
}

/// A session as the role that people ask with.
async fn reader(postgres: &LocalPostgres) -> anyhow::Result<Client> {
    let url = postgres
        .url_of("asof")
        .replacen("fleetledger@", "fleetledger_reader@", 1);
    let client = PostgresConnector::new(url.parse()?, None)
        .connect("fleetledger bench")
        .await?;
    let set = "set search_path = fleet_asof; set jit = off";
    client.batch_execute(set).await?;
    let at = "select set_config('fleet.as_of', (now() - interval '30 days')::text, false)";
    client.query_one(at, &[]).await?;
    Ok(client)
}

/// Gives every pod a past, in partitions as an installation of that age has them.
async fn make_history(ledger: &BenchLedger) -> anyhow::Result<()> {
    let columns = "select string_agg(quote_ident(column_name), ', ' order by ordinal_position),
            string_agg(case column_name when 'valid_from' then 'v.from_at' else 'p.' || quote_ident(column_name) end, ', '
                order by ordinal_position)
        from information_schema.columns where table_schema = 'ledger' and table_name = 'pod'";
    let row = ledger.client.query_one(columns, &[]).await?;
    let (names, values): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    // The days before the first one stand in one partition; here the ledger is as old as its history.
    let fill = format!(
        "insert into ledger.pod_history ({names}, valid_to, closed_reason)
         select {values}, v.to_at, 'changed'
         from ledger.pod as p
         cross join lateral (select abs(hashtext(p.uid::text)) % (6 * 86400) * interval '1 second' as shift) as s
         cross join lateral generate_series(1, {VERSIONS}) as n (n)
         cross join lateral (
            select p.valid_from - n.n * interval '6 days' + s.shift - interval '6 days' as from_at,
                case n.n when 1 then p.valid_from else p.valid_from - n.n * interval '6 days' + s.shift end as to_at
         ) as v"
    );
    for statement in [
        "drop table ledger.pod_history_old",
        "select ledger.ensure_partitions((now() at time zone 'UTC')::date - 60, (now() at time zone 'UTC')::date - 31)",
        "select ledger.ensure_partitions((now() at time zone 'UTC')::date - 30, (now() at time zone 'UTC')::date + 7)",
        &fill,
        "vacuum analyze ledger.pod",
        "vacuum analyze ledger.pod_history",
        "checkpoint",
    ] {
        ledger
            .client
            .batch_execute(statement)
            .await
            .with_context(|| statement.to_owned())?;
    }
    Ok(())
}
