//! Test data of a wire version that is not released yet: its schemas, a filled record of each and the bytes.

use std::fmt::Write;

use fleetledger_schema::{
    codec::{WriterSchema, wire_schema},
    content_hash::ContentHash,
};
use serde_json::{Value as Json, json};

use crate::{
    avro_bytes::AvroEncoder,
    avro_file::{AvroFile, AvroRecord, defined_record},
    generated_file::{GeneratedFile, full_path},
};

/// Bytes of a line of a `.hex` file.
const LINE_BYTES: usize = 50;

/// `testdata/v<version>/`. Released versions are only read.
pub(crate) fn generate(files: &[AvroFile], version: i16) -> Vec<GeneratedFile> {
    if version <= crate::RELEASED_VERSION {
        return Vec::new();
    }
    let mut generated = Vec::new();
    let mut hashes = String::new();
    for file in files {
        let name = file.name;
        let text = std::fs::read_to_string(full_path(&format!("avro/{name}.avsc"))).unwrap();
        let schema = WriterSchema::parse(&text).unwrap();
        let before = format!("testdata/v{}/{name}.json", version - 1);
        let before = std::fs::read_to_string(full_path(&before)).unwrap();
        let mut record: Json = serde_json::from_str(&before).unwrap();
        fill(&file.record, &mut record, version);
        let mut encoder = AvroEncoder::default();
        encoder.record(&file.record, &record);
        let hash = ContentHash::of(&encoder.bytes);
        writeln!(
            hashes,
            "{name} {:016x} {:016x}{:016x}",
            schema.fingerprint(),
            hash.hi,
            hash.lo
        )
        .unwrap();
        let data = |end: &str, text| {
            GeneratedFile::data(&format!("testdata/v{version}/{name}.{end}"), text).of_version(version)
        };
        let wire: Json = serde_json::from_str(&wire_schema(&text).unwrap()).unwrap();
        generated.push(data("avsc", serde_json::to_string_pretty(&wire).unwrap() + "\n"));
        generated.push(data(
            "json",
            serde_json::to_string_pretty(&record).unwrap() + "\n",
        ));
        generated.push(data("hex", hex(&encoder.bytes)));
    }
    let path = format!("testdata/v{version}/hashes.txt");
    generated.push(GeneratedFile::data(&path, hashes).of_version(version));
    generated
}

/// Gives every field that the version before did not know a value that is not its default.
fn fill(record: &AvroRecord, json: &mut Json, version: i16) {
    for field in &record.fields {
        let is_new = json.get(&field.name).is_none();
        let slot = &mut json[&field.name];
        if is_new {
            *slot = filled(&field.name, &field.kind, version);
        } else if let Some(inner) = defined_record(&field.kind) {
            match slot {
                Json::Array(items) => items.iter_mut().for_each(|item| fill(&inner, item, version)),
                slot => fill(&inner, slot, version),
            }
        }
    }
}

fn filled(name: &str, kind: &Json, version: i16) -> Json {
    if let Json::Array(variants) = kind {
        return filled(name, &variants[1], version);
    }
    match kind.as_str().or(kind["type"].as_str()).unwrap() {
        "string" => json!(format!("{name} – v{version}")),
        "boolean" => json!(true),
        "int" => json!(-i64::from(version)),
        "long" if kind.get("logicalType").is_some() => json!(1_767_225_600_000_000 + i64::from(version)),
        "long" => json!(10_000_000_000 + i64::from(version)),
        "array" => json!([filled(name, &kind["items"], version)]),
        "map" => json!({ "Zone": "ä", "empty": "" }),
        _ => {
            let mut json = json!({});
            fill(&defined_record(kind).unwrap(), &mut json, version);
            json
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    let lines = bytes.chunks(LINE_BYTES).map(|line| {
        let digits: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
        digits + "\n"
    });
    lines.collect()
}
