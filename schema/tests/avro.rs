//! Schemas and bodies as Avro libraries that others wrote see them: every version's fingerprints and canonical forms are
//! theirs, and their decoders of single-object encoding read what this version frames.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

use std::fs;

use fleetledger_local::{ArtifactCache, avro_reader::AvroReader, skip};
use fleetledger_schema::{
    codec::WriterSchema,
    framing::{SchemaRef, join},
};

const SUBJECTS: [&str; 7] = [
    "mark",
    "namespace",
    "node",
    "pod",
    "usage",
    "watchdog",
    "workload",
];

/// Schemas by name, and a value of each.
type SchemasAndValues = (Vec<(String, String)>, Vec<(String, Vec<u8>)>);

/// The schemas of `folder` as they are in its files, and a body of `bodies` of each, framed as an emitter does.
fn filled(folder: &str, bodies: &str) -> SchemasAndValues {
    let root = env!("CARGO_MANIFEST_DIR");
    let read = |file: String| fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let (mut schemas, mut values) = (Vec::new(), Vec::new());
    for name in SUBJECTS {
        let text = read(format!("{root}/{folder}/{name}.avsc"));
        let digits: String = read(format!("{root}/{bodies}/{name}.hex"))
            .split_whitespace()
            .collect();
        let body: Vec<u8> = (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(digits.get(at..at + 2).unwrap(), 16).unwrap())
            .collect();
        let fingerprint = WriterSchema::parse(&text).unwrap().fingerprint();
        values.push((name.to_owned(), join(SchemaRef::Fingerprint(fingerprint), &body)));
        schemas.push((name.to_owned(), text));
    }
    (schemas, values)
}

async fn assert_read_by(reader: &AvroReader) {
    for (folder, bodies) in [
        ("testdata/v1", "testdata/v1"),
        ("testdata/v2", "testdata/v2"),
        ("avro", "testdata/v2"),
    ] {
        let (schemas, values) = filled(folder, bodies);
        let reading = reader.read(&schemas, &values).await.unwrap();
        assert_eq!(reading.schemas.len(), SUBJECTS.len());
        for ((name, text), (of, fingerprint, form)) in schemas.iter().zip(&reading.schemas) {
            let ours = WriterSchema::parse(text).unwrap();
            assert_eq!(name, of);
            assert_eq!(&ours.canonical_form(), form, "{folder} {name}");
            assert_eq!(
                format!("{:016x}", ours.fingerprint()),
                format!("{fingerprint:016x}"),
                "{folder} {name}"
            );
        }
        let refused: Vec<_> = reading.values.iter().filter(|(_, read)| read.is_err()).collect();
        assert!(refused.is_empty(), "{folder}: {refused:?}");
        assert_eq!(reading.values.len(), SUBJECTS.len());
    }
}

#[tokio::test]
async fn java_computes_our_fingerprints_and_decodes_our_messages() {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let test = "java_computes_our_fingerprints_and_decodes_our_messages";
    if let Some(java) = skip::unless_available(test, AvroReader::java(&cache).await).unwrap() {
        assert_read_by(&java).await;
    }
}

#[tokio::test]
async fn fastavro_computes_our_fingerprints_and_decodes_our_messages() {
    let cache = ArtifactCache::new(ArtifactCache::default_root());
    let test = "fastavro_computes_our_fingerprints_and_decodes_our_messages";
    if let Some(fastavro) = skip::unless_available(test, AvroReader::fastavro(&cache).await).unwrap() {
        assert_read_by(&fastavro).await;
    }
}
