//! Record structs: one per record of a schema, field by field.

use std::fmt::Write;

use serde_json::Value as Json;

use crate::{
    avro_file::{AvroFile, AvroRecord, all_records},
    generated_file::{GeneratedFile, use_tree},
};

/// One file a schema, and `part.rs` for the records that several schemas hold.
pub(crate) fn generate(files: &[AvroFile]) -> Vec<GeneratedFile> {
    let records: Vec<(&str, AvroRecord)> = files
        .iter()
        .flat_map(|file| {
            all_records(&file.record)
                .into_iter()
                .map(|record| (file.name, record))
        })
        .collect();
    let is_shared = |record: &AvroRecord| {
        let same_name = records.iter().filter(|(_, other)| other.name == record.name);
        let count = same_name.inspect(|(file, other)| {
            assert_eq!(
                other, record,
                "{}: {} is another record than elsewhere",
                file, record.name
            );
        });
        count.count() > 1
    };
    let mut parts: Vec<AvroRecord> = Vec::new();
    let mut generated = Vec::new();
    for file in files {
        let own = records.iter().filter(|(name, _)| *name == file.name);
        let (shared, own): (Vec<AvroRecord>, Vec<AvroRecord>) =
            own.map(|(_, record)| record.clone()).partition(is_shared);
        for record in shared {
            if !parts.contains(&record) {
                parts.push(record);
            }
        }
        let source = format!("schema/avro/{}.avsc", file.name);
        let text = module(&file.record.doc, &own, true);
        generated.push(GeneratedFile::rust(
            &format!("src/record/{}.rs", file.name),
            &source,
            &text,
        ));
    }
    let text = module("Parts that several records share.", &parts, false);
    generated.push(GeneratedFile::rust(
        "src/record/part.rs",
        "schema/avro/*.avsc",
        &text,
    ));
    generated
}

fn module(doc: &str, records: &[AvroRecord], imports_parts: bool) -> String {
    let structs: Vec<String> = records.iter().map(structure).collect();
    let structs = structs.join("\n");
    let uses = |name: &str| {
        structs.lines().any(|line| {
            let words = line.split(|c: char| !c.is_alphanumeric());
            line.trim_start().starts_with("pub ") && words.into_iter().any(|word| word == name)
        })
    };
    let mut text = format!("//! {doc}\n\nuse serde::{{Deserialize, Serialize}};\n\n");
    let parts: Vec<&str> = ["Condition", "Resources", "StringMap"]
        .into_iter()
        .filter(|name| uses(name))
        .collect();
    let parts: Vec<&str> = parts
        .into_iter()
        .filter(|name| imports_parts || *name == "StringMap")
        .collect();
    let (maps, parts): (Vec<&str>, Vec<&str>) = parts.into_iter().partition(|name| *name == "StringMap");
    let mut names: Vec<String> = maps.into_iter().map(str::to_owned).collect();
    match parts.as_slice() {
        [] => {}
        [part] => names.push(format!("part::{part}")),
        parts => names.push(format!("part::{{{}}}", parts.join(", "))),
    }
    if !names.is_empty() {
        text.push_str(&use_tree("super", &names));
        text.push('\n');
    }
    if uses("Instant") {
        text.push_str("use crate::instant::Instant;\n");
    }
    if !text.ends_with("\n\n") {
        text.push('\n');
    }
    text + &structs
}

fn structure(record: &AvroRecord) -> String {
    let mut text = format!("/// {}\n", record.doc);
    text.push_str("#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]\n#[serde(default)]\n");
    writeln!(text, "pub struct {} {{", record.name).unwrap();
    for field in &record.fields {
        writeln!(text, "    /// {}", field.doc).unwrap();
        let name = member_name(&record.name, &field.name);
        if name != field.name {
            writeln!(text, "    #[serde(rename = \"{}\")]", field.name).unwrap();
        }
        writeln!(text, "    pub {name}: {},", rust_type(&field.kind)).unwrap();
    }
    text.push_str("}\n");
    text
}

/// `type` is a keyword: a condition's is `condition_type`.
fn member_name(record: &str, field: &str) -> String {
    if field == "type" {
        format!("{}_type", record.to_lowercase())
    } else {
        field.to_owned()
    }
}

fn rust_type(kind: &Json) -> String {
    match kind {
        Json::Array(variants) => format!("Option<{}>", rust_type(&variants[1])),
        Json::Object(object) => match object["type"].as_str() {
            Some("map") => "StringMap".to_owned(),
            Some("array") => format!("Vec<{}>", rust_type(&object["items"])),
            Some("record") => object["name"].as_str().unwrap().to_owned(),
            Some("long") if object.contains_key("logicalType") => "Instant".to_owned(),
            _ => panic!("{kind}"),
        },
        Json::String(name) => match name.as_str() {
            "string" => "String".to_owned(),
            "boolean" => "bool".to_owned(),
            "int" => "i32".to_owned(),
            "long" => "i64".to_owned(),
            named => named.rsplit('.').next().unwrap().to_owned(),
        },
        _ => panic!("{kind}"),
    }
}
