use super::*;
use crate::{
    instant::Instant,
    record::{Condition, Container, Resources},
};

pub(super) fn pod() -> Pod {
    let resources = Resources {
        cpu_millicores: Some(250),
        memory_bytes: Some(1 << 30),
        ..Resources::default()
    };
    Pod {
        uid: "9e1f".into(),
        namespace: "payments".into(),
        pod: "api-0".into(),
        created_at: Instant(1_767_225_600_000_000),
        labels: [("app".into(), "api".into()), ("Zone".into(), "a".into())].into(),
        node: Some("n1".into()),
        phase: "Running".into(),
        conditions: vec![Condition {
            condition_type: "Ready".into(),
            status: "True".into(),
            last_transition_at: Some(Instant(1_767_225_601_000_000)),
            ..Condition::default()
        }],
        requests: resources.clone(),
        containers: vec![Container {
            container: "api".into(),
            container_type: "app".into(),
            image: "registry/api:1".into(),
            requests: resources,
            restart_count: 3,
            ..Container::default()
        }],
        ..Pod::default()
    }
}

fn place(fields: &[Json], name: &str) -> usize {
    fields.iter().position(|field| field["name"] == name).unwrap()
}

fn newer_pod_schema() -> WriterSchema {
    let mut json: Json = serde_json::from_str(&POD.schema.json).unwrap();
    let fields = json["fields"].as_array_mut().unwrap();
    let containers = place(fields, "containers");
    let inner = fields[containers]["type"]["items"]["fields"]
        .as_array_mut()
        .unwrap();
    let gloss = serde_json::json!({"name": "gloss", "type": "long", "default": 0});
    inner.insert(place(inner, "ready"), gloss);
    let shiny = serde_json::json!({"name": "shiny", "type": ["null", "string"], "default": null});
    fields.insert(place(fields, "deletion_grace_seconds"), shiny);
    let schema = WriterSchema::parse(&json.to_string()).unwrap();
    assert!(!schema.is_own() && schema.knows("shiny"));
    schema
}

#[test]
fn every_embedded_schema_loads_and_learns_itself() {
    for (fingerprint, schema) in KnownSchemas::own().by_fingerprint() {
        let again = WriterSchema::parse(schema.json()).unwrap();
        assert!(again.is_own() && again.is_named(fingerprint));
        assert_eq!(again.fingerprint(), schema.fingerprint());
    }
}

