//! A production trace replayed with an event-time clock under one price sheet: every node-hour adds up, and each pod's
//! CPU- and GPU-hours are those of the CSV.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

#[path = "rating/fleet.rs"]
#[allow(dead_code, reason = "the other tests use all of it")]
mod fleet;

use std::{collections::BTreeMap, path::Path};

use fleet::Fleet;
use fleetledger_local::{Error, skip::unless_available};

const PRICES: &str = "
[[sheet]]
sheet = 'trace'
valid_from = 2025-01-01
currency = 'USD'
[[sheet.class]]
class = 'gpu'
labels = { gpu = 'yes' }
price_per_node_month = 7654.32
cpu_to_ram = 4
gpu_to_ram = 120
[[sheet.class]]
class = 'cpu'
price_per_node_month = 432.1
cpu_to_ram = 4
";

/// A pod that was scheduled: seconds since the trace began.
struct Life {
    name: String,
    cpu_millis: i64,
    memory_mib: i64,
    gpu_millis: i64,
    scheduled: i64,
    deleted: i64,
}

/// Fields of every line after the first; the files quote nothing.
fn lines(folder: &Path, name: &str) -> Vec<Vec<String>> {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let fields = |line: &str| line.split(',').map(str::to_owned).collect();
    text.lines().skip(1).map(fields).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the test runner speaks to tests through the environment"
)]
fn environment(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

/// Days that are replayed unless `FLEETLEDGER_TRACE_DAYS` asks for more: an hour of 1,523 nodes takes most of a second.
const SHORT_DAYS: i64 = 2;

#[tokio::test]
async fn every_node_hour_of_the_trace_adds_up_and_pod_hours_are_those_of_the_csv() {
    let test = "every_node_hour_of_the_trace_adds_up_and_pod_hours_are_those_of_the_csv";
    let missing = || Error::Unavailable {
        part: "the production trace",
        reason: "FLEETLEDGER_TRACE_DIR names no folder".to_owned(),
        remedy: "export FLEETLEDGER_TRACE_DIR=<folder of the two CSV files>".to_owned(),
    };
    let folder = environment("FLEETLEDGER_TRACE_DIR").ok_or_else(missing);
    let Some(folder) = unless_available(test, folder).unwrap() else {
        return;
    };
    let folder = Path::new(&folder);
    let lives: Vec<Life> = lines(folder, "openb_pod_list_default.csv")
        .into_iter()
        .filter(|field| !field[10].is_empty() && !field[9].is_empty())
        .map(|field| {
            let number = |place: usize| field[place].parse::<f64>().unwrap() as i64;
            Life {
                name: field[0].clone(),
                cpu_millis: number(1),
                memory_mib: number(2),
                gpu_millis: number(3) * if number(3) == 1 { number(4) } else { 1000 },
                scheduled: number(10),
                deleted: number(9),
            }
        })
        .filter(|life| life.deleted > life.scheduled)
        .collect();
    let machines = lines(folder, "openb_node_list_all_node.csv");
    let last = lives.iter().map(|life| life.deleted).max().unwrap();
    let all_days = last / 86_400 + 1;
    let asked = environment("FLEETLEDGER_TRACE_DAYS").and_then(|days| days.to_str()?.parse::<i64>().ok());
    let days = asked.unwrap_or(SHORT_DAYS).min(all_days);

    let fleet = Fleet::with(PRICES).await;
    fleet.run("select test.cluster('dfw', 'trace')").await;
    fill(&fleet, &machines, &lives).await;
    for day in 0..days {
        fleet
            .run(&format!(
                "select ledger.cost_fill(h, 'rerate', '2100-01-01') from generate_series(
                    timestamptz '2026-01-01Z' + interval '{day} days', timestamptz '2026-01-01Z' + interval '{day} days 23 hours',
                    '1 hour') as h;
                 select ledger.cost_fill_day(timestamptz '2026-01-01Z' + interval '{day} days')"
            ))
            .await;
    }
    fleet.adds_up().await;
    let hours = fleet.number("select count(*) from ledger.cost_node_hourly").await;
    assert_eq!(
        hours,
        i64::try_from(machines.len()).unwrap() * days * 24,
        "node-hours"
    );
    let end = days * 86_400;
    check_pods(&fleet, &lives, end).await;
    println!(
        "{} machines, {} pods, {days} of {all_days} days: {hours} node-hours add up, every pod's hours are the CSV's",
        machines.len(),
        lives.len()
    );
}

