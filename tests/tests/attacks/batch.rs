//! A batch that nobody can read costs its own records and nothing else.

use std::path::{Path, PathBuf};

use fleetledger_local::{kafka::LocalKafka, skip::unless_available};
use fleetledger_schema::kind::RecordKind;
use fleetledger_tests::{
    deadline::{ensure, eventually},
    manual_emitter::{KafkaPosition, ManualEmitter, deployment, namespace, node, pod},
    parts::{self, PARTITIONS, cache, create_topics, unique},
    program::{LedgerProcess, every_partition, ingest_configuration, run},
};

use crate::site::LIMIT;

/// Bytes of a batch before its checksum, up to what the checksum covers (its attributes first), up to the number of its
/// records, and up to these.
const CHECKSUM_AT: usize = 17;
const CHECKED_AT: usize = 21;
const COUNT_AT: usize = 57;
const RECORDS_AT: usize = 61;
/// The bits of the attributes that name a compression.
const COMPRESSION: u8 = 0b111;
/// Records written behind each other to the topics of a broken batch; the end of what says nothing is sought slowly.
const MANY: usize = 20;
const FEW: usize = 4;

/// How the bytes of a batch are broken.
#[derive(Debug, Clone, Copy)]
enum BatchFault {
    /// What is compressed is no compression, and the checksum is that of these bytes.
    Compression,
    /// The checksum is another.
    Checksum,
    /// It is not compressed and its checksum is right, but its first record is longer than the batch.
    RecordLength,
    /// It says that it has more records than it has, and its checksum is right.
    RecordCount,
}

impl BatchFault {
    fn apply(self, batch: &mut [u8]) {
        match self {
            Self::Compression => batch[RECORDS_AT..].fill(0),
            Self::Checksum => {
                batch[CHECKSUM_AT] ^= 0xff;
                return;
            }
            Self::RecordLength => {
                batch[CHECKED_AT + 1] &= !COMPRESSION;
                batch[RECORDS_AT..].fill(0);
                // Zigzag, then seven bits a byte, the lowest first.
                let length = u64::try_from(4 * batch.len()).unwrap();
                assert!(length < 1 << 14, "{length} takes more than two bytes");
                let bytes = [(length & 0x7f) | 0x80, (length >> 7) & 0x7f];
                let bytes = bytes.map(|byte| u8::try_from(byte).unwrap());
                batch[RECORDS_AT..RECORDS_AT + 2].copy_from_slice(&bytes);
            }
            Self::RecordCount => {
                let count: [u8; 4] = batch[COUNT_AT..RECORDS_AT].try_into().unwrap();
                let more = i32::from_be_bytes(count) + 5;
                batch[COUNT_AT..RECORDS_AT].copy_from_slice(&more.to_be_bytes());
            }
        }
        let sum = checksum(&batch[CHECKED_AT..]);
        batch[CHECKSUM_AT..CHECKED_AT].copy_from_slice(&sum.to_be_bytes());
    }
}

/// CRC-32C.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}

fn log_file(folder: &Path, position: &KafkaPosition) -> PathBuf {
    folder.join(format!(
        "broker-1/data/{}-{}/00000000000000000000.log",
        position.topic, position.partition
    ))
}

