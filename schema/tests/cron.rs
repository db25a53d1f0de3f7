//! `fleet.cron_next` against what decides in a cluster, the Go library robfig/cron v3, and against crate croner.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod server;

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use croner::parser::{CronParser, Seconds, Year};
use fleetledger_local::{ArtifactCache, go, skip};
use jiff::{Timestamp, tz::TimeZone};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tokio_postgres::Client;

/// How many instants in a row are compared.
const RUNS: usize = 5;

/// Zones whose clocks change, at midnight, by half an hour and twice a year over Ramadan among them.
const ZONES: [&str; 12] = [
    "UTC",
    "America/New_York",
    "Europe/Berlin",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Asia/Kolkata",
    "America/Sao_Paulo",
    "Africa/Casablanca",
    "Europe/London",
    "America/Havana",
    "Asia/Tehran",
    "Africa/Cairo",
];
const ZONES_WITHOUT_CHANGES: [&str; 3] = ["UTC", "Asia/Kolkata", "Asia/Tokyo"];

/// Shortly before clocks change somewhere, and some days of no note.
const BEGINNINGS: [i64; 10] = [
    1_772_900_000,
    1_774_740_000,
    1_792_900_000,
    1_793_500_000,
    1_700_000_000,
    1_709_000_000,
    1_540_090_000,
    1_616_799_000,
    1_617_600_000,
    1_679_690_000,
];

/// What Kubernetes refuses, and what it does not although one might think so.
const ODDITIES: [&str; 30] = [
    "@yearly",
    "@annually",
    "@monthly",
    "@weekly",
    "@daily",
    "@midnight",
    "@hourly",
    "@every 1h30m",
    "@every 90s",
    "@every 1.5h",
    "@every 10ms",
    "@every -1h",
    "@every x",
    "@reboot",
    "60 * * * *",
    "* 24 * * *",
    "* * 0 * *",
    "* * * 13 *",
    "* * * * 7",
    "*/0 * * * *",
    "5-1 * * * *",
    "1-2-3 * * * *",
    "1/2/3 * * * *",
    "* * * *",
    "* * * * * *",
    "L * * * *",
    "*-5 * * * *",
    ", * * * *",
    "1,,2 * * * *",
    "  1 2 * * sun  ",
];

#[derive(Debug, Clone)]
struct AskedSchedule {
    zone: &'static str,
    after: i64,
    schedule: String,
}

#[tokio::test]
async fn a_schedule_is_due_when_the_library_of_kubernetes_says_so() {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cron");
    let program = go::program(&cache, "cron-next", &source, &[]).await;
    let test = "a_schedule_is_due_when_the_library_of_kubernetes_says_so";
    let Some(program) = skip::unless_available(test, program).unwrap() else {
        return;
    };
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let mut asked: Vec<AskedSchedule> = (0..1500).map(|_| any_schedule(&mut random, &ZONES)).collect();
    asked.extend(ODDITIES.iter().map(|schedule| AskedSchedule {
        zone: "Europe/Berlin",
        after: BEGINNINGS[0],
        schedule: (*schedule).to_owned(),
    }));
    let expected = library(&program, &asked);
    let found = ledger(&client, &asked).await;
    assert_eq!(expected.len(), asked.len());
    for ((asked, expected), found) in asked.iter().zip(&expected).zip(&found) {
        let expected = expected.replace("refused", "never");
        assert_eq!(&expected, found, "{asked:?}, seed {seed}");
    }
    let refused = expected.iter().filter(|line| *line == "refused").count();
    assert!(refused >= 10 && refused * 10 < asked.len(), "{refused}");
}

/// Where clocks do not change: croner runs at the first instant after a gap and once in a doubled hour, Kubernetes does not.
#[tokio::test]
async fn a_schedule_is_due_when_croner_says_so_where_clocks_do_not_change() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let asked: Vec<AskedSchedule> = (0..800)
        .map(|_| any_schedule(&mut random, &ZONES_WITHOUT_CHANGES))
        .collect();
    let found = ledger(&client, &asked).await;
    let mut compared = 0;
    for (asked, found) in asked.iter().zip(&found) {
        if let Some(expected) = croner(asked)
            && !found.contains("never")
        {
            compared += 1;
            assert_eq!(&expected, found, "{asked:?}, seed {seed}");
        }
    }
    assert!(compared > 200, "{compared}");
}

#[tokio::test]
async fn a_zone_that_nobody_knows_has_no_next_run_and_does_not_fail() {
    let (_server, connector) = server::migrated().await;
    let client = connector.connect("test").await.unwrap();
    const ASK: &str = "
        select fleet.cron_next('* * * * *', 'Not/AZone', '2026-01-01') is null and fleet.cron_next('* * * * *', null, 'infinity') is null
            and fleet.cron_next(null, 'UTC', '2026-01-01') is null and fleet.cron_next('* * * * *', 'UTC', null) is null";
    assert!(client.query_one(ASK, &[]).await.unwrap().get::<_, bool>(0));
}

