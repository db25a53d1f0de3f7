//! Every wire version stays readable: `testdata/<version>/` holds its schemas, one filled record a kind as JSON, the bytes
//! that version sends, which were made by an encoder apart from ours, and fingerprints and content hashes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

use std::sync::Arc;

use fleetledger_schema::{
    READER_VERSION,
    codec::{KnownSchemas, SchemaSubject, WriterSchema, encode, encode_mark, encode_usage, own_schema},
    content_hash::ContentHash,
    kind::RecordKind,
    record::{Mark, ObjectRecord, Record, Usage},
};

const SUBJECTS: [(&str, SchemaSubject); 7] = [
    ("mark", SchemaSubject::Mark),
    ("namespace", SchemaSubject::Kind(RecordKind::Namespace)),
    ("node", SchemaSubject::Kind(RecordKind::Node)),
    ("pod", SchemaSubject::Kind(RecordKind::Pod)),
    ("usage", SchemaSubject::Kind(RecordKind::Usage)),
    ("watchdog", SchemaSubject::Kind(RecordKind::Watchdog)),
    ("workload", SchemaSubject::Kind(RecordKind::Workload)),
];

/// Every version there is test data of, oldest first.
fn versions() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    let entries = std::fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut numbers: Vec<i16> = names
        .map(|name| name.strip_prefix('v').unwrap().parse().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=READER_VERSION).collect::<Vec<_>>());
    numbers.iter().map(|number| format!("v{number}")).collect()
}

fn read(version: &str, file: &str) -> String {
    let path = format!("{}/testdata/{version}/{file}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn bytes(version: &str, name: &str) -> Vec<u8> {
    let hex: String = read(version, &format!("{name}.hex")).split_whitespace().collect();
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn record<T: ObjectRecord>(json: &str) -> Record {
    serde_json::from_str::<T>(json).unwrap().into_record()
}

fn record_of(kind: RecordKind, json: &str) -> Record {
    use fleetledger_schema::record::{Namespace, Node, Pod, Watchdog, Workload};
    match kind {
        RecordKind::Node => record::<Node>(json),
        RecordKind::Pod => record::<Pod>(json),
        RecordKind::Namespace => record::<Namespace>(json),
        RecordKind::Workload => record::<Workload>(json),
        RecordKind::Watchdog => record::<Watchdog>(json),
        RecordKind::Usage => panic!("usage is no object"),
    }
}

#[test]
fn bodies_of_every_version_decode_to_what_they_were_and_encode_to_the_same_bytes() {
    for version in versions() {
        for (name, subject) in SUBJECTS {
            let schema = WriterSchema::parse(&read(&version, &format!("{name}.avsc"))).unwrap();
            let (json, body) = (read(&version, &format!("{name}.json")), bytes(&version, name));
            match subject {
                SchemaSubject::Kind(RecordKind::Usage) => {
                    let usage: Usage = serde_json::from_str(&json).unwrap();
                    assert_eq!(schema.decode_usage(&body).unwrap(), usage, "{version}");
                }
                SchemaSubject::Kind(kind) => {
                    let decoded = schema.decode(&body).unwrap();
                    assert_eq!(decoded.record, record_of(kind, &json), "{version} {name}");
                    let again = schema.encode(&decoded.record, &decoded.unknown).unwrap();
                    assert_eq!(again, body, "{version} {name}");
                }
                SchemaSubject::Mark => {
                    let mark: Mark = serde_json::from_str(&json).unwrap();
                    assert_eq!(schema.decode_mark(&body).unwrap(), mark, "{version}");
                }
            }
        }
    }
}

/// The newest version is what this crate writes; a change of these bytes is a new wire version.
#[test]
fn this_version_writes_the_newest_byte_for_byte() {
    let newest = versions().pop().unwrap();
    for (name, subject) in SUBJECTS {
        let json = read(&newest, &format!("{name}.json"));
        let written = match subject {
            SchemaSubject::Kind(RecordKind::Usage) => {
                encode_usage(&serde_json::from_str(&json).unwrap()).unwrap()
            }
            SchemaSubject::Kind(kind) => encode(&record_of(kind, &json)).unwrap(),
            SchemaSubject::Mark => encode_mark(&serde_json::from_str(&json).unwrap()).unwrap(),
        };
        assert_eq!(written, bytes(&newest, name), "{name}");
        let schema = WriterSchema::parse(&read(&newest, &format!("{name}.avsc"))).unwrap();
        assert_eq!(schema.fingerprint(), own_schema(subject).fingerprint(), "{name}");
    }
}

/// The first version whose fingerprints are the Avro specification's. Those before it have the former ones in `hashes.txt`,
/// and in `fingerprints.txt` what Avro 1.12.1 for Java and fastavro 1.13.1 compute.
const SPECIFIED_SINCE: i16 = 2;

#[test]
fn fingerprints_and_content_hashes_of_a_version_never_change() {
    for version in versions() {
        let specified = version.strip_prefix('v').unwrap().parse::<i16>().unwrap() >= SPECIFIED_SINCE;
        let (mut lines, mut fingerprints) = (String::new(), String::new());
        for (name, _) in SUBJECTS {
            let hash = ContentHash::of(&bytes(&version, name));
            let schema = WriterSchema::parse(&read(&version, &format!("{name}.avsc"))).unwrap();
            fingerprints.push_str(&format!("{name} {:016x}\n", schema.fingerprint()));
            let fingerprint = if specified {
                schema.fingerprint()
            } else {
                schema.former_fingerprint()
            };
            lines.push_str(&format!(
                "{name} {fingerprint:016x} {:016x}{:016x}\n",
                hash.hi, hash.lo
            ));
        }
        assert_eq!(lines, read(&version, "hashes.txt"), "{version}");
        if !specified {
            assert_eq!(fingerprints, read(&version, "fingerprints.txt"), "{version}");
        }
    }
}

#[test]
fn a_reader_knows_a_schema_by_the_name_that_emitters_of_version_1_gave_it() {
    for line in read("v1", "hashes.txt").lines() {
        let (name, rest) = line.split_once(' ').unwrap();
        let former = u64::from_str_radix(rest.split_once(' ').unwrap().0, 16).unwrap();
        let schema = WriterSchema::parse(&read("v1", &format!("{name}.avsc"))).unwrap();
        assert!(schema.is_named(former), "an announcement under {former:016x}");
        let mut known = KnownSchemas::own();
        known.learn(Arc::new(schema));
        let found = known.get(former).unwrap();
        assert_eq!(
            found.fingerprint(),
            known.get(found.fingerprint()).unwrap().fingerprint()
        );
        if SUBJECTS.contains(&(name, SchemaSubject::Kind(RecordKind::Namespace))) {
            // This version writes the same schema, so it is known before any announcement.
            assert!(KnownSchemas::own().get(former).unwrap().is_own());
        }
    }
}
