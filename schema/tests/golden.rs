//! Every wire version ever released stays readable: `testdata/<version>/` holds its schemas, one filled record a
//! kind as JSON, and the bytes that version sent, which were made by an encoder apart from ours.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail by panicking"
)]

use fleetledger_schema::{
    codec::{SchemaSubject, WriterSchema, encode, encode_mark, encode_usage, own_schema},
    content_hash::ContentHash,
    kind::RecordKind,
    record::{Mark, ObjectRecord, Record, Usage},
};

const SUBJECTS: [(&str, SchemaSubject); 7] = [
    ("node", SchemaSubject::Kind(RecordKind::Node)),
    ("pod", SchemaSubject::Kind(RecordKind::Pod)),
    ("namespace", SchemaSubject::Kind(RecordKind::Namespace)),
    ("workload", SchemaSubject::Kind(RecordKind::Workload)),
    ("watchdog", SchemaSubject::Kind(RecordKind::Watchdog)),
    ("usage", SchemaSubject::Kind(RecordKind::Usage)),
    ("mark", SchemaSubject::Mark),
];

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
fn v1_bodies_decode_to_what_they_were() {
    for (name, subject) in SUBJECTS {
        let schema = WriterSchema::parse(&read("v1", &format!("{name}.avsc"))).unwrap();
        let (json, body) = (read("v1", &format!("{name}.json")), bytes("v1", name));
        match subject {
            SchemaSubject::Kind(RecordKind::Usage) => {
                let usage: Usage = serde_json::from_str(&json).unwrap();
                assert_eq!(schema.decode_usage(&body).unwrap(), usage);
            }
            SchemaSubject::Kind(kind) => {
                let decoded = schema.decode(&body).unwrap();
                assert_eq!(decoded.record, record_of(kind, &json), "{name}");
                assert_eq!(
                    schema.encode(&decoded.record, &decoded.unknown).unwrap(),
                    body,
                    "{name}"
                );
            }
            SchemaSubject::Mark => {
                let mark: Mark = serde_json::from_str(&json).unwrap();
                assert_eq!(schema.decode_mark(&body).unwrap(), mark);
            }
        }
    }
}

/// The newest version is what this crate writes; a change of these bytes is a new wire version.
#[test]
fn this_version_writes_v1_byte_for_byte() {
    for (name, subject) in SUBJECTS {
        let json = read("v1", &format!("{name}.json"));
        let written = match subject {
            SchemaSubject::Kind(RecordKind::Usage) => {
                encode_usage(&serde_json::from_str(&json).unwrap()).unwrap()
            }
            SchemaSubject::Kind(kind) => encode(&record_of(kind, &json)).unwrap(),
            SchemaSubject::Mark => encode_mark(&serde_json::from_str(&json).unwrap()).unwrap(),
        };
        assert_eq!(written, bytes("v1", name), "{name}");
    }
}

#[test]
fn fingerprints_and_content_hashes_of_v1_never_change() {
    let mut lines = Vec::new();
    for (name, subject) in SUBJECTS {
        let hash = ContentHash::of(&bytes("v1", name));
        let fingerprint = own_schema(subject).fingerprint();
        lines.push(format!(
            "{name} {fingerprint:016x} {:016x}{:016x}",
            hash.hi, hash.lo
        ));
    }
    insta::assert_snapshot!(lines.join("\n"));
}