fn any_schedule(random: &mut StdRng, zones: &[&'static str]) -> AskedSchedule {
    let schedule = if random.random_bool(0.4) {
        // About the hours at which clocks change.
        format!(
            "{} {} {} * {}",
            pick(random, &["0", "30", "15", "*/15"]),
            pick(random, &["0", "1", "2", "3", "23", "1,2", "*/2"]),
            pick(random, &["*", "*", "1-7", "31", "?"]),
            pick(random, &["*", "*", "sun", "0"])
        )
    } else {
        let months = [
            "jan", "FEB", "mar", "apr", "may", "Jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ];
        let weekdays = ["sun", "MON", "tue", "wed", "thu", "Fri", "sat"];
        [
            any_field(random, 0, 59, &[], 1.0),
            any_field(random, 0, 23, &[], 1.0),
            any_field(random, 1, 31, &[], 0.6),
            any_field(random, 1, 12, &months, 0.4),
            any_field(random, 0, 6, &weekdays, 0.5),
        ]
        .join(" ")
    };
    AskedSchedule {
        zone: pick(random, zones),
        after: pick(random, &BEGINNINGS) + random.random_range(0..200_000),
        schedule,
    }
}

fn any_field(random: &mut StdRng, low: usize, high: usize, names: &[&str], share: f64) -> String {
    if !random.random_bool(share) {
        return "*".to_owned();
    }
    let parts = if random.random_bool(0.75) { 1 } else { 3 };
    let parts: Vec<String> = (0..parts).map(|_| any_part(random, low, high, names)).collect();
    parts.join(",")
}

fn any_part(random: &mut StdRng, low: usize, high: usize, names: &[&str]) -> String {
    let name = |random: &mut StdRng, number: usize| match names.get(number - low) {
        Some(name) if random.random_bool(0.4) => (*name).to_owned(),
        _ => number.to_string(),
    };
    let number = random.random_range(low..=high);
    match random.random_range(0..20) {
        0..=1 => "*".to_owned(),
        2..=4 => format!("*/{}", random.random_range(1..high + 3)),
        5 => "?".to_owned(),
        6..=11 => name(random, number),
        12..=14 => format!("{number}/{}", random.random_range(1..=high)),
        15..=17 => format!(
            "{}-{}",
            name(random, number),
            number.max(random.random_range(low..=high))
        ),
        _ => format!("{number}-{high}/{}", random.random_range(1..10)),
    }
}

fn pick<T: Copy>(random: &mut StdRng, from: &[T]) -> T {
    from[random.random_range(0..from.len())]
}

fn library(program: &Path, asked: &[AskedSchedule]) -> Vec<String> {
    let mut process = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = process.stdin.take().unwrap();
    let lines: String = asked
        .iter()
        .map(|asked| format!("{}|{}|{RUNS}|{}\n", asked.zone, asked.after, asked.schedule))
        .collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect()
}

async fn ledger(client: &Client, asked: &[AskedSchedule]) -> Vec<String> {
    const ASK: &str = "
        select (
            with recursive run (number, at) as (
                select 1, fleet.cron_next(a.schedule, a.zone, to_timestamp(a.after::double precision))
                union all
                select number + 1, fleet.cron_next(a.schedule, a.zone, at) from run where number < 5 and at is not null
            )
            select string_agg(coalesce(extract(epoch from at)::bigint::text, 'never'), ' ' order by number) from run
        )
        from unnest($1::text[], $2::bigint[], $3::text[]) with ordinality as a (zone, after, schedule, place)
        order by a.place";
    let zones: Vec<&str> = asked.iter().map(|asked| asked.zone).collect();
    let instants: Vec<i64> = asked.iter().map(|asked| asked.after).collect();
    let schedules: Vec<&str> = asked.iter().map(|asked| asked.schedule.as_str()).collect();
    let rows = client.query(ASK, &[&zones, &instants, &schedules]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

fn croner(asked: &AskedSchedule) -> Option<String> {
    // To croner SUN is 7 at the end of a range, and a step goes on to 7; and a star with a step, or in a list, is still a star to it when it decides
    // whether days of the month and of the week are alternatives.
    let fields: Vec<&str> = asked.schedule.split_whitespace().collect();
    let is_plain = |field: &str| field == "*" || !field.contains(['*', '?']);
    if asked.schedule.to_lowercase().contains("-sun")
        || fields[4].contains('/')
        || !is_plain(fields[2])
        || !is_plain(fields[4])
    {
        return None;
    }
    let parser = CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .sloppy_ranges(true)
        .build();
    let cron = parser.parse(&asked.schedule).ok()?;
    let zone = TimeZone::get(asked.zone).unwrap();
    let mut at = Timestamp::from_second(asked.after).unwrap().to_zoned(zone);
    let mut due = Vec::new();
    for _ in 0..RUNS {
        at = cron.find_next_occurrence(&at, false).ok()?;
        due.push(at.timestamp().as_second().to_string());
    }
    Some(due.join(" "))
}