/// Machines stand for all of the trace; a pod is put on the next machine with as many cards.
async fn fill(fleet: &Fleet, machines: &[Vec<String>], lives: &[Life]) {
    let mut statements = String::new();
    for field in machines {
        let (name, gpus) = (&field[0], &field[3]);
        let labels = if gpus == "0" {
            "{}"
        } else {
            "{\"labels\": {\"gpu\": \"yes\"}}"
        };
        statements += &format!(
            "select test.node(1, '{name}', '2025-12-31', null, {} / 1000.0, {} / 1024.0, {gpus}, 1, '{labels}');\n",
            field[1], field[2]
        );
    }
    let cards: Vec<i64> = machines
        .iter()
        .map(|field| field[3].parse::<i64>().unwrap() * 1000)
        .collect();
    let at = |seconds: i64| format!("timestamptz '2026-01-01Z' + interval '{seconds} seconds'");
    for (number, life) in lives.iter().enumerate() {
        let places = (0..machines.len()).map(|step| (number * 7 + step) % machines.len());
        let place = places
            .into_iter()
            .find(|place| cards[*place] >= life.gpu_millis)
            .unwrap();
        let gpus = if life.gpu_millis == 0 {
            "null".to_owned()
        } else {
            format!("{} / 1000.0", life.gpu_millis)
        };
        statements += &format!(
            "select test.pod(1, '{}', 'work', '{}', {}, {}, {} / 1000.0, {} / 1024.0, {gpus});\n",
            life.name,
            machines[place][0],
            at(life.scheduled),
            at(life.deleted),
            life.cpu_millis,
            life.memory_mib
        );
    }
    fleet.run(&statements).await;
    fleet.run("analyze").await;
}

/// Computed from the CSV alone, in whole core- and card-microseconds, up to the end of what was rated.
async fn check_pods(fleet: &Fleet, lives: &[Life], end: i64) {
    let sql = "select uid, sum(cpu_charged_core_us)::bigint, sum(gpu_charged_card_us)::bigint, sum(cpu_nanos + memory_nanos + gpu_nanos)::bigint
        from fleet.cost_pod_parts('2026-01-01Z', '2026-01-01Z'::timestamptz + $1::bigint * interval '1 second')
        where uid is not null group by uid";
    let rows = fleet.client.query(sql, &[&end]).await.unwrap();
    let found: BTreeMap<String, (i64, i64)> = rows
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect();
    let mut sums = (0_i64, 0_i64);
    for life in lives {
        let seconds = life.deleted.min(end) - life.scheduled.min(end);
        let expected = (life.cpu_millis * seconds * 1000, life.gpu_millis * seconds * 1000);
        let charged = found.get(&life.name).copied().unwrap_or_default();
        assert_eq!(charged, expected, "core- and card-microseconds of {}", life.name);
        sums = (sums.0 + expected.0, sums.1 + expected.1);
    }
    let booked = "select sum(h.cpu_charged_core_us)::bigint, sum(h.gpu_charged_card_us)::bigint
        from ledger.cost_hourly as h join ledger.cost_line as i using (line_id) where i.namespace = 'work'";
    let row = fleet.client.query_one(booked, &[]).await.unwrap();
    assert_eq!(
        (row.get::<_, i64>(0), row.get::<_, i64>(1)),
        sums,
        "what is booked of all of them"
    );
    let on_demand: i64 = rows.iter().map(|row| row.get::<_, i64>(3)).sum();
    let stored = fleet
        .number(
            "select sum(h.cpu_nanos + h.memory_nanos + h.gpu_nanos)::bigint from ledger.cost_hourly as h
            join ledger.cost_line as i using (line_id) where i.namespace = 'work'",
        )
        .await;
    let most = i64::try_from(rows.len()).unwrap();
    assert!(
        (on_demand - stored).abs() <= most,
        "pods on demand {on_demand}, booked {stored} nanos"
    );
}
