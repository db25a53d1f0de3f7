//! Usage: windows are folded once into the hours of their containers, whatever order they come in and however often.

use std::time::Instant as Moment;

use fleetledger_ingest::dead_letters::{self, DeadLetterSelection};
use fleetledger_schema::{
    codec::{SchemaSubject, encode_usage, own_schema},
    framing::{SchemaRef, join},
    instant::Instant,
    key::RecordSubject,
    kind::RecordKind,
    object_uid::ObjectUid,
    record::{ContainerUsage, Usage},
};
use futures::{StreamExt, stream::FuturesUnordered};

use crate::{
    emitter::{ScriptedEmitter, ScriptedMessage, namespace},
    harness::IngestHarness,
};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
const HOURS: &str = "select concat_ws(' ', to_char(hour_at at time zone 'UTC', 'HH24:MI'), container, covered_ms, cpu_core_us,
    memory_byte_seconds, cpu_charged_core_us, cpu_max_millicores, coalesce(gpu_used_card_us::text, '-'))
    from ledger.usage_hourly order by hour_at, container";

/// The hour before the last full one.
fn hour() -> i64 {
    let now = Instant::now().0;
    now - now.rem_euclid(HOUR) - 2 * HOUR
}

fn container(name: &str, amount: i64) -> ContainerUsage {
    ContainerUsage {
        uid: "pod-1".into(),
        namespace: "payments".into(),
        pod: "api-0".into(),
        container: name.into(),
        covered_ms: 60_000,
        cpu_core_us: amount,
        memory_byte_seconds: amount * 1_000,
        cpu_charged_core_us: amount + 1,
        memory_charged_byte_seconds: amount * 1_000 + 1,
        cpu_max_millicores: amount / 10,
        memory_max_bytes: amount * 100,
        ..ContainerUsage::default()
    }
}

/// A window of these minutes of the hour.
fn window(from: i64, to: i64, containers: Vec<ContainerUsage>) -> Usage {
    Usage {
        uid: "node-uid".into(),
        node: "node-1".into(),
        window_start_at: Instant(hour() + from * MINUTE),
        window_end_at: Instant(hour() + to * MINUTE),
        source: "kubelet".into(),
        containers,
    }
}

fn message(emitter: &mut ScriptedEmitter, usage: &Usage) -> ScriptedMessage {
    let schema = own_schema(SchemaSubject::Kind(RecordKind::Usage));
    let value = join(
        SchemaRef::Fingerprint(schema.fingerprint()),
        &encode_usage(usage).unwrap(),
    );
    emitter.message(
        RecordKind::Usage,
        RecordSubject::Object(usage.uid.clone()),
        Some(value),
    )
}

async fn put(emitter: &mut ScriptedEmitter, usage: &Usage) {
    let message = message(emitter, usage);
    emitter.send(&message).await;
}

fn at(minutes: i64) -> String {
    let timestamp = Instant(hour() + minutes * MINUTE).to_string();
    timestamp[11..16].to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_are_added_to_the_hours_of_their_containers() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    put(
        &mut emitter,
        &window(0, 5, vec![container("a", 100), container("b", 7)]),
    )
    .await;
    put(&mut emitter, &window(5, 10, vec![container("a", 50)])).await;
    let mut with_gpu = container("a", 1);
    (with_gpu.gpu_covered_ms, with_gpu.gpu_used_card_us) = (60_000, Some(30_000_000));
    put(&mut emitter, &window(60, 65, vec![with_gpu])).await;
    put(&mut emitter, &window(65, 66, Vec::new())).await;
    place.landed().await;
    assert_eq!(
        place.all(HOURS).await,
        [
            format!("{} a 120000 150 150000 152 10 -", at(0)),
            format!("{} b 60000 7 7000 8 0 -", at(0)),
            format!("{} a 60000 1 1000 2 0 30000000", at(60)),
        ]
    );
    assert_eq!(place.counts().await, [4, 4, 0, 0, 0, 0, 0]);
    let coverage = "select minutes_covered || ' ' || complete || ' ' || windows from fleet.usage_coverage order by hour_at";
    assert_eq!(place.all(coverage).await, ["10 false 2", "6 false 2"]);
    let view =
        "select concat_ws(' ', datacenter, cluster, node, namespace, pod, container, uid, covered_seconds,
        cpu_core_seconds, memory_bytes, coalesce(gpu_card_seconds::text, 'not seen'))
        from fleet.usage_hourly where container = 'b'";
    assert_eq!(
        place.all(view).await,
        [format!(
            "dfw prod node-1 payments api-0 b {} 60.000 0.000007 117 not seen",
            ObjectUid::of("pod-1")
        )]
    );
    // No object is known of, so no balance is kept; usage is known up to the end of the newest window.
    assert_eq!(place.one::<i64>("select count(*) from ledger.balance").await, 0);
    let until: Instant = place
        .one("select observed_at from ledger.freshness where kind = 6")
        .await;
    assert_eq!(until, Instant(hour() + 66 * MINUTE));
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn order_of_arrival_changes_nothing() {
    let mut seen = Vec::new();
    for order in [[0, 1, 2, 3], [3, 1, 0, 2]] {
        let place = IngestHarness::new().await;
        let ingester = place.start();
        let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
        for window_number in order {
            let amount = 10_i64.pow(window_number as u32);
            let from = window_number * 5;
            put(
                &mut emitter,
                &window(from, from + 5, vec![container("a", amount)]),
            )
            .await;
        }
        place.landed().await;
        seen.push(place.all(HOURS).await);
        ingester.stop().await;
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], [format!("{} a 240000 1111 1111000 1115 100 -", at(0))]);
}