/// Breaks the batch that holds a record, in the file of a broker that is stopped; its first offset and the one behind it.
fn break_batch(folder: &Path, position: &KafkaPosition, fault: BatchFault) -> (i64, i64) {
    let file = log_file(folder, position);
    let mut bytes = std::fs::read(&file).unwrap();
    let mut at = 0;
    while at + RECORDS_AT < bytes.len() {
        let base = i64::from_be_bytes(bytes[at..at + 8].try_into().unwrap());
        let length = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        let last = base + i64::from(i32::from_be_bytes(bytes[at + 23..at + 27].try_into().unwrap()));
        let end = at + 12 + length;
        if (base..=last).contains(&position.offset) {
            fault.apply(&mut bytes[at..end]);
            std::fs::write(&file, &bytes).unwrap();
            return (base, last + 1);
        }
        at = end;
    }
    panic!("{position:?} is in no batch of {}", file.display());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_cannot_be_read_is_a_gap_and_stops_nobody() {
    let test = "a_batch_that_cannot_be_read_is_a_gap_and_stops_nobody";
    let Some(shared) = parts::shared(test).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let started = LocalKafka::builder()
        .heap_mb(256)
        .data_dir(folder.path())
        .start(&cache())
        .await;
    let Some(mut kafka) = unless_available(test, started).unwrap() else {
        return;
    };
    let (database, prefix) = (shared.database().await, unique("corrupt"));
    create_topics(&kafka, &prefix, PARTITIONS).await;
    let mut emitter = ManualEmitter::new(&kafka.client_config(), &prefix, "prod", "cluster-uid");
    emitter.write(&namespace("before", "a"));
    emitter.write(&node("before", 1));
    emitter.write(&deployment("before", 1));
    emitter.flush().await;
    for number in 0..MANY {
        emitter.write(&namespace(&format!("lost-{number}"), "a"));
        emitter.write(&node(&format!("lost-{number}"), 1));
    }
    for number in 0..FEW {
        emitter.write(&deployment(&format!("lost-{number}"), 1));
        emitter.write(&pod(&format!("kept-{number}"), 1));
    }
    let lost = emitter.flush().await;
    emitter.write(&namespace("after", "a"));
    emitter.write(&node("after", 1));
    emitter.write(&deployment("after", 1));
    emitter.write(&pod("after", 1));
    emitter.flush().await;
    let mut neighbour = ManualEmitter::new(&kafka.client_config(), &prefix, "near", "near-uid");
    neighbour.write(&namespace("neighbour", "a"));
    neighbour.flush().await;

    kafka.stop().await.unwrap();
    let mut expected = Vec::new();
    for (kind, fault) in [
        (RecordKind::Namespace, BatchFault::Compression),
        (RecordKind::Node, BatchFault::Checksum),
        (RecordKind::Workload, BatchFault::RecordLength),
        (RecordKind::Pod, BatchFault::RecordCount),
    ] {
        let topic = emitter.topic(kind);
        let position = lost
            .iter()
            .filter(|position| position.topic == topic)
            .nth(FEW / 2)
            .unwrap();
        let (from, to) = break_batch(folder.path(), position, fault);
        // Nobody who reads believes the count: the records end where the batch does.
        if matches!(fault, BatchFault::RecordCount) {
            continue;
        }
        expected.push(format!("{topic}:{} {from} {to}", position.partition));
    }
    expected.sort();
    kafka.start_all().await.unwrap();

    let more = format!(
        "instance_id = \"reader\"\nlinger_caught_up_ms = 5\nstall_seconds = 5\n{}",
        every_partition(&prefix)
    );
    let toml = ingest_configuration(&kafka.bootstrap_servers(), &prefix, &database.ingester_url, &more);
    let mut ingester = LedgerProcess::start(&["ingest"], &toml, &[]);
    eventually("all but the broken batches lands, and these are gaps", LIMIT, || async {
        let rows = database
            .rows(
                "select topic || ':' || partition || ' ' || from_offset || ' ' || to_offset as gap from fleet.gap
                 where reason like 'unreadable batch: %' order by 1",
                &[],
            )
            .await;
        let gaps: Vec<&str> = rows.iter().map(|row| row["gap"].as_str().unwrap()).collect();
        let landed = database
            .number(
                "select (select count(*) from ledger.namespace where uid_text in ('before', 'after', 'neighbour'))
                    + (select count(*) from ledger.node where uid_text in ('before', 'after'))
                    + (select count(*) from ledger.workload where uid_text in ('before', 'after'))
                    + (select count(*) from ledger.pod where uid_text like 'kept-%' or uid_text = 'after')",
            )
            .await;
        ensure(gaps == expected && landed == 12, || {
            format!("{gaps:?} of {expected:?}, {landed} landed: {}", ingester.log_text())
        })
    })
    .await;
    let servers = kafka.bootstrap_servers();
    let owners = ingest_configuration(&servers, &prefix, &database.owner_url, "");
    let (_, said) = run(&["status"], &owners);
    assert!(
        said.contains("gaps not healed 3") && said.contains("unreadable batch"),
        "{said}"
    );

    // It goes on, and the next sweep heals what was lost.
    let objects: Vec<_> = (0..MANY)
        .map(|number| namespace(&format!("lost-{number}"), "b"))
        .collect();
    emitter.sweep(RecordKind::Namespace, &objects);
    emitter.flush().await;
    eventually("a sweep heals what was lost", LIMIT, || async {
        let healed = database
            .number("select count(*) from ledger.namespace where uid_text like 'lost-%'")
            .await;
        ensure(healed == 20, || format!("{healed}: {}", ingester.log_text()))
    })
    .await;
    assert!(!ingester.has_ended(), "{}", ingester.log_text());
    assert!(
        database
            .number("select count(*) from ledger.ingest_gap where reason not like 'unreadable%'")
            .await
            == 0
    );
    ingester.stop().await;
    println!("attempts: 4 broken batches, 3 of them gaps, 0 stops, 0 ends of the process");
}
