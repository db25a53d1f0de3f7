//! What it costs an emitter that its neighbours write to the partitions it watches.

use std::time::{Duration, Instant};

use fleetledger_emit::{ObjectSource, SimulateSettings};
use fleetledger_schema::{instant::Instant as At, kind::RecordKind};
use fleetledger_tests::{
    deadline::{ensure, eventually},
    emitter::{self, TestEmitter},
    manual_emitter::{ManualEmitter, pod},
    parts,
};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use crate::site::LIMIT;

const CLUSTER: &str = "prod-1";
/// Bytes of a neighbour's record.
const VALUE_BYTES: usize = 2_000;
const PER_SECOND: u32 = 5_000;
/// `emit/src/log_watch.rs` looks at no more in a second.
const BYTES_A_SECOND: f64 = (4 << 20) as f64;
/// What it may read ahead: the queue, an answer for each of six topics, and librdkafka's own buffers.
const MEMORY_BYTES: u64 = 32 << 20;

/// CPU seconds of the thread that watches.
fn watching_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let ticks = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (name, numbers) = stat.rsplit_once(')')?;
        let numbers: Vec<&str> = numbers.split_whitespace().collect();
        let ticks = numbers[11].parse::<u64>().ok()? + numbers[12].parse::<u64>().ok()?;
        name.ends_with("log-watch").then_some(ticks)
    });
    ticks.sum::<u64>() as f64 / 100.0
}

/// Records of a neighbour in the same partition.
const FOREIGN_RECORDS: u32 = 15_000;

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_writes_fast_costs_an_emitter_bounded_bytes_and_hides_no_forged_epoch() {
    let test = "a_neighbour_that_writes_fast_costs_an_emitter_bounded_bytes_and_hides_no_forged_epoch";
    let Some(parts) = parts::shared(test).await else {
        return;
    };
    let records = FOREIGN_RECORDS;
    let (kafka, prefix) = (parts.kafka.client_config(), parts.topics().await);
    let simulate = SimulateSettings {
        nodes: 2,
        pods: 10,
        changes_per_second: 0.0,
        usage: false,
        ..SimulateSettings::default()
    };
    let settings = emitter::settings(CLUSTER, &prefix);
    let emitter = TestEmitter::start_from(ObjectSource::Simulate(simulate), settings, &kafka);
    let sent = || emitter.metric("fleetledger_emit_acknowledged_records_total");
    eventually("the emitter sends", LIMIT, || async {
        ensure(sent() > 20.0, || format!("{} records", sent()))
    })
    .await;
    let uid = emitter.health.summary().cluster_uid;
    let mut forger = ManualEmitter::new(&kafka, &prefix, CLUSTER, &uid);
    let partition = forger.partition();
    let watched = || emitter.metric("fleetledger_emit_watched_bytes_total");
    let (cpu, memory, bytes, started) = (watching_seconds(), resident_bytes(), watched(), Instant::now());

    let mut config = kafka.clone();
    config
        .set("linger.ms", "20")
        .set("queue.buffering.max.kbytes", "8192");
    let neighbour: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
    let topic = RecordKind::Pod.topic(&prefix, None);
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let most = std::cell::Cell::new(0);
    let look = || most.set(most.get().max(resident_bytes()));
    for number in 0..records {
        if number % (PER_SECOND / 50) == 0 {
            tick.tick().await;
            look();
        }
        let (key, value) = (
            format!("dfw/neighbour/uid-of-a-neighbour/{number}"),
            noise(number),
        );
        let mut record = BaseRecord::to(&topic)
            .partition(partition)
            .key(&key)
            .payload(&value);
        while let Err((error, back)) = neighbour.send(record) {
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            assert!(is_full, "{error}");
            record = back;
            tick.tick().await;
        }
    }
    neighbour.flush(LIMIT).unwrap();
    let written = started.elapsed();
    forger.epoch = At::now().0 + 3_600_000_000;
    let forged = forger.raw(&pod("forged", 1));
    forger.put(&forged);
    forger.flush().await;
    let forged_at = Instant::now();
    eventually("the forged epoch is seen", LIMIT * 3, || async {
        look();
        ensure(emitter.metric("fleetledger_emit_overtaken_total") >= 1.0, || {
            format!(
                "behind by {} s",
                emitter.metric("fleetledger_emit_watch_behind_seconds")
            )
        })
    })
    .await;
    let (read, took) = (watched() - bytes, started.elapsed().as_secs_f64());
    println!(
        "{records} records of {VALUE_BYTES} bytes of a neighbour in {written:.1?}: {:.1} MB read in {took:.1} s, {:.2} µs of CPU a record in its thread, {:.1} MB more memory; the forged epoch was seen {:.1?} later",
        read / 1e6,
        (watching_seconds() - cpu) * 1e6 / f64::from(records),
        most.get().saturating_sub(memory) as f64 / 1e6,
        forged_at.elapsed(),
    );
    // All of it was looked at, within the bound.
    assert!(read >= f64::from(records) * VALUE_BYTES as f64, "{read}");
    assert!(read <= (took + 2.0) * BYTES_A_SECOND, "{read} in {took}");
    assert!(
        most.get().saturating_sub(memory) < MEMORY_BYTES,
        "{memory} to {}",
        most.get()
    );
    emitter.stop().await;
}

/// A value that no compression makes smaller.
fn noise(seed: u32) -> Vec<u8> {
    let mut state = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(VALUE_BYTES).collect()
}