/// One after the other, and all within one batch that is held back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_sent_twice_is_superseded_and_added_once() {
    for held in [false, true] {
        let place = IngestHarness::new().await;
        let ingester = place.start();
        let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
        put(&mut emitter, &window(0, 5, vec![container("a", 1)])).await;
        place.landed().await;
        let hold = if held {
            let hold = place.hold_commits().await;
            emitter.put(namespace("u", "Active")).await;
            place.until_held().await;
            Some(hold)
        } else {
            None
        };
        // The same, one that holds it, one that shares a minute with it, one apart, and that one twice.
        for (from, to) in [(0, 5), (0, 10), (4, 6), (6, 8), (6, 8), (7, 9)] {
            put(&mut emitter, &window(from, to, vec![container("a", 100)])).await;
            if !held {
                place.landed().await;
            }
        }
        if held {
            ingester.until_buffered(6).await;
        }
        drop(hold);
        place.landed().await;
        assert_eq!(
            place.all(HOURS).await,
            [format!("{} a 120000 101 101000 103 10 -", at(0))]
        );
        let counts = "select concat_ws(' ', sum(delivered), sum(landed), sum(superseded), sum(dead))
            from ledger.batch where topic = 'fleetledger.usage'";
        assert_eq!(place.all(counts).await, ["7 2 5 0"]);
        ingester.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_emitters_the_newer_one_counts_and_windows_both_sent_count_once() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut old = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    put(&mut old, &window(0, 5, vec![container("a", 1)])).await;
    let mut new = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    new.epoch = old.epoch + 1;
    // It took over within the next window, whose first part nobody saw.
    let mut partial = container("a", 10);
    partial.covered_ms = 20_000;
    put(&mut new, &window(0, 5, vec![container("a", 1_000)])).await;
    put(&mut new, &window(5, 10, vec![partial])).await;
    put(&mut old, &window(5, 10, vec![container("a", 1_000)])).await;
    put(&mut old, &window(10, 15, vec![container("a", 1_000)])).await;
    place.landed().await;
    assert_eq!(
        place.all(HOURS).await,
        [format!("{} a 80000 11 11000 13 1 -", at(0))]
    );
    assert_eq!(place.counts().await, [5, 2, 0, 3, 0, 0, 0]);
    let stale = "select stale_records from ledger.emitter_state where kind = 6";
    assert_eq!(place.one::<i64>(stale).await, 2);
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_windows_land_days_later_and_lost_ones_are_noticed() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    for days in [40, 3, 0] {
        let mut late = window(0, 5, vec![container("a", 1)]);
        late.window_start_at = late.window_start_at.plus_micros(-days * 24 * HOUR);
        late.window_end_at = late.window_end_at.plus_micros(-days * 24 * HOUR);
        put(&mut emitter, &late).await;
    }
    *emitter.sequences.get_mut(&RecordKind::Usage).unwrap() += 2;
    put(&mut emitter, &window(5, 10, vec![container("a", 1)])).await;
    place.landed().await;
    assert_eq!(place.all(HOURS).await.len(), 3);
    let reason: String = place.one("select reason from ledger.ingest_gap").await;
    assert!(reason.contains("2 records were lost before kafka"), "{reason}");
    ingester.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_windows_are_dead_letters_beside_healthy_ones_and_replay_adds_nothing_twice() {
    let place = IngestHarness::new().await;
    let ingester = place.start();
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    put(&mut emitter, &window(0, 5, vec![container("a", 1)])).await;
    let mut future = window(5, 10, vec![container("a", 1)]);
    future.window_start_at = Instant(hour() + 4 * HOUR);
    future.window_end_at = Instant(hour() + 4 * HOUR + MINUTE);
    put(&mut emitter, &future).await;
    let mut negative = container("a", 1);
    negative.cpu_core_us = -1;
    put(&mut emitter, &window(5, 10, vec![negative])).await;
    // Each is possible by itself, their sum is not.
    let mut huge = container("a", 1);
    huge.memory_byte_seconds = i64::MAX / 64;
    for minute in 10..75 {
        huge.container = "huge".into();
        let mut one = window(minute % 60, minute % 60 + 1, vec![huge.clone()]);
        one.uid = format!("node-{}", minute / 60);
        put(&mut emitter, &one).await;
    }
    let mut foreign = message(&mut emitter, &window(20, 25, vec![container("a", 1)]));
    foreign.value.as_mut().unwrap().truncate(30);
    emitter.send(&foreign).await;
    put(&mut emitter, &window(25, 30, vec![container("a", 1)])).await;
    place.landed().await;
    assert_eq!(
        place
            .all("select distinct reason from ledger.dead_letter order by 1")
            .await,
        ["bad_body", "bad_window", "refused_by_database", "truncated"]
    );
    assert_eq!(place.one::<i64>("select count(*) from ledger.dead_key").await, 0);
    let healthy = "select cpu_core_us from ledger.usage_hourly where container = 'a'";
    assert_eq!(place.one::<i64>(healthy).await, 2);
    // What is made valid by hand lands by replay, once.
    let lands = "update ledger.dead_letter set record_value =
            (select record_value from ledger.dead_letter where reason = 'refused_by_database' limit 1),
            record_key = (select record_key from ledger.dead_letter where reason = 'refused_by_database' limit 1)
        where reason = 'truncated'";
    place.execute(lands).await;
    place
        .execute("delete from ledger.usage_hourly where container = 'huge'")
        .await;
    for expected in [1, 0] {
        let selection = DeadLetterSelection {
            reason: Some("truncated".into()),
            ..DeadLetterSelection::default()
        };
        let report = dead_letters::replay(&place.ingester, &place.settings(), &selection, false)
            .await
            .unwrap();
        assert_eq!((report.landed, report.still_dead), (expected, 0), "{report:?}");
    }
    ingester.stop().await;
}

/// Prints what the way costs; a build without optimisation and a busy machine make it slower than it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_many_nodes_lands_whole() {
    // The broker of these tests keeps 5 MB of a partition; the ingester starts when all of it stands.
    const NODES: i64 = 50;
    const PODS: i64 = 25;
    let place = IngestHarness::new().await;
    let mut emitter = ScriptedEmitter::new(&place, "dfw", "prod", "cu-1");
    let messages: Vec<ScriptedMessage> = (0..12)
        .flat_map(|number| (0..NODES).map(move |node| (number, node)))
        .map(|(number, node)| {
            let of_pod = |pod: i64| {
                ["app", "mesh"].map(|name| ContainerUsage {
                    uid: format!("0f9b1c4e-{node:04}-{pod:04}"),
                    pod: format!("api-{node}-{pod}"),
                    ..container(name, 1000)
                })
            };
            let mut usage = window(number * 5, number * 5 + 5, (0..PODS).flat_map(of_pod).collect());
            (usage.uid, usage.node) = (format!("node-uid-{node}"), format!("node-{node}"));
            message(&mut emitter, &usage)
        })
        .collect();
    let mut sent: FuturesUnordered<_> = messages.iter().map(|message| emitter.send(message)).collect();
    while sent.next().await.is_some() {}
    drop(sent);
    let begin = Moment::now();
    let ingester = place.start();
    place.landed().await;
    let (windows, containers) = (12 * NODES, 12 * NODES * PODS * 2);
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!(
        "{windows} windows with {containers} containers in {seconds:.1} s: {:.0} windows/s, {:.0} containers/s",
        windows as f64 / seconds,
        containers as f64 / seconds
    );
    let sums =
        "select concat_ws(' ', count(*), sum(covered_ms), sum(cpu_core_us), bool_and(covered_ms = 720000))
        from ledger.usage_hourly";
    let expected = format!(
        "{} {} {} t",
        NODES * PODS * 2,
        containers * 60_000,
        containers * 1000
    );
    assert_eq!(place.all(sums).await, [expected]);
    let complete = "select count(*) from fleet.usage_coverage where complete and windows = 12";
    assert_eq!(place.one::<i64>(complete).await, NODES);
    // Updates of the running hour stay on their pages and out of the indexes.
    place.execute("select pg_stat_force_next_flush()").await;
    ingester.stop().await;
    let hot = "select coalesce(round(100.0 * sum(n_tup_hot_upd) / nullif(sum(n_tup_upd), 0)), -1)::bigint
        from pg_stat_all_tables where relname like 'usage_hourly_%'";
    eprintln!("{} % of updates are HOT", place.one::<i64>(hot).await);
}