#[test]
fn what_only_says_how_a_field_is_stored_does_not_travel() {
    let file = include_str!("../../avro/pod.avsc");
    assert!(file.contains(r#""table": "pod""#) && file.contains(r#""derived": ["#));
    assert_eq!(
        WriterSchema::parse(file).unwrap().fingerprint(),
        POD.schema.fingerprint()
    );
    for attribute in ["table", "key", "derived", "column", "hashed"] {
        assert!(
            !POD.schema.json.contains(&format!("\"{attribute}\":")),
            "{attribute}"
        );
    }
    assert!(POD.schema.json.contains(r#""doc":"#));
}

#[test]
fn a_body_reads_back_as_it_was_written() {
    let record = pod().into_record();
    let body = encode(&record).unwrap();
    let decoded = POD.schema.decode(&body).unwrap();
    assert_eq!(
        decoded,
        DecodedBody {
            record,
            unknown: Json::Null
        }
    );
}

#[test]
fn both_codecs_write_the_same_bytes() {
    let record = pod().into_record();
    let mut body = Vec::new();
    binary::write(
        &POD.schema.shape,
        &serde_json::to_value(pod()).unwrap(),
        &mut body,
    )
    .unwrap();
    assert_eq!(encode(&record).unwrap(), body);
}

#[test]
fn a_newer_writers_fields_are_kept_and_encode_to_the_same_bytes() {
    let schema = newer_pod_schema();
    let mut json = serde_json::to_value(pod()).unwrap();
    json["shiny"] = "yes".into();
    json["containers"][0]["gloss"] = 7.into();
    let mut body = Vec::new();
    binary::write(&schema.shape, &json, &mut body).unwrap();
    let decoded = schema.decode(&body).unwrap();
    assert_eq!(decoded.record, pod().into_record());
    assert_eq!(
        decoded.unknown,
        serde_json::json!({"shiny": "yes", "containers": [{"gloss": 7}]})
    );
    assert_eq!(schema.encode(&decoded.record, &decoded.unknown).unwrap(), body);
}

#[test]
fn truncated_trailing_and_huge_bodies_are_refused() {
    let body = encode(&pod().into_record()).unwrap();
    let newer = newer_pod_schema();
    for schema in [&*POD.schema, &newer] {
        assert!(schema.decode(body.split_at(body.len() - 1).0).is_err());
        assert!(schema.decode(b"").is_err());
    }
    let mut trailing = body.clone();
    trailing.push(0);
    assert_eq!(POD.schema.decode(&trailing), Err(BodyError::Trailing(1)));
    let mut claims = &[0xfe, 0xff, 0xff, 0xff, 0xff, 0x0f][..];
    let array = AvroShape::Array(Box::new(AvroShape::String));
    assert!(matches!(
        binary::read(&array, &mut claims),
        Err(BodyError::Length(_))
    ));
}

#[test]
fn a_schema_that_changes_a_type_or_contains_itself_is_refused() {
    let changed = POD.schema.json.replacen(r#""doc":"#, r#""d":"#, 1);
    assert!(WriterSchema::parse(&changed).is_ok());
    let changed = NAMESPACE
        .schema
        .json
        .replacen(r#""phase","type":"string""#, r#""phase","type":"long""#, 1);
    assert_eq!(
        WriterSchema::parse(&changed).unwrap_err(),
        SchemaError::Mismatch("phase".into())
    );
    let own_child = r#"{"type":"record","name":"io.fleetledger.v1.Pod","fields":[{"name":"x","type":["null","io.fleetledger.v1.Pod"]}]}"#;
    assert!(matches!(
        WriterSchema::parse(own_child),
        Err(SchemaError::Unsupported(_))
    ));
    let foreign = r#"{"type":"record","name":"Other","fields":[]}"#;
    assert_eq!(
        WriterSchema::parse(foreign).unwrap_err(),
        SchemaError::Record("Other".into())
    );
}

/// A record that holds `width` fields of the record of the level below it.
fn level_by_level(levels: usize, width: usize) -> String {
    let leaf = r#"{"type":"record","name":"L0","fields":[{"name":"x","type":"long"}]}"#.to_owned();
    let nested = (1..=levels).fold(leaf, |below, level| {
        let name = if level == levels {
            "Pod".to_owned()
        } else {
            format!("L{level}")
        };
        let again: String = (1..width)
            .map(|field| format!(r#",{{"name":"f{field}","type":"L{}"}}"#, level - 1))
            .collect();
        format!(r#"{{"type":"record","name":"{name}","fields":[{{"name":"f0","type":{below}}}{again}]}}"#)
    });
    nested.replacen(
        r#""name":"Pod""#,
        r#""name":"Pod","namespace":"io.fleetledger.v1""#,
        1,
    )
}

#[test]
fn a_type_that_is_named_level_by_level_counts_each_time_it_is_used() {
    // Types come to (width + 1) to the power of levels, about: 12 levels of 3 to more than half a million.
    for (levels, width, fits) in [
        (2, 3, true),
        (5, 3, true),
        (12, 3, false),
        (12, 2, false),
        (15, 8, false),
    ] {
        let text = level_by_level(levels, width);
        assert!(text.len() < 8_192, "{} bytes", text.len());
        let parsed = shape::AvroShape::parse(&text);
        assert_eq!(parsed.is_ok(), fits, "{levels} levels of {width}: {parsed:?}");
    }
}

#[test]
fn a_body_that_comes_to_more_values_than_a_record_has_is_refused() {
    let nothing = |count: usize| -> String {
        (0..count)
            .map(|field| format!(r#",{{"name":"n{field}","type":"null"}}"#))
            .collect()
    };
    let text = format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"items","type":{{"type":"array","items":
            {{"type":"record","name":"I","fields":[{{"name":"x","type":"boolean"}}{}]}}}}}}]}}"#,
        nothing(1_000)
    );
    let (_, shape) = shape::AvroShape::parse(&text).unwrap();
    // 1,000 items of a byte each, and of 1,002 values each.
    let mut body = vec![0xd0, 0x0f];
    body.extend(std::iter::repeat_n(0_u8, 1_000));
    body.push(0);
    assert_eq!(
        binary::read(&shape, &mut body.as_slice()),
        Err(BodyError::TooManyValues)
    );
    let mut few = vec![0x04, 0, 0, 0];
    few.push(0);
    assert!(binary::read(&shape, &mut &few[..4]).is_ok());
}
