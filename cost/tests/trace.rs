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

use std::{fmt::Write as _, io::Write as _, path::Path, time::Instant};

use fleet::RatingFixture;
use fleetledger_local::{LocalError, skip::unless_available};

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
struct ScheduledPod {
    name: String,
    millicores: i64,
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

/// Days that are replayed unless `FLEETLEDGER_TRACE_DAYS` asks for more: an hour of 1,523 nodes takes a tenth of a second.
const SHORT_DAYS: i64 = 2;

#[tokio::test]
async fn every_node_hour_of_the_trace_adds_up_and_pod_hours_are_those_of_the_csv() {
    let test = "every_node_hour_of_the_trace_adds_up_and_pod_hours_are_those_of_the_csv";
    let missing = || LocalError::Unavailable {
        part: "the production trace",
        reason: "FLEETLEDGER_TRACE_DIR names no folder".to_owned(),
        remedy: "export FLEETLEDGER_TRACE_DIR=<folder of the two CSV files>".to_owned(),
    };
    let folder = environment("FLEETLEDGER_TRACE_DIR").ok_or_else(missing);
    let Some(folder) = unless_available(test, folder).unwrap() else {
        return;
    };
    let folder = Path::new(&folder);
    let lives: Vec<ScheduledPod> = lines(folder, "openb_pod_list_default.csv")
        .into_iter()
        .filter(|field| !field[10].is_empty() && !field[9].is_empty())
        .map(|field| {
            let number = |place: usize| field[place].parse::<f64>().unwrap() as i64;
            ScheduledPod {
                name: field[0].clone(),
                millicores: number(1),
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

    let fleet = RatingFixture::with(PRICES).await;
    fleet.run("select test.cluster('dfw', 'trace')").await;
    fill(&fleet, &machines, &lives).await;
    fleet.run(&expected(&lives, days * 86_400)).await;
    let begun = Instant::now();
    for day in 0..days {
        fleet.run(&rate_day(day)).await;
    }
    let seconds = begun.elapsed().as_secs_f64();
    fleet.adds_up().await;
    let hours = fleet.number("select count(*) from ledger.cost_node_hourly").await;
    assert_eq!(
        hours,
        i64::try_from(machines.len()).unwrap() * days * 24,
        "node-hours"
    );
    let pods = check_pods(&fleet).await;
    let cost = fleet
        .text("select round(sum(cost_nanos) / 1e9, 9) from ledger.cost_node_daily")
        .await;
    report_line(&format!(
        "{} machines, {} pods, {days} of {all_days} days: {hours} node-hours of {cost} USD in all are each equal to allocated + idle + \
         system and to what is booked, to the nano; core- and card-hours of the {pods} pods that lived in them are those of the CSV; \
         rated in {seconds:.0} s",
        machines.len(),
        lives.len()
    ));
}

/// Prints a line, and keeps it where `make soak` has it.
fn report_line(line: &str) {
    println!("{line}");
    if let Some(folder) = environment("FLEETLEDGER_REPORT_DIR") {
        std::fs::create_dir_all(&folder).unwrap();
        let mut file = std::fs::File::create(Path::new(&folder).join("cost-trace.txt")).unwrap();
        writeln!(file, "{line}").unwrap();
    }
}

/// Rates the hours of a day, and asks for its pods as the API does: day by day.
fn rate_day(day: i64) -> String {
    let begin = format!("timestamptz '2026-01-01Z' + interval '{day} days'");
    format!(
        "select ledger.cost_fill(h, 'rerate', '2100-01-01') from generate_series({begin}, {begin} + interval '23 hours', '1 hour') as h;
         select ledger.cost_fill_day({begin});
         insert into test.found
         select p.uid, sum(p.cpu_charged_core_us), sum(p.gpu_charged_card_us), sum(p.cpu_nanos + p.memory_nanos + p.gpu_nanos)
         from fleet.cost_pod_parts({begin}, {begin} + interval '1 day') as p where p.uid is not null group by p.uid"
    )
}

/// What each pod took by the CSV alone, in whole core- and card-microseconds, up to the end of what is rated.
fn expected(lives: &[ScheduledPod], end: i64) -> String {
    let mut rows = String::new();
    for life in lives {
        let seconds = life.deleted.min(end) - life.scheduled.min(end);
        let (cpu, gpu) = (life.millicores * seconds * 1000, life.gpu_millis * seconds * 1000);
        let comma = if rows.is_empty() { "" } else { ",\n" };
        write!(rows, "{comma}(test.uid('{}'), {cpu}, {gpu})", life.name).unwrap();
    }
    format!(
        "create table test.found (uid uuid, cpu bigint, gpu bigint, nanos numeric);
         create table test.expected (uid uuid primary key, cpu bigint, gpu bigint);
         insert into test.expected values {rows}"
    )
}

/// Machines stand for all of the trace; a pod is put on the next machine with as many cards.
async fn fill(fleet: &RatingFixture, machines: &[Vec<String>], lives: &[ScheduledPod]) {
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
            life.millicores,
            life.memory_mib
        );
    }
    fleet.run(&statements).await;
    fleet.run("analyze").await;
}

/// Every pod's amounts are the CSV's, their sums are what is booked, and so is their cost; how many pods there are.
async fn check_pods(fleet: &RatingFixture) -> i64 {
    let differ = fleet
        .rows(
            "select e.uid, e.cpu, f.cpu, e.gpu, f.gpu from (select * from test.expected where cpu > 0 or gpu > 0) as e
             full join (select uid, sum(cpu) as cpu, sum(gpu) as gpu from test.found group by uid) as f using (uid)
             where (e.cpu, e.gpu) is distinct from (f.cpu, f.gpu) limit 5",
        )
        .await;
    assert_eq!(
        differ, [""; 0],
        "pods whose core- or card-microseconds are not those of the CSV"
    );
    let booked = "select sum(h.cpu_charged_core_us), sum(h.gpu_charged_card_us) from ledger.cost_hourly as h
        join ledger.cost_line as i using (line_id) where i.namespace = 'work'";
    let csv = "select sum(cpu), sum(gpu) from test.expected";
    assert_eq!(
        fleet.rows(booked).await,
        fleet.rows(csv).await,
        "what is booked of all of them"
    );
    // A pod's cost is asked for without rounding: each segment's may differ from what is booked by less than a nano.
    let between = fleet
        .number(
            "select round(abs((select sum(nanos) from test.found) - (
                select sum(h.cpu_nanos + h.memory_nanos + h.gpu_nanos) from ledger.cost_hourly as h
                join ledger.cost_line as i using (line_id) where i.namespace = 'work')))::bigint",
        )
        .await;
    let pods = fleet.number("select count(distinct uid) from test.found").await;
    assert!(
        between <= pods,
        "{between} nanos between {pods} pods on demand and what is booked"
    );
    pods
}
